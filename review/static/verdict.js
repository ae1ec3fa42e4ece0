// The verdict: one key, or two to reject. It opens once the picture was seen, so that a key held a moment too long decides nothing.
const settle_ms = 500;

export class VerdictBar {
  constructor(form, field, stage) {
    this.form = form;
    this.field = field;
    this.reasons = form.querySelector("#reasons");
    this.note = form.querySelector("#note");
    this.buttons = [...form.querySelectorAll("button[name=answer], #reject")];
    this.open = false;
    form.querySelector("#reject").addEventListener("click", (event) => { event.currentTarget.blur(); this.openReasons(); });
    form.querySelector("#reject-cancel").addEventListener("click", () => this.cancel());
    this.note.addEventListener("keydown", (event) => this.keyInNote(event));
    form.addEventListener("submit", (event) => this.submit(event));
    for (const button of this.buttons) button.disabled = true;
    Promise.all([stage.seen().catch(() => undefined), new Promise((done) => setTimeout(done, settle_ms))]).then(() => {
      this.open = true;
      for (const button of this.buttons) button.disabled = false;
      form.dataset.ready = "yes";
    });
  }
  get reasonsOpen() { return this.reasons.classList.contains("open"); }

  confirm() { if (!this.reasonsOpen) this.press("#confirm"); }
  warn() { if (!this.reasonsOpen) this.press("#warn"); }
  press(selector) { if (this.open) this.form.requestSubmit(this.form.querySelector(selector)); }
  openReasons() { if (this.open) this.reasons.classList.add("open"); }
  // True if there was something to cancel.
  cancel() {
    const was = this.reasonsOpen;
    this.reasons.classList.remove("open");
    if (document.activeElement instanceof HTMLElement && this.form.contains(document.activeElement)) document.activeElement.blur();
    return was;
  }
  reason(number) {
    const button = this.reasons.querySelectorAll("button[name=answer]")[number - 1];
    if (button) this.form.requestSubmit(button);
  }
  focusNote() { this.note.focus(); }

  // In the note, Enter finishes a rejection for another reason, else it only leaves the note.
  keyInNote(event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    const other = this.form.querySelector('button[value="reject other"]');
    if (this.reasonsOpen && this.note.value.trim()) this.form.requestSubmit(other);
    else this.note.blur();
  }
  submit(event) {
    const other = event.submitter && event.submitter.value === "reject other";
    if (!this.open || this.sent) { event.preventDefault(); return; }
    if (other && !this.note.value.trim()) {
      event.preventDefault();
      this.note.focus();
      this.note.placeholder = event.submitter.textContent.replace(/^\d/, "");
      return;
    }
    this.sent = true;
  }
}
