"""List all networks in their published sizes, with what they cost: slimsr list."""

from __future__ import annotations

from collections.abc import Sequence

from slimsr.commands import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, print the table; return the exit code."""
    cli.Parser(description=__doc__).parse_args(argv)

    from slimsr.models.table import network_table

    cli.say(network_table())
    return 0
