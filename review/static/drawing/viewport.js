// The picture: its zoom and pan, and where a point of the window lies in it. The canvas shows the pixels, the SVG above it the drawing.
const MAX_SCALE = 16;
const LOUPE = { size: 168, scale: 6 };

export class Viewport extends EventTarget {
  constructor(stage, size) {
    super();
    this.stage = stage; this.size = size;
    this.canvas = stage.querySelector("canvas.picture"); this.svg = stage.querySelector("svg"); this.loupe = stage.querySelector("canvas.loupe");
    this.image = null; this.contrast = false;
    this.scale = 1; this.x = 0; this.y = 0; this.fitted = true;
    new ResizeObserver(() => (this.fitted ? this.fit() : this.place())).observe(stage);
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomAt([event.offsetX, event.offsetY], Math.exp(-event.deltaY * 0.0016));
    }, { passive: false });
    this.fit();
  }
  show(image) { this.image = image; this.draw(); }
  get smallest() { return Math.min(this.stage.clientWidth / this.size[0], this.stage.clientHeight / this.size[1]) || 0.1; }
  fit() { this.fitted = true; this.scale = this.smallest; this.x = this.y = 0; this.place(); }
  zoom(factor) { this.zoomAt([this.stage.clientWidth / 2, this.stage.clientHeight / 2], factor); }
  zoomAt([left, top], factor) {
    const scale = Math.min(MAX_SCALE, Math.max(this.smallest, this.scale * factor));
    const at = [this.x + left / this.scale, this.y + top / this.scale];
    this.fitted = scale <= this.smallest;
    this.scale = scale; this.x = at[0] - left / scale; this.y = at[1] - top / scale;
    this.place();
  }
  // Screen pixels.
  pan(dx, dy) { this.x -= dx / this.scale; this.y -= dy / this.scale; this.place(); }
  // So that the point is in the window, zoomed in enough to place it to the pixel.
  reveal([x, y]) {
    const width = this.stage.clientWidth / this.scale, height = this.stage.clientHeight / this.scale;
    if (x > this.x && x < this.x + width && y > this.y && y < this.y + height) return;
    this.x = x - width / 2; this.y = y - height / 2;
    this.place();
  }
  place() {
    const width = this.stage.clientWidth / this.scale, height = this.stage.clientHeight / this.scale;
    const within = (value, shown, whole) => (shown >= whole ? (whole - shown) / 2 : Math.min(whole - shown, Math.max(0, value)));
    this.x = within(this.x, width, this.size[0]); this.y = within(this.y, height, this.size[1]);
    this.svg.setAttribute("viewBox", `${this.x} ${this.y} ${width} ${height}`);
    this.draw();
    this.dispatchEvent(new Event("move"));
  }
  draw() {
    const ratio = devicePixelRatio, width = Math.round(this.stage.clientWidth * ratio), height = Math.round(this.stage.clientHeight * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) { this.canvas.width = width; this.canvas.height = height; }
    this.paint(this.canvas.getContext("2d"), this.scale * ratio, this.x, this.y, width, height);
  }
  paint(context, scale, x, y, width, height) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#07090b";
    context.fillRect(0, 0, width, height);
    if (!this.image) return;
    context.imageSmoothingEnabled = scale < 1.5;
    context.imageSmoothingQuality = "high";
    context.setTransform(scale, 0, 0, scale, -x * scale, -y * scale);
    context.drawImage(this.image, 0, 0, this.size[0], this.size[1]);
  }
  point(event) {
    const box = this.stage.getBoundingClientRect();
    return [this.x + (event.clientX - box.left) / this.scale, this.y + (event.clientY - box.top) / this.scale];
  }
  // The surroundings of a point, enlarged, in the corner farthest from it; null hides it.
  magnify(point) {
    this.loupe.hidden = !point || this.scale > 3;
    if (this.loupe.hidden) return;
    const { size, scale } = LOUPE, context = this.loupe.getContext("2d");
    this.loupe.width = this.loupe.height = size;
    this.paint(context, scale, point[0] - size / 2 / scale, point[1] - size / 2 / scale, size, size);
    context.setTransform(1, 0, 0, 1, 0, 0);
    for (const [style, width] of [["#000", 3], ["#fff", 1]]) {
      context.strokeStyle = style; context.lineWidth = width;
      context.beginPath();
      for (const [a, b, c, d] of [[0, 84, 76, 84], [92, 84, 168, 84], [84, 0, 84, 76], [84, 92, 84, 168]]) { context.moveTo(a, b); context.lineTo(c, d); }
      context.stroke();
    }
    const right = point[0] < this.x + this.stage.clientWidth / this.scale / 2;
    this.loupe.classList.toggle("right", right);
  }
}
