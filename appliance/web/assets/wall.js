// All cameras on one page. Only the tiles that can be seen stream. Choosing cameras and the
// layout changes this page in place, so that the others go on playing; without the script
// the same form loads the page anew.

const wall = document.querySelector("[data-wall]");
const form = document.querySelector("[data-wall-form]");
const players = new Map();

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const player = players.get(target);
    if (player) player.show(isIntersecting);
    else if (isIntersecting) players.set(target, new Player(target, target.dataset.stream));
  }
}, { rootMargin: "64px" });

for (const screen of wall.querySelectorAll("[data-live]")) seen.observe(screen);

const columns = (layout, count) => {
  if (layout !== "auto") return Math.sqrt(Number(layout));
  return count <= 1 ? 1 : count <= 4 ? 2 : count <= 9 ? 3 : 4;
};

const arrange = () => {
  const boxes = [...form.querySelectorAll("input[name=camera]")];
  const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
  const layout = form.querySelector("input[name=layout]:checked").value;
  for (const tile of wall.querySelectorAll("[data-tile]")) {
    tile.hidden = !chosen.includes(tile.dataset.tile);
  }
  wall.className = `wall columns-${columns(layout, chosen.length)}`;
  document.querySelector("[data-wall-empty]").hidden = chosen.length > 0;
  const query = [];
  if (chosen.length < boxes.length) query.push(`cameras=${chosen.join(",")}`);
  if (layout !== "auto") query.push(`layout=${layout}`);
  history.replaceState(null, "", query.length ? `?${query.join("&")}` : location.pathname);
};

form.addEventListener("change", arrange);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  // The common script takes a form for sent.
  setTimeout(() => {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  });
  arrange();
});
form.querySelector("[data-wall-submit]").hidden = true;
