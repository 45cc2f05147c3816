"""The smallest run of every method that trains something real, by name of the case."""

from __future__ import annotations

from pathlib import Path

from slimsr.commands import train as train_script

EDSR = ("model.name=edsr", "model.scale=2", "model.n_feats=16", "model.n_blocks=2")
IDN = (
    "model.name=idn",
    "model.scale=2",
    "model.n_feats=24",
    "model.n_distilled=8",
    "model.n_blocks=1",
)
# x2: the way from bicubic to better is longer at x4.
DRN = ("model.name=drn", "model.scale=2", "model.n_feats=16", "model.n_blocks=2")
PLAIN = (
    "model.name=plain",
    "model.scale=2",
    "model.n_feats=16",
    "model.n_convs=2",
    "model.activation=prelu",
)
CSD = (
    "method.name=csd",
    "method.widths=[0.5]",
    "method.n_negatives=2",
    "method.contrast_weight=2",
    "method.vgg=random",
    "method.taps=[relu1_1]",
    "method.tap_weights=[1.0]",
)
WIDE = ("method.name=supervised", *EDSR, "model.n_feats=32")
PRUNING = ("method.dual_feats=4", "method.score_batches=2", "method.tune_batches=1")

# case -> settings; TEACHER and STUDENT stand for checkpoints of an EDSR twice as wide and of EDSR.
CASES: dict[str, tuple[str, ...]] = {
    "supervised": ("method.name=supervised", *EDSR),
    "supervised_sesr": ("method.name=supervised", *PLAIN, "model.branches=sesr"),
    "supervised_ecbsr": ("method.name=supervised", *PLAIN, "model.branches=ecbsr"),
    "csd": (*CSD, "method.teacher=TEACHER", *EDSR, "model.n_feats=32"),
    "csd_history": (
        *CSD,
        "method.negatives=history",
        "method.history_every=2",
        "method.teacher=TEACHER",
        *EDSR,
        "model.n_feats=32",
    ),
    "output_distillation": ("method.name=output_distillation", "method.teacher=TEACHER", *EDSR),
    "fitnets": ("method.name=fitnets", "method.teacher=TEACHER", *EDSR),
    "fakd": ("method.name=fakd", "method.teacher=TEACHER", *EDSR),
    "facd": ("method.name=facd", "method.teacher=TEACHER", "method.n_negatives=2", *EDSR),
    "facd_infonce": (
        "method.name=facd",
        "method.teacher=TEACHER",
        "method.n_negatives=2",
        "method.form=infonce",
        "method.beta=10",
        "method.negatives=degraded",
        "method.adaptive=psnr",
        *EDSR,
    ),
    "dckd": (
        "method.name=dckd",
        "method.teacher=TEACHER",
        "method.vgg=random",
        "method.taps=[relu1_1]",
        "method.tap_weights=[1.0]",
        "method.history_every=2",
        "method.n_negatives=2",
        *EDSR,
    ),
    "pisr": ("method.name=pisr", "method.tap=block1", *IDN),
    "dual_regression": (
        "method.name=dual_regression",
        "method.dual_feats=4",
        *DRN,
        "train.lr=5e-3",
        "train.warmup=10",
        "data.patch=32",
    ),
    "drc": ("method.name=drc", "method.weights=STUDENT", *PRUNING, *EDSR),
    "drc_dcp": (
        "method.name=drc",
        "method.criterion=dcp",
        "method.weights=STUDENT",
        *PRUNING,
        *EDSR,
    ),
    "drc_thinet": (
        "method.name=drc",
        "method.criterion=thinet",
        "method.weights=STUDENT",
        *PRUNING,
        *EDSR,
    ),
}


def settings_of(case: str, teacher: Path, student: Path) -> list[str]:
    """Return the settings of a case with the checkpoints' paths filled in."""
    paths = {"TEACHER": teacher, "STUDENT": student}
    found = []
    for setting in CASES[case]:
        key, _, value = setting.partition("=")
        found.append(f"{key}={paths.get(value, value)}")
    return found


def run(folder: Path, pictures: Path, settings: list[str] | tuple[str, ...], *more: str) -> Path:
    arguments = ["--run_dir", str(folder), "--data_path", str(pictures), *more]
    assert train_script.main([*arguments, "--set", "data.cache_dir=memory", *settings]) == 0
    return folder


def stage_folders(folder: Path) -> list[Path]:
    """Return the folders of all stages, the product's last."""
    earlier = sorted(folder.glob("*/last.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    return [*(path.parent for path in earlier), folder]
