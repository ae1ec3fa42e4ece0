// Enter takes the next case, from wherever the keyboard is.
const take = document.getElementById("take");
document.addEventListener("keydown", (event) => {
  if (take && event.key === "Enter" && !event.repeat && document.activeElement === document.body) take.click();
});
