// Keeps what is typed into the verdict form until the case is decided: over a change of the language, a look at another page, a new
// sign-in. It stays in this window (sessionStorage) and is removed when the user signs out.
const PREFIX = "etle-draft ";

export class Draft {
  constructor(page, form) {
    this.key = `${PREFIX}${page.dataset.user} ${page.dataset.case}`;
    this.note = form.querySelector("#note");
    this.plate = document.getElementById("plate");
    this.irregular = document.querySelector("#irregular input");
    this.restore();
    for (const field of [this.note, this.plate, this.irregular]) field.addEventListener("input", () => this.save());
  }
  get stored() { return this.plate.dataset.stored; }

  save() {
    const typed = { note: this.note.value, plate: this.plate.value, irregular: this.irregular.checked };
    if (typed.note || typed.plate !== this.stored) sessionStorage.setItem(this.key, JSON.stringify(typed));
    else sessionStorage.removeItem(this.key);
  }
  // What the server put into the form is newer than a draft.
  restore() {
    const typed = JSON.parse(sessionStorage.getItem(this.key) || "null");
    if (!typed || this.note.value || this.plate.value !== this.stored) return;
    this.note.value = typed.note;
    this.plate.value = typed.plate;
    this.irregular.checked = typed.irregular;
  }
  static drop(user, path) { sessionStorage.removeItem(`${PREFIX}${user} ${path}`); }
  static dropAll() {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
  }
}
