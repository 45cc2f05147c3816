"""Cells that every network is built from."""
