"""Losses: pure cells, one file per idea."""

from src.losses.contrastive import ContrastiveLoss
from src.losses.feature import HintLoss, SpatialAffinityLoss
from src.losses.feature_contrastive import FeatureContrast
from src.losses.vid import VidLoss

__all__ = ["ContrastiveLoss", "FeatureContrast", "HintLoss", "SpatialAffinityLoss", "VidLoss"]
