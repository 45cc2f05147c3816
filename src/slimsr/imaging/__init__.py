"""Pictures in and out, MATLAB's bicubic resize, tiles. NumPy in, NumPy out; no MindSpore here."""

from slimsr.imaging.ensemble import mean_of_eight
from slimsr.imaging.formats import READABLE_SUFFIXES, WRITABLE
from slimsr.imaging.io import imread, imsize, imwrite
from slimsr.imaging.metadata import Metadata
from slimsr.imaging.resize import imresize
from slimsr.imaging.stream_in import Picture, open_picture
from slimsr.imaging.stream_out import check_can_save, save_strips
from slimsr.imaging.tiling import even_tile, plan_axis, run_strips, run_tiled

__all__ = [
    "READABLE_SUFFIXES",
    "WRITABLE",
    "Metadata",
    "Picture",
    "check_can_save",
    "even_tile",
    "imread",
    "imresize",
    "imsize",
    "imwrite",
    "mean_of_eight",
    "open_picture",
    "plan_axis",
    "run_strips",
    "run_tiled",
    "save_strips",
]
