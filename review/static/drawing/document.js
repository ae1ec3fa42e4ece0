// What is drawn, what of it is selected, and every earlier state for undo. Emits "change" and "select".
import { across, centroid, distance, middle, rounded } from "./geometry.js";

export const KINDS = ["zones", "lanes", "markings", "lines", "signals", "ground_points"];
const NAMES = { lines: ["henti", "simpang"], lanes: ["kiri", "kanan"], signals: ["lampu"], zones: [], markings: [] };
const STEMS = { lines: "garis", lanes: "lajur", signals: "lampu", zones: "zona", markings: "marka" };
const FEWEST = { lanes: 3, zones: 3, markings: 2, lines: 2 };
const MAX_UNDO = 200;
const MIN_BEYOND_PX = 10, BEYOND_PX = 60;
export const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;

export class DrawingDocument extends EventTarget {
  constructor(page) {
    super();
    this.size = page.frame_size; this.view = page.view; this.forms = page.rules;
    this.load(page);
  }
  load(page) {
    this.drawing = structuredClone(page.drawing);
    this.saved = JSON.stringify(this.drawing);
    this.revision = page.revision;
    this.past = []; this.future = []; this.selection = null;
    this.emit();
  }
  get text() { return JSON.stringify(this.drawing); }
  get dirty() { return this.text !== this.saved; }
  emit() { this.dispatchEvent(new Event("change")); }

  // One step that undo takes back. `key`: repeated changes with the same key within a second are one step.
  change(edit, key = null) {
    const before = this.text;
    edit(this.drawing);
    if (this.text === before) return;
    const now = performance.now();
    if (!(key && key === this.lastKey && now - this.lastAt < 1000)) this.past.push(before);
    if (this.past.length > MAX_UNDO) this.past.shift();
    this.lastKey = key; this.lastAt = now; this.future = [];
    this.emit();
  }
  // While something is dragged, changes are not steps; `commit` makes one of them all.
  begin() { this.before = this.text; }
  commit() {
    if (this.before !== undefined && this.before !== this.text) { this.past.push(this.before); this.future = []; }
    this.before = undefined; this.lastKey = null;
    this.emit();
  }
  cancel() { if (this.before !== undefined) this.drawing = JSON.parse(this.before); this.before = undefined; this.emit(); }
  undo() { this.step(this.past, this.future); }
  redo() { this.step(this.future, this.past); }
  step(from, to) {
    if (!from.length) return;
    to.push(this.text);
    this.drawing = JSON.parse(from.pop());
    this.lastKey = null;
    if (this.selection && !this.item(this.selection)) this.selection = null;
    this.emit();
  }

  select(kind, index, part = null) {
    const next = kind === null ? null : { kind, index, part };
    if (JSON.stringify(next) === JSON.stringify(this.selection)) return;
    this.selection = next;
    this.emit();
  }
  item(selection = this.selection) { return selection ? this.drawing[selection.kind][selection.index] : null; }
  ids() { return KINDS.flatMap((kind) => this.drawing[kind].map((each) => each.id)).filter(Boolean); }
  freeName(kind) {
    const taken = new Set(this.ids());
    const named = NAMES[kind].find((each) => !taken.has(each));
    if (named) return named;
    let number = this.drawing[kind].length + 1;
    while (taken.has(`${STEMS[kind]}-${number}`)) number += 1;
    return `${STEMS[kind]}-${number}`;
  }

  add(kind, item) {
    this.change((drawing) => drawing[kind].push(item));
    this.select(kind, this.drawing[kind].length - 1);
  }
  addLine(a, b) { this.add("lines", { id: this.freeName("lines"), was: null, points: [rounded(a), rounded(b)], beyond: rounded(this.ahead(a, b)) }); }
  addLane(corners) { this.add("lanes", { id: this.freeName("lanes"), was: null, polygon: corners.map(rounded), along: this.arrow(corners).map(rounded) }); }
  addZone(corners) { this.add("zones", { id: this.freeName("zones"), was: null, polygon: corners.map(rounded) }); }
  addMarking(points) { this.add("markings", { id: this.freeName("markings"), was: null, points: points.map(rounded), crossable_from: null }); }
  addSignal(box) { this.add("signals", { id: this.freeName("signals"), was: null, heads: [rounded(box)], order: ["red", "yellow", "green"] }); }
  addGroundPoint(px, m) { this.add("ground_points", { px: rounded(px), m }); }

  // A point beyond the line, on the side to which vehicles drive: up the picture if their rear is seen.
  ahead(a, b) {
    const at = middle(a, b), length = distance(a, b) || 1, reach = Math.min(120, Math.max(30, length / 4));
    const normal = [(a[1] - b[1]) / length, (b[0] - a[0]) / length];
    const up = this.view === "front" ? 1 : -1, sign = normal[1] * up >= 0 ? 1 : -1;
    return [at[0] + normal[0] * reach * sign, at[1] + normal[1] * reach * sign];
  }
  // The arrow of a new lane: between the middles of its nearest and its farthest edge.
  arrow(corners) {
    const edges = corners.map((corner, number) => middle(corner, corners[(number + 1) % corners.length]));
    const near = edges.reduce((a, b) => (b[1] > a[1] ? b : a)), far = edges.reduce((a, b) => (b[1] < a[1] ? b : a));
    const inside = centroid(corners), towards = (point) => [point[0] + (inside[0] - point[0]) * 0.3, point[1] + (inside[1] - point[1]) * 0.3];
    return this.view === "front" ? [towards(far), towards(near)] : [towards(near), towards(far)];
  }
  remove(selection = this.selection) {
    if (!selection) return;
    const { kind, index, part } = selection, item = this.item(selection);
    const corner = part && /^(polygon|points)\.(\d+)$/.exec(part), head = part && /^heads\.(\d+)/.exec(part);
    this.change((drawing) => {
      if (corner && item[corner[1]].length > FEWEST[kind]) item[corner[1]].splice(Number(corner[2]), 1);
      else if (head && item.heads.length > 1) item.heads.splice(Number(head[1]), 1);
      else drawing[kind].splice(index, 1);
    });
    this.select(corner || head ? kind : null, index);
  }
  // Also in the rules that use the name.
  rename(kind, index, name) {
    const item = this.drawing[kind][index], old = item.id;
    this.change((drawing) => {
      item.id = name;
      for (const rule of drawing.rules) for (const [key, value] of Object.entries(rule.settings)) if (this.namesOf(rule, key) === kind) {
        rule.settings[key] = Array.isArray(value) ? value.map((each) => (each === old ? name : each)) : value === old ? name : value;
      }
    }, `rename ${kind} ${index}`);
  }
  usedBy(kind, id) {
    return this.drawing.rules.filter((rule) => Object.entries(rule.settings).some(([key, value]) => this.namesOf(rule, key) === kind && [value].flat().includes(id)));
  }
  // The kind of drawn things that a setting of a rule names; undefined if it names none.
  namesOf(rule, key) { return this.forms.find((each) => each.rule === rule.rule)?.fields[key]?.names; }
  // From neither side, from one, from the other, and from neither again.
  cross() {
    const item = this.item(), [a, b] = item.points, at = middle(a, b), length = distance(a, b) || 1;
    const side = item.crossable_from ? Math.sign(across(a, b, item.crossable_from)) : 0, reach = 40 * (side ? -1 : 1);
    this.change(() => { item.crossable_from = side < 0 ? null : rounded(this.inside([at[0] - ((b[1] - a[1]) / length) * reach, at[1] + ((b[0] - a[0]) / length) * reach])); });
  }
  reverse() {
    const { kind } = this.selection, item = this.item();
    this.change(() => {
      if (kind === "lanes") item.along.reverse();
      else { const at = middle(...item.points); item.beyond = rounded([2 * at[0] - item.beyond[0], 2 * at[1] - item.beyond[1]]); }
    });
  }
  // The position of a part, such as "points.0" or "heads.1.2" (a corner of a box, clockwise from the upper left).
  position(item, part) {
    const [key, index, corner] = part.split(".");
    if (key === "heads") { const box = item.heads[index]; return [box[[0, 2, 2, 0][corner]], box[[1, 1, 3, 3][corner]]]; }
    return index === undefined ? item[key] : item[key][index];
  }
  place(item, part, point) {
    const [key, index, corner] = part.split("."), to = rounded(this.inside(point));
    if (key === "heads") {
      const box = item.heads[index];
      box[[0, 2, 2, 0][corner]] = to[0]; box[[1, 1, 3, 3][corner]] = to[1];
    } else if (key === "points" && item.beyond) this.placeEnd(item, Number(index), to);
    else if (index === undefined) item[key] = to;
    else item[key][index] = to;
  }
  // The side to which vehicles cross stays the same, also when an end is dragged past the point beyond.
  placeEnd(line, index, to) {
    const side = Math.sign(across(...line.points, line.beyond)) || 1;
    line.points[index] = to;
    const [a, b] = line.points;
    if (across(a, b, line.beyond) * side > MIN_BEYOND_PX || distance(a, b) < 1) return;
    const at = middle(a, b), length = distance(a, b), reach = BEYOND_PX * side;
    line.beyond = rounded([at[0] - ((b[1] - a[1]) / length) * reach, at[1] + ((b[0] - a[0]) / length) * reach]);
  }
  // A box whose edges were dragged past each other is turned right again.
  settle(item) {
    for (const box of item.heads || []) {
      const [x1, y1, x2, y2] = box;
      box.splice(0, 4, Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2));
    }
  }
  move(item, dx, dy) {
    const by = (point) => rounded([point[0] + dx, point[1] + dy]);
    for (const key of ["points", "polygon", "along"]) if (item[key]) item[key] = item[key].map(by);
    for (const key of ["beyond", "px", "crossable_from"]) if (item[key]) item[key] = by(item[key]);
    if (item.heads) item.heads = item.heads.map((box) => [...by(box.slice(0, 2)), ...by(box.slice(2))]);
  }
  inside([x, y]) { return [Math.min(this.size[0], Math.max(0, x)), Math.min(this.size[1], Math.max(0, y))]; }
}

// The parts of an item that can be moved.
export function partsOf(kind, item) {
  if (kind === "lines") return ["points.0", "points.1"];
  if (kind === "zones") return item.polygon.map((_, number) => `polygon.${number}`);
  if (kind === "markings") return [...item.points.map((_, number) => `points.${number}`), ...(item.crossable_from ? ["crossable_from"] : [])];
  if (kind === "lanes") return [...item.polygon.map((_, number) => `polygon.${number}`), "along.0", "along.1"];
  if (kind === "signals") return item.heads.flatMap((_, number) => [0, 1, 2, 3].map((corner) => `heads.${number}.${corner}`));
  return ["px"];
}
