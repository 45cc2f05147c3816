"""Losses: pure cells, one file per idea."""

from src.losses.contrastive import ContrastiveLoss

__all__ = ["ContrastiveLoss"]
