// The page from top to bottom.
const data = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");

function toggleTheme() {
  const root = document.documentElement;
  const now = root.dataset.theme ?? (dark.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
}

function aboutSection(about) {
  return section("About this report", "about", make("dl", {}, ...Object.entries(about).flatMap(([key, text]) =>
    [make("dt", {}, key), make("dd", {}, key === "command" ? make("code", {}, text) : text)])));
}

const content = [];
if (data.pictures?.items.length) content.push(viewerSection(data.pictures));
if (data.tables.length) content.push(section("Scores", "scores", ...data.tables.map(sortable)));
if (data.trade?.points.some((point) => point.parameters)) content.push(tradeSection(data.trade));
if (data.runs.length) content.push(trainingSection(data.runs));
content.push(aboutSection(data.about));

document.body.append(
  make("header", {}, make("h1", {}, data.title),
    make("nav", { "aria-label": "Sections" }, ...(content.length > 2 ? content.slice(0, -1) : []).map((part) =>
      make("a", { href: `#${part.id}` }, part.querySelector("h2").textContent))),
    make("button", { type: "button", class: "theme", onclick: toggleTheme }, "Light / dark")),
  make("main", {}, ...data.notes.map((note) => make("p", { class: "note" }, note)), ...content));

// A page that is made again meanwhile is loaded again, and is then seen as it was left.
const left = history.state ?? {};
if (left.theme) document.documentElement.dataset.theme = left.theme;
const folds = [...document.querySelectorAll("details")];
folds.forEach((fold, i) => { fold.open = Boolean(left.open?.[i]); });
requestAnimationFrame(() => requestAnimationFrame(() => { if (left.y) scrollTo(0, left.y); }));
if (data.renewed)
  setTimeout(() => {
    history.replaceState({ theme: document.documentElement.dataset.theme, open: folds.map((fold) => fold.open),
      y: scrollY }, "");
    location.reload();
  }, data.renewed * 1000);
