// The page on which a camera is drawn and calibrated.
import { DrawingDocument } from "./document.js";
import { Calibration } from "./geometry.js";
import { Panel } from "./panel.js";
import { Pictures } from "./pictures.js";
import { Rules } from "./rules.js";
import { Saving } from "./saving.js";
import { Server } from "./server.js";
import { Shapes } from "./shapes.js";
import { LaneMarks, Tools } from "./tools.js";
import { Trial } from "./trial.js";
import { Viewport } from "./viewport.js";

const ASSESS_AFTER_MS = 250, ASSESS_WITHIN_MS = 20000;
const SAID_MS = 9000;
const root = document.querySelector("main");
const page = JSON.parse(root.dataset.page);
const { texts } = page;
const doc = new DrawingDocument(page);
const viewport = new Viewport(document.getElementById("stage"), page.frame_size);
const shapes = new Shapes(viewport.svg, viewport, doc, texts);
const server = new Server(root, texts);

let quiet = null;
function say(text, kind = "") {
  const line = document.getElementById("message");
  line.textContent = text;
  line.className = kind === "alert" ? "alert" : "said";
  clearTimeout(quiet);
  if (kind !== "alert") quiet = setTimeout(() => { line.textContent = ""; line.className = ""; }, SAID_MS);
}

const tools = new Tools(viewport, shapes, doc, texts, new LaneMarks(doc));
const panel = new Panel(doc, shapes, viewport, tools, texts);
new Rules(doc, texts);
const pictures = new Pictures(server, viewport, page.frame_size, texts, say);
new Saving(server, doc, pictures, texts, say);
new Trial(server, doc, shapes, pictures, texts, say, page.language);

viewport.addEventListener("move", () => { shapes.render(); zoomed(); });
doc.addEventListener("change", () => { shapes.render(); history(); later(); });

function zoomed() { document.getElementById("zoom-level").textContent = `${Math.round(100 * viewport.scale * devicePixelRatio)} %`; }
function history() {
  document.getElementById("undo").disabled = !doc.past.length;
  document.getElementById("redo").disabled = !doc.future.length;
}
for (const [id, act] of Object.entries({
  undo: () => doc.undo(), redo: () => doc.redo(), "zoom-in": () => viewport.zoom(1.4), "zoom-out": () => viewport.zoom(1 / 1.4), "zoom-fit": () => viewport.fit(),
})) document.getElementById(id).addEventListener("click", act);
for (const name of ["grid", "errors", "paths"]) {
  const button = document.getElementById(`layer-${name}`);
  button.setAttribute("aria-pressed", String(shapes.layers[name]));
  button.addEventListener("click", () => {
    shapes.layers[name] = !shapes.layers[name];
    button.setAttribute("aria-pressed", String(shapes.layers[name]));
    shapes.render();
  });
}
const chooser = document.getElementById("camera");
chooser?.addEventListener("change", () => { location.href = `/cameras/${chooser.value}`; });

// The steps are tabs: arrow keys go from one to the next.
const tabs = [...document.querySelectorAll("[role=tab]")];
function open(tab) {
  for (const each of tabs) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", String(chosen)); each.tabIndex = chosen ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
    if (chosen) viewport.stage.dataset.step = each.id.replace("tab-", "");
  }
}
viewport.stage.dataset.step = "scale";
tabs.forEach((tab, number) => {
  tab.addEventListener("click", () => open(tab));
  tab.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = tabs[(number + by + tabs.length) % tabs.length];
    next.focus();
    open(next);
    event.stopPropagation();
  });
});
// What is selected on the picture is shown in its tab.
let shown = null;
doc.addEventListener("change", () => {
  const chosen = doc.selection && `${doc.selection.kind} ${doc.selection.index}`;
  if (chosen === shown) return;
  shown = chosen;
  if (!chosen) return;
  const wanted = document.getElementById(doc.selection.kind === "ground_points" ? "tab-scale" : "tab-drawing");
  if (wanted.getAttribute("aria-selected") !== "true") open(wanted);
});

// The application judges the drawing a moment after each change, one request at a time: at a busy server, requests that pile up would delay the last answer.
let waiting = null, asking = null, judged = "";
function later() {
  clearTimeout(waiting);
  waiting = setTimeout(() => { if (!asking && doc.text !== judged) assess(); }, ASSESS_AFTER_MS);
}
async function assess(terms = null) {
  while (asking) await asking;
  asking = ask(terms);
  try { return await asking; } finally {
    asking = null;
    if (doc.text !== judged) later();
  }
}
async function ask(terms) {
  const text = doc.text;
  const answer = await server.post(`${server.address}/assessment`, { drawing: text, ...(terms === null ? {} : { lens_terms: terms }) }, ASSESS_WITHIN_MS);
  judged = text;
  if (answer.problem) { say(answer.problem, "alert"); return null; }
  shapes.calibration = answer.calibration ? new Calibration(answer.calibration, page.frame_size) : null;
  document.getElementById("problems").replaceChildren(...answer.problems.map((problem) => Object.assign(document.createElement("li"), { textContent: problem })));
  document.getElementById("no-problems").hidden = answer.problems.length > 0;
  accuracy(answer.calibration);
  panel.render();
  shapes.render();
  root.dataset.assessed = "yes";
  return answer;
}
function accuracy(calibration) {
  const line = document.getElementById("accuracy"), missing = 4 - doc.drawing.ground_points.length;
  if (!calibration) line.textContent = missing > 0 ? texts.points_missing.replace("{count}", missing) : texts.points_wrong;
  else line.textContent = `${texts.accuracy.replace("{error}", calibration.typical_m.toFixed(2))} ${calibration.checked ? "" : texts.not_checked}`;
  line.classList.toggle("note", Boolean(calibration && !calibration.checked));
  const lens = doc.drawing.lens;
  document.getElementById("lens-terms").value = lens ? (lens.k2 ? "2" : "1") : "0";
  document.getElementById("lens-values").textContent = lens ? `k1 ${lens.k1}${lens.k2 ? `, k2 ${lens.k2}` : ""}` : "";
}
document.getElementById("lens-terms").addEventListener("change", async (event) => {
  const terms = Number(event.target.value);
  const answer = await assess(terms);
  if (!answer?.calibration || answer.problems.length) {
    if (answer?.problems.length) say(answer.problems.join(" · "), "alert");
    accuracy(shapes.calibration?.assessed || null);
    return;
  }
  const { k1, k2 } = answer.calibration;
  doc.change((drawing) => { drawing.lens = terms ? { k1, k2 } : null; });
});
document.getElementById("sign-out").addEventListener("click", () => { for (const key of Object.keys(sessionStorage)) if (key.startsWith("etle-")) sessionStorage.removeItem(key); });

zoomed(); history(); assess();
shapes.render();
root.dataset.ready = "yes";
