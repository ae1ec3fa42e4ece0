// The verdict buttons: one key decides, or two where a reason is needed. They are enabled once the picture has been shown. A key that is
// still held down from the case before repeats, and a repeated key decides nothing (case.js).
// A key that is pressed twice decides one case: nothing is decided so soon after the key that led here.
const SETTLE_MS = 250;
const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

export class VerdictBar {
  constructor(form, images) {
    this.form = form;
    this.reasons = form.querySelector("#reasons");
    this.note = form.querySelector("#note");
    this.buttons = [...form.querySelectorAll("button[name=answer], button[data-asks-reason]")];
    this.enabled = false;
    for (const button of form.querySelectorAll("button[data-asks-reason]"))
      button.addEventListener("click", () => { button.blur(); this.openReasons(); });
    form.querySelector("#reasons-cancel").addEventListener("click", () => this.cancel());
    this.note.addEventListener("keydown", (event) => this.keyInNote(event));
    form.addEventListener("submit", (event) => this.submit(event));
    for (const button of this.buttons) button.disabled = true;
    const settled = new Promise((done) => setTimeout(done, SETTLE_MS - performance.now()));
    this.ready = Promise.all([images.decoded().then(painted), settled]).catch(() => undefined).then(() => {
      if (images.failed) return;
      this.enabled = true;
      for (const button of this.buttons) button.disabled = false;
      form.dataset.ready = "yes";
      window.readyAt = performance.now(); // for measurements
    });
  }
  // A picture of the evidence could not be shown: nothing may be decided without it.
  disable() {
    this.enabled = false;
    for (const button of this.buttons) button.disabled = true;
  }
  get reasonsOpen() { return this.reasons.classList.contains("open"); }

  // Presses the button with this key; Enter presses the default one. Returns whether there is such a button.
  pressKey(key) {
    const button = this.buttons.find((each) => (key === "Enter" ? "default" in each.dataset : each.dataset.key === key));
    if (!button) return false;
    if ("asksReason" in button.dataset) this.openReasons();
    else if (this.enabled && !this.reasonsOpen) this.form.requestSubmit(button);
    return true;
  }
  openReasons() { if (this.enabled) this.reasons.classList.add("open"); }
  // Returns whether the reasons were open.
  cancel() {
    const wasOpen = this.reasonsOpen;
    this.reasons.classList.remove("open");
    if (document.activeElement instanceof HTMLElement && this.form.contains(document.activeElement)) document.activeElement.blur();
    return wasOpen;
  }
  chooseReason(number) {
    const button = this.reasons.querySelectorAll("button[name=answer]")[number - 1];
    if (button) this.form.requestSubmit(button);
  }
  focusNote() { this.note.focus(); }

  // In the note, Enter submits the reason that needs a note if the reasons are open; else it only leaves the note.
  keyInNote(event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    if (this.reasonsOpen && this.note.value.trim()) this.form.requestSubmit(this.reasons.querySelector("button[data-needs-note]"));
    else this.note.blur();
  }
  submit(event) {
    if (!this.enabled || this.sent) { event.preventDefault(); return; }
    if (event.submitter && "needsNote" in event.submitter.dataset && !this.note.value.trim()) {
      event.preventDefault();
      this.note.focus();
      this.note.placeholder = event.submitter.dataset.needsNote || event.submitter.textContent.replace(/^\d/, "");
      return;
    }
    this.sent = true;
  }
}
