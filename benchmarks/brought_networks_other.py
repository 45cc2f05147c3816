"""The other side of benchmarks/brought_networks.py, where torch, spandrel and ncnn are.

    PYTHON brought_networks_other.py make FOLDER     files and outputs of spandrel's networks
    PYTHON brought_networks_other.py ncnn PARAM BIN SIDE   a worker that runs ncnn

Random weights, the same in every run.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from workers import serve

BLOCKS = 2
ENDS = {
    "model.0": "conv_first",
    f"model.1.sub.{BLOCKS}": "conv_body",
    "model.3": "conv_up1",
    "model.6": "conv_up2",
    "model.8": "conv_hr",
    "model.10": "conv_last",
}


def realesrgan_name(name: str) -> str:
    """Return Real-ESRGAN's name of a tensor of an RRDBNet x4 that has ESRGAN's first names."""
    layer, kind = name.rsplit(".", 1)
    if layer in ENDS:
        return f"{ENDS[layer]}.{kind}"
    block, dense, conv = re.fullmatch(r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0", layer).groups()
    return f"body.{block}.rdb{dense}.conv{conv}.{kind}"


def make(folder: Path) -> None:
    """Write each network as a .pth, and a picture with what spandrel's network makes of it."""
    import torch
    from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact
    from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet
    from spandrel.architectures.SPAN.__arch.span import SPAN

    torch.manual_seed(0)
    picture = torch.rand(1, 3, 24, 32)

    def save(name: str, net: torch.nn.Module, called: Callable[[str], str] = str) -> None:
        with torch.no_grad():
            result = net.eval()(picture)
        torch.save({called(k): v for k, v in net.state_dict().items()}, folder / f"{name}.pth")
        np.savez(folder / f"{name}.npz", picture=picture.numpy(), result=result.numpy())

    small = {"num_filters": 16, "num_blocks": BLOCKS}
    for scale in (1, 2, 4, 8):
        save(f"esrgan_old_x{scale}", RRDBNet(**small, scale=scale))
    save("realesrgan_x4", RRDBNet(**small, scale=4), realesrgan_name)
    for scale, shuffle in ((2, 2), (1, 4)):
        net = RRDBNet(in_nc=3 * shuffle**2, **small, scale=4, shuffle_factor=shuffle)
        save(f"realesrgan_x{scale}plus", net, realesrgan_name)
    for activation in ("prelu", "relu", "leakyrelu"):
        net = SRVGGNetCompact(num_feat=16, num_conv=5, upscale=2, act_type=activation)
        save(f"compact_{activation}", net)
    save("span_branches", SPAN(num_in_ch=3, num_out_ch=3, feature_channels=12, upscale=2))


def run_ncnn(param: str, binary: str, side: str) -> None:
    """Serve runs of a network of ncnn on a square picture."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = os.cpu_count()
    net.load_param(param)
    net.load_model(binary)
    picture = np.random.default_rng(0).random((3, int(side), int(side)), np.float32)
    ends = net.input_names()[0], net.output_names()[0]

    def run() -> None:
        extractor = net.create_extractor()
        extractor.input(ends[0], ncnn.Mat(picture))
        extractor.extract(ends[1])

    serve({"step": run}, "ncnn")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        run_ncnn(*sys.argv[2:])
