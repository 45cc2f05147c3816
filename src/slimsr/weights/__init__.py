"""Weights by name: our checkpoints, and the files of other programs."""
