// Renews the lease of the case while the page is in use, so that the queue gives it to nobody else meanwhile. A page that is only left open
// is not in use.
const EVERY_MS = 60_000;
const SIGNS = ["keydown", "pointermove", "pointerdown", "wheel"];

export class Lease {
  constructor(page, form, onLost) {
    this.url = `${page.dataset.case}/lease`;
    this.csrf = form.elements.csrf.value;
    this.onLost = onLost;
    this.used = true;
    for (const sign of SIGNS) addEventListener(sign, () => { this.used = true; }, { passive: true });
    this.timer = setInterval(() => this.renew(), EVERY_MS);
  }
  async renew() {
    if (!this.used || document.visibilityState !== "visible") return;
    this.used = false;
    const answer = await post(this.url, this.csrf).catch(() => null);
    if (!answer || answer.status !== 409) return;
    clearInterval(this.timer);
    this.onLost((await answer.json()).message);
  }
}

export function post(url, csrf) {
  return fetch(url, { method: "POST", body: new URLSearchParams({ csrf }), headers: { Accept: "application/json" } });
}
