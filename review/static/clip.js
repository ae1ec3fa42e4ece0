// The clip, frame by frame, with the vehicle's box and the lamp at the time shown. Its data come from ClipOverlay (views/clip.py).
const SPEEDS = [0.25, 0.5, 1, 2];
const SAME_TIME_S = 0.0005;
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
      this.seek(this.nearest((event.offsetX / strip.clientWidth) * this.data.duration_s));
    });
    // Only the callback tells which picture is on the screen: `currentTime` is where the player is, up to a whole picture ahead.
    const draw = (now, shown) => { this.draw(Math.round(shown.mediaTime / this.spacing)); this.video.requestVideoFrameCallback(draw); };
    this.video.requestVideoFrameCallback(draw);
  }
  get duration() { return this.video.duration || this.data.duration_s; }
  // Number of pictures, and the time between two of them in the video, which has a constant rate.
  get count() { return this.data.offsets_s.length || Math.max(1, Math.round(this.duration / this.data.step_s)); }
  get spacing() { return this.duration / this.count; }
  // When the picture was captured, in seconds after the first one.
  capturedAt(index) {
    const offsets = this.data.offsets_s;
    return offsets.length ? offsets[Math.min(Math.max(index, 0), offsets.length - 1)] : index * this.spacing;
  }
  nearest(second) {
    let best = 0;
    for (let index = 1; index < this.count; index++)
      if (Math.abs(this.capturedAt(index) - second) < Math.abs(this.capturedAt(best) - second)) best = index;
    return best;
  }
  // The middle of a picture's time, so that rounding does not show its neighbour.
  seek(index) {
    this.wanted = Math.min(Math.max(index, 0), this.count - 1);
    this.video.currentTime = (this.wanted + 0.5) * this.spacing;
  }

  toggle() {
    this.wanted = undefined;
    if (this.video.paused) this.video.play(); else this.video.pause();
  }
  step(frames) {
    this.video.pause();
    this.seek((this.wanted ?? this.shown ?? 0) + frames);
  }
  changeSpeed(by) {
    const index = SPEEDS.indexOf(this.video.playbackRate) + by;
    if (index < 0 || index >= SPEEDS.length) return;
    this.video.playbackRate = SPEEDS[index];
    this.speed.textContent = `${String(SPEEDS[index]).replace(".", this.decimal)}×`;
  }

  draw(index) {
    this.shown = index;
    if (this.wanted === index) this.wanted = undefined;
    const at = this.capturedAt(index);
    const x = String((1000 * at) / this.data.duration_s);
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
  // The box of the track in the picture that is shown. In a picture without a sighting it is interpolated between those before and after.
  drawBox(at) {
    const path = this.data.path;
    const outside = path.length === 0 || at < path[0][0] - MAX_BOX_GAP_S || at > path[path.length - 1][0] + MAX_BOX_GAP_S;
    this.box.style.display = outside ? "none" : "";
    if (outside) return;
    const [x1, y1, x2, y2] = boxAt(path, at, this.data.offsets_s.length ? SAME_TIME_S : this.spacing / 3);
    this.box.setAttribute("x", x1);
    this.box.setAttribute("y", y1);
    this.box.setAttribute("width", Math.max(0, x2 - x1));
    this.box.setAttribute("height", Math.max(0, y2 - y1));
  }
}

function boxAt(path, at, tolerance) {
  const same = path.find(([second]) => Math.abs(second - at) <= tolerance);
  if (same) return same.slice(1);
  const after = path.findIndex(([second]) => second > at);
  if (after <= 0) return path[after === 0 ? 0 : path.length - 1].slice(1);
  const earlier = path[after - 1], later = path[after];
  const fraction = (at - earlier[0]) / (later[0] - earlier[0]);
  return [1, 2, 3, 4].map((edge) => earlier[edge] + (later[edge] - earlier[edge]) * fraction);
}
