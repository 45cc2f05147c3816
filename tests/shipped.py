"""Networks as they ship, in small."""

from __future__ import annotations

import shutil
from pathlib import Path

from slimsr.deploy.export import export_widths
from slimsr.inference.shipped import CARD
from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint

WIDTHS = [1.0, 0.5]


def put_shipped(models: Path, name: str, scale: int = 2) -> Path:
    """Put a network of untrained weights into a folder of shipped ones; return its own folder."""
    folder = models / name
    folder.mkdir(parents=True)
    net = create_model("plain", scale=scale, n_feats=4, n_convs=1)
    state = TrainingState(describe_network("plain", net), {}, widths=WIDTHS)
    checkpoint = folder.parent / f"{name}.ckpt"
    save_checkpoint(checkpoint, net, state)
    export_widths(checkpoint, WIDTHS, folder, "ONNX")
    shutil.move(checkpoint, folder)
    (folder / CARD).write_text(f"# {name}\n\nFor tests,\nand nothing else.\n\nMore of it.\n")
    return folder
