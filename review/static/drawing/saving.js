// Saves the drawing, keeps it in this window until then, and shows what others saved. Nothing that was drawn is lost.
import { html } from "./panel.js";

export class Saving {
  constructor(server, doc, pictures, texts, say) {
    Object.assign(this, { server, doc, pictures, texts, say });
    this.key = `etle-drawing ${document.querySelector("main").dataset.user} ${server.address}`;
    this.button = document.getElementById("save"); this.drawn = document.getElementById("drawn");
    this.conflict = document.getElementById("conflict"); this.versions = document.getElementById("versions");
    this.button.addEventListener("click", () => this.save());
    document.addEventListener("draw-save", () => this.save());
    document.getElementById("versions-open").addEventListener("click", () => this.list());
    document.getElementById("conflict-mine").addEventListener("click", () => { this.conflict.close(); this.doc.revision = this.theirs.revision; this.save(); });
    document.getElementById("conflict-theirs").addEventListener("click", () => this.takeTheirs());
    for (const button of document.querySelectorAll("dialog .close")) button.addEventListener("click", () => button.closest("dialog").close());
    addEventListener("beforeunload", (event) => { if (doc.dirty) event.preventDefault(); });
    doc.addEventListener("change", () => this.changed());
    this.restoreDraft();
    this.changed();
  }
  changed() {
    const { dirty } = this.doc;
    this.button.classList.toggle("primary", dirty);
    document.getElementById("unsaved").hidden = !dirty;
    if (dirty) sessionStorage.setItem(this.key, JSON.stringify({ drawing: this.doc.drawing, revision: this.doc.revision }));
    else sessionStorage.removeItem(this.key);
  }
  // What was drawn before the page was loaded again, on top of what the file says.
  restoreDraft() {
    const kept = JSON.parse(sessionStorage.getItem(this.key) || "null");
    if (!kept || JSON.stringify(kept.drawing) === this.doc.text) return;
    this.doc.change((drawing) => Object.assign(drawing, kept.drawing));
    this.doc.revision = kept.revision;
    this.say(this.texts.draft_restored);
  }
  async save() {
    if (this.button.disabled) return;
    this.button.disabled = true;
    const answer = await this.server.post(`${this.server.address}/save`, { drawing: this.doc.text, revision: this.doc.revision, picture: this.pictures.key });
    this.button.disabled = false;
    if (answer.status === 200) this.done(answer);
    else if (answer.status === 409) this.differ(answer);
    else this.say([answer.problem, ...(answer.problems || [])].filter(Boolean).join(" · ") || this.texts.failed, "alert");
  }
  done(answer) {
    const { past, future } = this.doc;
    this.doc.load(answer);
    Object.assign(this.doc, { past, future });
    this.drawn.textContent = answer.drawn;
    this.say(this.texts.saved.replace("{version}", answer.version).replace("{file}", answer.file));
  }
  differ(answer) {
    this.theirs = answer.theirs;
    document.getElementById("conflict-text").textContent = answer.message;
    this.conflict.showModal();
  }
  // Their drawing replaces mine as a step that undo takes back.
  takeTheirs() {
    this.conflict.close();
    this.doc.change((drawing) => Object.assign(drawing, this.theirs.drawing));
    this.doc.saved = this.doc.text; this.doc.revision = this.theirs.revision;
    this.drawn.textContent = this.theirs.drawn;
    this.doc.emit();
    this.say(this.texts.theirs_taken);
  }
  async list() {
    const listed = await this.server.get("/versions");
    const rows = (listed.versions || []).map((each) => html("li", {},
      html("div", { className: "version" }, html("b", {}, `${each.number}`), html("span", {}, each.when), html("span", {}, each.by),
        each.digest === listed.revision ? html("span", { className: "faint" }, this.texts.present)
          : html("button", { type: "button", onclick: (event) => this.compare(each, listed.revision, event.target.closest("li")) }, this.texts.compare))));
    const root = document.getElementById("versions-list");
    root.replaceChildren(...(rows.length ? rows : [html("li", {}, this.texts.no_versions)]));
    if (!this.versions.open) this.versions.showModal();
  }
  async compare(version, revision, row) {
    const answer = await this.server.get(`/versions/${version.number}`);
    row.querySelector(".difference")?.remove();
    const lines = (answer.difference || "").split("\n").slice(2).map((line) => html("span", { className: line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "" }, `${line}\n`));
    row.append(html("div", { className: "difference" }, html("pre", { tabIndex: 0, "aria-label": `${this.texts.compare} ${version.number}` }, ...lines),
      html("button", { type: "button", className: "primary", onclick: () => this.restore(version, revision) }, this.texts.restore.replace("{version}", version.number))));
  }
  async restore(version, revision) {
    const answer = await this.server.post(`/versions/${version.number}/restore`, { revision });
    if (answer.status !== 200) { this.say(answer.message || answer.problem || this.texts.failed, "alert"); return; }
    const page = await this.server.get(`${this.server.address}/drawing`);
    this.versions.close();
    this.done({ ...page, version: answer.version });
  }
}
