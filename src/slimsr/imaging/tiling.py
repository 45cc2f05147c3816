"""Enlarge a picture tile by tile, in strips from top to bottom, for bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

_FOLD = 8  # pixels; even_tile's steps are multiples of it

Enlarge = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Span:
    """A tile's extent along one axis, in pixels of the picture."""

    read: slice
    """What the tile covers."""
    keep: slice
    """What this tile decides; the keeps of an axis partition it."""


def plan_axis(length: int, tile: int, overlap: int) -> list[Span]:
    """Cut one axis into tiles of one size, so that one compiled graph serves all of them.

    Every kept pixel is at least `overlap` away from each end of its tile that is not an end of the
    axis. The last tile is shifted inward instead of being cut.

    Args:
        length: pixels of the axis.
        tile: pixels of a tile; where the axis is shorter there is one tile as long as the axis.
        overlap: pixels around the kept part that give context only.

    Raises:
        ValueError: an empty axis, a negative overlap, or no room between the overlaps.
    """
    if length < 1 or overlap < 0 or tile <= 2 * overlap:
        raise ValueError(
            f"plan_axis wants length >= 1 and tile > 2 * overlap >= 0, "
            f"got length {length}, tile {tile}, overlap {overlap}"
        )
    plan, kept = [], 0
    while kept < length:
        start = max(0, min(kept - overlap, length - tile))
        stop = min(start + tile, length)
        end = length if stop == length else stop - overlap
        plan.append(Span(slice(start, stop), slice(kept, end)))
        kept = end
    return plan


def even_tile(length: int, tile: int, overlap: int) -> int:
    """Return the side of tiles that are as many as those of side `tile`, and as small as may be.

    So the last one, which is shifted inward, does less again. Tiles begin where those of a
    multiple of 8 between their overlaps do: some networks fold pixels.

    Args:
        length: pixels of the axis.
        tile: side of a tile at most, more than 2 * overlap.
        overlap: see `plan_axis`.
    """
    if length <= tile:
        return tile
    number = -(-(length - 2 * overlap) // (tile - 2 * overlap))
    step = -(-(length - 2 * overlap) // number)
    return min(tile, 2 * overlap + -(-step // _FOLD) * _FOLD)


def run_strips(
    read: Callable[[int], np.ndarray],
    height: int,
    width: int,
    scale: int,
    tile: int | tuple[int, int],
    overlap: int,
    fn: Enlarge,
    cross_fade: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Iterator[np.ndarray]:
    """Enlarge a picture that is read and returned in strips; memory is independent of its height.

    Without cross-fade each pixel is decided by one tile: the result equals ``fn`` of the whole
    picture exactly where `overlap` is at least the radius of fn's receptive field (in pixels of the
    picture) and fn does the same at all positions. With it neighbours share the pixels
    around their common border, up to half an overlap on either side, with weights that change
    linearly, so that a smaller overlap leaves no visible seam.

    Args:
        read: ``read(n)`` returns the next n rows, (n, width) or (n, width, C); each row is asked
            for once, from top to bottom.
        height: rows of the picture.
        width: columns of the picture.
        scale: factor by which `fn` enlarges.
        tile: side of a tile or its (height, width), see `plan_axis`. One row of tiles is held at a
            time, so a lower tile needs less memory for a wide picture.
        overlap: context around each tile's kept part.
        fn: maps (h, w, ...) to (h * scale, w * scale, ...).
        cross_fade: whether tiles fade into each other.
        progress: called after each tile with the number of the picture's pixels that it decided;
            these add up to height * width.

    Yields:
        Strips (rows, width * scale, ...) from top to bottom, height * scale rows in all, of the
        dtype of fn's results. Blended integers are rounded.

    Raises:
        ValueError: as `plan_axis`, or a result of `fn` that has another size.
    """
    tile_height, tile_width = tile if isinstance(tile, tuple) else (tile, tile)
    rows, columns = plan_axis(height, tile_height, overlap), plan_axis(width, tile_width, overlap)
    row_fade = _Fade(rows, overlap if cross_fade else 0, scale, axis=0)
    column_fade = _Fade(columns, overlap if cross_fade else 0, scale, axis=1)

    above = None  # the part of the strip before that fades into this one
    for row, source in _rows_of_tiles(read, rows):
        strip = np.empty(0)
        for column in columns:
            result = _checked(fn, source[:, column.read], scale)
            part = result[row_fade.inner(row), column_fade.inner(column)]
            if cross_fade:
                part = part.astype(np.float32)
                column_fade.weigh(part, column)
            if column is columns[0]:
                make = np.zeros if cross_fade else np.empty
                strip = make((part.shape[0], width * scale, *part.shape[2:]), part.dtype)
            if cross_fade:
                strip[:, column_fade.outer(column)] += part
            else:
                _put(strip[:, column_fade.outer(column)], part)
            if progress:
                progress((row.keep.stop - row.keep.start) * (column.keep.stop - column.keep.start))
        if cross_fade:
            row_fade.weigh(strip, row)
            if above is not None:
                strip[: len(above)] += above
            done = len(strip) - (0 if row is rows[-1] else row_fade.length)
            strip, above = strip[:done], strip[done:].copy()
            if np.issubdtype(result.dtype, np.integer):
                strip = np.rint(strip)
            strip = strip.astype(result.dtype, copy=False)
        yield strip


def run_tiled(
    img: np.ndarray,
    scale: int,
    tile: int | tuple[int, int],
    overlap: int,
    fn: Enlarge,
    cross_fade: bool = False,
) -> np.ndarray:
    """Enlarge a picture that is in memory; as `run_strips`, put together.

    Args:
        img: (H, W) or (H, W, C).

    Returns:
        (H * scale, W * scale, ...) with the dtype and further axes of fn's results.
    """
    height, width = img.shape[:2]
    top = 0

    def read(rows: int) -> np.ndarray:
        nonlocal top
        top += rows
        return img[top - rows : top]

    out, filled = np.empty(0), 0
    for strip in run_strips(read, height, width, scale, tile, overlap, fn, cross_fade):
        if not filled:
            out = np.empty((height * scale, *strip.shape[1:]), strip.dtype)
        out[filled : filled + len(strip)] = strip
        filled += len(strip)
    return out


def _rows_of_tiles(
    read: Callable[[int], np.ndarray], spans: list[Span]
) -> Iterator[tuple[Span, np.ndarray]]:
    """Read the picture once; keep the rows that a row of tiles shares with the one before."""
    held, top, bottom = None, 0, 0
    for span in spans:
        fresh = read(span.read.stop - bottom)
        shared = None if held is None else held[span.read.start - top :]
        held = fresh if shared is None else np.concatenate([shared, fresh])
        top, bottom = span.read.start, span.read.stop
        yield span, held


def _put(target: np.ndarray, part: np.ndarray) -> None:
    """Copy a part, whose bands may lie one after the other: NumPy would go by bands innermost."""
    if part.ndim < 3:
        target[:] = part
        return
    for band in range(part.shape[2]):
        target[:, :, band] = part[:, :, band]


def _checked(fn: Enlarge, source: np.ndarray, scale: int) -> np.ndarray:
    result = fn(source)
    expected = (source.shape[0] * scale, source.shape[1] * scale)
    if result.shape[:2] != expected:
        raise ValueError(f"fn made {result.shape[:2]} of {source.shape[:2]}, not {expected}")
    return result


class _Fade:
    """Which part of each tile's result is used along one axis, and with what weight.

    Around each border between two keeps, over `length` pixels of the result, the weight of the
    tile before falls linearly and that of the tile after rises; together they are 1. The longest
    fade is the shortest keep, so no more than two tiles meet.
    """

    def __init__(self, spans: list[Span], overlap: int, scale: int, axis: int) -> None:
        shortest = min(span.keep.stop - span.keep.start for span in spans)
        self._half = min(overlap, shortest) // 2
        self._end, self._scale, self._axis = spans[-1].keep.stop, scale, axis
        self.length = 2 * self._half * scale
        self._rise = (np.arange(self.length, dtype=np.float32) + 0.5) / max(self.length, 1)

    def _used(self, span: Span) -> tuple[int, int]:
        start = span.keep.start - (self._half if span.keep.start else 0)
        stop = span.keep.stop + (self._half if span.keep.stop < self._end else 0)
        return start, stop

    def inner(self, span: Span) -> slice:
        """Return what is used, in the coordinates of this tile's own result."""
        start, stop = self._used(span)
        return slice(
            (start - span.read.start) * self._scale, (stop - span.read.start) * self._scale
        )

    def outer(self, span: Span) -> slice:
        """Return what is used, in the coordinates of the whole result."""
        start, stop = self._used(span)
        return slice(start * self._scale, stop * self._scale)

    def weigh(self, part: np.ndarray, span: Span) -> None:
        """Multiply the used part, along this axis, by its weights; in place."""
        lines = part.swapaxes(0, self._axis)
        rise = self._rise.reshape(-1, *(1 for _ in range(part.ndim - 1)))
        if span.keep.start:
            lines[: self.length] *= rise
        if span.keep.stop < self._end:
            lines[len(lines) - self.length :] *= rise[::-1]
