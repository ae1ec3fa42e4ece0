import { Draft } from "./draft.js";
// Enter takes the next case unless another element has the focus.
const take = document.getElementById("take");
document.addEventListener("keydown", (event) => {
  if (take && event.key === "Enter" && !event.repeat && document.activeElement === document.body) take.click();
});
const signOut = document.getElementById("sign-out");
signOut.addEventListener("click", () => Draft.dropAll());
// An empty queue is looked at again.
const refresh = document.querySelector("[data-refresh-s]");
if (refresh) setTimeout(() => location.reload(), 1000 * Number(refresh.dataset.refreshS));
