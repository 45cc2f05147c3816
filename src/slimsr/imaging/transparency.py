"""Colours for pixels that nobody sees, so that a network does not draw them into those one sees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

REACH = 40
"""How many pixels from the visible ones are filled: what is further off hardly counts."""
# Of 255: pixels with less alpha are taken for transparent. Their colours, which programs that
# premultiply have rounded to a few levels, make up no more than this many levels of what is seen.
_VISIBLE = 2.5


def fill_transparent(pixels: np.ndarray) -> np.ndarray:
    """Give transparent pixels the colours of their visible neighbours.

    Ring by ring, up to `REACH` pixels: each pixel gets the mean of those around it that have a
    colour, weighted by their alpha. Beyond, transparent pixels become black. So what a file hides
    there has no influence on anything, and a pixel's result depends on `REACH` pixels around it.

    Args:
        pixels: (H, W, 2) grey or (H, W, 4) RGB with alpha as the last band; uint8 or uint16.

    Returns:
        The same shape and dtype; visible pixels and all of alpha as they are. ``pixels`` itself
        where nothing is transparent.
    """
    height, width, bands = pixels.shape
    alpha = pixels[:, :, -1] * np.float32(255 / np.iinfo(pixels.dtype).max)
    if alpha.min(initial=255) >= _VISIBLE:
        return pixels
    # With a border that has no colour, in one dimension: neighbours are at fixed distances.
    known = np.pad(alpha >= _VISIBLE, 1)
    weight = np.pad(alpha, 1).ravel() * known.ravel()
    colours = np.pad(pixels[:, :, :-1], ((1, 1), (1, 1), (0, 0))).reshape(-1, bands - 1)
    colours = colours.astype(np.float32)
    colours[np.pad(alpha == 0, 1).ravel()] = 0
    line = width + 2
    around = [dy * line + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    for _ in range(REACH):
        ring = np.flatnonzero(_next_ring(known))
        if not len(ring):
            break
        total, sums = np.zeros(len(ring), np.float32), np.zeros((len(ring), bands - 1), np.float32)
        for step in around:
            share = weight[ring + step]
            total += share
            sums += share[:, None] * colours[ring + step]
        colours[ring] = sums / total[:, None]
        weight[ring] = total / len(around)
        known.flat[ring] = True
    result = pixels.copy()
    filled = colours.reshape(height + 2, line, bands - 1)[1:-1, 1:-1]
    result[:, :, :-1] = np.rint(filled)
    return result


def _next_ring(known: np.ndarray) -> np.ndarray:
    """Return which pixels inside the border have no colour, but one of their eight neighbours."""
    rows = known.copy()
    rows[1:] |= known[:-1]
    rows[:-1] |= known[1:]
    ring = np.zeros_like(known)
    ring[1:-1, 1:-1] = (rows[1:-1, :-2] | rows[1:-1, 1:-1] | rows[1:-1, 2:]) & ~known[1:-1, 1:-1]
    return ring


def filled_rows(read: Callable[[int], np.ndarray], height: int) -> Callable[[int], np.ndarray]:
    """Return what reads the rows of a picture as `fill_transparent` of the whole would give them.

    Where there is alpha it reads `REACH` rows ahead and keeps as many that it has returned.

    Args:
        read: returns the next n rows, (n, W, bands).
        height: rows of the picture.
    """
    held, top, done = None, 0, 0

    def read_filled(rows: int) -> np.ndarray:
        nonlocal held, top, done
        if held is None:
            held = read(rows)
        if held.shape[2] not in (2, 4):
            fresh, held = held, held[:0]
            return fresh if len(fresh) else read(rows)
        missing = min(height, done + rows + REACH) - top - len(held)
        if missing:
            held = np.concatenate([held, read(missing)])
        filled = fill_transparent(held)[done - top : done + rows - top]
        done += rows
        start = max(0, done - REACH)
        held, top = held[start - top :], start
        return filled

    return read_filled
