// Quality against cost. No label covers another: each takes the nearest free place.
const overlap = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

function scatterCard(title, quality, points, baselines) {
  const host = make("div", { class: "plot" });
  const card = make("figure", { class: "card" }, make("figcaption", {}, title), host);
  const xs = points.map((p) => p.x), own = points.map((p) => p.y);
  // A baseline far below would press the points together, which are what is chosen from.
  const least = Math.min(...own), room = 2 * Math.max(Math.max(...own) - least, 0.2);
  const near = baselines.filter((p) => p.y >= least - room);
  const far = baselines.filter((p) => p.y < least - room);
  const below = far.map((p) => ` · ${p.label} ${p.y.toFixed(2)} lies below`).join("");
  card.firstChild.append(below);
  const ys = [...own, ...near.map((p) => p.y)];
  const logX = Math.min(...xs) > 0 && Math.max(...xs) / Math.min(...xs) > 4;
  atWidth(host, (width) => {
    const height = clamp(150 + points.length * 12, 230, 420);
    const { svg, x, y } = frame(width, height, xs, ys, { title, logX });
    const area = { left: FRAME.left + 2, right: width - 4, top: 2, bottom: height - FRAME.bottom };
    const taken = points.map((p) => ({ x: x(p.x) - 5, y: y(p.y) - 5, w: 10, h: 10 }));
    const label = (text, px, py, colour) => {
      const node = draw("text", { class: "label", x: 0, y: 0 }, text);
      svg.append(node);
      const w = node.getComputedTextLength() + 4, h = 15;
      const spots = [];
      for (let away = 0; away < height; away += 4)
        for (const dy of away ? [-away, away] : [0])
          for (const left of [px + 9, px - 9 - w, px - w / 2])
            spots.push({ x: left, y: py + dy - h / 2, w, h });
      const spot = spots.find((s) => s.x >= area.left && s.x + w <= area.right && s.y >= area.top &&
        s.y + h <= area.bottom && !taken.some((other) => overlap(s, other)));
      if (!spot) return node.remove(); // its point still says it to the pointer
      taken.push(spot);
      node.setAttribute("x", spot.x + 2);
      node.setAttribute("y", spot.y + 11.5);
      if (Math.abs(spot.y + h / 2 - py) > 14) {
        const end = spot.x > px ? spot.x : spot.x + w < px ? spot.x + w : px;
        svg.insertBefore(draw("line", { class: `leader s${colour}`, x1: px, y1: py, x2: end, y2: spot.y + h / 2 }), node);
      }
    };
    host.replaceChildren(svg);
    for (const p of near)
      svg.append(draw("line", { class: "baseline", x1: FRAME.left, x2: width - FRAME.right, y1: y(p.y), y2: y(p.y) }));
    for (const p of points)
      svg.append(draw("circle", { class: `dot s${p.colour}`, cx: x(p.x), cy: y(p.y), r: 5 },
        draw("title", {}, `${p.label}: ${p.y.toFixed(2)} dB, ${short(p.x)}`)));
    for (const p of points) label(`${p.label} · ${p.y.toFixed(2)}`, x(p.x), y(p.y), p.colour);
    for (const p of near) label(`${p.label} · ${p.y.toFixed(2)}`, FRAME.left - 4, y(p.y) - 8, 0);
  });
  return card;
}

// One row of plots for a set; another set is chosen above them.
function tradeSection({ quality, points, costs }) {
  const sets = [...new Set(points.map((p) => p.set))];
  const cards = make("div", { class: "cards" });
  const show = (set) => {
    const here = points.filter((p) => p.set === set && p.quality !== null)
      .map((p, i) => ({ ...p, y: p.quality, colour: i % 8 }));
    const free = here.filter((p) => !p.parameters);
    cards.replaceChildren(...costs.flatMap(({ key, label }) => {
      const found = here.filter((p) => p[key] > 0 && p.parameters).map((p) => ({ ...p, x: p[key] }));
      return found.length ? [scatterCard(`${quality} against ${label}`, quality, found, free)] : [];
    }));
  };
  show(sets[0]);
  const choice = sets.length > 1 ? select("Set", sets.map((s) => [s, s]), sets[0], show) : null;
  return section("Quality against cost", "trade", choice, cards);
}
