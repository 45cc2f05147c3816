"""An ONNX network in int8, by NNCF's calibration, as long as it keeps its PSNR."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mindspore  # noqa: F401  before onnx: after it, the process would end by a crash
import numpy as np
import onnx

from slimsr.data import find_sets, load_pair
from slimsr.errors import ConfigError, DataError, DeviceError, OutputError
from slimsr.inference.openvino_module import import_openvino
from slimsr.inference.runtime import OpenVinoRuntime
from slimsr.metrics import psnr_y

logger = logging.getLogger(__name__)

OPSET = 13  # weights are quantised channel by channel since then
_MOST_PICTURES, _SIDE = 32, 128  # LR pixels of each that are looked at
# What works on values of the picture itself: int8 would cost what the network has gained.
_IMAGE_SPACE = ["Add", "DepthToSpace"]

Pairs = Sequence[tuple[np.ndarray, np.ndarray]]


class Quantiser:
    """Makes networks int8 that lose no more than a given PSNR by it.

    NNCF quantises all convolutions, measures, and takes those back to float32 that cost most until
    the loss is small enough; the first and the last are often among them.

    Args:
        folder: pictures to calibrate on and to measure with, as for training: HR, and LR or not.
        max_drop: dB of PSNR on Y that a network may lose on them.

    Raises:
        ConfigError: ``max_drop`` is not above 0.
        DeviceError: NNCF or what it runs ONNX with is not installed.
    """

    def __init__(self, folder: str | Path, max_drop: float = 0.1):
        if not 0 < max_drop < 10:
            raise ConfigError(f"--max_drop {max_drop:g} is not valid: give dB between 0 and 10")
        for package in ("openvino", "nncf", "onnxruntime"):
            if importlib.util.find_spec(package) is None:
                raise DeviceError(
                    f"--precision int8 needs {package}, which is not installed: pip install "
                    '".[quantise]"'
                )
        self.folder, self.max_drop = str(folder), max_drop

    def pairs(self, scale: int) -> Pairs:
        """Return LR and HR, (h, w, 3) uint8, of at most 32 pictures, from their centres.

        Raises:
            DataError: the folder has no pictures.
        """
        found = [pair for pairs in find_sets(self.folder, scale).values() for pair in pairs]
        if not found:
            raise DataError(f"no pictures in {self.folder}: give a folder of photographs")
        chosen = found[:: -(-len(found) // _MOST_PICTURES)]
        return [_centre(*load_pair(pair, scale), scale) for pair in chosen]

    def __call__(self, model: onnx.ModelProto, scale: int, name: str) -> onnx.ModelProto:
        """Return the network in int8; input and output stay float32.

        Args:
            model: from `to_onnx`, its input of free size, of opset 13 or more.
            scale: of the network.
            name: of the file, for messages.

        Raises:
            OutputError: it loses too much.
        """
        import_openvino()  # first: NNCF would bring its telemetry along
        nncf: Any = importlib.import_module("nncf")
        pairs, scores = self.pairs(scale), []

        def validate(candidate: Any, items: Pairs) -> tuple[float, None]:
            score = _psnr(candidate, items, scale)
            if _in_int8(candidate)[0] and not isinstance(items, list):  # a list: one picture
                scores.append(score)  # first of the network as it is with all in int8
            return score, None

        nncf.set_log_level(logging.ERROR)
        batches = nncf.Dataset(pairs, lambda pair: {"lr": _batch(pair[0])})
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
            result = nncf.quantize_with_accuracy_control(
                model,
                batches,
                nncf.Dataset(pairs),
                validate,
                max_drop=self.max_drop,
                subset_size=len(pairs),
                preset=nncf.QuantizationPreset.MIXED,
                ignored_scope=nncf.IgnoredScope(types=_IMAGE_SPACE, validate=False),
            )
        before, (kept, every) = _psnr(model, pairs, scale), _in_int8(result)
        drop = before - _psnr(result, pairs, scale)
        if drop > self.max_drop or not kept:
            lost = before - scores[0] if scores else drop
            raise OutputError(
                f"{name} loses {lost:.2f} dB in int8, and no convolution can stay so within "
                f"--max_drop {self.max_drop:g}: nothing was written; give fp16, or a network with "
                "ReLU and an anchor"
            )
        logger.info(
            "%s: %d of %d convolutions in int8, %.3f dB less than the %.2f dB of float32",
            name,
            kept,
            every,
            drop,
            before,
        )
        return result


def _centre(lr: np.ndarray, hr: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
    top, left = (max(0, (side - _SIDE) // 2) for side in lr.shape[:2])
    lr = lr[top : top + _SIDE, left : left + _SIDE]
    rows, columns = (side * scale for side in lr.shape[:2])
    return lr, hr[top * scale : top * scale + rows, left * scale : left * scale + columns]


def _batch(lr: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(lr.transpose(2, 0, 1)[None], np.float32)


def _psnr(model: onnx.ModelProto, pairs: Pairs, scale: int) -> float:
    """Return the mean PSNR on Y by OpenVINO, of pictures rounded to 8 bits."""
    run = OpenVinoRuntime(model.SerializeToString()).run
    scores = []
    for lr, hr in pairs:
        sr = np.rint(run(_batch(lr))[0].transpose(1, 2, 0).clip(0, 255)).astype(np.uint8)
        scores.append(psnr_y(sr, hr, scale))
    return float(np.mean([score for score in scores if np.isfinite(score)]))


def _in_int8(model: onnx.ModelProto) -> tuple[int, int]:
    """Return how many convolutions read quantised values, and how many there are."""
    quantised = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    convs = [node for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]
    return sum(set(node.input[:2]) <= quantised for node in convs), len(convs)
