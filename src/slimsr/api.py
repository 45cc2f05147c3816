"""What a notebook wants: open a network, enlarge arrays, train, export, evaluate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slimsr.errors import ImageError
from slimsr.inference.source import ModelSpec, Source, open_source, start_where_needed
from slimsr.inference.upscaler import LARGEST_TILE, Upscaler

if TYPE_CHECKING:
    from slimsr.models import SlimmableNet


class Model:
    """A network at one of its widths, ready to enlarge pictures; made by `open_model`.

    Attributes:
        scale: enlargement of each side.
        width: of the network that is in use.
        widths: those that the network was trained for, widest first.
    """

    def __init__(self, source: Source, width: float | None, tile: int, self_ensemble: bool):
        self.scale, self.widths = source.scale, tuple(source.widths)
        self.width = self.widths[0] if width is None else width
        runtime = source.load(self.width)
        self._upscaler = Upscaler(
            runtime.run,
            source.scale,
            source.margin,
            tile,
            None,
            runtime.fixed,
            self_ensemble,
            runtime.any_size,
        )

    def enlarge(self, picture: np.ndarray) -> np.ndarray:
        """Return the picture enlarged.

        Args:
            picture: (H, W, 3), RGB, uint8 in [0, 255] or uint16 in [0, 65535].

        Returns:
            (H * scale, W * scale, 3) of the same type.

        Raises:
            ImageError: another shape or type.
            NotFiniteError: the network gives no numbers.
        """
        shape, dtype = np.shape(picture), np.asarray(picture).dtype
        if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype not in (np.uint8, np.uint16):
            raise ImageError(
                f"a picture of shape {shape} and type {dtype} cannot be enlarged: give (H, W, 3), "
                "RGB, uint8 or uint16"
            )
        return self._upscaler(np.ascontiguousarray(picture))


def open_model(
    path: str | Path,
    width: float | None = None,
    *,
    runtime: str = "auto",
    precision: str = "f32",
    device_target: str = "CPU",
    tile: int = LARGEST_TILE,
    self_ensemble: bool = False,
) -> Model:
    """Open a checkpoint (.ckpt), an exported network (.onnx, .mindir), a folder of them, or a name.

    Args:
        path: of the file or the folder; or the name of a network that ships, as ``photo_x2``.
        width: which of its widths; None for the widest.
        runtime: ``auto``, ``mindspore`` or ``openvino``.
        precision: ``f32``, or ``bf16`` with OpenVINO.
        device_target: ``Ascend``, ``GPU`` or ``CPU``.
        tile: side in LR pixels of the tiles that larger pictures are cut into.
        self_ensemble: average the results of eight flips and turns.

    Raises:
        SlimSRError: there is no such network, it is damaged, or it does not go with the options.
    """
    spec = _spec(path, runtime=runtime, precision=precision, device_target=device_target)
    start_where_needed(spec)
    return Model(open_source(spec), width, tile, self_ensemble)


def load(path: str | Path) -> SlimmableNet:
    """Return the network of a checkpoint, a MindSpore cell for all of its widths.

    Raises:
        WeightsError: the file cannot be read, or is no checkpoint of this project.
    """
    from slimsr.weights.checkpoint import load_network

    return load_network(path)[0]


def train(config: str | Path | Mapping[str, Any], resume: bool = False) -> Path:
    """Train as `slimsr train` does.

    Args:
        config: a YAML file, or its sections as nested values.
        resume: go on with the run in ``run.dir``, if there is one.

    Returns:
        The best checkpoint by validation, or the last one where nothing is validated.

    Raises:
        SlimSRError: something that the user can mend; nothing is lost.
    """
    from slimsr.config import build_config, load_config
    from slimsr.engine.record import RunFolder
    from slimsr.engine.stages import train as run

    given = build_config(config) if isinstance(config, Mapping) else load_config(config)
    run(given, resume)
    folder = RunFolder(given.run.dir)
    return folder.best if folder.best.exists() else folder.last


def export(
    checkpoint: str | Path,
    folder: str | Path,
    widths: Sequence[float] = (1.0,),
    file_format: Literal["MINDIR", "ONNX", "AIR", "ALL"] = "ONNX",
    size: tuple[int, int] | None = None,
    precision: Literal["f32", "fp16"] = "f32",
) -> list[Path]:
    """Write widths of a checkpoint as files, see `slimsr.deploy.export.export_widths`.

    Returns:
        The models, and last the manifest.

    Raises:
        SlimSRError: a checkpoint, width or folder that does not serve.
    """
    from slimsr.deploy.export import export_widths

    return export_widths(checkpoint, widths, folder, file_format, size, precision=precision)


def evaluate(
    path: str | Path,
    folders: Sequence[str | Path],
    widths: Sequence[float] = (1.0,),
    degradation: str = "auto",
) -> dict[str, Any]:
    """Score a network on sets of pictures, see `slimsr.engine.report.evaluate_sets`.

    Args:
        path: as of `open_model`.
        folders: single sets, or folders that hold several.
        widths: of the network.
        degradation: how LR was made, or is made of HR (``noise25``, ``photo``, ...).

    Returns:
        ``sets`` -> set -> method -> ``psnr`` (dB, on Y), ``ssim``, ``pictures``; ``costs``.

    Raises:
        SlimSRError: folders, network or widths that do not fit.
    """
    from slimsr.engine.report import EvalOptions, evaluate_sets

    options = EvalOptions(widths=widths, degradation=degradation)
    return evaluate_sets([str(folder) for folder in folders], _spec(path), options)


def _spec(path: str | Path, **how: Any) -> ModelSpec:
    if Path(path).suffix == ".ckpt":
        return ModelSpec(checkpoint=str(path), **how)
    return ModelSpec(model=str(path), **how)
