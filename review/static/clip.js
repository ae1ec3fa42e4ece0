// The clip, frame by frame, with the vehicle's box and the lamp at the time shown. Its data come from ClipOverlay (views/clip.py).
const SPEEDS = [0.25, 0.5, 1, 2];
const MAX_BOX_GAP_S = 0.2; // the box is hidden further than this from the first and the last sighting

export class ClipPlayer {
  constructor(figure, strip) {
    this.video = figure.querySelector("video");
    this.data = JSON.parse(figure.dataset.clip);
    this.box = figure.querySelector("[data-moving]");
    this.heads = [...figure.querySelectorAll("[data-lamp]")];
    this.playhead = document.getElementById("playhead");
    this.time = document.getElementById("clip-time");
    this.speed = document.getElementById("clip-speed");
    this.lampText = document.getElementById("clip-lamp");
    this.decimal = document.documentElement.lang === "id" ? "," : ".";
    const onClick = (id, action) => document.getElementById(id).addEventListener("click", (event) => { event.stopPropagation(); event.currentTarget.blur(); action(); });
    onClick("clip-play", () => this.toggle());
    onClick("clip-back", () => this.step(-1));
    onClick("clip-forward", () => this.step(1));
    strip.addEventListener("click", (event) => {
      this.video.pause();
      this.video.currentTime = (event.offsetX / strip.clientWidth) * this.duration;
    });
    const draw = () => { this.draw(); this.video.requestVideoFrameCallback(draw); };
    this.video.requestVideoFrameCallback(draw);
    this.video.addEventListener("seeked", () => this.draw());
  }
  get duration() { return this.video.duration || this.data.duration_s; }

  toggle() { if (this.video.paused) this.video.play(); else this.video.pause(); }
  step(frames) {
    this.video.pause();
    const step = this.data.step_s;
    const at = (Math.floor(this.video.currentTime / step + 0.01) + frames + 0.5) * step;
    this.video.currentTime = Math.min(Math.max(at, 0), this.duration - step / 2);
  }
  changeSpeed(by) {
    const index = SPEEDS.indexOf(this.video.playbackRate) + by;
    if (index < 0 || index >= SPEEDS.length) return;
    this.video.playbackRate = SPEEDS[index];
    this.speed.textContent = `${String(SPEEDS[index]).replace(".", this.decimal)}×`;
  }

  draw() {
    const at = this.video.currentTime;
    const x = String((1000 * at) / this.duration);
    this.playhead.setAttribute("x1", x);
    this.playhead.setAttribute("x2", x);
    const since = at - this.data.occurred_s;
    this.time.textContent = `${since < 0 ? "−" : "+"}${Math.abs(since).toFixed(1).replace(".", this.decimal)} ${this.data.unit}`;
    const reading = this.data.lamps.filter(([second]) => second <= at + 0.001).pop();
    const lamp = reading ? reading[1] : "unknown";
    for (const head of this.heads) head.setAttribute("class", `head ${lamp}`);
    this.drawLamp(lamp);
    this.drawBox(at);
  }
  drawLamp(lamp) {
    if (!this.lampText || this.lampText.dataset.lamp === lamp) return;
    this.lampText.dataset.lamp = lamp;
    this.lampText.className = `lamp ${lamp}`;
    this.lampText.textContent = this.data.lamp_texts[lamp];
  }
  // Interpolates the box between the sightings before and after.
  drawBox(at) {
    const path = this.data.path;
    const after = path.findIndex(([second]) => second >= at);
    const outside = path.length === 0 || at < path[0][0] - MAX_BOX_GAP_S || at > path[path.length - 1][0] + MAX_BOX_GAP_S;
    this.box.style.display = outside ? "none" : "";
    if (outside) return;
    const later = path[after === -1 ? path.length - 1 : after];
    const earlier = path[after <= 0 ? (after === 0 ? 0 : path.length - 1) : after - 1];
    const fraction = later[0] > earlier[0] ? (at - earlier[0]) / (later[0] - earlier[0]) : 0;
    const [x1, y1, x2, y2] = [1, 2, 3, 4].map((edge) => earlier[edge] + (later[edge] - earlier[edge]) * fraction);
    this.box.setAttribute("x", x1);
    this.box.setAttribute("y", y1);
    this.box.setAttribute("width", Math.max(0, x2 - x1));
    this.box.setAttribute("height", Math.max(0, y2 - y1));
  }
}
