// The layers of one picture, decoded when they are asked for.
function layersOf(item) {
  const [height, width] = item.size, found = new Map();

  // A canvas of HR's size; LR's pixels are repeated.
  function canvas(label) {
    if (!found.has(label)) found.set(label, decode(item.layers.find((layer) => layer.label === label)));
    return found.get(label);
  }

  async function decode(layer) {
    const image = new Image();
    image.src = `data:image/webp;base64,${layer.source}`;
    await image.decode();
    const node = make("canvas", { width, height });
    const pen = node.getContext("2d", { willReadFrequently: true });
    pen.imageSmoothingEnabled = false;
    pen.drawImage(image, 0, 0, width, height);
    return node;
  }

  return { canvas };
}

const pixels = (canvas, [top, left, bottom, right]) =>
  canvas.getContext("2d").getImageData(left, top, right - left, bottom - top);

// Dark to bright over 32 grey levels: what the eye would not see, and what it would.
const RAMP = [[13, 8, 45], [87, 20, 109], [165, 44, 96], [225, 100, 48], [249, 179, 36], [252, 255, 200]];
const RAMP_END = 32;

function ramp(value) {
  const at = (clamp(value / RAMP_END, 0, 1) * (RAMP.length - 1)), i = Math.min(RAMP.length - 2, Math.floor(at));
  return RAMP[i].map((low, c) => low + (RAMP[i + 1][c] - low) * (at - i));
}

// The mean absolute difference of the three channels, pixel by pixel.
function differences(a, b) {
  const { width, height } = a, whole = [0, 0, height, width];
  const x = pixels(a, whole).data, y = pixels(b, whole).data;
  const node = make("canvas", { width, height }), pen = node.getContext("2d");
  const out = pen.createImageData(width, height);
  const table = Array.from({ length: 3 * 255 + 1 }, (_, sum) => ramp(sum / 3));
  for (let i = 0; i < x.length; i += 4) {
    const sum = Math.abs(x[i] - y[i]) + Math.abs(x[i + 1] - y[i + 1]) + Math.abs(x[i + 2] - y[i + 2]);
    out.data.set(table[sum], i);
    out.data[i + 3] = 255;
  }
  pen.putImageData(out, 0, 0);
  return node;
}
