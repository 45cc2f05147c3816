"""Print the folder of a set's LR pictures; nothing where the pictures are in no such layout."""

from __future__ import annotations

import os
import sys

from slimsr.commands import cli
from slimsr.data import find_lr_folder


def main(argv: list[str] | None = None) -> int:
    """Parse, look for the folder, return the exit code."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument(
        "--data", required=True, help="a set in any layout, or a folder of pictures"
    )
    parser.add_argument("--scale", type=cli.whole_number, required=True, help="enlargement")
    args = parser.parse_args(argv)
    folder = find_lr_folder(args.data, args.scale)
    if folder is not None:
        sys.stdout.buffer.write(os.fsencode(folder) + b"\n")  # as it is, though it be no text
    return 0


if __name__ == "__main__":
    cli.run(main)
