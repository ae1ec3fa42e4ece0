// What the mouse and the keys do on the picture: one tool at a time draws, "select" moves what is there.
import { distance, rounded } from "./geometry.js";

const NEAR_PX = 10;
const AREAS = { lane: "addLane", zone: "addZone" };
const MIN_BOX_PX = 3;
const SLIP_PX = 4;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEPS = { point: "scale", marks: "scale", line: "drawing", lane: "drawing", zone: "drawing", marking: "drawing", signal: "drawing" };
export const KEYS = { v: "select", l: "line", a: "lane", z: "zone", d: "marking", s: "signal", p: "point", m: "marks", r: "measure" };

export class Tools {
  constructor(viewport, shapes, doc, texts, marks) {
    Object.assign(this, { viewport, shapes, doc, texts, marks });
    this.stage = viewport.stage; this.svg = viewport.svg; this.name = "select"; this.drag = null; this.held = false;
    this.buttons = [...document.querySelectorAll("button[data-tool]")];
    for (const button of this.buttons) button.addEventListener("click", () => this.use(button.dataset.tool));
    this.stage.addEventListener("pointerdown", (event) => this.down(event));
    this.stage.addEventListener("pointermove", (event) => this.moved(event));
    this.stage.addEventListener("pointerup", (event) => this.up(event));
    this.stage.addEventListener("pointercancel", () => this.abort());
    this.stage.addEventListener("pointerleave", () => { this.viewport.magnify(null); if (this.shapes.draft) { this.shapes.draft.hover = null; this.shapes.render(); } });
    this.stage.addEventListener("dblclick", () => this.finish());
    this.stage.addEventListener("contextmenu", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("keyup", (event) => { if (event.key === " ") this.hold(false); });
    this.use("select");
  }
  use(name) {
    this.name = name;
    this.shapes.draft = null;
    this.headOf = null;
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.tool === name));
    this.stage.dataset.tool = name;
    document.getElementById("hint").textContent = this.texts[`hint.${name}`];
    document.getElementById("marks").hidden = name !== "marks";
    if (STEPS[name]) document.getElementById(`tab-${STEPS[name]}`).click();
    this.viewport.magnify(null);
    this.shapes.render();
  }
  // The next box is a further head of the selected signal.
  addHead(index) { this.use("signal"); this.headOf = index; document.getElementById("hint").textContent = this.texts["hint.head"]; }
  hold(on) { this.held = on; this.stage.classList.toggle("panning", on); }

  down(event) {
    if (event.target.closest("button, a, input")) return;
    const at = this.viewport.point(event);
    this.stage.setPointerCapture(event.pointerId);
    this.start = { x: event.clientX, y: event.clientY, at };
    if (event.button === 1 || event.button === 2 || this.held) { this.drag = { kind: "pan" }; return; }
    if (event.button !== 0) return;
    if (this.name === "select") this.grab(event, at);
    else if (this.name === "signal") { this.shapes.draft = { points: [at], box: true, cls: "signal" }; this.drag = { kind: "box" }; }
    else this.drag = { kind: "click" };
  }
  grab(event, at) {
    const { part, insert } = event.target.dataset, group = event.target.closest(".item");
    if (!group) { this.drag = { kind: "pan", choose: [null] }; return; }
    const kind = group.dataset.kind, index = Number(group.dataset.index), chosen = this.doc.selection;
    if (chosen?.kind !== kind || chosen.index !== index) { this.drag = { kind: "pan", choose: [kind, index] }; return; }
    this.doc.select(kind, index, part || null);
    this.doc.begin();
    if (insert) {
      const key = kind === "markings" ? "points" : "polygon";
      this.doc.item()[key].splice(Number(insert), 0, rounded(at));
      this.doc.select(kind, index, `${key}.${insert}`);
      this.drag = { kind: "part", part: `${key}.${insert}` };
    } else this.drag = part ? { kind: "part", part, offset: this.offsetOf(part, at) } : { kind: "item", last: at };
    event.target.focus?.({ preventScroll: true });
  }
  // So that a handle that was not hit in its middle does not jump.
  offsetOf(part, at) { const [x, y] = this.doc.position(this.doc.item(), part); return [x - at[0], y - at[1]]; }

  moved(event) {
    const at = this.viewport.point(event);
    this.place(at);
    const { drag } = this;
    if (!drag) {
      if (this.shapes.draft) { this.shapes.draft.hover = this.doc.inside(at); this.note(); this.shapes.render(); }
      if (this.name !== "select") this.viewport.magnify(at);
      return;
    }
    if (Math.hypot(event.clientX - this.start.x, event.clientY - this.start.y) >= SLIP_PX) drag.moved = true;
    if (drag.kind === "pan") { if (drag.moved) this.viewport.pan(event.movementX, event.movementY); return; }
    if (drag.kind === "part") {
      const [dx, dy] = drag.offset || [0, 0], to = [at[0] + dx, at[1] + dy];
      this.doc.place(this.doc.item(), drag.part, to);
      this.doc.emit();
      this.viewport.magnify(to);
    } else if (drag.kind === "item") {
      if (!drag.moved) return;
      this.doc.move(this.doc.item(), at[0] - drag.last[0], at[1] - drag.last[1]);
      drag.last = at;
      this.doc.emit();
    } else if (drag.kind === "box") { this.shapes.draft.hover = this.doc.inside(at); this.shapes.render(); this.viewport.magnify(at); }
    else this.viewport.magnify(at);
  }
  up(event) {
    const { drag } = this, at = this.doc.inside(this.viewport.point(event));
    this.drag = null;
    if (!drag) return;
    if (drag.choose && !drag.moved) this.doc.select(...drag.choose);
    if (drag.kind === "part" || drag.kind === "item") { this.doc.settle(this.doc.item()); this.doc.commit(); this.viewport.magnify(null); }
    if (drag.kind === "box") this.boxed(at);
    if (drag.kind === "click") this.clicked(at);
  }
  abort() { if (this.drag?.kind === "part" || this.drag?.kind === "item") this.doc.cancel(); this.drag = null; }

  boxed(at) {
    const [first] = this.shapes.draft.points;
    this.shapes.draft = null;
    const box = [Math.min(first[0], at[0]), Math.min(first[1], at[1]), Math.max(first[0], at[0]), Math.max(first[1], at[1])];
    if (box[2] - box[0] < MIN_BOX_PX || box[3] - box[1] < MIN_BOX_PX) { this.shapes.render(); return; }
    if (this.headOf !== null) { const index = this.headOf; this.doc.change((drawing) => drawing.signals[index].heads.push(rounded(box))); this.doc.select("signals", index); }
    else this.doc.addSignal(box);
    this.use("select");
  }
  clicked(at) {
    const points = this.shapes.draft ? this.shapes.draft.points : [];
    if (this.name === "point") { this.doc.addGroundPoint(at, [0, 0]); this.dispatch("pointed"); return; }
    if (AREAS[this.name] && points.length > 2 && this.near(at, points[0])) { this.finish(); return; }
    if (points.length && this.near(at, points[points.length - 1])) return; // the second click of a double click
    this.shapes.draft = { points: [...points, at], closed: Boolean(AREAS[this.name]), cls: this.name, hover: at };
    if (this.name === "marks") this.shapes.draft.labels = this.marks.positions(points.length + 1).map((m) => `${m} m`);
    this.note();
    const { draft } = this.shapes;
    if (this.name === "line" && draft.points.length === 2) { this.doc.addLine(...draft.points); this.use("select"); }
    else if (this.name === "measure" && draft.points.length === 2) this.shapes.draft = { ...draft, points: draft.points, hover: null, done: true };
    else if (this.name === "measure" && draft.points.length > 2) this.shapes.draft = { ...draft, points: [at], hover: null };
    this.note();
    this.shapes.render();
  }
  near(a, b) { return distance(a, b) * this.viewport.scale < NEAR_PX; }
  // How long the measured line is on the road.
  note() {
    const { draft } = this.shapes, calibration = this.shapes.calibration;
    if (!draft || this.name !== "measure") return;
    const points = draft.done || !draft.hover ? draft.points : [...draft.points, draft.hover];
    if (points.length < 2) { draft.note = ""; return; }
    const [a, b] = points;
    if (!calibration) { draft.note = `${distance(a, b).toFixed(1)} px`; return; }
    const error = Math.max(calibration.errorAt(a) || 0, calibration.errorAt(b) || 0);
    draft.note = `${distance(calibration.ground(a), calibration.ground(b)).toFixed(2)} ± ${error.toFixed(2)} m`;
  }
  finish() {
    const { draft } = this.shapes;
    if (!draft) return;
    if (AREAS[this.name] && draft.points.length > 2) { this.doc[AREAS[this.name]](draft.points); this.use("select"); }
    if (this.name === "marking" && draft.points.length > 1) { this.doc.addMarking(draft.points); this.use("select"); }
    if (this.name === "marks" && draft.points.length > 1) { this.marks.add(draft.points); this.shapes.draft = null; this.shapes.render(); }
  }

  key(event) {
    if (event.target.closest("input, select, textarea, dialog")) return;
    const lower = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      if (lower === "z") { event.preventDefault(); if (event.shiftKey) this.doc.redo(); else this.doc.undo(); }
      if (lower === "y") { event.preventDefault(); this.doc.redo(); }
      if (lower === "s") { event.preventDefault(); this.dispatch("save"); }
      return;
    }
    if (event.altKey && !ARROWS[event.key]) return;
    if (event.key === " " && !event.target.closest("button, a, summary, [role=button]")) { event.preventDefault(); this.hold(true); }
    else if (event.key === "Escape") this.escape();
    else if (event.key === "Enter" && this.shapes.draft) { event.preventDefault(); this.finish(); }
    else if (event.key === "Delete" || event.key === "Backspace") { event.preventDefault(); if (this.shapes.draft) this.dropLast(); else this.doc.remove(); }
    else if (ARROWS[event.key] && (this.doc.selection || event.target === this.svg)) this.nudge(event);
    else if (event.key === "+" || event.key === "=") this.viewport.zoom(1.4);
    else if (event.key === "-") this.viewport.zoom(1 / 1.4);
    else if (event.key === "0") this.viewport.fit();
    else if (lower === "g") document.getElementById("layer-grid").click();
    else if (lower === "e") document.getElementById("layer-errors").click();
    else if (lower === "t") document.getElementById("layer-paths").click();
    else if (KEYS[lower]) this.use(KEYS[lower]);
  }
  escape() {
    if (this.drag) this.abort();
    else if (this.shapes.draft) { this.shapes.draft = null; this.shapes.render(); }
    else if (this.name !== "select") this.use("select");
    else this.doc.select(null);
  }
  dropLast() {
    const { draft } = this.shapes;
    draft.points.pop();
    if (!draft.points.length) this.shapes.draft = null;
    this.shapes.render();
  }
  // By one pixel; with Shift by ten, with Alt by a tenth. Without a selection the picture is moved.
  nudge(event) {
    event.preventDefault();
    const [dx, dy] = ARROWS[event.key].map((each) => each * (event.shiftKey ? 10 : event.altKey ? 0.1 : 1));
    const { selection } = this.doc;
    if (!selection) { this.viewport.pan(-dx * 40, -dy * 40); return; }
    const part = event.target.dataset?.part || selection.part;
    if (part && part !== selection.part) this.doc.select(selection.kind, selection.index, part);
    this.doc.change(() => {
      const item = this.doc.item();
      if (!part) this.doc.move(item, dx, dy);
      else { const [x, y] = this.doc.position(item, part); this.doc.place(item, part, [x + dx, y + dy]); }
    }, `nudge ${selection.kind} ${selection.index} ${part}`);
    if (part) this.viewport.reveal(this.doc.position(this.doc.item(), part));
  }
  place([x, y]) {
    const inside = x >= 0 && y >= 0 && x <= this.doc.size[0] && y <= this.doc.size[1], { calibration } = this.shapes;
    let text = inside ? `${x.toFixed(1)}, ${y.toFixed(1)} px` : "";
    const error = inside && calibration ? calibration.errorAt([x, y]) : null;
    if (error !== null) { const m = calibration.ground([x, y]); text += ` · ${m[0].toFixed(2)}, ${m[1].toFixed(2)} m ±${error.toFixed(2)}`; }
    document.getElementById("position").textContent = text;
  }
  dispatch(name) { document.dispatchEvent(new Event(`draw-${name}`)); }
}

// Ground points from the ends of lane marks of known length along one line.
export class LaneMarks {
  constructor(doc) {
    this.doc = doc; this.form = document.getElementById("marks");
    for (const field of this.form.querySelectorAll("input, select")) field.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  }
  value(name) { return Number(this.form.querySelector(`[name=${name}]`).value) || 0; }
  // Metres along the line of so many ends of marks.
  positions(count) {
    const dash = this.value("dash"), gap = this.value("gap"), first = this.form.querySelector("[name=first]").value;
    const steps = first === "dash" ? [dash, gap] : [gap, dash];
    let at = this.value("along");
    return Array.from({ length: count }, (_, number) => { if (number) at += steps[(number - 1) % 2]; return Math.round(at * 1000) / 1000; });
  }
  add(points) {
    const x = this.value("across"), ys = this.positions(points.length);
    this.doc.change((drawing) => points.forEach((point, number) => drawing.ground_points.push({ px: rounded(this.doc.inside(point)), m: [x, ys[number]] })));
    this.form.querySelector("[name=across]").value = Math.round((x + this.value("width")) * 1000) / 1000;
  }
}
