// The case page: keyboard shortcuts, and the parts of the page that they act on.
import { ImageViewer } from "./image_viewer.js";
import { ClipPlayer } from "./clip.js";
import { PlateField } from "./plate.js";
import { VerdictBar } from "./verdict.js";

document.documentElement.classList.add("js");
const images = new ImageViewer(document.getElementById("media"));
const figure = document.querySelector(".shot.clip");
const clip = figure && new ClipPlayer(figure, document.getElementById("strip"));
const field = document.getElementById("plate") && new PlateField(document.getElementById("plate-panel"));
const verdict = document.getElementById("verdict") && new VerdictBar(document.getElementById("verdict"), images);
document.getElementById("media").addEventListener("evidence-missing", () => verdict && verdict.disable());
const help = document.getElementById("help");

function stepClip(frames) {
  if (!clip) return;
  images.show(figure);
  clip.step(frames);
}
function follow(id) {
  const link = document.getElementById(id);
  if (link) link.click();
}
// The keys of the verdicts, and Enter, are on their buttons (verdict.js).
const actions = {
  " ": () => clip && clip.toggle(),
  ArrowLeft: () => stepClip(-1),
  ArrowRight: () => stepClip(1),
  ",": () => clip && clip.changeSpeed(-1),
  ".": () => clip && clip.changeSpeed(1),
  z: () => images.toggleZoom(),
  l: () => images.toggleOverlay(),
  c: () => images.toggleContrast(),
  e: () => field && field.edit(),
  n: () => verdict && verdict.focusNote(),
  u: () => follow("previous"),
  r: () => location.assign(`${location.pathname}/history`),
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || help.open) return;
  if (event.key === "Escape" && verdict && verdict.cancel()) return;
  if (event.target.closest("input:not([type=checkbox])")) return;
  if (event.target.closest("button, a, summary, input") && (event.key === "Enter" || event.key === " ")) return;
  const steps = event.key.startsWith("Arrow");
  if (event.repeat && !steps) { event.preventDefault(); return; }
  if (/^[1-9]$/.test(event.key)) {
    event.preventDefault();
    if (verdict && verdict.reasonsOpen) verdict.chooseReason(Number(event.key));
    else images.showNumber(event.key);
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = actions[key];
  if (action) { event.preventDefault(); action(); }
  else if (verdict && verdict.pressKey(key)) event.preventDefault();
});
document.getElementById("help-open").addEventListener("click", () => help.showModal());
