// The clip: frame by frame, with the vehicle and the lamp as they were at that moment.
const speeds = [0.25, 0.5, 1, 2];

export class Film {
  constructor(figure, strip) {
    this.video = figure.querySelector("video");
    this.data = JSON.parse(figure.dataset.clip);
    this.box = figure.querySelector("[data-moving]");
    this.heads = [...figure.querySelectorAll("[data-lamp]")];
    this.playhead = document.getElementById("playhead");
    this.clock = document.getElementById("clip-time");
    this.pace = document.getElementById("clip-speed");
    this.word = document.getElementById("clip-lamp");
    this.decimal = document.documentElement.lang === "id" ? "," : ".";
    const press = (id, deed) => document.getElementById(id).addEventListener("click", (event) => { event.stopPropagation(); event.currentTarget.blur(); deed(); });
    press("clip-play", () => this.toggle());
    press("clip-back", () => this.step(-1));
    press("clip-forward", () => this.step(1));
    strip.addEventListener("click", (event) => {
      this.video.pause();
      this.video.currentTime = (event.offsetX / strip.clientWidth) * this.length;
    });
    const draw = () => { this.draw(); this.video.requestVideoFrameCallback(draw); };
    this.video.requestVideoFrameCallback(draw);
    this.video.addEventListener("seeked", () => this.draw());
  }
  get length() { return this.video.duration || this.data.duration; }

  toggle() { if (this.video.paused) this.video.play(); else this.video.pause(); }
  step(frames) {
    this.video.pause();
    const step = this.data.step;
    const at = (Math.floor(this.video.currentTime / step + 0.01) + frames + 0.5) * step;
    this.video.currentTime = Math.min(Math.max(at, 0), this.length - step / 2);
  }
  faster(by) {
    const index = speeds.indexOf(this.video.playbackRate) + by;
    if (index < 0 || index >= speeds.length) return;
    this.video.playbackRate = speeds[index];
    this.pace.textContent = `${String(speeds[index]).replace(".", this.decimal)}×`;
  }

  draw() {
    const at = this.video.currentTime;
    const place = String((1000 * at) / this.length);
    this.playhead.setAttribute("x1", place);
    this.playhead.setAttribute("x2", place);
    const since = at - this.data.occurred;
    this.clock.textContent = `${since < 0 ? "−" : "+"}${Math.abs(since).toFixed(1).replace(".", this.decimal)} ${this.data.unit}`;
    const lamp = this.data.lamps.filter(([second]) => second <= at + 0.001).pop();
    for (const head of this.heads) head.setAttribute("class", `head ${lamp ? lamp[1] : "unknown"}`);
    this.drawLamp(lamp ? lamp[1] : "unknown");
    this.drawBox(at);
  }
  drawLamp(lamp) {
    if (!this.word || this.word.dataset.lamp === lamp) return;
    this.word.dataset.lamp = lamp;
    this.word.className = `lamp ${lamp}`;
    this.word.textContent = this.data.words[lamp];
  }
  drawBox(at) {
    const path = this.data.path;
    const after = path.findIndex(([second]) => second >= at);
    const outside = path.length === 0 || at < path[0][0] - 0.2 || at > path[path.length - 1][0] + 0.2;
    this.box.style.display = outside ? "none" : "";
    if (outside) return;
    const later = path[after === -1 ? path.length - 1 : after];
    const earlier = path[after <= 0 ? (after === 0 ? 0 : path.length - 1) : after - 1];
    const share = later[0] > earlier[0] ? (at - earlier[0]) / (later[0] - earlier[0]) : 0;
    const [x1, y1, x2, y2] = [1, 2, 3, 4].map((edge) => earlier[edge] + (later[edge] - earlier[edge]) * share);
    this.box.setAttribute("x", x1);
    this.box.setAttribute("y", y1);
    this.box.setAttribute("width", Math.max(0, x2 - x1));
    this.box.setAttribute("height", Math.max(0, y2 - y1));
  }
}
