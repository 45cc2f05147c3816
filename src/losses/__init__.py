"""Losses: pure cells, one file per idea."""

from src.losses.contrastive import ContrastiveLoss
from src.losses.vid import VidLoss

__all__ = ["ContrastiveLoss", "VidLoss"]
