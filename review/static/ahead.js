// Loads the pictures of the case that comes next while this one is looked at: they are shown at once after the verdict.
import { post } from "./lease.js";

export async function loadAhead(csrf) {
  const answer = await post("/next/ahead", csrf).catch(() => null);
  if (!answer || !answer.ok) return;
  for (const url of (await answer.json()).pictures) {
    const image = new Image();
    image.fetchPriority = "low";
    image.src = url;
    await image.decode().catch(() => undefined);
  }
  document.documentElement.dataset.ahead = "loaded";
}
