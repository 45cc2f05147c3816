"""From a trained network to what a device runs."""

from src.deploy.extract import extract
from src.deploy.weights import load_reference_weights, load_weights

__all__ = ["extract", "load_reference_weights", "load_weights"]
