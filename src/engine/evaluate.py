"""Scores of a network on pictures, by the protocol of the field."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mindspore as ms
import numpy as np

from src.data import Pair, check_pairs, load_pair
from src.errors import DataError
from src.imaging import imresize, run_tiled
from src.metrics import ConvShape, multiply_adds_720p, psnr_y, ssim_y
from src.models import SlimmableNet

# SSIM's window, which must fit into a picture without its shaved borders.
_SMALLEST = 11

Upscaler = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Score:
    """One picture's scores.

    Attributes:
        name: the picture.
        psnr: dB on Y, shaved by the scale.
        ssim: on Y, shaved by the scale.
        seconds: wall time of the enlargement, without reading.
    """

    name: str
    psnr: float
    ssim: float
    seconds: float


def bicubic_upscaler(scale: int) -> Upscaler:
    """Return MATLAB's bicubic enlargement, the field's baseline."""
    return lambda lr: imresize(lr, scale)


def network_upscaler(
    net: SlimmableNet, width: float = 1.0, tile: int = 512, self_ensemble: bool = False
) -> Upscaler:
    """Return a function from an LR to an SR picture, both (H, W, 3) uint8 RGB.

    Args:
        net: the network.
        width: which of its widths.
        tile: side in LR pixels of the tiles that larger pictures are cut into; the overlap covers
            the receptive field, so that the result is the same.
        self_ensemble: average the results of eight flips and turns before rounding (EDSR's "+").
    """
    net.check_width(width)
    tile = max(tile, 2 * net.margin + 64)

    def run(picture: np.ndarray) -> np.ndarray:
        batch = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
        return net(ms.Tensor(batch), width).asnumpy()[0].transpose(1, 2, 0)

    def enlarge(picture: np.ndarray) -> np.ndarray:
        return run_tiled(picture, net.scale, tile, net.margin, run)

    def upscale(lr: np.ndarray) -> np.ndarray:
        sr = _mean_of_eight(lr, enlarge) if self_ensemble else enlarge(lr)
        return np.clip(sr, 0, 255).round().astype(np.uint8)

    return upscale


def _mean_of_eight(lr: np.ndarray, enlarge: Upscaler) -> np.ndarray:
    results = []
    for flip in (False, True):
        for turns in range(4):
            view = np.rot90(lr[:, ::-1] if flip else lr, turns)
            result = np.rot90(enlarge(view), -turns)
            results.append(result[:, ::-1] if flip else result)
    return np.mean(results, axis=0)


def check_pictures(pairs: Sequence[Pair], scale: int) -> None:
    """Decode every picture once, so that what is wrong is found before a long run, not in it.

    Raises:
        DataError: pictures that are broken, do not fit, or are too small to be scored; all of them.
    """

    def problem(pair: Pair) -> str | None:
        try:
            _, hr = load_pair(pair, scale)
        except DataError as error:
            return f"{pair.name} ({error})"
        smallest = _SMALLEST + 2 * scale
        if min(hr.shape[:2]) < smallest:
            return f"{pair.name} ({hr.shape[0]}x{hr.shape[1]}, less than {smallest}x{smallest})"
        return None

    check_pairs(pairs, problem, "checked")


def score_pictures(upscale: Upscaler, pairs: Sequence[Pair], scale: int) -> list[Score]:
    """Enlarge every LR picture and compare it with HR.

    Args:
        upscale: from LR to SR, uint8 RGB.
        pairs: the pictures, which `check_pictures` finds good; LR is made where it is missing.
        scale: also the shave.
    """
    scores = []
    for pair in pairs:
        lr, hr = load_pair(pair, scale)
        start = time.perf_counter()
        sr = upscale(lr)
        seconds = time.perf_counter() - start
        scores.append(Score(pair.name, psnr_y(sr, hr, scale), ssim_y(sr, hr, scale), seconds))
    return scores


def mean_score(scores: Sequence[Score]) -> dict[str, float]:
    """Return mean PSNR and SSIM, and the median time in seconds."""
    return {
        "psnr": float(np.mean([score.psnr for score in scores])),
        "ssim": float(np.mean([score.ssim for score in scores])),
        "seconds": float(np.median([score.seconds for score in scores])),
    }


def network_cost(net: SlimmableNet, width: float = 1.0) -> dict[str, int]:
    """Return parameters, and multiply-adds for a 1280x720 result, of a network at a width.

    A small picture is run once and the convolutions are recorded as they happen, so shared and
    repeated layers count as often as they run.
    """
    net.check_width(width)
    size = 16
    shapes: list[ConvShape] = []
    hooks = [
        conv.register_forward_hook(
            lambda cell, inputs, output: shapes.append(
                ConvShape(
                    inputs[0].shape[1], output.shape[1], cell.weight.shape[2], 1,
                    output.shape[2], output.shape[3], True,
                )
            )
        )
        for conv in net.convs()
    ]  # fmt: skip
    net(ms.Tensor(np.zeros((1, 3, size, size), np.float32)), width).asnumpy()
    for hook in hooks:
        hook.remove()
    parameters = 0
    for conv in net.convs():
        n_in, n_out = conv.channels(width)
        parameters += n_out * (n_in * conv.weight.shape[2] ** 2 + 1)
    return {
        "parameters": parameters,
        "multiply_adds_720p": multiply_adds_720p(shapes, size, size, net.scale),
    }
