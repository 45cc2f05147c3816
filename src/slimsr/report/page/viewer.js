// Two layers of a picture, one beside or over the other, at one place and one size.
const MODES = [["slider", "Slider"], ["beside", "Side by side"], ["difference", "Difference"]];
const CLOSEST = 32; // screen pixels for one of the picture

function viewerSection({ items, rgb }) {
  const canvas = make("canvas", { tabindex: 0, role: "application", "aria-label":
    "Pictures: arrow keys move, plus and minus zoom, 0 shows all" });
  const handle = make("div", { class: "handle", role: "slider", tabindex: 0, "aria-valuemin": 0,
    "aria-valuemax": 100, "aria-label": "Border between the two pictures" }, make("span"));
  const tags = [make("span", { class: "tag" }), make("span", { class: "tag second" })];
  const stage = make("div", { class: "stage" }, canvas, handle, ...tags);
  const view = { mode: "slider", split: 0.5, zoom: 1, x: 0, y: 0, pair: ["", ""] };
  const screen = { width: 0, height: 0 };
  const measured = make("tbody"), hint = make("p", { class: "quiet" }), name = make("h3");
  const chooser = make("div", { class: "choice" }), scaleBar = make("p", { class: "ramp" });
  let item, layers, shown = [null, null], map = null, waiting = 0, wanted = 0;

  const labels = () => item.layers.map((layer) => layer.label);
  const scored = items.some((entry) => entry.layers.some((layer) => layer.ssim !== null));
  const hasHr = () => labels().includes("HR");

  function open(next) {
    const before = item;
    item = next;
    layers = layersOf(item);
    const [height, width] = item.size;
    Object.assign(view, { zoom: 1, x: width / 2, y: height / 2 });
    const known = labels();
    if (!before || !view.pair.every((label) => known.includes(label))) {
      const results = known.filter((label) => label !== "LR" && label !== "HR");
      view.pair = [results[0] ?? known[0], results.length > 1 ? results[results.length - 1] : known[known.length - 1]];
    }
    const whole = item.size.join() === item.whole.join() ? "" :
      `, a part of ${width}×${height} from ${item.whole[1]}×${item.whole[0]}`;
    name.replaceChildren(item.name, make("small", {}, `${item.set}${whole}`));
    chooser.replaceChildren(...["Left", "Right"].map((side, i) =>
      make("label", {}, make("span", {}, side), select(`${side} picture`, known.map((l) => [l, l]), view.pair[i],
        (label) => { view.pair[i] = label; load(); }))));
    [...thumbs.children].forEach((thumb, i) => thumb.setAttribute("aria-pressed", items[i] === item));
    load();
    size();
  }

  async function load() {
    const ticket = ++wanted;
    const found = await Promise.all(view.pair.map(layers.canvas));
    if (ticket !== wanted) return; // another choice was made meanwhile
    shown = found;
    map = null;
    stage.dataset.ready = ticket;
    paint();
  }

  // Where pictures are drawn: one pane, or two of the same size.
  function panes() {
    const { width, height } = screen;
    if (view.mode !== "beside") return [[0, 0, width, height]];
    const [across, down] = [Math.floor(width / 2), Math.floor(height / 2)]; // whole pixels, as alike
    return width < 560 ? [[0, 0, width, down], [0, down, width, down]] :
      [[0, 0, across, height], [across, 0, across, height]];
  }

  function place([left, top, width, height]) {
    const [h, w] = item.size, scale = Math.min(width / w, height / h) * view.zoom;
    const held = (at, side, pane) => {
      const half = pane / 2 / scale;
      return 2 * half >= side ? side / 2 : clamp(at, half, side - half);
    };
    view.x = held(view.x, w, width);
    view.y = held(view.y, h, height);
    return { scale, x: left + width / 2 - view.x * scale, y: top + height / 2 - view.y * scale };
  }

  function size() {
    const [h, w] = item.size, width = stage.clientWidth;
    if (!width) return;
    const stacked = view.mode === "beside" ? (width < 560 ? 2 : 0.5) : 1;
    screen.width = width;
    screen.height = Math.round(clamp((width * h / w) * stacked, 180, Math.max(260, innerHeight * 0.74)));
    canvas.style.height = `${screen.height}px`;
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(screen.height * devicePixelRatio);
    paint();
  }

  function paint() {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(now);
  }

  function now() {
    if (!shown[0] || !screen.width) return;
    const pen = canvas.getContext("2d"), all = panes(), [h, w] = item.size;
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.clearRect(0, 0, screen.width, screen.height);
    const put = (picture, pane, left, right) => {
      const { scale, x, y } = place(pane);
      pen.save();
      pen.beginPath();
      pen.rect(left, pane[1], right - left, pane[3]);
      pen.clip();
      pen.imageSmoothingEnabled = scale * devicePixelRatio < 1;
      pen.drawImage(picture, x, y, w * scale, h * scale);
      pen.restore();
    };
    const [first, second = first] = all, at = place(first);
    const from = Math.max(0, at.x), to = Math.min(first[2], at.x + w * at.scale);
    const border = from + view.split * (to - from);
    if (view.mode === "difference") {
      map ??= differences(...shown);
      put(map, first, 0, first[2]);
    } else if (view.mode === "beside") {
      all.forEach((pane, i) => put(shown[i], pane, pane[0] + (i && pane[0] ? 1 : 0), pane[0] + pane[2]));
    } else {
      put(shown[0], first, 0, border);
      put(shown[1], first, border, first[2]);
    }
    const slider = view.mode === "slider";
    handle.hidden = !slider;
    handle.style.left = `${border}px`;
    handle.setAttribute("aria-valuenow", Math.round(view.split * 100));
    handle.setAttribute("aria-valuetext", `${Math.round(view.split * 100)} % ${view.pair[0]}`);
    tags[0].textContent = view.mode === "difference" ? `|${view.pair[0]} − ${view.pair[1]}|` : view.pair[0];
    tags[1].textContent = view.pair[1];
    tags[1].hidden = view.mode === "difference";
    tags[1].style.top = second[1] ? `${second[1] + 10}px` : "";
    stage.classList.toggle("zoomed", view.zoom > 1);
    scaleBar.hidden = view.mode !== "difference";
    for (const button of modes.children) button.setAttribute("aria-pressed", button.value === view.mode);
    Object.assign(stage.dataset, { zoom: view.zoom, x: view.x, y: view.y, split: view.split, mode: view.mode });
    clearTimeout(now.timer);
    now.timer = setTimeout(measure, 120);
  }

  // [top, left, bottom, right] of what is seen and compared, in pixels of the picture.
  function seen() {
    const pane = panes()[0], { scale, x, y } = place(pane), [top, left, bottom, right] = item.inside;
    const low = (from, origin, least) => Math.max(least, Math.floor((from - origin) / scale + 0.01));
    const high = (to, origin, most) => Math.min(most, Math.ceil((to - origin) / scale - 0.01));
    return [low(pane[1], y, top), low(pane[0], x, left), high(pane[1] + pane[3], y, bottom), high(pane[0] + pane[2], x, right)];
  }

  async function measure() {
    const ticket = wanted, box = seen();
    const against = hasHr() ? "HR" : view.pair[0];
    const other = await layers.canvas(against);
    if (ticket !== wanted || box[2] <= box[0] || box[3] <= box[1]) return;
    const right = pixels(other, box), rows = hasHr() ? [0, 1] : [1];
    measured.replaceChildren(...rows.map((i) => {
      const label = view.pair[i], layer = item.layers.find((l) => l.label === label);
      if (label === against) return make("tr", {}, make("th", { scope: "row" }, label), make("td", { colspan: 4 }, "the reference"));
      const left = pixels(shown[i], box), likeness = ssim(left, right);
      return make("tr", {}, make("th", { scope: "row" }, label),
        make("td", {}, decibels(psnr(left, right, rgb))),
        make("td", {}, likeness === null ? "–" : likeness.toFixed(4)),
        ...(!scored ? [] : layer.ssim === null ? [make("td", {}, "–"), make("td", {}, "–")] :
          [make("td", {}, decibels(layer.psnr)), make("td", {}, layer.ssim.toFixed(4))]));
    }));
    measured.dataset.box = box.join();
    hint.textContent = `In view: ${box[3] - box[1]}×${box[2] - box[0]} pixels, compared with ${against}` +
      (hasHr() ? "." : ": how far they are apart, not which one is better.");
  }

  function zoomBy(factor, px = screen.width / 2, py = screen.height / 2) {
    const pane = panes().find(([l, t, w, h]) => px >= l && px <= l + w && py >= t && py <= t + h) ?? panes()[0];
    const before = place(pane), x = (px - before.x) / before.scale, y = (py - before.y) / before.scale;
    view.zoom = clamp(view.zoom * factor, 1, (CLOSEST * view.zoom) / before.scale);
    const { scale } = place(pane);
    view.x = x - (px - pane[0] - pane[2] / 2) / scale;
    view.y = y - (py - pane[1] - pane[3] / 2) / scale;
    paint();
  }
  const panBy = (dx, dy) => { // in pixels of the screen
    const { scale } = place(panes()[0]);
    view.x -= dx / scale;
    view.y -= dy / scale;
    paint();
  };
  const whole = () => { view.zoom = 1; paint(); };
  const splitAt = (split) => { view.split = clamp(split, 0, 1); paint(); };
  const choose = (mode) => { view.mode = mode; size(); };

  const modes = make("div", { class: "segments", role: "group", "aria-label": "How to compare" },
    ...MODES.map(([value, text]) => make("button", { type: "button", value, onclick: () => choose(value) }, text)));
  const zooms = make("div", { class: "segments", role: "group", "aria-label": "Zoom" },
    make("button", { type: "button", "aria-label": "zoom out", onclick: () => zoomBy(1 / 1.5) }, "−"),
    make("button", { type: "button", "aria-label": "whole picture", onclick: whole }, "Fit"),
    make("button", { type: "button", "aria-label": "zoom in", onclick: () => zoomBy(1.5) }, "+"));
  const thumbs = make("div", { class: "thumbs", role: "group", "aria-label": "Pictures" },
    ...items.map((entry) => make("button", { type: "button", title: entry.name, "aria-label": entry.name, onclick: () => open(entry) },
      make("img", { alt: "", loading: "lazy", src: `data:image/webp;base64,${entry.layers[0].source}` }))));
  const stops = RAMP.map((_, i) => draw("stop", { offset: i / (RAMP.length - 1), "stop-color": `rgb(${RAMP[i]})` }));
  scaleBar.append("0", draw("svg", { width: 120, height: 10, "aria-hidden": "true" },
    draw("defs", {}, draw("linearGradient", { id: "ramp" }, ...stops)),
    draw("rect", { width: 120, height: 10, rx: 3, fill: "url(#ramp)" })), `${RAMP_END} grey levels or more`);

  gestures({ canvas, handle, view, panBy, zoomBy, splitAt, whole,
    bounds: () => { const { scale, x } = place(panes()[0]); const from = Math.max(0, x);
      return [from, Math.min(screen.width, x + item.size[1] * scale)]; } });
  const groups = scored ? ["in view", "whole"] : ["in view"];
  const head = ["", ...groups.flatMap(() => ["PSNR", "SSIM"])].map((text) => make("th", { scope: "col" }, text));
  const panel = make("div", { class: "panel" }, name, chooser, modes, zooms, scaleBar,
    make("table", { class: "measured" }, make("thead", {},
      make("tr", {}, make("td"), ...groups.map((text) => make("th", { colspan: 2, scope: "colgroup" }, text))),
      make("tr", {}, ...head)), measured), hint,
    make("p", { class: "quiet help" }, "Drag the border, or the picture when it is enlarged. Pinch, double-click, Ctrl and wheel or + and − zoom; 0 shows all."));
  const root = section("Pictures", "pictures", items.length > 1 ? thumbs : null,
    make("div", { class: "viewer" }, stage, panel));
  atWidth(stage, size);
  open(items[0]);
  return root;
}
