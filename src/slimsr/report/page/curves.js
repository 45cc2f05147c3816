// Curves over the steps of training; several runs in one plot, values where the pointer is.
const NAMES = { lr: "learning rate", seconds_per_step: "seconds per step" };

function curveCard(title, series) {
  const host = make("div", { class: "plot" }), tip = make("div", { class: "tip", hidden: true });
  const card = make("figure", { class: "card" }, make("figcaption", {}, title), host, tip);
  const all = series.flatMap(({ points }) => points);
  const steps = [...new Set(all.map(([step]) => step))].sort((a, b) => a - b);
  const values = all.map(([, value]) => value);
  // Losses and rates fall over several powers of ten.
  const logY = Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 20;
  atWidth(host, (width) => {
    const height = 190;
    const { svg, x, y } = frame(width, height, steps, values, { title, logY });
    for (const { points, colour, dash } of series) {
      const path = points.map(([s, v], i) => `${i ? "L" : "M"}${x(s).toFixed(1)} ${y(v).toFixed(1)}`);
      svg.append(draw("path", { class: `line s${colour} d${dash}`, d: path.join("") }));
      if (points.length === 1)
        svg.append(draw("circle", { class: `dot s${colour}`, cx: x(points[0][0]), cy: y(points[0][1]), r: 3 }));
    }
    const marks = draw("g");
    svg.append(marks);
    let at = steps.length - 1;
    const show = (index) => {
      at = clamp(index, 0, steps.length - 1);
      const step = steps[at], place = x(step);
      marks.replaceChildren(draw("line", { class: "guide", x1: place, x2: place, y1: FRAME.top,
        y2: height - FRAME.bottom }));
      tip.replaceChildren(make("b", {}, `step ${step.toLocaleString("en")}`));
      for (const { label, points, colour, dash } of series) {
        const near = points.reduce((a, b) => (Math.abs(b[0] - step) < Math.abs(a[0] - step) ? b : a));
        marks.append(draw("circle", { class: `dot s${colour}`, cx: x(near[0]), cy: y(near[1]), r: 4 }));
        const text = Math.abs(near[1]) >= 10 && Math.abs(near[1]) < 1e4 ? near[1].toFixed(3) : short(near[1]);
        tip.append(make("span", {}, swatch(colour, dash),
          near[0] === step ? label : `${label}, step ${near[0].toLocaleString("en")}`, make("i", {}, text)));
      }
      tip.hidden = false;
      const left = place > width / 2;
      tip.className = `tip ${left ? "left" : "right"}`;
    };
    const hide = () => { tip.hidden = true; marks.replaceChildren(); };
    const follow = (event) => {
      const px = event.clientX - svg.getBoundingClientRect().left;
      let best = 0;
      steps.forEach((step, i) => {
        if (Math.abs(x(step) - px) < Math.abs(x(steps[best]) - px)) best = i;
      });
      show(best);
    };
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("pointermove", follow);
    svg.addEventListener("pointerdown", follow);
    // What a finger has asked for stays until it asks elsewhere.
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      show(tip.hidden ? at : at + by);
    });
    host.replaceChildren(svg);
    hide();
  });
  return card;
}

const swatch = (colour, dash = 0) =>
  draw("svg", { class: "swatch", width: 18, height: 8, "aria-hidden": "true" },
    draw("path", { class: `line s${colour} d${dash}`, d: "M0 4H18" }));

function trainingSection(runs) {
  const several = runs.length > 1;
  const cards = [], shown = new Set();
  const valid = runs.flatMap((run, r) => Object.entries(run.valid).map(([label, points], k) =>
    ({ label: several ? `${run.name}: ${label}` : label, points, colour: (several ? r : k) % 8, run,
      dash: several ? k % 4 : 0 })));
  if (valid.length) cards.push(curveCard("validation PSNR, dB", valid));
  for (const key of runs.flatMap((run) => Object.keys(run.train))) {
    if (shown.has(key)) continue;
    shown.add(key);
    const series = runs.flatMap((run, r) => run.train[key] === undefined ? [] :
      [{ label: several ? run.name : NAMES[key] ?? key, points: run.train[key], colour: r % 8, dash: 0 }]);
    cards.push(curveCard(NAMES[key] ?? key, series));
  }
  // One colour a run; where a run has several networks, their dashes.
  const named = !several ? valid : runs.flatMap((run, r) => Object.keys(run.valid).length > 1 ?
    valid.filter((series) => series.run === run) : [{ label: run.name, colour: r % 8, dash: 0 }]);
  const legend = named.map(({ label, colour, dash }) => make("span", {}, swatch(colour, dash), label));
  const configs = runs.filter((run) => run.config).map((run) =>
    make("details", {}, make("summary", {}, `Configuration of ${run.name}, at step ${run.step.toLocaleString("en")}`),
      make("pre", { tabindex: 0 }, run.config)));
  if (!cards.length) cards.push(make("p", { class: "quiet" }, "Nothing is logged yet."));
  return section("Training", "training", make("p", { class: "legend" }, ...legend),
    make("div", { class: "cards" }, ...cards), ...configs);
}
