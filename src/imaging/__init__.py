"""Pictures in and out, MATLAB's bicubic resize, tiles. NumPy in, NumPy out; no MindSpore here."""

from src.imaging.io import IMAGE_SUFFIXES, imread, imsize, imwrite
from src.imaging.resize import imresize
from src.imaging.tiling import Tile, run_tiled, tile_grid

__all__ = [
    "IMAGE_SUFFIXES",
    "Tile",
    "imread",
    "imresize",
    "imsize",
    "imwrite",
    "run_tiled",
    "tile_grid",
]
