"""The smallest run that exercises everything, and the entry scripts as a user starts them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from slimsr.imaging import imwrite

ROOT = Path(__file__).resolve().parents[2]

# A CSD run whose step takes milliseconds once it is compiled.
SETTINGS = (
    "model.scale=2",
    "model.n_feats=8",
    "model.n_blocks=1",
    "method.vgg=random",
    "method.taps=[relu1_1]",
    "method.tap_weights=[1.0]",
    "method.n_negatives=1",
    "method.contrast_weight=20",
    "data.patch=16",
    "data.cache_dir=memory",
    "train.batch=2",
    "train.steps=4",
    "train.lr=1e-3",
    "train.schedule=constant",
    "train.log_every=1",
    "train.valid_every=2",
    "train.save_every=1",
)


def put_pictures(folder: Path, count: int = 3, height: int = 40, width: int = 48) -> Path:
    """Write pictures of seeded noise; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        imwrite(folder / f"{i}.png", rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return folder


def start(script: str, *args: str, cwd: Path) -> subprocess.Popen[str]:
    """Start an entry script; its output can be read from the pipes."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / script), *args],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run(script: str, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run an entry script to its end."""
    process = start(script, *args, cwd=cwd)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def everything_below(folder: Path) -> dict[str, bytes | None]:
    """Return the contents of all files below a folder, None for folders, by relative path."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }
