// Mouse, pen, touch, wheel and keys of the pictures.
function gestures({ canvas, handle, view, panBy, zoomBy, splitAt, whole, bounds }) {
  const down = new Map(); // pointer -> its last place
  let slides = false;

  const inside = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const slide = (px) => {
    const [from, to] = bounds();
    splitAt((px - from) / Math.max(1, to - from));
  };

  function begin(event) {
    if (event.button) return;
    const target = event.currentTarget;
    target.setPointerCapture(event.pointerId);
    if (target === canvas) down.set(event.pointerId, inside(event));
    // Nothing can be moved while all is seen: there the border follows the pointer.
    slides = view.mode === "slider" && (target === handle || (view.zoom === 1 && down.size < 2));
    if (target === handle) down.set(event.pointerId, inside(event));
    if (slides && event.pointerType === "mouse") slide(inside(event)[0]);
  }

  function move(event) {
    const last = down.get(event.pointerId), at = inside(event);
    if (!last) return;
    if (down.size === 2) {
      const other = [...down].find(([id]) => id !== event.pointerId)[1];
      const apart = (p) => Math.max(20, Math.hypot(p[0] - other[0], p[1] - other[1]));
      zoomBy(apart(at) / apart(last), (at[0] + other[0]) / 2, (at[1] + other[1]) / 2);
      panBy((at[0] - last[0]) / 2, (at[1] - last[1]) / 2);
      slides = false;
    } else if (slides) slide(at[0]);
    else panBy(at[0] - last[0], at[1] - last[1]);
    down.set(event.pointerId, at);
  }

  const end = (event) => down.delete(event.pointerId);
  for (const node of [canvas, handle]) {
    node.addEventListener("pointerdown", begin);
    node.addEventListener("pointermove", move);
    node.addEventListener("pointerup", end);
    node.addEventListener("pointercancel", end);
  }
  canvas.addEventListener("dblclick", (event) => zoomBy(2, ...inside(event)));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== canvas) return; // the page scrolls
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 300), ...inside(event));
  }, { passive: false });

  const keys = {
    "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5), 0: whole,
    ArrowLeft: () => panBy(40, 0), ArrowRight: () => panBy(-40, 0),
    ArrowUp: () => panBy(0, 40), ArrowDown: () => panBy(0, -40),
  };
  const sliding = {
    ArrowLeft: () => splitAt(view.split - 0.02), ArrowRight: () => splitAt(view.split + 0.02),
    ArrowDown: () => splitAt(view.split - 0.02), ArrowUp: () => splitAt(view.split + 0.02),
    PageDown: () => splitAt(view.split - 0.1), PageUp: () => splitAt(view.split + 0.1),
    Home: () => splitAt(0), End: () => splitAt(1),
  };
  for (const [node, actions] of [[canvas, keys], [handle, { ...keys, ...sliding }]])
    node.addEventListener("keydown", (event) => {
      const action = actions[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      action();
    });
}
