"""Cut a picture into overlapping tiles and put the results together, for bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tile:
    """One tile: the box of the picture that is read and the part of it that is kept."""

    read: tuple[slice, slice]
    """Rows and columns of the picture that the tile covers."""
    keep: tuple[slice, slice]
    """Rows and columns of the picture that this tile decides; the keeps of a grid partition it."""

    def inner(self, scale: int) -> tuple[slice, slice]:
        """`keep` in the coordinates of this tile's own result, enlarged by `scale`."""
        return tuple(
            _scaled(slice(keep.start - read.start, keep.stop - read.start), scale)
            for read, keep in zip(self.read, self.keep, strict=True)
        )

    def outer(self, scale: int) -> tuple[slice, slice]:
        """`keep` in the coordinates of the whole result, enlarged by `scale`."""
        return _scaled(self.keep[0], scale), _scaled(self.keep[1], scale)


def tile_grid(height: int, width: int, tile: int, margin: int) -> list[Tile]:
    """Plan tiles of one size, so that one compiled graph serves all of them.

    Every kept pixel is at least `margin` away from each side of its tile that is not a side of the
    picture. The last tile of a row or column is shifted inward instead of being cut.

    Args:
        height: Rows of the picture.
        width: Columns of the picture.
        tile: Side of a tile; a picture smaller than that gets tiles as large as the picture.
        margin: Pixels around the kept part that give context only.

    Returns:
        The tiles, row by row.

    Raises:
        ValueError: An empty picture, a negative margin, or no room between the margins.
    """
    if min(height, width) < 1 or margin < 0 or tile <= 2 * margin:
        raise ValueError(
            f"tile_grid wants a picture and tile > 2 * margin >= 0, "
            f"got {height}x{width}, tile {tile}, margin {margin}"
        )
    rows, columns = _line(height, tile, margin), _line(width, tile, margin)
    return [Tile((r, c), (rk, ck)) for r, rk in rows for c, ck in columns]


def run_tiled(
    img: np.ndarray,
    scale: int,
    tile: int,
    margin: int,
    fn: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Enlarge a picture tile by tile.

    The result equals ``fn(img)`` wherever `margin` is at least the radius of fn's receptive field
    (in pixels of `img`) and fn does the same at all positions.

    Args:
        img: (H, W) or (H, W, C).
        scale: Factor by which `fn` enlarges.
        tile: Side of a tile, see `tile_grid`.
        margin: Context around each tile's kept part.
        fn: Maps (h, w, ...) to (h * scale, w * scale, ...).

    Returns:
        (H * scale, W * scale, ...) with the dtype and further axes of fn's results.

    Raises:
        ValueError: As `tile_grid`, or a result of `fn` that has another size.
    """
    height, width = img.shape[:2]
    out = None
    for part in tile_grid(height, width, tile, margin):
        source = img[part.read]
        result = fn(source)
        expected = (source.shape[0] * scale, source.shape[1] * scale)
        if result.shape[:2] != expected:
            raise ValueError(f"fn made {result.shape[:2]} of {source.shape[:2]}, not {expected}")
        if out is None:
            out = np.empty((height * scale, width * scale, *result.shape[2:]), result.dtype)
        out[part.outer(scale)] = result[part.inner(scale)]
    return out


def _scaled(part: slice, scale: int) -> slice:
    return slice(part.start * scale, part.stop * scale)


def _line(length: int, tile: int, margin: int) -> list[tuple[slice, slice]]:
    """(read, keep) along one axis."""
    plan, kept = [], 0
    while kept < length:
        start = max(0, min(kept - margin, length - tile))
        stop = min(start + tile, length)
        end = length if stop == length else stop - margin
        plan.append((slice(start, stop), slice(kept, end)))
        kept = end
    return plan
