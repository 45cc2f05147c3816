"""A plain network as a MINDIR (or AIR) file, and back."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import mindspore as ms
import numpy as np
from google.protobuf.message import DecodeError
from mindspore import nn

from slimsr.compat import ModelProto
from slimsr.device.modes import switched_off
from slimsr.errors import WeightsError
from slimsr.files.leftovers import scratch_folder
from slimsr.models import SlimmableNet


def write_mindir(
    net: SlimmableNet, path: Path, shape: Sequence[int | None], file_format: str = "MINDIR"
) -> None:
    """Export a network through MindSpore.

    Args:
        net: from `extract`; exporting changes the state of a network, so it must be a fresh one.
        path: where the file goes.
        shape: of the input, NCHW; None leaves a side free.
        file_format: ``MINDIR`` or ``AIR``.
    """
    fixed = [side for side in shape if side is not None]
    if len(fixed) < len(shape):
        inputs = ms.Tensor(shape=list(shape), dtype=ms.float32)
    else:
        inputs = ms.Tensor(np.zeros(fixed, np.float32))
    # In MindSpore's own operators, which every device has.
    # Not at `path` itself: MindSpore refuses a name with a space or a letter like "é", here and
    # when it reads the file.
    with switched_off(), scratch_folder() as folder:
        exported = Path(folder) / path.name
        ms.export(net, inputs, file_name=str(exported), file_format=file_format)
        shutil.copyfile(exported, path)


def load_mindir(path: Path, data: bytes | None = None) -> nn.GraphCell:
    """Read a MINDIR as a cell that maps (N, 3, H, W) to the enlarged pictures.

    Args:
        path: of the file.
        data: its contents, where they have been read; MindSpore gets a copy of its own, which
            nobody changes while it reads.

    Raises:
        WeightsError: it is damaged.
    """
    data = path.read_bytes() if data is None else data
    try:
        # First by hand: MindSpore writes lines of its own about a damaged file.
        ModelProto().ParseFromString(data)
        with scratch_folder() as folder:
            copy = Path(folder) / "model.mindir"
            copy.write_bytes(data)
            return nn.GraphCell(ms.load(str(copy)))
    except (DecodeError, RuntimeError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as MINDIR: export it again") from error
