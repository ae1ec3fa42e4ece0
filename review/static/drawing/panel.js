// The lists of what is drawn, and the fields of what is selected: everything on the picture can be done here by keyboard too.
import { NAME, partsOf } from "./document.js";

const ORDERS = ["red yellow green", "red green", "red yellow green green", "red red yellow green", "green yellow red"];
const LISTED = ["lines", "lanes", "signals", "zones", "markings"];
const isTyping = (root) => root.contains(document.activeElement) && document.activeElement.matches("input");

export function html(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && key !== "list") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((each) => each !== null));
  return made;
}

export class Panel {
  constructor(doc, shapes, viewport, tools, texts) {
    Object.assign(this, { doc, shapes, viewport, tools, texts });
    this.lists = document.getElementById("items"); this.points = document.getElementById("points");
    doc.addEventListener("change", () => this.render());
    document.addEventListener("draw-pointed", () => this.focusMetres());
    this.render();
  }
  // A field in which one types stays the same element: a new one would lose the caret, and the focus that Tab is moving.
  render() {
    const shape = JSON.stringify([this.doc.selection?.kind, this.doc.selection?.index, ...LISTED.map((kind) => this.doc.drawing[kind].length)]);
    if (!(shape === this.shape && isTyping(this.lists))) this.rebuild(this.lists, LISTED.map((kind) => this.section(kind)));
    this.shape = shape;
    if (this.rows?.length === this.doc.drawing.ground_points.length) this.rows.forEach((row, index) => this.updatePoint(row, index));
    else this.rebuild(this.points, this.pointRows());
  }
  rebuild(root, children) {
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset.field : null;
    root.replaceChildren(...children);
    if (focused) root.querySelector(`[data-field="${focused}"]`)?.focus();
  }
  // Once the focus is where it goes.
  renderSoon() { setTimeout(() => this.render()); }
  section(kind) {
    const rows = this.doc.drawing[kind].map((item, index) => this.row(kind, item, index));
    return html("section", { className: `kind ${kind}` }, html("h2", {}, this.texts[`kind.${kind}`]),
      rows.length ? html("ul", {}, ...rows) : html("p", { className: "faint" }, this.texts[`none.${kind}`]));
  }
  row(kind, item, index) {
    const { selection } = this.doc, selected = Boolean(selection && selection.kind === kind && selection.index === index);
    const choose = () => { this.tools.use("select"); this.doc.select(kind, index); const part = partsOf(kind, item)[0]; if (part) this.viewport.reveal(this.doc.position(item, part)); };
    return html("li", { className: selected ? "selected" : "" },
      html("button", { type: "button", className: "quiet name", "aria-expanded": String(selected), onclick: selected ? () => this.doc.select(null) : choose, "data-field": `open ${kind} ${index}` },
        html("span", { className: `swatch ${kind}` }), item.id),
      selected ? this.details(kind, item, index) : null);
  }
  details(kind, item, index) {
    const used = this.doc.usedBy(kind, item.id).map((rule) => rule.rule);
    const name = html("input", {
      value: item.id, "data-field": `name ${kind} ${index}`, maxLength: 63, spellcheck: false, autocomplete: "off",
      oninput: (event) => {
        const ok = NAME.test(event.target.value) && !this.doc.drawing[kind].some((each, other) => other !== index && each.id === event.target.value);
        event.target.setCustomValidity(ok ? "" : this.texts.bad_name);
        event.target.setAttribute("aria-invalid", String(!ok));
        if (ok) this.doc.rename(kind, index, event.target.value);
      },
      onblur: () => this.renderSoon(),
    });
    return html("div", { className: "details" },
      html("label", {}, this.texts.name, name),
      kind === "signals" ? this.order(item, index) : null,
      this.coordinates(kind, item),
      used.length ? html("p", { className: "faint" }, `${this.texts.used_by} ${used.join(", ")}`) : null,
      html("div", { className: "buttons" },
        kind === "signals" ? html("button", { type: "button", onclick: () => this.tools.addHead(index) }, this.texts.add_head)
          : kind === "markings" ? html("button", { type: "button", "data-field": `cross ${index}`, onclick: () => this.doc.cross() }, item.crossable_from ? this.texts.cross_other : this.texts.cross_one)
          : item.beyond || item.along ? html("button", { type: "button", onclick: () => this.doc.reverse() }, this.texts[`reverse.${kind}`]) : null,
        html("button", { type: "button", className: "danger", onclick: () => this.doc.remove({ kind, index, part: null }) }, this.texts.remove)));
  }
  order(item, index) {
    const now = item.order.join(" "), known = ORDERS.includes(now) ? ORDERS : [now, ...ORDERS];
    const shown = (order) => order.split(" ").map((lamp) => this.texts[`lamp.${lamp}`] || lamp).join(" – ");
    return html("label", {}, this.texts.order, html("select", {
      "data-field": `order ${index}`, onchange: (event) => this.doc.change(() => { item.order = event.target.value.split(" "); }),
    }, ...known.map((order) => html("option", { value: order, selected: order === now }, shown(order)))));
  }
  coordinates(kind, item) {
    const parts = partsOf(kind, item).filter((part) => !/^heads\.\d+\.[13]$/.test(part));
    return html("details", { className: "coordinates" }, html("summary", {}, this.texts.coordinates), ...parts.map((part, number) => {
      const [x, y] = this.doc.position(item, part), label = part.startsWith("along") ? this.texts.direction : part === "crossable_from" ? this.texts.crossable_from : `${number + 1}`;
      const field = (value, axis) => html("input", {
        type: "number", step: "0.1", value, "aria-label": `${label} ${"xy"[axis]}`, "data-field": `${kind} ${part} ${axis}`,
        onchange: (event) => this.doc.change(() => {
          const to = this.doc.position(item, part).slice();
          to[axis] = Number(event.target.value);
          this.doc.place(item, part, to);
          this.doc.settle(item);
        }),
        onblur: () => this.renderSoon(),
      });
      return html("div", { className: "pair" }, html("span", {}, label), field(x, 0), field(y, 1));
    }));
  }
  updatePoint(row, index) {
    const { residuals } = this.shapes.calibration?.assessed || {}, { selection } = this.doc, error = residuals?.[index];
    row.className = selection?.kind === "ground_points" && selection.index === index ? "selected" : "";
    [...row.querySelectorAll("input")].forEach((input, axis) => {
      const value = String(this.doc.drawing.ground_points[index].m[axis]);
      if (input !== document.activeElement && input.value !== value) input.value = value;
    });
    const cell = row.querySelector(".off");
    cell.textContent = error ? error[0].toFixed(2) : "–";
    cell.classList.toggle("wrong", Boolean(error && error[0] > 0.3));
  }
  pointRows() {
    this.rows = this.doc.drawing.ground_points.map((point, index) => {
      const field = (axis) => html("input", {
        type: "number", step: "0.01", value: point.m[axis], "aria-label": `${this.texts.point} ${index + 1} ${axis ? this.texts.along : this.texts.across}`,
        "data-field": `m ${index} ${axis}`, onfocus: () => this.doc.select("ground_points", index),
        onchange: (event) => this.doc.change((drawing) => { drawing.ground_points[index].m[axis] = Number(event.target.value) || 0; }),
        onkeydown: (event) => { if (event.key === "Enter") { event.target.blur(); this.viewport.svg.focus(); } },
      });
      const row = html("tr", {},
        html("td", {}, html("button", { type: "button", className: "quiet", "aria-label": `${this.texts.point} ${index + 1}`, onclick: () => { this.doc.select("ground_points", index); this.viewport.reveal(this.doc.item().px); } }, `${index + 1}`)),
        html("td", {}, field(0)), html("td", {}, field(1)),
        html("td", { className: "off" }),
        html("td", {}, html("button", { type: "button", className: "quiet", "aria-label": `${this.texts.remove} ${index + 1}`, onclick: () => this.doc.remove({ kind: "ground_points", index, part: null }) }, "✕")));
      this.updatePoint(row, index);
      return row;
    });
    if (!this.rows.length) return [];
    const heads = [this.texts.point, `${this.texts.across} (m)`, `${this.texts.along} (m)`, this.texts.off, ""];
    return [html("thead", {}, html("tr", {}, ...heads.map((head) => (head ? html("th", { scope: "col" }, head) : html("td", {}))))), html("tbody", {}, ...this.rows)];
  }
  focusMetres() {
    const field = document.querySelector(`[data-field="m ${this.doc.drawing.ground_points.length - 1} 0"]`);
    field?.focus();
    field?.select();
  }
}
