"""Weights of other programs into ours and back: slimsr convert --from FILE --to OUT.

A network is recognised from its tensors and written as a checkpoint (OUT.ckpt) that train, eval,
export and upscale take, or as plain arrays (.npz, .safetensors) by our names or those of a release.
A VGG-19 for the losses is copied as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from slimsr.commands import cli
from slimsr.errors import ConfigError


def _parse_options(texts: Sequence[str]) -> dict[str, object]:
    options: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"--set {text} is not an option: expected OPTION=VALUE")
        options[name] = value
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, convert, say what was recognised and written; return the exit code."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        help=".pth, .pt, .pth.tar, .npz, .safetensors, .ckpt, or .param with its .bin beside it",
    )
    parser.add_argument("--to", help=".ckpt, .npz or .safetensors; without it, only say what it is")
    parser.add_argument("--model", help="network or preset, where it is not recognised rightly")
    parser.add_argument(
        "--scale",
        type=int,
        help="enlargement, where it cannot be seen; other weights start a network of it",
    )
    parser.add_argument(
        "--set",
        dest="options",
        nargs="+",
        default=[],
        action="extend",
        metavar="OPTION=VALUE",
        help="options of the network, as res_scale=0.1",
    )
    parser.add_argument(
        "--range", type=int, choices=(1, 255), help="white of its RGB, where the file does not say"
    )
    parser.add_argument("--names", default="slimsr", help="of the arrays written, as edsr-pytorch")
    args = parser.parse_args(argv)

    from slimsr.weights.convert import convert

    options = _parse_options(args.options)
    said = convert(args.source, args.to, args.model, options, args.scale, args.range, args.names)
    cli.say(said)
    return 0
