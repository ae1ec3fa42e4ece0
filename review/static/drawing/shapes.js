// Draws the document, the metre grid, the errors and the paths as SVG in pixels of the picture. Sizes on the screen stay the same at any zoom.
import { across, centroid, distance, middle } from "./geometry.js";
import { KINDS, partsOf } from "./document.js";

const NS = "http://www.w3.org/2000/svg";
const GRID_PIECES = 24;
const MAX_GRID_LINES = 80;
const LEVELS = [[0.15, "e1"], [0.35, "e2"], [0.75, "e3"], [Infinity, "e4"]];

export function element(name, attributes = {}, text = null) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}
const list = (points) => points.map((point) => point.join(",")).join(" ");

export class Shapes {
  constructor(svg, viewport, doc, texts) {
    this.svg = svg; this.viewport = viewport; this.doc = doc; this.texts = texts;
    this.layers = { grid: false, errors: false, paths: true };
    this.calibration = null; this.paths = []; this.marked = null; this.draft = null;
  }
  px(screen) { return screen / this.viewport.scale; }

  render() {
    const focused = document.activeElement && this.svg.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const parts = [...this.errors(), ...this.grid(), ...this.roads(), ...this.items(), ...this.moment(), ...this.unfinished()];
    this.svg.replaceChildren(...parts);
    if (focused) this.svg.querySelector(`[data-key="${focused}"]`)?.focus();
  }
  // Twice, so that it is visible on any picture.
  stroke(name, attributes, cls) { return [element(name, { ...attributes, class: `halo ${cls}` }), element(name, { ...attributes, class: `ink ${cls}` })]; }
  label(text, [x, y], cls = "", size = 13) {
    return element("text", { x, y, class: `label ${cls}`, "font-size": this.px(size), "stroke-width": this.px(3.5) }, text);
  }
  arrow(from, to, cls) {
    const length = distance(from, to) || 1, size = this.px(12), [dx, dy] = [(to[0] - from[0]) / length, (to[1] - from[1]) / length];
    const base = [to[0] - dx * size, to[1] - dy * size];
    const head = [to, [base[0] - dy * size * 0.5, base[1] + dx * size * 0.5], [base[0] + dy * size * 0.5, base[1] - dx * size * 0.5]];
    return [...this.stroke("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1] }, cls), element("polygon", { points: list(head), class: `tip ${cls}` })];
  }

  items() {
    const drawing = this.doc.drawing, chosen = this.doc.selection;
    const all = [];
    for (const kind of KINDS) drawing[kind].forEach((item, index) => {
      const selected = Boolean(chosen && chosen.kind === kind && chosen.index === index);
      const group = element("g", { class: `item ${kind}${selected ? " selected" : ""}`, "data-kind": kind, "data-index": index });
      group.append(...this[kind](item, index, selected));
      if (selected) group.append(...this.handles(kind, item, index));
      all.push([selected, group]);
    });
    return all.sort((a, b) => a[0] - b[0]).map(([, group]) => group);
  }
  lanes(lane) {
    return [
      element("polygon", { points: list(lane.polygon), class: "area" }),
      ...this.stroke("polygon", { points: list(lane.polygon) }, "lane"),
      ...this.arrow(...lane.along, "lane"),
      this.label(lane.id, offset(centroid(lane.polygon), this.px(8), 0), "lane"),
    ];
  }
  zones(zone) {
    return [
      element("polygon", { points: list(zone.polygon), class: "area" }),
      ...this.stroke("polygon", { points: list(zone.polygon) }, "zone"),
      this.label(zone.id, offset(centroid(zone.polygon), this.px(8), 0), "zone"),
    ];
  }
  markings(marking) {
    return [
      element("polyline", { points: list(marking.points), class: "grab" }),
      ...this.stroke("polyline", { points: list(marking.points) }, "marking"),
      ...(marking.crossable_from ? this.arrow(marking.crossable_from, middle(...marking.points.slice(0, 2)), "marking") : []),
      this.label(marking.id, offset(marking.points[0], this.px(6), this.px(-8)), "marking"),
    ];
  }
  lines(line) {
    const [a, b] = line.points, at = middle(a, b), length = distance(a, b) || 1, reach = this.px(34) * Math.sign(across(a, b, line.beyond) || 1);
    const tip = [at[0] - ((b[1] - a[1]) / length) * reach, at[1] + ((b[0] - a[0]) / length) * reach];
    const left = a[0] < b[0] ? a : b;
    return [
      element("line", { x1: a[0], y1: a[1], x2: b[0], y2: b[1], class: "grab" }),
      ...this.stroke("line", { x1: a[0], y1: a[1], x2: b[0], y2: b[1] }, "stop"),
      ...this.arrow(at, tip, "stop"),
      this.label(line.id, offset(left, this.px(6), this.px(-8)), "stop"),
    ];
  }
  signals(signal) {
    return signal.heads.flatMap(([x1, y1, x2, y2], number) => [
      element("rect", { x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1), class: "area" }),
      ...this.stroke("rect", { x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1) }, "signal"),
      ...this.lampSections(signal, [x1, y1, x2, y2]),
      this.label(number ? `${signal.id} ${number + 1}` : signal.id, [x2 + this.px(5), y1 + this.px(12)], "signal"),
    ]);
  }
  lampSections(signal, [x1, y1, x2, y2]) {
    const upright = y2 - y1 >= x2 - x1, count = signal.order.length;
    return Array.from({ length: Math.max(0, count - 1) }, (_, number) => {
      const part = (number + 1) / count;
      const ends = upright ? { x1, x2, y1: y1 + (y2 - y1) * part, y2: y1 + (y2 - y1) * part } : { y1, y2, x1: x1 + (x2 - x1) * part, x2: x1 + (x2 - x1) * part };
      return element("line", { ...ends, class: "ink thin signal" });
    });
  }
  ground_points(point, index) {
    const [x, y] = point.px, arm = this.px(9), error = this.calibration?.assessed.residuals[index];
    const off = error && error[0] > 0.3 ? ` ✕ ${error[0].toFixed(1)} m` : "";
    return [
      ...this.stroke("path", { d: `M${x - arm} ${y}H${x + arm}M${x} ${y - arm}V${y + arm}` }, "ground"),
      element("circle", { cx: x, cy: y, r: this.px(11), class: "grab" }),
      this.label(`${point.m[0]}, ${point.m[1]} m${off}`, [x + this.px(8), y - this.px(6)], off ? "ground wrong" : "ground", 12),
    ];
  }
  handles(kind, item, index) {
    const made = [];
    const corners = item.polygon || (kind === "markings" ? item.points : []);
    corners.forEach((corner, number) => {
      if (kind === "markings" && number + 1 === corners.length) return;
      const at = middle(corner, corners[(number + 1) % corners.length]);
      made.push(element("circle", { cx: at[0], cy: at[1], r: this.px(4), class: "midpoint", "data-insert": number + 1 }));
    });
    partsOf(kind, item).forEach((part, number) => {
      const [x, y] = this.doc.position(item, part), direction = part.startsWith("along") || part === "crossable_from";
      const active = this.doc.selection.part === part;
      made.push(element("circle", {
        cx: x, cy: y, r: this.px(active ? 8 : 6.5), class: `handle${direction ? " direction" : ""}${active ? " active" : ""}`, "data-part": part,
        "data-key": `${kind} ${index} ${part}`, tabindex: 0, role: "button",
        "aria-label": `${item.id || this.texts.point} ${direction ? this.texts.direction : number + 1}`,
      }));
    });
    return made;
  }

  roads() {
    if (!this.layers.paths) return [];
    return this.paths.map(({ track, px }) => element("polyline", { points: list(px), class: `path${this.marked?.track === track ? " marked" : ""}` }));
  }
  moment() {
    const box = this.marked?.box;
    return box ? this.stroke("rect", { x: box[0], y: box[1], width: box[2] - box[0], height: box[3] - box[1] }, "vehicle") : [];
  }
  errors() {
    const calibration = this.calibration;
    if (!this.layers.errors || !calibration) return [];
    const width = this.doc.size[0] / 12, height = this.doc.size[1] / 8;
    return calibration.assessed.errors.flatMap(({ px: [x, y], error_m: error }) => {
      const cell = element("rect", { x: x - width / 2, y: y - height / 2, width, height, class: `cell ${LEVELS.find(([limit]) => error < limit)[1]}` });
      const labelled = (Math.round(x / width - 0.5) + Math.round(y / height - 0.5)) % 2 === 0, text = `±${error < 10 ? error.toFixed(error < 1 ? 2 : 1) : Math.round(error)} m`;
      return labelled ? [cell, element("text", { x, y: y + this.px(4), class: "label error", "font-size": this.px(12), "stroke-width": this.px(3), "text-anchor": "middle" }, text)] : [cell];
    });
  }
  // Lines of whole metres around the ground points.
  grid() {
    const calibration = this.calibration, points = this.doc.drawing.ground_points;
    if (!this.layers.grid || !calibration || points.length < 4) return [];
    const side = calibration.side(points[0].m), xs = points.map((each) => each.m[0]), ys = points.map((each) => each.m[1]);
    const reach = Math.max(6, 0.5 * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)));
    const [x1, x2, y1, y2] = [Math.floor(Math.min(...xs) - reach), Math.ceil(Math.max(...xs) + reach), Math.floor(Math.min(...ys) - reach), Math.ceil(Math.max(...ys) + reach)];
    const step = [1, 2, 5, 10, 20].find((each) => Math.max(x2 - x1, y2 - y1) / each <= MAX_GRID_LINES) || 50;
    const made = [];
    const draw = (from, to, value, axis) => {
      const line = [];
      for (let piece = 0; piece <= GRID_PIECES; piece += 1) {
        const m = [from[0] + ((to[0] - from[0]) * piece) / GRID_PIECES, from[1] + ((to[1] - from[1]) * piece) / GRID_PIECES];
        const at = calibration.pixel(m, side);
        if (at && Math.abs(at[0]) < 3 * this.doc.size[0] && Math.abs(at[1]) < 3 * this.doc.size[1]) line.push(at);
        else if (line.length) break;
      }
      if (line.length < 2) return;
      const strong = value % (5 * step) === 0;
      made.push(element("polyline", { points: list(line), class: `metre${strong ? " strong" : ""}` }));
      const at = strong && line.find(([x, y]) => x > 0 && x < this.doc.size[0] && y > 0 && y < this.doc.size[1]);
      if (at) made.push(this.label(`${axis} ${value}`, offset(at, this.px(3), this.px(-3)), "metre", 11));
    };
    for (let x = Math.ceil(x1 / step) * step; x <= x2; x += step) draw([x, y1], [x, y2], x, "x");
    for (let y = Math.ceil(y1 / step) * step; y <= y2; y += step) draw([x1, y], [x2, y], y, "y");
    return made;
  }
  // What a tool is drawing: points that were clicked, and where the pointer is.
  unfinished() {
    const draft = this.draft;
    if (!draft) return [];
    const points = draft.hover ? [...draft.points, draft.hover] : draft.points;
    const made = [];
    if (draft.box && points.length > 1) {
      const [[ax, ay], [bx, by]] = points;
      made.push(...this.stroke("rect", { x: Math.min(ax, bx), y: Math.min(ay, by), width: Math.abs(bx - ax), height: Math.abs(by - ay) }, "signal"));
    } else if (points.length > 1) made.push(...this.stroke(draft.closed && points.length > 2 ? "polygon" : "polyline", { points: list(points) }, `draft ${draft.cls}`));
    draft.points.forEach((point, number) => {
      made.push(element("circle", { cx: point[0], cy: point[1], r: this.px(number === 0 && draft.closed ? 7 : 4), class: "dot" }));
      if (draft.labels?.[number]) made.push(this.label(draft.labels[number], offset(point, this.px(8), this.px(-6)), "ground", 12));
    });
    if (draft.note && points.length) made.push(this.label(draft.note, offset(points[points.length - 1], this.px(14), this.px(18)), "measure", 15));
    return made;
  }
}
const offset = ([x, y], dx, dy) => [x + dx, y + dy];
