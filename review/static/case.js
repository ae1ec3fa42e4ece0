// The case page: keyboard shortcuts, and the parts of the page that they act on.
import { ImageViewer } from "./image_viewer.js";
import { ClipPlayer } from "./clip.js";
import { PlateField } from "./plate.js";
import { VerdictBar } from "./verdict.js";
import { Draft } from "./draft.js";
import { Lease } from "./lease.js";
import { loadAhead } from "./ahead.js";

document.documentElement.classList.add("js");
const page = document.getElementById("case");
const form = document.getElementById("verdict");
if (page.dataset.decided) Draft.drop(page.dataset.user, page.dataset.decided);
if (form) new Draft(page, form);
const images = new ImageViewer(document.getElementById("media"));
const figure = document.querySelector(".shot.clip");
const clip = figure && new ClipPlayer(figure, document.getElementById("strip"));
const field = document.getElementById("plate") && new PlateField(document.getElementById("plate-panel"));
const verdict = form && new VerdictBar(form, images);
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
  b: () => follow("in-hand"),
  r: () => location.assign(`${page.dataset.case}/history`),
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

// A button that was clicked does not keep the focus: the next Enter is the verdict's, not the button's. One that was reached by the keyboard does.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[type=button]");
  if (button && event.detail > 0) button.blur();
});
if (form && "leased" in page.dataset) {
  new Lease(page, form, (message) => {
    const lost = document.getElementById("lease-lost");
    lost.textContent = `${message} ${lost.dataset.words}`;
    lost.hidden = false;
    verdict.disable();
  });
  verdict.ready.then(() => images.loaded()).then(() => loadAhead(form.elements.csrf.value));
}
const signOut = document.getElementById("sign-out");
if (signOut) signOut.addEventListener("click", () => Draft.dropAll());
