// What plots share: scales of an axis, ticks, the frame.

// A map from values to pixels with round ticks.
function axis(values, from, to, log) {
  let least = Math.min(...values), most = Math.max(...values);
  if (log) {
    const low = Math.log10(least), high = Math.log10(most), room = (high - low) * 0.06 || 0.3;
    const place = (v) => from + ((Math.log10(v) - low + room) / (high - low + 2 * room)) * (to - from);
    const ticksBy = (steps) => {
      const found = [];
      for (let e = Math.floor(low - room); e <= high + room; e++) found.push(...steps.map((s) => s * 10 ** e));
      return found.filter((tick) => Math.log10(tick) >= low - room && Math.log10(tick) <= high + room);
    };
    const finest = [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3]].map(ticksBy).find((ticks) => ticks.length <= 6);
    const ticks = finest ?? ticksBy([1]), every = Math.ceil(ticks.length / 6);
    return { place, ticks: ticks.filter((_, i) => i % every === 0) };
  }
  const room = (most - least) * 0.06 || Math.abs(most) * 0.5 || 1;
  [least, most] = [least - (least === 0 ? 0 : room), most + room];
  const raw = (most - least) / 6, unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((s) => s * unit >= raw) * unit;
  const ticks = [];
  for (let i = Math.ceil(least / step); i * step <= most; i++) ticks.push(Number((i * step).toPrecision(12)));
  return { place: (v) => from + ((v - least) / (most - least)) * (to - from), ticks };
}

const FRAME = { left: 58, right: 14, top: 10, bottom: 26 };

// An empty plot: its picture, and the map of either axis.
function frame(width, height, xs, ys, { title, logX = false, logY = false }) {
  const x = axis(xs, FRAME.left, width - FRAME.right, logX);
  const y = axis(ys, height - FRAME.bottom, FRAME.top, logY);
  const svg = draw("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": title });
  for (const tick of y.ticks) {
    const at = y.place(tick);
    svg.append(draw("line", { class: "grid", x1: FRAME.left, x2: width - FRAME.right, y1: at, y2: at }),
      draw("text", { class: "tick", x: FRAME.left - 8, y: at + 4, "text-anchor": "end" }, short(tick)));
  }
  let free = 0;
  for (const tick of x.ticks) {
    const at = x.place(tick), half = short(tick).length * 3.5;
    if (at - half < free || at + half > width) continue; // figures that would run into each other
    free = at + half + 8;
    svg.append(draw("text", { class: "tick", x: at, y: height - 8, "text-anchor": "middle" }, short(tick)));
  }
  return { svg, x: x.place, y: y.place };
}
