"""Optimisers whose learning rate is an argument, not a state."""
