// Elements, numbers, colours. Whatever is data goes into the page as text, never as HTML.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}
const make = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  for (const [unit, letter] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]])
    if (size >= unit) return trimmed((unit === 1e4 ? value / 1e3 : value / unit).toPrecision(3)) + letter;
  return size < 1e-3 ? value.toExponential(1) : trimmed(value.toPrecision(4));
}
// Without zeros at the end of a fraction, and 1e+2 as 100.
const trimmed = (text) => String(Number(text));
const decibels = (value) => (value === null || value === undefined ? "∞" : value.toFixed(2));

function section(title, id, ...children) {
  const heading = make("h2", { id: `${id}-title` }, title);
  return make("section", { id, "aria-labelledby": `${id}-title` }, heading, ...children);
}

function select(label, options, chosen, change) {
  const list = make("select", { "aria-label": label, onchange: () => change(list.value) },
    ...options.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
  return list;
}

// Calls back with the width at once and whenever it changes.
function atWidth(node, callback) {
  let before = 0;
  new ResizeObserver(() => {
    const width = Math.floor(node.clientWidth);
    if (width && width !== before) callback((before = width));
  }).observe(node);
}
