// The rules of the camera: which ones apply, to which lines, lanes and signals, with which limits.
import { KINDS, kindOf } from "./document.js";
import { html } from "./panel.js";

export class Rules {
  constructor(doc, texts) {
    this.doc = doc; this.texts = texts; this.root = document.getElementById("rules"); this.adder = document.getElementById("add-rule");
    this.adder.append(...doc.forms.map((form) => html("option", { value: form.rule }, form.rule)));
    document.getElementById("add-rule-button").addEventListener("click", () => this.add(this.adder.value));
    doc.addEventListener("change", () => this.render());
    this.render();
  }
  form(rule) { return this.doc.forms.find((each) => each.rule === rule); }
  names(kind) { return (this.doc.drawing[kind] || []).map((each) => each.id); }

  // Required settings are filled in as far as one can guess: the first line, then the second one, every lane.
  add(name) {
    const settings = {}, lines = [...this.names("lines")];
    for (const [key, field] of Object.entries(this.form(name).fields)) {
      const kind = kindOf(key);
      if (!this.form(name).required.includes(key)) continue;
      if (field.type === "array") settings[key] = this.names(kind);
      else if (field.pattern) settings[key] = kind === "lines" ? lines.shift() || this.names("lines")[0] || "" : this.names(kind)[0] || "";
      else if (field.default !== undefined) settings[key] = field.default;
    }
    this.doc.change((drawing) => drawing.rules.push({ rule: name, was: null, settings }));
  }
  render() {
    const shape = JSON.stringify([this.doc.drawing.rules.map((each) => each.rule), KINDS.map((kind) => this.names(kind))]);
    if (shape === this.shape && this.root.contains(document.activeElement)) return; // the field that was changed is the newest
    this.shape = shape;
    const focused = document.activeElement?.dataset?.field;
    this.root.replaceChildren(...this.doc.drawing.rules.map((rule, index) => this.entry(rule, index)));
    if (focused?.startsWith("rule")) this.root.querySelector(`[data-field="${focused}"]`)?.focus();
  }
  entry(rule, index) {
    const form = this.form(rule.rule), fields = form ? Object.entries(form.fields) : [];
    const needed = fields.filter(([key]) => form.required.includes(key)), others = fields.filter(([key]) => !form.required.includes(key));
    return html("li", {}, html("div", { className: "rule-head" }, html("b", {}, rule.rule),
      html("button", { type: "button", className: "quiet", "aria-label": `${this.texts.remove} ${rule.rule}`, onclick: () => this.doc.change((drawing) => drawing.rules.splice(index, 1)) }, "✕")),
    form ? html("p", { className: "faint" }, form.summary) : null,
    ...needed.map(([key, field]) => this.field(rule, index, key, field)),
    others.length ? html("details", {}, html("summary", {}, this.texts.limits), ...others.map(([key, field]) => this.field(rule, index, key, field))) : null);
  }
  field(rule, index, key, field) {
    const value = rule.settings[key], set = (to) => this.doc.change(() => { if (to === null) delete rule.settings[key]; else rule.settings[key] = to; });
    const shared = { "data-field": `rule ${index} ${key}`, title: field.description || "" };
    const options = (names, empty) => [...(empty ? [html("option", { value: "" }, "–")] : []), ...names.map((name) => html("option", { value: name, selected: name === value }, name))];
    if (field.type === "array" && field.items?.pattern) return html("fieldset", {}, html("legend", {}, key), ...this.names(kindOf(key)).map((name) =>
      html("label", { className: "check" }, html("input", { type: "checkbox", checked: (value || []).includes(name), "data-field": `rule ${index} ${key} ${name}`,
        onchange: (event) => set(event.target.checked ? [...(value || []), name] : (value || []).filter((each) => each !== name)) }), name)));
    if (field.type === "boolean") return html("label", { className: "check" }, html("input", { ...shared, type: "checkbox", checked: value ?? field.default, onchange: (event) => set(event.target.checked) }), key);
    if (field.enum) return html("label", {}, key, html("select", { ...shared, onchange: (event) => set(event.target.value || null) }, ...options(field.enum, true)));
    if (field.pattern) {
      const names = this.names(kindOf(key));
      return html("label", {}, key, html("select", { ...shared, onchange: (event) => set(event.target.value || null) }, ...options(value && !names.includes(value) ? [value, ...names] : names, !value)));
    }
    if (field.type === "number" || field.type === "integer") return html("label", {}, key, html("input", { ...shared, type: "number", step: "any", value: value ?? "", placeholder: field.default ?? "",
      onchange: (event) => set(event.target.value === "" ? null : Number(event.target.value)) }));
    return html("p", { className: "faint" }, `${key}: ${value ?? this.texts.as_file}`);
  }
}
