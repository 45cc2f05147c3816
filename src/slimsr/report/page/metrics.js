// PSNR and SSIM of a part of two pictures, as slimsr.metrics has them.

// Luma of BT.601 in limited range, not rounded.
function luma(pixels) {
  const y = new Float64Array(pixels.length / 4);
  for (let i = 0, j = 0; i < y.length; i++, j += 4)
    y[i] = 16 + (65.481 * pixels[j] + 128.553 * pixels[j + 1] + 24.966 * pixels[j + 2]) / 255;
  return y;
}

function psnr(a, b, rgb) {
  let sum = 0, count = 0;
  if (rgb) {
    for (let i = 0; i < a.data.length; i++)
      if (i % 4 !== 3) { sum += (a.data[i] - b.data[i]) ** 2; count++; }
  } else {
    const x = luma(a.data), y = luma(b.data);
    count = x.length;
    for (let i = 0; i < count; i++) sum += (x[i] - y[i]) ** 2;
  }
  return sum === 0 ? null : 10 * Math.log10(255 ** 2 / (sum / count));
}

const WINDOW = (() => {
  const weights = Array.from({ length: 11 }, (_, i) => Math.exp(-((i - 5) ** 2) / (2 * 1.5 ** 2)));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
})();

// Gaussian 11x11 without border: (height, width) to (height - 10, width - 10).
function blur(plane, width, height) {
  const across = width - 10, down = height - 10;
  const rows = new Float64Array(down * width), out = new Float64Array(down * across);
  WINDOW.forEach((weight, k) => {
    for (let i = 0; i < rows.length; i++) rows[i] += weight * plane[i + k * width];
  });
  WINDOW.forEach((weight, k) => {
    for (let y = 0; y < down; y++)
      for (let x = 0; x < across; x++) out[y * across + x] += weight * rows[y * width + x + k];
  });
  return out;
}

// Mean over the part, of Y; null where SSIM's window does not fit.
function ssim(a, b) {
  const { width, height } = a;
  if (Math.min(width, height) < 11) return null;
  const x = luma(a.data), y = luma(b.data);
  const product = (p, q) => blur(p.map((value, i) => value * q[i]), width, height);
  const mx = blur(x, width, height), my = blur(y, width, height);
  const xx = product(x, x), yy = product(y, y), xy = product(x, y);
  const c1 = (0.01 * 255) ** 2, c2 = (0.03 * 255) ** 2;
  let sum = 0;
  for (let i = 0; i < mx.length; i++) {
    const m = mx[i] * my[i], squares = mx[i] ** 2 + my[i] ** 2;
    sum += ((2 * m + c1) * (2 * (xy[i] - m) + c2)) /
      ((squares + c1) * (xx[i] + yy[i] - squares + c2));
  }
  return sum / mx.length;
}
