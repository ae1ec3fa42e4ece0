// The large picture: which one is shown, its zoom and its pan.
const MAX_ZOOM = 24;

export class ImageViewer {
  constructor(root) {
    this.root = root;
    this.shots = [...root.querySelectorAll(".shot")];
    this.scale = 1; this.x = 0; this.y = 0;
    this.level = document.getElementById("zoom-level");
    for (const shot of this.shots) this.listen(shot);
    document.getElementById("tool-zoom").addEventListener("click", () => this.toggleZoom());
    document.getElementById("tool-overlay").addEventListener("click", () => this.toggleOverlay());
    document.getElementById("tool-contrast").addEventListener("click", () => this.toggleContrast());
    const crop = document.querySelector(".crop.large");
    if (crop) crop.addEventListener("click", () => this.toggleContrast());
    addEventListener("resize", () => this.reset());
    this.failed = false;
    for (const image of root.querySelectorAll("img")) {
      if (image.complete && !image.naturalWidth) this.fail();
      image.addEventListener("error", () => this.fail());
    }
  }
  fail() {
    this.failed = true;
    document.getElementById("evidence-alarm").hidden = false;
    this.root.dispatchEvent(new Event("evidence-missing"));
  }
  get active() { return this.root.querySelector(".shot.active"); }

  listen(shot) {
    const view = shot.querySelector(".view");
    let from = null;
    view.addEventListener("click", (event) => {
      if (shot !== this.active) { this.show(shot); return; }
      if (!this.dragged) this.toggleZoom(event);
    });
    view.addEventListener("wheel", (event) => {
      if (shot !== this.active) return;
      event.preventDefault();
      this.zoomAt(event, this.scale * Math.exp(-event.deltaY * 0.0016));
    }, { passive: false });
    view.addEventListener("pointerdown", (event) => {
      this.dragged = false;
      if (shot !== this.active || this.scale === 1 || event.button !== 0) return;
      from = { x: event.clientX - this.x, y: event.clientY - this.y, left: event.clientX, top: event.clientY };
      view.setPointerCapture(event.pointerId);
    });
    view.addEventListener("pointermove", (event) => {
      if (!from) return;
      if (Math.hypot(event.clientX - from.left, event.clientY - from.top) > 4) this.dragged = true;
      view.classList.toggle("dragging", this.dragged);
      this.place(this.scale, event.clientX - from.x, event.clientY - from.y);
    });
    for (const name of ["pointerup", "pointercancel"]) view.addEventListener(name, () => { from = null; view.classList.remove("dragging"); });
  }

  show(shot) {
    if (shot === this.active) return;
    this.reset();
    this.active.classList.remove("active");
    shot.classList.add("active");
    this.reset();
  }
  showNumber(key) {
    const shot = this.shots.find((each) => each.dataset.key === key);
    if (shot) this.show(shot);
  }

  // Scale and offset at which the whole picture fits its view.
  fit(shot) {
    const view = shot.querySelector(".view");
    const pane = shot.querySelector(".pane");
    const width = Number(pane.dataset.width), height = Number(pane.dataset.height);
    const ratio = Math.min(view.clientWidth / width, view.clientHeight / height);
    return { view, ratio, left: (view.clientWidth - width * ratio) / 2, top: (view.clientHeight - height * ratio) / 2 };
  }
  toggleZoom(event) {
    if (this.scale !== 1) { this.reset(); return; }
    const shot = this.active;
    const { view, ratio, left, top } = this.fit(shot);
    const full = Math.max(1 / ratio / devicePixelRatio, 1.5);
    if (event) { this.zoomAt(event, full); return; }
    const [x, y] = (shot.dataset.focus || `${shot.querySelector(".pane").dataset.width / 2} ${shot.querySelector(".pane").dataset.height / 2}`).split(" ").map(Number);
    this.place(full, view.clientWidth / 2 - (left + x * ratio) * full, view.clientHeight / 2 - (top + y * ratio) * full);
  }
  zoomAt(event, scale) {
    const frame = this.active.querySelector(".view").getBoundingClientRect();
    const limited = Math.min(MAX_ZOOM, Math.max(1, scale));
    const x = event.clientX - frame.left, y = event.clientY - frame.top;
    this.place(limited, x - (x - this.x) * (limited / this.scale), y - (y - this.y) * (limited / this.scale));
  }
  // Zooms and pans; the pan is limited so that the picture always fills its view.
  place(scale, x, y) {
    const { view, ratio } = this.fit(this.active);
    this.scale = scale;
    this.x = scale === 1 ? 0 : Math.min(0, Math.max(view.clientWidth * (1 - scale), x));
    this.y = scale === 1 ? 0 : Math.min(0, Math.max(view.clientHeight * (1 - scale), y));
    const pane = this.active.querySelector(".pane");
    pane.style.transform = scale === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${scale})`;
    pane.style.setProperty("--zoom", String(scale));
    this.active.classList.toggle("zoomed", scale !== 1);
    this.level.textContent = scale === 1 ? "" : `${Math.round(100 * scale * ratio * devicePixelRatio)} %`;
  }
  reset() { this.place(1, 0, 0); }
  toggleOverlay() { this.setPressed("tool-overlay", !this.root.classList.toggle("no-overlay")); }
  toggleContrast() { this.setPressed("tool-contrast", document.body.classList.toggle("contrast")); }
  setPressed(id, on) { document.getElementById(id).setAttribute("aria-pressed", String(on)); }

  // Resolves when all pictures are loaded or have failed.
  loaded() {
    const waiting = [...this.root.querySelectorAll("img")].filter((image) => !image.complete);
    return Promise.all(waiting.map((image) => new Promise((done) => { image.addEventListener("load", done); image.addEventListener("error", done); })));
  }
  // Resolves when the large picture is decoded: before that there is nothing to decide.
  async decoded() {
    const image = this.active.querySelector("img");
    if (image) await image.decode();
  }
}
