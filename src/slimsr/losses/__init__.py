"""Losses: pure cells, one file per idea."""

from slimsr.losses.contrastive import ContrastiveLoss
from slimsr.losses.feature import HintLoss, SpatialAffinityLoss
from slimsr.losses.feature_contrastive import FeatureContrast
from slimsr.losses.vid import VidLoss

__all__ = ["ContrastiveLoss", "FeatureContrast", "HintLoss", "SpatialAffinityLoss", "VidLoss"]
