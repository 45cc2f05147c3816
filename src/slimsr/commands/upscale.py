"""Enlarge pictures: slimsr upscale --input IMG_OR_DIR --output DIR, by a network that ships."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

from slimsr.commands import cli
from slimsr.errors import printable


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


class _ListModels(argparse.Action):
    """Print the table and end, as --help does: nothing else has to be given."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any):
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Measure, print, exit."""
        from slimsr.deploy.list_models import models_table

        cli.say(models_table())
        parser.exit()


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, enlarge, say what was done; return the exit code."""
    # NumPy's BLAS would start threads, which take a tenth of a second and have nothing to do here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from slimsr.imaging.formats import FORMATS

    formats = [form.suffixes[0][1:] for form in FORMATS.values() if form.writing]
    parser = cli.Parser(description=__doc__)
    cli.add_model_arguments(parser, "; without it and --model: a network that ships, by --scale")
    parser.add_argument(
        "--scale",
        type=_positive(int),
        help="enlargement, which says what network is taken: photo_x2 by default, photo_xN where "
        "it is there, else classic_xN",
    )
    parser.add_argument(
        "--list_models",
        "--list-models",
        action=_ListModels,
        help="print the networks that ship, what they are for and their speed here, and end",
    )
    parser.add_argument(
        "--input",
        nargs="+",
        required=True,
        help="pictures, folders (with sub-folders), .txt files of one path per line",
    )
    parser.add_argument("--output", required=True, help="folder; or a file name for one picture")
    parser.add_argument("--width", type=_positive(float), help="of the network (default: widest)")
    parser.add_argument(
        "--budget_ms",
        "--budget-ms",
        type=_positive(float),
        help="take the widest network that needs no more milliseconds for the largest picture, "
        "measured on this machine",
    )
    parser.add_argument("--format", choices=formats, help="default: as read")
    parser.add_argument("--self_ensemble", action="store_true", help="average 8 flips and turns")
    parser.add_argument("--compare", action="store_true", help="also write bicubic | network")
    parser.add_argument("--overwrite", action="store_true", help="do again what is there")
    parser.add_argument("--memory", help="that the process may use, e.g. 800MB (default: 1GB)")
    parser.add_argument(
        "--tile",
        type=_positive(int),
        help="side in pixels, at most (default: by memory); rcan, drn and rlfn look at all of a "
        "tile, realesrgan_x2plus folds pixels, so that tiles differ by a few grey levels from the "
        "picture in one piece",
    )
    parser.add_argument(
        "--overlap", type=cli.whole_number, help="context around tiles (default: what it sees)"
    )
    parser.add_argument("--report", metavar="FILE", help="write pictures to compare, as HTML")
    args = parser.parse_args(argv)

    from slimsr.deploy.budget import parse_memory
    from slimsr.deploy.jobs import find_jobs
    from slimsr.deploy.upscale import Options, upscale
    from slimsr.files.writing import check_can_write
    from slimsr.inference.shipped import default_model

    if args.report:
        check_can_write(args.report)
    memory = None if args.memory is None else parse_memory(args.memory)
    options = Options(
        args.width,
        args.budget_ms,
        args.tile,
        args.overlap,
        memory,
        args.self_ensemble,
        args.format and f".{args.format}",
        args.compare,
        args.overwrite,
        args.scale,
    )
    if args.ckpt is None and args.model is None:
        args.model = default_model(args.scale or 2)
    result = upscale(cli.model_spec(args), args.input, args.output, options)
    cli.say(
        f"{printable(args.output)}: {result.done} done, {result.skipped} done before, "
        f"{len(result.failed)} failed"
        + (f", {result.left} not begun" if result.left else "")
        + "\n"
    )
    if args.report:
        from slimsr.report.page import write_page  # takes time to import
        from slimsr.report.upscaled import upscaled_page

        network = f"{args.ckpt or args.model}, width {result.width:g}"
        jobs = find_jobs(args.input, args.output, options.suffix, options.compare)
        write_page(args.report, upscaled_page(jobs, set(result.failed), network))
    for message in result.failed.values():
        cli.complain(f"error: {message}")
    return 2 if result.failed else 0
