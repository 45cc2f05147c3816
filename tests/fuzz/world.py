"""What the cases start from: tiny networks in every form, made once."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fuzz.seeds import seeds

NETWORK = {"scale": 2, "n_feats": 4, "n_blocks": 1}


@dataclasses.dataclass(frozen=True)
class World:
    """A folder of good files.

    ``identity`` is a bundle whose network returns its input, in two widths: what it enlarges shows
    what was read. ``network.*`` is a random EDSR x2 as checkpoint, arrays and bundle ``exported``,
    ``expected.npy`` what it makes of ``good.png``, and ``config.yaml`` a configuration.
    """

    folder: Path
    harness: Path | None = None

    def copy(self, name: str, target: Path) -> Path:
        """Copy a file or folder to `target`; return it."""
        copy = shutil.copytree if (self.folder / name).is_dir() else shutil.copy
        return Path(copy(self.folder / name, target))

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        return (self.folder / name).read_bytes()

    @cached_property
    def good(self) -> np.ndarray:
        """The pixels of ``good.png``, (H, W, 3) uint8."""
        return pixels(self.folder / "good.png")


def pixels(path: Path) -> np.ndarray:
    """Return the pixels of a plain picture."""
    with Image.open(path) as img:
        return np.asarray(img.convert("RGB"))


def make(folder: Path) -> None:
    """Make the files of `World`."""
    from mindspore import set_seed

    from slimsr.config import load_config
    from slimsr.deploy.export import export_widths
    from slimsr.deploy.upscale import Options, upscale
    from slimsr.inference.source import ModelSpec
    from slimsr.models import create_model, describe_network
    from slimsr.weights.checkpoint import TrainingState
    from slimsr.weights.convert import write_arrays
    from slimsr.weights.saving import save_checkpoint

    set_seed(0)
    folder.mkdir(parents=True)
    (folder / "good.png").write_bytes(seeds()[0].data)
    _identity(folder / "identity")
    net = create_model("edsr", **NETWORK)
    state = TrainingState(describe_network("edsr", net), {}, widths=[1.0, 0.5])
    save_checkpoint(folder / "network.ckpt", net, state)
    arrays = {name: p.asnumpy() for name, p in net.parameters_and_names()}
    for suffix in (".npz", ".safetensors"):
        write_arrays(folder / f"network{suffix}", arrays)
    for form in ("ONNX", "MINDIR"):
        export_widths(folder / "network.ckpt", [1.0], folder / "exported", form)
    result = folder / "expected.png"
    upscale(
        ModelSpec(str(folder / "network.ckpt")), [str(folder / "good.png")], str(result), Options()
    )
    np.save(folder / "expected.npy", pixels(result))
    (folder / "config.yaml").write_text(load_config().to_yaml())


def make_in(folder: str) -> None:
    """Make them in a folder of this name."""
    make(Path(folder))


def _identity(folder: Path) -> None:
    from tests.ascend310.harness_bundle import repeat_model, write_bundle

    model = repeat_model(1)
    write_bundle(folder, 1, {1.0: model, 0.5: model}, network={"name": "identity"}, source={})
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for entry in manifest["models"]:
        entry |= {"parameters": 9, "multiply_adds_720p": 9, "bytes_per_pixel": 24}
    path.write_text(json.dumps(manifest))


if __name__ == "__main__":
    make_in(sys.argv[1])
