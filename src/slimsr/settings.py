"""The settings of a training run, which all methods and networks share: data, train, run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import PlainValidator
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError, shown
from slimsr.files.strict_yaml import plain, to_yaml
from slimsr.options import STRICT, Field, build_options

_Decay = Annotated[float, Field(ge=0, lt=1)]
_Chance = Annotated[float, Field(ge=0, le=1)]
_Amount = Annotated[float, Field(ge=0, le=1000)]
_Range = tuple[_Amount, _Amount]
_Quality = Annotated[int, Field(ge=1, le=100)]


@dataclass(config=STRICT)
class PhotoConfig:
    """What the degradation ``photo`` draws from, see `slimsr.data.degradations.Photo`."""

    blur: _Range = (0.05, 0.8)  # sigma in LR pixels; also of blur+bicubic
    oblong: _Chance = 0.4  # chance that a blur is not round
    resize: _Range = (0.6, 1.5)  # size of the first resize, of that halfway between HR and LR
    noise: _Range = (1.0, 15.0)  # sigma in grey levels
    grey: _Chance = 0.4  # chance that noise has no colour
    jpeg: tuple[_Quality, _Quality] = (30, 95)  # quality
    twice: _Chance = 0.5  # chance of a second round

    def __post_init__(self) -> None:
        """Refuse ranges that end before they begin."""
        for name in ("blur", "resize", "noise", "jpeg"):
            low, high = getattr(self, name)
            if low > high or (name == "resize" and low <= 0):
                raise ConfigError(
                    f"data.photo.{name} = [{low}, {high}] is not valid: give the smaller one first"
                    + (", above 0" if name == "resize" else "")
                )


@dataclass(config=STRICT)
class TrainFolder:
    """One of several folders of training pictures."""

    folder: str = Field(min_length=1)
    weight: int = Field(1, ge=1, le=1000)  # how many of each sum-of-all-weights patches are its own


def _folders(value: Any) -> str | list[TrainFolder]:
    """Check ``data.train``; of a union pydantic would tell what is wrong with each alternative."""
    if isinstance(value, str):
        return value
    items = value if isinstance(value, (list, tuple)) else ()
    if not items or not all(isinstance(item, (TrainFolder, Mapping)) for item in items):
        raise ConfigError(
            f"data.train = {shown(value)} is not valid: give a folder, or a list of "
            "{folder: FOLDER, weight: NUMBER}"
        )
    return [
        item
        if isinstance(item, TrainFolder)
        else build_options(TrainFolder, {"folder": "", **item}, f"data.train.{i}")
        for i, item in enumerate(items)
    ]


_Folders = Annotated[str | list[TrainFolder], PlainValidator(_folders)]


@dataclass(config=STRICT)
class DataConfig:
    """Where the pictures are and how patches are cut from them."""

    # of training pictures: one, or a list of {folder: FOLDER, weight: NUMBER}
    train: _Folders = ""
    valid: str = ""  # folder of validation pictures; empty: no validation
    unpaired: str = ""  # folder of LR pictures without HR, for methods that can learn from them
    # how the folders are laid out; auto: recognised, see the page about data
    layout: Literal["auto", "hr", "paired", "div2k", "benchmark", "names"] = "auto"
    # Which LR: bicubic, unknown ...; auto: bicubic, or the only one. Validation without it is auto.
    # Made here from HR: blur+bicubic, photo, noise, noise25, jpeg, jpeg20; see the page about data.
    degradation: str = "auto"
    photo: PhotoConfig = Field(default_factory=PhotoConfig)  # what the degradation photo draws from
    patch: int = Field(192, ge=1)  # side of the HR patch in pixels, a multiple of the scale
    augment: bool = True  # flips and 90-degree turns
    cache_dir: str = ""  # decoded pictures; empty: the user's cache folder; "memory": no files

    @property
    def train_folders(self) -> list[TrainFolder]:
        """The folders of training pictures; none where ``train`` is not set."""
        if isinstance(self.train, str):
            return [TrainFolder(self.train)] if self.train else []
        return self.train


@dataclass(config=STRICT)
class TrainConfig:
    """Optimisation and bookkeeping; one step is one batch."""

    steps: int = Field(400_000, ge=1)  # of optimisation
    batch: int = Field(16, ge=1)  # pictures per step over all ranks
    lr: float = Field(1e-4, gt=0)  # learning rate at its highest
    schedule: Literal["constant", "step", "cosine"] = "step"  # of the learning rate
    decay_every: int = Field(200_000, ge=1)  # schedule "step": steps between decays
    decay_rate: float = Field(0.1, gt=0, le=1)  # schedule "step": factor of each decay
    lr_end: float = Field(1e-7, ge=0)  # schedule "cosine": rate at the last step
    warmup: int = Field(0, ge=0)  # steps of linear rise from zero
    betas: tuple[_Decay, _Decay] = (0.9, 0.999)  # of Adam
    eps: float = Field(1e-8, gt=0)  # of Adam, added after the bias correction
    clip_norm: float = Field(0.0, ge=0)  # largest global norm of the gradient; 0: no clipping
    # a step whose loss is above so many times the mean of the last 100 is not taken; 0: all are
    skip_above: float = Field(0.0, ge=0)
    # decay of the running average of the weights, which is then the result; 0: none, usual: 0.999
    ema: float = Field(0.0, ge=0, lt=1)
    amp: Literal["O0", "O2", "O3"] = "O0"  # what runs in float16, see SlimmableNet.set_precision
    seed: int = Field(1, ge=0, lt=2**32)  # of new weights, patches and augmentation
    log_every: int = Field(100, ge=1)  # steps between lines of the log
    valid_every: int = Field(1000, ge=1)  # steps between validations
    save_every: int = Field(1000, ge=1)  # steps between checkpoints to go on from
    valid_pictures: int = Field(0, ge=0)  # pictures per validation; 0: all
    stages: dict[str, dict[str, Any]] = Field(default_factory=dict)  # what differs: stage -> keys
    # one after the other, in place of steps: each the keys of train, data and method that differ
    phases: list[dict[str, Any]] = Field(default_factory=list)

    def of_stage(self, name: str) -> TrainConfig:
        """Return the options of one stage of a method, without ``stages``.

        Raises:
            ConfigError: unknown keys, values that do not fit, or keys that all stages share.
        """
        section = f"train.stages.{name}"
        changed = self.stages.get(name, {})
        for key in _SHARED_BY_STAGES & changed.keys():
            raise ConfigError(
                f"{section}.{key} is not valid: {key} is the same in all stages, give train.{key}"
            )
        values = {**dataclasses.asdict(self), **changed, "stages": {}}
        return build_options(TrainConfig, values, section)


PrecisionMode = Literal[
    "auto",
    "must_keep_origin_dtype",
    "force_fp32",
    "force_fp16",
    "allow_fp32_to_fp16",
    "allow_fp32_to_bf16",
    "allow_mix_precision",
    "allow_mix_precision_fp16",
    "allow_mix_precision_bf16",
]


@dataclass(config=STRICT)
class RunConfig:
    """Where the run is kept and what it runs on."""

    dir: str = Field("runs/csd", min_length=1)  # checkpoints, log and effective configuration
    device_target: Literal["Ascend", "GPU", "CPU"] = "CPU"  # what computes
    device_id: int = Field(0, ge=0)  # which one; of several processes each has its own
    # auto: what pays; on a CPU graph for 4000 steps and more with 2 GB free, else pynative; on
    # other devices graph. A line of the log says which and why; --resume goes on in the same one
    mode: Literal["auto", "graph", "pynative"] = "auto"
    # write event files for TensorBoard into the run's folder, too; needs the package tensorboardX
    tensorboard: bool = False
    # Ascend: what CANN computes float32 in. auto: with train.amp=O0 float32 where the chip has it
    # (the first 910 multiplies in float16), else MindSpore's default
    precision_mode: PrecisionMode = "auto"
    hf32: bool = False  # Ascend: let convolutions round float32 to 19 bits, which is faster
    jit_level: Literal["O0", "O1"] = "O0"  # of compiling; O1 fuses operators
    jit_backend: Literal["auto", "ms_backend", "GE"] = "auto"  # auto: MindSpore's for the device
    memory: float = Field(0.0, ge=0)  # GB of the device that MindSpore may take; 0: its default
    deterministic: bool = False  # the same bits in every run, by slower operators
    # write a profile of so many steps, after the first two, into the folder profile of the run's
    profile: int = Field(0, ge=0)


@dataclass(config=STRICT)
class Config:
    """All of a run. ``model`` and ``method`` hold a ``name`` and the options of what it names."""

    model: dict[str, Any]
    method: dict[str, Any]
    data: DataConfig
    train: TrainConfig
    run: RunConfig

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, defaults included: the effective configuration."""
        return dataclasses.asdict(self)

    def to_yaml(self) -> str:
        """Return the effective configuration as YAML that `load_config` reads back."""
        return to_yaml(plain(self.to_dict()))


_SHARED_BY_STAGES = {"batch", "seed", "amp", "stages"}
