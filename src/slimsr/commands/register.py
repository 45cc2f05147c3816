"""List a converted MINDIR in a manifest: slimsr register --model M --converted C."""

from __future__ import annotations

from collections.abc import Sequence

from slimsr.commands import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, register, say where; return the exit code."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--model", required=True, help="the exported MINDIR")
    parser.add_argument("--converted", required=True, help="what the converter made of it")
    args = parser.parse_args(argv)

    from slimsr.deploy.register import register

    cli.say(f"{register(args.model, args.converted)}: lists {args.converted}\n")
    return 0
