// The case page: every deed has a key, and no verdict is taken before the pictures were there to be seen.
import { Stage } from "./stage.js";
import { Film } from "./film.js";
import { PlateField } from "./plate.js";
import { VerdictBar } from "./verdict.js";

document.documentElement.classList.add("js");
const stage = new Stage(document.getElementById("media"));
const figure = document.querySelector(".shot.clip");
const film = figure && new Film(figure, document.getElementById("strip"));
const field = document.getElementById("plate") && new PlateField(document.getElementById("plate-panel"));
const verdict = document.getElementById("verdict") && new VerdictBar(document.getElementById("verdict"), field, stage);
const help = document.getElementById("help");

function toFilm(deed) {
  if (!film) return;
  stage.show(figure);
  deed();
}
function follow(id) {
  const link = document.getElementById(id);
  if (link) link.click();
}
const path = location.pathname;
const deeds = {
  " ": () => film && film.toggle(),
  ArrowLeft: () => toFilm(() => film.step(-1)),
  ArrowRight: () => toFilm(() => film.step(1)),
  ",": () => film && film.faster(-1),
  ".": () => film && film.faster(1),
  z: () => stage.toggleZoom(),
  l: () => stage.toggleOverlay(),
  c: () => stage.toggleContrast(),
  e: () => field && field.edit(),
  n: () => verdict && verdict.focusNote(),
  k: () => verdict && verdict.confirm(),
  Enter: () => verdict && verdict.confirm(),
  p: () => verdict && verdict.warn(),
  t: () => verdict && verdict.openReasons(),
  u: () => follow("previous"),
  r: () => location.assign(`${path}/history`),
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
    if (verdict && verdict.reasonsOpen) verdict.reason(Number(event.key));
    else stage.showNumber(event.key);
    return;
  }
  const deed = deeds[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (deed) { event.preventDefault(); deed(); }
});
document.getElementById("help-open").addEventListener("click", () => help.showModal());
