"""The command `slimsr`, also `python -m slimsr`: one sub-command, then that one's arguments."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from slimsr import __version__
from slimsr.commands import cli

COMMANDS = {
    "train": "train a network by one of the methods",
    "eval": "score a checkpoint, an exported network, or pictures",
    "export": "write widths of a checkpoint as MINDIR or ONNX",
    "upscale": "enlarge pictures",
    "convert": "weights of other programs into ours and back",
    "compare": "train one student under several methods",
    "report": "show training in the browser",
    "register": "list a MINDIR that a converter has made in its manifest",
    "list": "print all networks and what they cost",
    "doctor": "print what this machine has and what does not fit together",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sub-command that the first argument names; return its exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if argv and argv[0] in COMMANDS:
        sys.argv[0] = f"slimsr {argv[0]}"  # what its help and its mistakes call it
        return importlib.import_module(f"slimsr.commands.{argv[0]}").main(argv[1:])
    width = max(map(len, COMMANDS))
    listed = "".join(f"  {name:{width}}  {text}\n" for name, text in COMMANDS.items())
    parser = cli.Parser(
        prog="slimsr",
        description="Small, fast super-resolution networks.",
        epilog=f"commands:\n{listed}\nslimsr COMMAND --help says what each takes.",
        formatter_class=cli.PlainHelp,
    )
    parser.add_argument("--version", action="version", version=f"slimsr {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    parser.parse_args(argv[:1])
    return 2  # not reached: whatever is left is a mistake or asks for help


def run() -> NoReturn:
    """Run the command line and exit."""
    cli.run(main)


if __name__ == "__main__":
    run()
