"""Export widths: slimsr export --ckpt C --file_format MINDIR --width 1.0 0.25."""

from __future__ import annotations

from collections.abc import Sequence

from slimsr.commands import cli
from slimsr.errors import printable


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, export, name the files; return the exit code."""
    parser = cli.Parser(description=__doc__)
    named = parser.add_mutually_exclusive_group(required=True)
    named.add_argument("--ckpt", help="checkpoint of train.py")
    named.add_argument("--model", metavar="NAME", help="instead: a network that ships")
    parser.add_argument(
        "--file_format",
        choices=["MINDIR", "ONNX", "AIR", "ALL"],
        default="MINDIR",
        help="ALL: MINDIR and ONNX with the time of each, which makes a bundle",
    )
    parser.add_argument(
        "--width", "--widths", type=float, nargs="+", default=[1.0], help="widths to export"
    )
    parser.add_argument(
        "--size",
        default="free",
        metavar="HxW|free",
        help="LR height and width, e.g. 128x128, fixed (for NPUs) or free (default)",
    )
    parser.add_argument("--batch", type=int, default=1, help="pictures per run where size is fixed")
    parser.add_argument("--output", "--file_name", default="out", help="folder for the files")
    parser.add_argument(
        "--opset",
        type=cli.whole_number,
        default=11,
        metavar="11..18",
        help="version of the operators in ONNX files (default: 11)",
    )
    parser.add_argument(
        "--precision",
        choices=["f32", "fp16", "int8"],
        default="f32",
        help="of weights and computation in ONNX files; input and output stay float32",
    )
    parser.add_argument("--calibration", help="folder of photographs, for int8")
    parser.add_argument(
        "--max_drop",
        "--max-drop",
        type=float,
        default=0.1,
        metavar="DB",
        help="PSNR on them that a network may lose in int8 (default: 0.1)",
    )
    parser.add_argument(
        "--shuffle",
        choices=["depth_to_space", "transposes"],
        default="depth_to_space",
        help="pixel shuffle in ONNX files; transposes: for chips without DepthToSpace (310B)",
    )
    parser.add_argument(
        "--input",
        choices=["float32", "uint8"],
        default="float32",
        help="uint8: write the AIPP files, too, with which Huawei's converters make models that "
        "take bytes; needs a fixed --size",
    )
    cli.add_device_arguments(parser)
    args = parser.parse_args(argv)

    from slimsr.inference.shipped import shipped_checkpoint

    checkpoint = args.ckpt or shipped_checkpoint(args.model)
    from slimsr.deploy.export import export_widths, parse_size
    from slimsr.deploy.quantise import Quantiser

    quantiser = None if args.calibration is None else Quantiser(args.calibration, args.max_drop)
    files = export_widths(
        checkpoint,
        args.width,
        args.output,
        args.file_format,
        parse_size(args.size),
        args.batch,
        args.device_target,
        args.device_id,
        args.opset,
        args.precision,
        quantiser,
        args.shuffle,
        args.input == "uint8",
    )
    cli.say("".join(f"{printable(str(file))}\n" for file in files))
    return 0
