"""Training and test pictures: folders, decoded cache, random patches."""

from src.data.cache import PictureCache, load_pair
from src.data.check import check_pairs
from src.data.folders import find_lr_folder, find_pairs, find_pictures, find_sets
from src.data.pairs import Pair
from src.data.patches import PatchDataset

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
