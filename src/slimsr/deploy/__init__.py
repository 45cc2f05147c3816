"""From a trained network to its use: export, and pictures enlarged by the folder."""
