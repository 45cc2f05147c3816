"""Score a checkpoint: slimsr eval --ckpt C --data DIR --scale 4 --widths 1.0 0.25."""

from __future__ import annotations

from collections.abc import Sequence

from slimsr.commands import cli
from slimsr.data.layouts import LAYOUTS
from slimsr.errors import DataError


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, evaluate, print the table and write JSON; return the exit code."""
    parser = cli.Parser(description=__doc__)
    cli.add_model_arguments(parser, "; without it, bicubic is scored")
    parser.add_argument("--sr", help="folder of pictures that another program has enlarged")
    parser.add_argument(
        "--data",
        "--data_path",
        nargs="+",
        required=True,
        help="folders of pictures: single sets, or folders that hold several",
    )
    parser.add_argument(
        "--layout",
        default="auto",
        choices=["auto", *LAYOUTS],
        help="of the folders (see docs/data.md)",
    )
    parser.add_argument(
        "--degradation",
        default="auto",
        help="which LR where folders have several: bicubic, unknown, ... (default: bicubic); or "
        "made here: blur+bicubic, photo, noise25, jpeg20",
    )
    parser.add_argument("--scale", type=int, help="enlargement; by default the checkpoint's")
    parser.add_argument(
        "--widths", "--width", type=float, nargs="+", default=[1.0], help="widths to score"
    )
    parser.add_argument("--self_ensemble", action="store_true", help="average 8 flips and turns")
    parser.add_argument(
        "--tile",
        type=int,
        default=512,
        help="side of the tiles in LR pixels (default: 512); rcan, drn and rlfn look at all of "
        "a tile, realesrgan_x2plus folds pixels: scores of larger pictures depend on it",
    )
    parser.add_argument(
        "--shave",
        type=cli.whole_number,
        help="pixels left out along each border (default: the scale; DIV2K: scale + 6)",
    )
    parser.add_argument("--rgb", action="store_true", help="PSNR of RGB (DIV2K), not of Y")
    parser.add_argument("--json", help="write the results, picture by picture, to this file")
    parser.add_argument("--report", metavar="FILE", help="write pictures and scores as HTML")
    args = parser.parse_args(argv)

    from slimsr.engine.report import EvalOptions, evaluate_sets, format_table
    from slimsr.files.writing import check_can_write, write_json
    from slimsr.report.album import Album
    from slimsr.report.page import write_page
    from slimsr.report.scores import scores_page

    for file in filter(None, (args.json, args.report)):
        check_can_write(file)
    problems: dict[str, DataError] = {}
    options = EvalOptions(
        args.scale,
        args.widths,
        args.tile,
        args.self_ensemble,
        args.sr,
        args.layout,
        args.degradation,
        args.shave,
        args.rgb,
    )
    spec = None if args.ckpt is None and args.model is None else cli.model_spec(args)
    album = Album() if args.report else None
    report = evaluate_sets(args.data, spec, options, problems, album)
    cli.say(format_table(report))
    if args.json:
        write_json(args.json, report)
    if album is not None:
        write_page(args.report, scores_page(report, album))
    for name, error in problems.items():
        cli.complain(f"error: {name} is not scored: {error}")
    return 2 if problems else 0
