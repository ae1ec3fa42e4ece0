// The rules of the camera: which ones apply, to which lines, lanes and signals, with which limits.
import { KINDS } from "./document.js";
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
      if (!this.form(name).required.includes(key)) continue;
      if (field.type === "names") settings[key] = field.names === "lines" ? lines.splice(0, 1) : this.names(field.names);
      else if (field.type === "name") settings[key] = field.names === "lines" ? lines.shift() || this.names("lines")[0] || "" : this.names(field.names)[0] || "";
      else if (field.default !== undefined) settings[key] = field.default;
    }
    this.doc.change((drawing) => drawing.rules.push({ rule: name, was: null, settings }));
  }
  render() {
    const hours = (rule) => Object.values(rule.settings).map((value) => value?.hours?.length ?? 0);
    const shape = JSON.stringify([this.doc.drawing.rules.map((each) => [each.rule, hours(each)]), KINDS.map((kind) => this.names(kind))]);
    if (shape === this.shape && (this.own || this.root.contains(document.activeElement))) return; // the field that was changed is the newest
    this.shape = shape;
    const focused = document.activeElement?.dataset?.field;
    this.root.replaceChildren(...this.doc.drawing.rules.map((rule, index) => this.entry(rule, index)));
    if (focused?.startsWith("rule")) this.root.querySelector(`[data-field="${focused}"]`)?.focus();
  }
  entry(rule, index) {
    const form = this.form(rule.rule), fields = form ? Object.entries(form.fields) : [];
    const first = ([key, field]) => form.required.includes(key) || field.names || field.type === "schedule";
    const needed = fields.filter(first), others = fields.filter((each) => !first(each));
    return html("li", {}, html("div", { className: "rule-head" }, html("b", {}, rule.rule),
      html("button", { type: "button", className: "quiet", "aria-label": `${this.texts.remove} ${rule.rule}`, onclick: () => this.doc.change((drawing) => drawing.rules.splice(index, 1)) }, "✕")),
    form ? html("p", { className: "faint" }, form.summary) : null,
    ...needed.map(([key, field]) => this.field(rule, index, key, field)),
    others.length ? html("details", {}, html("summary", {}, this.texts.limits), ...others.map(([key, field]) => this.field(rule, index, key, field))) : null);
  }
  // null: as if it were not set. The fields stay the same elements: a click that ends a field's change would miss a new button.
  setting(rule, key, to) {
    this.own = true;
    this.doc.change(() => { rule.settings[key] = to; });
    this.own = false;
  }
  field(rule, index, key, field) {
    const value = rule.settings[key], set = (to) => this.setting(rule, key, to);
    const shared = { "data-field": `rule ${index} ${key}`, title: field.description || "" };
    const options = (names, chosen, empty) => [...(empty ? [html("option", { value: "" }, "–")] : []), ...names.map((name) => html("option", { value: name, selected: name === chosen }, name))];
    const check = (name, checked, change) => html("label", { className: "check" }, html("input", { type: "checkbox", checked, "data-field": `rule ${index} ${key} ${name}`, onchange: (event) => change(event.target.checked) }), name);
    const group = (names, chosen) => html("fieldset", { title: field.description || "" }, html("legend", {}, key), ...names.map((name) =>
      check(name, chosen().includes(name), (on) => set(on ? names.filter((each) => each === name || chosen().includes(each)) : chosen().filter((each) => each !== name)))));
    if (field.type === "names" && field.count) return html("fieldset", { title: field.description || "" }, html("legend", {}, key), ...Array.from({ length: field.count }, (_, place) =>
      html("label", {}, `${place + 1}`, html("select", { "data-field": `rule ${index} ${key} ${place}`, onchange: (event) => {
        const chosen = Array.from({ length: field.count }, (__, number) => (number === place ? event.target.value : rule.settings[key]?.[number] || ""));
        set(chosen.some(Boolean) ? chosen : null);
      } }, ...options(this.names(field.names), value?.[place], true)))));
    if (field.type === "names") return group([...new Set([...this.names(field.names), ...(value || [])])], () => rule.settings[key] || []);
    if (field.type === "choices") return group(field.enum, () => rule.settings[key] ?? field.default ?? []);
    if (field.type === "schedule") return this.schedule(rule, index, key, field, set);
    if (field.type === "boolean") return html("label", { className: "check" }, html("input", { ...shared, type: "checkbox", checked: value ?? field.default, onchange: (event) => set(event.target.checked) }), key);
    if (field.type === "choice") return html("label", {}, key, html("select", { ...shared, onchange: (event) => set(event.target.value || null) }, ...options(field.enum, value, true)));
    if (field.type === "name") {
      const names = this.names(field.names), required = this.form(rule.rule).required.includes(key);
      return html("label", {}, key, html("select", { ...shared, onchange: (event) => set(event.target.value || null) }, ...options(value && !names.includes(value) ? [value, ...names] : names, value, !required || !value)));
    }
    return html("label", {}, key, html("input", { ...shared, type: "number", step: "any", value: value ?? "", placeholder: field.default ?? "",
      onchange: (event) => set(event.target.value === "" ? null : Number(event.target.value)) }));
  }
  // Hours of some days, one row each; no row: always.
  schedule(rule, index, key, field, set) {
    const rows = () => rule.settings[key]?.hours || [], days = () => rule.settings[key]?.except_days || [];
    const put = (hours, except) => set(hours.length || except.length ? { ...rule.settings[key], hours, except_days: except } : null);
    const edit = (number, change) => put(rows().map((row, other) => (other === number ? { ...row, ...change } : row)), days());
    const named = (number, day) => (rows()[number].days || field.days).includes(day);
    return html("fieldset", { className: "schedule", title: field.description || "" }, html("legend", {}, key),
      rows().length ? null : html("p", { className: "faint" }, this.texts.always),
      ...rows().map((row, number) => html("div", { className: "hours" },
        html("div", { className: "days" }, ...field.days.map((day) => html("label", { className: "check" }, html("input", { type: "checkbox", checked: named(number, day), "data-field": `rule ${index} ${key} ${number} ${day}`,
          onchange: (event) => edit(number, { days: field.days.filter((each) => (each === day ? event.target.checked : named(number, each))) }) }), this.texts[`day.${day}`]))),
        html("input", { value: row.hours ?? "00:00-24:00", pattern: "[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}", "aria-label": `${this.texts.hours} ${number + 1}`, "data-field": `rule ${index} ${key} ${number} hours`, onchange: (event) => edit(number, { hours: event.target.value.trim() }) }),
        html("select", { "aria-label": `${this.texts.holidays} ${number + 1}`, "data-field": `rule ${index} ${key} ${number} holidays`, onchange: (event) => edit(number, { holidays: event.target.value }) },
          ...field.holidays.map((each) => html("option", { value: each, selected: each === (row.holidays ?? "also") }, this.texts[`holidays.${each}`]))),
        html("button", { type: "button", className: "quiet", "aria-label": `${this.texts.remove} ${this.texts.hours} ${number + 1}`, onclick: () => put(rows().filter((_, other) => other !== number), days()) }, "✕"))),
      html("button", { type: "button", "data-field": `rule ${index} ${key} add`, onclick: () => put([...rows(), { days: field.days.slice(0, 5), hours: "06:00-10:00", holidays: "also" }], days()) }, this.texts.add_hours),
      html("label", {}, this.texts.except_days, html("input", { value: days().join(" "), placeholder: "2026-12-31", "data-field": `rule ${index} ${key} except`,
        onchange: (event) => put(rows(), event.target.value.split(/[\s,]+/).filter(Boolean)) })));
  }
}
