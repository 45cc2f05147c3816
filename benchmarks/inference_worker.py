"""One engine of benchmarks/inference.py, in a process (and perhaps an environment) of its own.

    python inference_worker.py ENGINE MODEL HEIGHT WIDTH

A worker of `workers`. MODEL is an ONNX file for openvino and onnxruntime, a MINDIR for
mindspore, and an .npz for torch: the weights with the names of `slimsr.models.edsr` and an array
``config`` (scale, n_feats, n_blocks, res_scale).
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from workers import serve


def openvino_engine(model: str, batch: np.ndarray, precision: str) -> Callable[[], np.ndarray]:
    from slimsr.inference.openvino_module import import_openvino

    openvino = import_openvino()
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
    request = openvino.Core().compile_model(model, "CPU", options).create_infer_request()
    return lambda: request.infer([batch], share_inputs=True, share_outputs=True)[0]


def onnxruntime_engine(model: str, batch: np.ndarray) -> Callable[[], np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"lr": batch})[0]


def mindspore_engine(model: str, batch: np.ndarray) -> Callable[[], np.ndarray]:
    import mindspore as ms
    from mindspore import nn

    cell = nn.GraphCell(ms.load(model))
    return lambda: cell(ms.Tensor(batch)).asnumpy()


def torch_engine(model: str, batch: np.ndarray) -> Callable[[], np.ndarray]:
    """EDSR in PyTorch eager, of the same weights."""
    import torch
    from torch.nn import functional as F

    with np.load(model) as file:
        weights = {name: torch.from_numpy(file[name]) for name in file.files}
    scale, _, n_blocks, res_scale = weights.pop("config").tolist()
    mean = 255 * torch.tensor([0.4488, 0.4371, 0.4040]).reshape(1, 3, 1, 1)

    def conv(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)

    @torch.inference_mode()
    def run() -> np.ndarray:
        head = x = conv(torch.from_numpy(batch) - mean, "head")
        for i in range(int(n_blocks)):
            x = x + res_scale * conv(F.relu(conv(x, f"body.{i}.conv1")), f"body.{i}.conv2")
        x = head + conv(x, "body_conv")
        factors = [3] if scale == 3 else [2] * (int(scale).bit_length() - 1)
        for i, factor in enumerate(factors):
            x = F.pixel_shuffle(conv(x, f"upsampler.blocks.{i}"), factor)
        return (conv(x, "tail_conv") + mean).numpy()

    return run


ENGINES = {
    "openvino": lambda model, batch: openvino_engine(model, batch, "f32"),
    "openvino bf16": lambda model, batch: openvino_engine(model, batch, "bf16"),
    "mindspore": mindspore_engine,
    "torch": torch_engine,
    "onnxruntime": onnxruntime_engine,
}


def main() -> None:
    engine, model, height, width = sys.argv[1:]
    shape = (1, 3, int(height), int(width))
    batch = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    run = ENGINES[engine](model, batch)
    result = run()
    # The last columns of the result, so that the caller can see that all engines compute the same.
    corner = result[..., -2:, -2:].astype(np.float64).ravel().tolist()
    serve({"step": run}, corner)


if __name__ == "__main__":
    main()
