// "Try": the rules run on footage in the background, and what they would report is shown on the picture.
import { html } from "./panel.js";

const EVERY_MS = 1000;

export class Trial {
  constructor(server, doc, shapes, pictures, texts, say, language) {
    Object.assign(this, { server, doc, shapes, pictures, texts, say, language });
    this.button = document.getElementById("try"); this.stopper = document.getElementById("try-stop");
    this.progress = document.getElementById("try-progress"); this.results = document.getElementById("try-results");
    this.button.addEventListener("click", () => this.start());
    this.stopper.addEventListener("click", () => this.server.post(`${this.server.address}/trial/stop`));
    document.addEventListener("draw-scene", () => { this.shapes.marked = null; this.shapes.render(); });
    this.poll();
  }
  async start() {
    this.running(true);
    const seconds = document.getElementById("try-seconds").value;
    const answer = await this.server.post(`${this.server.address}/trial`, { drawing: this.doc.text, seconds });
    if (!answer.started) {
      this.running(false);
      this.say([answer.message || answer.problem, ...(answer.problems || [])].filter(Boolean).join(" "), "alert");
      return;
    }
    this.tried = this.doc.text;
    this.poll();
  }
  running(on) {
    this.button.disabled = on; this.stopper.hidden = !on;
    if (on) this.progress.textContent = this.texts.trial_starts;
  }
  async poll() {
    const state = await this.server.get(`${this.server.address}/trial`);
    if (state.running) {
      this.running(true);
      this.progress.textContent = state.frames ? this.texts.trial_frames.replace("{count}", state.frames) : this.texts.trial_starts;
      setTimeout(() => this.poll(), EVERY_MS);
      return;
    }
    this.running(false);
    this.progress.textContent = state.problem ? (state.problem === "stopped" ? this.texts.trial_stopped : state.problem) : "";
    if (state.document) this.show(state.document);
  }
  show(result) {
    this.shapes.paths = result.paths; this.shapes.marked = null;
    const reported = result.vehicles.filter((each) => each.violations.length), others = result.vehicles.filter((each) => !each.violations.length);
    const lamps = Object.entries(result.lamps).map(([name, shares]) => `${name}: ${Object.entries(shares).map(([lamp, share]) => `${this.texts[`lamp.${lamp}`] || lamp} ${Math.round(100 * share)} %`).join(", ")}`);
    this.results.replaceChildren(
      html("p", { className: "verdict-line" }, html("b", {}, this.texts.would_report.replace("{count}", reported.length)),
        ` ${this.texts.seen.replace("{vehicles}", result.vehicles.length).replace("{paths}", result.paths.length).replace("{frames}", result.frames)}`),
      html("ul", { className: "found" }, ...reported.map((each) => this.row(each))),
      others.length ? html("details", {}, html("summary", {}, this.texts.not_reported.replace("{count}", others.length)), html("ul", { className: "found" }, ...others.map((each) => this.row(each)))) : null,
      ...lamps.map((line) => html("p", { className: "faint" }, line)),
      ...[...result.could_not_be_seen, ...result.rejected].map((line) => html("p", { className: "note" }, line)));
    this.shapes.render();
  }
  row(vehicle) {
    const plates = vehicle.violations.map((each) => each.plate || this.texts.no_plate), rules = [...new Set(vehicle.violations.map((each) => each.rule))];
    const said = vehicle.decisions.filter((each) => !rules.length || rules.includes(each.rule)).map((each) => `${each.rule}: ${each.text[this.language]}`);
    return html("li", {}, html("button", { type: "button", className: "quiet", onclick: () => this.look(vehicle) },
      html("b", {}, plates[0] || this.texts[`vehicle.${vehicle.vehicle}`] || vehicle.vehicle), ` ${vehicle.first_seen.slice(11, 19)}`,
      ...said.map((line) => html("span", {}, line))));
  }
  // The picture of the vehicle's moment, with its box and path.
  async look(vehicle) {
    if (vehicle.picture) await this.pictures.load(`${this.server.address}/trial/${vehicle.picture}.jpg`);
    this.shapes.marked = vehicle;
    this.shapes.render();
  }
}
