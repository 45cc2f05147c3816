"""The networks that ship with SlimSR: where they lie, and which one a name or a scale means.

Each is a folder of export.py with a model card. They lie in
``models/`` of a checkout, which the package links to and carries along; the environment variable
``SLIMSR_MODELS`` names another folder of such folders.
"""

from __future__ import annotations

import os
from pathlib import Path

from slimsr.errors import ConfigError, WeightsError, did_you_mean, shown_name
from slimsr.exported.manifest import NAME, read_manifest

ENVIRONMENT = "SLIMSR_MODELS"
CARD = "MODEL_CARD.md"
# Of each scale the first that is there: pictures that people have are rarely clean.
_BY_DEFAULT = ("photo", "classic")


def models_folder() -> Path:
    """Return the folder that holds the shipped networks; it may be missing."""
    given = os.environ.get(ENVIRONMENT)
    return Path(given) if given else Path(__file__).resolve().parents[1] / "shipped"


def shipped_models() -> dict[str, Path]:
    """Return name -> folder of every shipped network, in alphabetical order."""
    return {path.parent.name: path.parent for path in sorted(models_folder().glob(f"*/{NAME}"))}


def default_model(scale: int = 2) -> str:
    """Return the name of the network that enlarges by ``scale`` where the user names none.

    Raises:
        ConfigError: no network of this scale ships.
    """
    known = shipped_models()
    for kind in _BY_DEFAULT:
        if f"{kind}_x{scale}" in known:
            return f"{kind}_x{scale}"
    raise ConfigError(
        f"--scale {scale} alone names no network that ships with SlimSR (there are: "
        f"{', '.join(known) or f'none in {models_folder()}'}): give one of these as --model, "
        "another --scale, or --ckpt"
    )


def find_model_path(given: str) -> Path:
    """Return the file or folder that ``--model`` names.

    A path that exists is that path; what exists nowhere is the name of a shipped network.

    Raises:
        WeightsError: it is neither.
    """
    path, known = Path(given), shipped_models()
    if path.exists():
        return path
    if given in known:
        return known[given]
    hint = "give a file or folder of export.py"
    if path.name == given and known:
        hint += f", or the name of a network that ships with SlimSR: {did_you_mean(given, known)}"
    raise WeightsError(f"no model at {shown_name(given)}: {hint}")


def shipped_name(model: str | None) -> str | None:
    """Return the name of the shipped network that ``--model`` means; None where it is a path."""
    return model if model in shipped_models() and not Path(model).exists() else None


def shipped_checkpoint(name: str) -> Path:
    """Return the file with the weights of a shipped network, as `read_checkpoint` takes it.

    Raises:
        WeightsError: there is no such network, or it came without such a file.
    """
    known = shipped_models()
    if name not in known:
        raise WeightsError(
            f"no network named {shown_name(name)} ships with SlimSR: {did_you_mean(name, known)}"
        )
    from slimsr.weights.checkpoint import whole_mindir

    folder, manifest = known[name], read_manifest(known[name])
    found = manifest.checkpoint_in(folder) or whole_mindir(folder, manifest)
    if found is None:
        raise WeightsError(
            f"{known[name]} holds no checkpoint, nor a MINDIR of width 1: give another one "
            "by --ckpt"
        )
    return found


def about(folder: Path) -> str:
    """Return what a network is for: the first paragraph of its card; empty where there is none."""
    try:
        text = (folder / CARD).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    paragraphs = (" ".join(block.split()) for block in text.split("\n\n"))
    return next((block for block in paragraphs if block and not block.startswith("#")), "")
