"""Training and test pictures: folders, decoded cache, random patches."""

from slimsr.data.cache import PictureCache, load_pair
from slimsr.data.check import check_pairs
from slimsr.data.folders import find_lr_folder, find_pairs, find_pictures, find_sets
from slimsr.data.pairs import Pair
from slimsr.data.patches import PatchDataset

__all__ = [
    "Pair",
    "PatchDataset",
    "PictureCache",
    "check_pairs",
    "find_lr_folder",
    "find_pairs",
    "find_pictures",
    "find_sets",
    "load_pair",
]
