// The plate's text field: shows what was changed, and checks the text against the plate grammar while it is typed.
export class PlateField {
  constructor(panel) {
    this.panel = panel;
    this.input = panel.querySelector("#plate");
    this.row = panel.querySelector(".edit");
    this.change = panel.querySelector("#plate-change");
    this.undo = panel.querySelector("#plate-undo");
    this.hint = panel.querySelector("#plate-hint");
    this.irregular = panel.querySelector("#irregular");
    this.original = panel.dataset.original;
    this.input.addEventListener("input", () => this.changed());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.undo.addEventListener("click", () => { this.set(this.original); this.input.blur(); });
    for (const button of panel.querySelectorAll(".alternative")) button.addEventListener("click", () => { this.set(button.dataset.plate); button.blur(); });
    if (this.input.value !== this.original) this.changed();
  }
  edit() { this.input.focus(); this.input.select(); }
  set(text) { this.input.value = text; this.changed(); }

  // Enter only leaves the field; the verdict takes another key.
  key(event) {
    if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); this.input.blur(); }
    if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); this.set(this.original); this.input.blur(); }
  }
  changed() {
    const before = bare(this.original), after = bare(this.input.value);
    const same = before === after;
    this.row.classList.toggle("changed", !same);
    this.undo.hidden = same;
    this.change.hidden = same;
    if (!same) this.drawChange(before, after);
    clearTimeout(this.waiting);
    if (same) this.clear();
    else this.waiting = setTimeout(() => this.check(), 120);
  }
  clear() {
    this.hint.textContent = "";
    this.irregular.hidden = true;
    this.row.classList.remove("bad");
    if (document.activeElement !== this.input) this.input.value = this.original;
  }
  drawChange(before, after) {
    const kept = common(before, after);
    const [head, middle, tail] = this.change.dataset.words.split(/\{before\}|\{after\}/);
    const words = (text, mark, keep) => [...text].map((letter, index) => {
      if (keep.has(index)) return document.createTextNode(letter);
      const node = document.createElement(mark);
      node.textContent = letter;
      return node;
    });
    this.change.replaceChildren(head, ...words(before, "del", kept.before), middle, ...words(after, "ins", kept.after), tail);
  }
  async check() {
    const typed = this.input.value;
    const answer = await fetch(`${this.panel.dataset.check}?${new URLSearchParams({ text: typed })}`, { headers: { Accept: "application/json" } });
    if (!answer.ok || typed !== this.input.value) return;
    const plate = await answer.json();
    const bad = typed.trim() !== "" && !plate.is_plate;
    this.row.classList.toggle("bad", bad);
    this.irregular.hidden = !bad;
    this.hint.classList.toggle("fine", plate.notes.length === 0 && plate.is_plate);
    this.hint.textContent = [plate.region === this.panel.dataset.region ? null : plate.region, ...plate.notes].filter(Boolean).join(" · ");
    if (plate.is_plate && document.activeElement !== this.input) this.input.value = plate.formatted;
  }
}

const bare = (text) => text.toUpperCase().replace(/[^A-Z0-9-]/g, "");

// Indices of the letters that two short texts have in common: their longest common subsequence.
function common(before, after) {
  const longest = Array.from({ length: before.length + 1 }, () => new Array(after.length + 1).fill(0));
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      longest[i][j] = before[i] === after[j] ? longest[i + 1][j + 1] + 1 : Math.max(longest[i + 1][j], longest[i][j + 1]);
  const kept = { before: new Set(), after: new Set() };
  for (let i = 0, j = 0; i < before.length && j < after.length; ) {
    if (before[i] === after[j]) { kept.before.add(i++); kept.after.add(j++); }
    else if (longest[i + 1][j] >= longest[i][j + 1]) i++;
    else j++;
  }
  return kept;
}
