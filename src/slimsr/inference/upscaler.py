"""A network on whole pictures: tiles, colour and depth, self-ensemble, memory."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator

import numpy as np

from slimsr.errors import ConfigError, NotFiniteError
from slimsr.imaging import even_tile, imresize, mean_of_eight, plan_axis, run_strips, run_tiled
from slimsr.imaging.transparency import fill_transparent, filled_rows

LARGEST_TILE = 512  # side in LR pixels; larger ones hardly save overlap
# Context around the kept part of a tile. Networks see further than that in theory, but what they
# see there hardly counts, and the cross-fade hides it.
_OVERLAP = 40
_SMALLEST = 32  # pixels that a tile keeps at least

Run = Callable[[np.ndarray], np.ndarray]


class Upscaler:
    """Enlarges pictures of any size, kind and depth, strip by strip.

    Grey is given to the network as three equal channels and the mean of the result is kept; 16-bit
    values are divided by 257 for the network and not rounded in between; alpha is enlarged by the
    bicubic kernel, and transparent pixels get the colours of their neighbours before the network
    sees them.

    Args:
        run: maps (N, 3, H, W), float32, RGB in [0, 255], to the enlarged pictures.
        scale: enlargement of `run`.
        margin: how far the network sees, in pixels.
        tile: side of the tiles in pixels, at most.
        overlap: context around each tile's kept part; None for `default_overlap`. From the margin
            on the result equals that of the whole picture, unless the network looks at all
            it is given (RCAN, DRN, RLFN); below it neighbouring tiles are cross-faded.
        fixed: number, height and width of the only input that `run` takes; None where it is free.
        self_ensemble: average the results of eight flips and turns before rounding (EDSR's "+").
        any_size: whether `run` takes each size as readily as another: tiles are then as small as
            their number allows (`even_tile`).

    Raises:
        ConfigError: tiles that are too small for their overlap, or that cannot be turned.

    Attributes:
        tile: height and width of the tiles, at most.
    """

    def __init__(
        self,
        run: Run,
        scale: int,
        margin: int,
        tile: int = LARGEST_TILE,
        overlap: int | None = None,
        fixed: tuple[int, int, int] | None = None,
        self_ensemble: bool = False,
        any_size: bool = False,
    ):
        self.run = run if fixed is None else _padded(run, scale, fixed)
        self.scale = scale
        self.fixed = fixed
        self.even = any_size and fixed is None
        self.tile = (tile, tile) if fixed is None else fixed[1:]
        self.overlap = default_overlap(margin, min(self.tile)) if overlap is None else overlap
        self.cross_fade = self.overlap < margin
        self.self_ensemble = self_ensemble
        if self_ensemble and self.tile[0] != self.tile[1]:
            raise ConfigError(
                f"--self_ensemble turns pictures, which a network for {self.tile[0]}x{self.tile[1]}"
                " alone cannot take: export it with a square or a free --size"
            )
        if min(self.tile) <= 2 * self.overlap:
            raise ConfigError(
                f"a tile of {min(self.tile)} pixels leaves no room for the overlap of "
                f"{self.overlap} on each side: give --tile {smallest_tile(self.overlap)} or more, "
                f"or an --overlap of {(min(self.tile) - 1) // 2} or less"
            )

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Enlarge a picture in memory: (H, W, bands), uint8 or uint16, to the same kind.

        Raises:
            NotFiniteError: the network gives values that are no numbers.
        """
        if picture.shape[2] in (2, 4):
            picture = fill_transparent(picture)
        result = run_tiled(
            picture,
            self.scale,
            self.tile_for(*picture.shape[:2]),
            self.overlap,
            self._tile_of(picture.dtype),
            self.cross_fade,
        )
        return _rounded(result, picture.dtype)

    def strips(
        self,
        read: Callable[[int], np.ndarray],
        height: int,
        width: int,
        dtype: np.dtype | type[np.integer],
        progress: Callable[[int], object] | None = None,
    ) -> Iterator[np.ndarray]:
        """Yield the enlarged picture from top to bottom, (rows, W*scale, bands) of `dtype`.

        Args:
            read: returns the next n rows, (n, W, bands) of `dtype`: 1 band is grey, 2 grey and
                alpha, 3 RGB, 4 RGB and alpha.
            height: rows of the picture.
            width: columns of it.
            dtype: uint8 or uint16.
            progress: called with numbers of LR pixels that are done.

        Raises:
            MemoryError: the tiles are too large for this machine.
            NotFiniteError: the network gives values that are no numbers.
        """
        strips = run_strips(
            filled_rows(read, height),
            height,
            width,
            self.scale,
            self.tile_for(height, width),
            self.overlap,
            self._tile_of(dtype),
            self.cross_fade,
            progress,
        )
        for strip in strips:
            yield _rounded(strip, dtype)

    def tile_for(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the tiles of a picture."""
        if not self.even:
            return self.tile
        most_rows, most_columns = self.tile
        return (
            even_tile(height, most_rows, self.overlap),
            even_tile(width, most_columns, self.overlap),
        )

    def tiles(self, height: int, width: int) -> int:
        """Return how often the network runs for a picture."""
        sides = [
            len(plan_axis(side, tile, self.overlap))
            for side, tile in zip((height, width), self.tile_for(height, width), strict=True)
        ]
        return math.prod(sides) * (8 if self.self_ensemble else 1)

    def with_smaller_tiles(self) -> Upscaler:
        """Return the same with tiles of half the side, or as small as they may be."""
        smaller = copy.copy(self)
        if self.fixed is None:
            smaller.tile = (max(smallest_tile(self.overlap), self.tile[0] // 2),) * 2
        return smaller

    def _tile_of(self, dtype: np.dtype | type[np.integer]) -> Callable[[np.ndarray], np.ndarray]:
        """Return what enlarges one tile, (h, w, bands) of `dtype`; float32 if it is blended."""
        unit = np.iinfo(dtype).max // 255

        def enlarge(tile: np.ndarray) -> np.ndarray:
            bands = tile.shape[2]
            colour = tile[:, :, : bands - 1] if bands in (2, 4) else tile
            if unit != 1:
                colour = colour / np.float32(unit)
            colour = np.broadcast_to(colour, (*tile.shape[:2], 3))
            run = self._run_colour
            result = mean_of_eight(colour, run) if self.self_ensemble else run(colour)
            if bands < 3:
                result = result.mean(axis=2, keepdims=True)
            if unit != 1:
                result *= np.float32(unit)
            if bands in (2, 4):
                alpha = imresize(tile[:, :, bands - 1 :].astype(np.float32), self.scale)
                result = np.concatenate([result, alpha], axis=2, dtype=np.float32)
            return result if self.cross_fade else _rounded(result, dtype)

        return enlarge

    def _run_colour(self, tile: np.ndarray) -> np.ndarray:
        """Run the network on one tile (h, w, 3) in [0, 255]."""
        batch = np.ascontiguousarray(tile.transpose(2, 0, 1)[None], np.float32)
        result = self.run(batch)
        # The smallest and the largest are NaN where any is.
        if not (np.isfinite(result.min()) and np.isfinite(result.max())):
            raise NotFiniteError(
                "the network gave values that are not finite, expected 0 to 255: try --precision "
                "f32, or another checkpoint"
            )
        return result[0].transpose(1, 2, 0)


def _rounded(values: np.ndarray, dtype: np.dtype | type[np.integer]) -> np.ndarray:
    if values.dtype == dtype:
        return values
    np.clip(values, 0, np.iinfo(dtype).max, out=values)
    return np.rint(values, out=values).astype(dtype)


def default_overlap(margin: int, side: int | None = None) -> int:
    """Return the context that tiles get unless the user says otherwise, as the C++ harness does.

    Args:
        margin: how far the network sees.
        side: of the tiles, where it is given: small ones keep 32 pixels or at least half.
    """
    most = _OVERLAP if side is None else max((side - _SMALLEST) // 2, side // 4)
    return min(margin, _OVERLAP, most)


def smallest_tile(overlap: int) -> int:
    """Return the smallest side of a tile that is worth its overlap."""
    return 2 * overlap + _SMALLEST


def _padded(run: Run, scale: int, fixed: tuple[int, int, int]) -> Run:
    """Let a network of one input size run smaller pictures: repeat the border, cut the result."""
    number, height, width = fixed

    def padded(batch: np.ndarray) -> np.ndarray:
        _, _, rows, columns = batch.shape
        missing = ((0, number - len(batch)), (0, 0), (0, height - rows), (0, width - columns))
        result = run(np.pad(batch, missing, mode="edge"))
        return result[: len(batch), :, : rows * scale, : columns * scale]

    return padded
