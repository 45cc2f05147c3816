"""Export widths: slimsr export --ckpt C --file_format MINDIR --width 1.0 0.25."""

from __future__ import annotations

from collections.abc import Sequence

from slimsr.commands import cli
from slimsr.errors import printable


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, export, name the files; return the exit code."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--ckpt", required=True, help="checkpoint of train.py")
    parser.add_argument(
        "--file_format", choices=["MINDIR", "ONNX", "AIR", "ALL"], default="MINDIR",
        help="ALL: MINDIR and ONNX with the time of each, which makes a bundle",
    )  # fmt: skip
    parser.add_argument(
        "--width", "--widths", type=float, nargs="+", default=[1.0], help="widths to export"
    )
    parser.add_argument(
        "--size", default="free", metavar="HxW|free",
        help="LR height and width, e.g. 128x128, fixed (for NPUs) or free (default)",
    )  # fmt: skip
    parser.add_argument("--batch", type=int, default=1, help="pictures per run where size is fixed")
    parser.add_argument("--output", "--file_name", default="out", help="folder for the files")
    parser.add_argument(
        "--opset", type=cli.whole_number, default=11, metavar="11..18",
        help="version of the operators in ONNX files (default: 11)",
    )  # fmt: skip
    cli.add_device_arguments(parser)
    args = parser.parse_args(argv)

    from slimsr.deploy.export import export_widths, parse_size

    files = export_widths(
        args.ckpt, args.width, args.output, args.file_format, parse_size(args.size), args.batch,
        args.device_target, args.device_id, args.opset,
    )  # fmt: skip
    cli.say("".join(f"{printable(str(file))}\n" for file in files))
    return 0
