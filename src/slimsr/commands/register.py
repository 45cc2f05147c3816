"""List a converted model in a manifest: slimsr register --model M --converted C."""

from __future__ import annotations

from collections.abc import Sequence

from slimsr.commands import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, register, say where; return the exit code."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--model", required=True, help="the exported MINDIR or ONNX")
    parser.add_argument("--converted", required=True, help="what the converter made of it")
    parser.add_argument(
        "--input",
        choices=["float32", "uint8"],
        default="float32",
        help="what it takes: uint8 if it was converted with AIPP",
    )
    args = parser.parse_args(argv)

    from slimsr.deploy.register import register

    cli.say(f"{register(args.model, args.converted, args.input)}: lists {args.converted}\n")
    return 0
