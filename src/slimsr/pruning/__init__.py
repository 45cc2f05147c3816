"""Channel pruning: how many inner channels to keep, which ones, and how the others are removed."""
