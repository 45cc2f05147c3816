"""Write the reference pages that follow from the code: docs/settings.md, networks.md, onnx.md.

    python scripts/make_docs.py [--check]

With --check nothing is written; the exit code is 2 where a page is not current.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
from pathlib import Path

from slimsr.commands import cli
from slimsr.errors import ConfigError
from slimsr.exported.onnx_importers import importers_table
from slimsr.files.strict_json import to_json
from slimsr.files.writing import write_text
from slimsr.methods import METHODS
from slimsr.models import MODELS
from slimsr.models.table import network_table
from slimsr.settings import DataConfig, RunConfig, TrainConfig

DOCS = Path(__file__).resolve().parents[1] / "docs"
_FIELD = re.compile(r"^    (\w+): (.+?) = (.+?)(?:  # (.*))?$")
_ALIASES = {
    "_Folders": "str or list",
    "_Decay": "float",
    "_Chance": "float",
    "_Quality": "int",
    "_Range": "tuple[float, float]",
    "PrecisionMode": "`auto` or a name of CANN's",
    "ActivationName": "`relu`, `prelu`, `lrelu`, `tanh`",
    "|": "or",
}
_HEAD = "| setting | values | default | meaning |\n| --- | --- | --- | --- |\n"


def _fields(cls: type) -> dict[str, tuple[str, str]]:
    """Return name -> (type, comment) of the fields of a dataclass, from its source."""
    found: dict[str, tuple[str, str]] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        above: list[str] = []
        for line in inspect.getsource(base).splitlines():
            if line.startswith("    # "):
                above.append(line.strip("# "))
            elif match := _FIELD.match(line):
                name, kind, _, comment = match.groups()
                found[name] = kind, " ".join([*above, comment or ""]).strip()
                above = []
            else:
                above = []
    return found


def _shown(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_shown, value))}]"
    return {"": "-"}.get(text := to_json(value).strip('"'), text)


def _table(section: str, cls: type) -> str:
    """Return the settings of a dataclass as the rows of a Markdown table."""
    default = cls()
    rows = ""
    for name, (kind, comment) in _fields(cls).items():
        kind = re.sub(r"Literal\[(.*)\]", lambda m: m[1].replace('"', "`"), kind)
        value = getattr(default, name)
        if dataclasses.is_dataclass(value):
            rows += _table(f"{section}.{name}", type(value))
            continue
        for alias, shown in _ALIASES.items():
            kind = kind.replace(alias, shown)
        comment = comment.replace("|", "\\|")
        rows += f"| `{section}.{name}` | {kind} | {_shown(value)} | {comment} |\n"
    return rows


def settings_page() -> str:
    """Return docs/settings.md."""
    text = (
        "# Settings\n\nMade by `python scripts/make_docs.py` from the dataclasses. A setting is a "
        "key of the YAML file or an argument `--set section.key=value` of `train.py`; unknown keys "
        "are refused with the nearest valid name.\n\n" + _HEAD
    )
    for section, cls in (("data", DataConfig), ("train", TrainConfig), ("run", RunConfig)):
        text += _table(section, cls)
    for section, registry in (("method", METHODS), ("model", MODELS)):
        for name in registry.names():
            config = registry.get(name).Config
            text += f"\n## `{section}.name: {name}`\n\n"
            rows = _table(section, config)
            text += f"{inspect.cleandoc(config.__doc__ or '')}\n\n" + (_HEAD + rows if rows else "")
    return text


def networks_page() -> str:
    """Return docs/networks.md."""
    return (
        "# Networks\n\nMade by `python scripts/make_docs.py`; `slimsr list` prints the table. A "
        "name is a network or one of its published sizes; its options "
        "([settings](settings.md)) can be changed.\n\n" + network_table() + "\n"
        "Widths: n/64 means that every whole number of 64 channels is a width. Networks that "
        "enlarge Y take and give RGB too: their colours are enlarged by the bicubic kernel. "
        "CARN's `multi_scale: true` holds upsamplers for x2, x3 and x4, as released; DRN gives a "
        "picture at every size. Multiply-adds of FSRCNN's transposed convolution are counted where "
        "it reads; the published 6.0 / 5.0 / 4.6 G count it at each pixel of the result. Students "
        "of CSD at width 0.25, x2 / x3 / x4: EDSR 2.552 / 2.736 / 2.699 M, RCAN 0.970 / 0.985 / "
        "0.983 M parameters (`tests/models` counts them).\n\n"
        "EDSR: CVPRW 2017. RCAN: ECCV 2018. CARN: ECCV 2018. VDSR: CVPR 2016. IDN: CVPR 2018. "
        "FSRCNN: ECCV 2016. DRN: CVPR 2020. ESRGAN (RRDBNet): ECCVW 2018; Real-ESRGAN: ICCVW 2021. "
        "ESPCN: CVPR 2016. ECBSR: ACM MM 2021. ABPN: CVPRW 2021. ETDS: CVPR 2023. "
        "RLFN: CVPRW 2022. SPAN: CVPRW 2024.\n"
    )


def onnx_page() -> str:
    """Return docs/onnx.md."""
    return (
        "# What is in our ONNX files, and who takes it\n\nMade by `python scripts/make_docs.py` "
        "from `src/slimsr/exported/onnx_importers.py`; a test looks at every operator of every "
        "network. "
        "Convolutions have all attributes written out; a border that is repeated is a row of pads "
        "of one pixel, each with a constant of its own; no tensor has more than four axes. "
        "`export.py --shuffle transposes` writes the pixel shuffle as reshapes and transposes, for "
        "chips without `DepthToSpace`; give it a fixed `--size`.\n\n" + importers_table() + "\n"
        "Measured through onnxruntime and OpenCV, opset by opset: "
        "[results](results/onnx_importers.md); MindSpore Lite: [ascend310.md](ascend310.md).\n"
    )


def main() -> int:
    """Write the pages, or tell whether they are current; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args()
    old = []
    pages = {"settings.md": settings_page, "networks.md": networks_page, "onnx.md": onnx_page}
    for name, make in pages.items():
        page = make()
        path = DOCS / name
        if not path.exists() or path.read_text(encoding="utf-8") != page:
            old.append(name)
            if not args.check:
                write_text(path, page)
    if args.check and old:
        raise ConfigError(f"{', '.join(old)}: not current; run python scripts/make_docs.py")
    return 0


if __name__ == "__main__":
    cli.run(lambda _: main())
