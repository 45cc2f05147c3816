"""Pictures in and out, MATLAB's bicubic resize, tiles. NumPy in, NumPy out; no MindSpore here."""

from src.imaging.ensemble import mean_of_eight
from src.imaging.formats import READABLE_SUFFIXES
from src.imaging.io import IMAGE_SUFFIXES, imread, imsize, imwrite
from src.imaging.metadata import Metadata
from src.imaging.resize import imresize
from src.imaging.stream_in import Picture, open_picture
from src.imaging.stream_out import WRITABLE_SUFFIXES, check_can_save, save_strips
from src.imaging.tiling import plan_axis, run_strips, run_tiled

__all__ = [
    "IMAGE_SUFFIXES",
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Metadata",
    "Picture",
    "check_can_save",
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
