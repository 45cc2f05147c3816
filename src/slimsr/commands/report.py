"""Show training in the browser: slimsr report RUN [RUN ...] --output report.html."""

from __future__ import annotations

import time
from collections.abc import Sequence

from slimsr.commands import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, write the page, with --follow again and again; return the exit code."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="run folder of train.py; several are overlaid"
    )
    parser.add_argument("--output", required=True, metavar="FILE", help="the HTML file to write")
    parser.add_argument(
        "--follow",
        type=cli.whole_number,
        metavar="SECONDS",
        help="write it anew every so many seconds until Ctrl-C; the open page follows",
    )
    args = parser.parse_args(argv)

    from slimsr.errors import DataError
    from slimsr.report.curves import runs_page
    from slimsr.report.page import write_page

    waiting = False
    while True:
        try:
            write_page(args.output, runs_page(args.runs, args.follow or None))
        except DataError as error:  # training has not come to its first line yet
            if not args.follow:
                raise
            if not waiting:
                cli.complain(f"waiting: {error}")
            waiting = True
        if not args.follow:
            break
        try:
            time.sleep(args.follow)
        except KeyboardInterrupt:  # how it is meant to end; the page stays as it is, and still
            write_page(args.output, runs_page(args.runs))
            break
    cli.say(f"{args.output}: {len(args.runs)} {'run' if len(args.runs) == 1 else 'runs'}\n")
    return 0
