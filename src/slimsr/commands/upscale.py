"""Enlarge pictures: slimsr upscale --ckpt C --input IMG_OR_DIR --output DIR."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence

from slimsr.commands import cli
from slimsr.errors import printable
from slimsr.imaging.formats import FORMATS

_FORMATS = [form.suffixes[0][1:] for form in FORMATS.values() if form.writing]


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text!r} is not valid, expected more than 0")
        return value

    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, enlarge, say what was done; return the exit code."""
    parser = cli.Parser(description=__doc__)
    cli.add_model_arguments(parser)
    parser.add_argument(
        "--input", nargs="+", required=True,
        help="pictures, folders (with sub-folders), .txt files of one path per line",
    )  # fmt: skip
    parser.add_argument("--output", required=True, help="folder; or a file name for one picture")
    parser.add_argument("--width", type=_positive(float), help="of the network (default: widest)")
    parser.add_argument(
        "--budget_ms", "--budget-ms", type=_positive(float),
        help="take the widest network that needs no more milliseconds for the largest picture, "
        "measured on this machine",
    )  # fmt: skip
    parser.add_argument("--format", choices=_FORMATS, help="default: as read")
    parser.add_argument("--self_ensemble", action="store_true", help="average 8 flips and turns")
    parser.add_argument("--compare", action="store_true", help="also write bicubic | network")
    parser.add_argument("--overwrite", action="store_true", help="do again what is there")
    parser.add_argument("--memory", help="that the process may use, e.g. 800MB (default: 1GB)")
    parser.add_argument(
        "--tile", type=_positive(int),
        help="side in pixels (default: by memory); rcan, drn and rlfn look at all of a tile, so "
        "that tiles differ by a few grey levels from the picture in one piece",
    )  # fmt: skip
    parser.add_argument(
        "--overlap", type=cli.whole_number, help="context around tiles (default: what it sees)"
    )
    parser.add_argument("--report", metavar="FILE", help="write pictures to compare, as HTML")
    args = parser.parse_args(argv)

    from slimsr.deploy.budget import parse_memory
    from slimsr.deploy.jobs import find_jobs
    from slimsr.deploy.upscale import Options, upscale
    from slimsr.files.writing import check_can_write
    from slimsr.inference.source import ModelSpec
    from slimsr.report.page import write_page
    from slimsr.report.upscaled import upscaled_page

    if args.report:
        check_can_write(args.report)
    memory = None if args.memory is None else parse_memory(args.memory)
    options = Options(
        args.width, args.budget_ms, args.tile, args.overlap, memory,
        args.self_ensemble, args.format and f".{args.format}", args.compare, args.overwrite,
    )  # fmt: skip
    spec = cli.model_spec(args) or ModelSpec()
    result = upscale(spec, args.input, args.output, options)
    cli.say(
        f"{printable(args.output)}: {result.done} done, {result.skipped} done before, "
        f"{len(result.failed)} failed"
        + (f", {result.left} not begun" if result.left else "")
        + "\n"
    )
    if args.report:
        jobs = find_jobs(args.input, args.output, options.suffix, options.compare)
        write_page(args.report, upscaled_page(jobs, set(result.failed)))
    for message in result.failed.values():
        cli.complain(f"error: {message}")
    return 2 if result.failed else 0
