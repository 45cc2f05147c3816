"""Train one student under every method and compare: slimsr compare --config FILE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slimsr.commands import cli

# Flags -> what they set in the configuration of every run, as in train.py.
FLAGS = {
    "data_path": ("data.train", "folder of training pictures"),
    "valid_path": ("data.valid", "folder of validation pictures, which choose each checkpoint"),
    "vgg": ("method.vgg", "VGG-19 weights for the methods that have this option, or 'random'"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, train what is missing, print the table; return the exit code."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("--config", required=True, help="YAML file: base, runs, seeds, test sets")
    for flag, (key, text) in FLAGS.items():
        parser.add_argument(f"--{flag}", help=f"{text} ({key})")
    parser.add_argument("--test_path", nargs="+", help="folders of test sets (test)")
    parser.add_argument("--seeds", type=cli.whole_number, nargs="+", help="instead of the file's")
    parser.add_argument(
        "--only", nargs="+", metavar="RUN", help="these runs, and those that they start from"
    )
    parser.add_argument(
        "--output", required=True, help="folder; where it holds a comparison, this one goes on"
    )
    args = parser.parse_args(argv)

    from slimsr.engine.comparison import compare, read_comparison
    from slimsr.engine.comparison_report import markdown
    from slimsr.report.compared import comparison_page
    from slimsr.report.page import write_page

    given = {key: getattr(args, flag) for flag, (key, _) in FLAGS.items()}
    comparison = read_comparison(args.config, given, args.test_path, args.seeds, args.only)
    report = compare(comparison, args.output)
    cli.say(markdown(report))
    page = comparison_page(report, args.output, comparison.test)
    write_page(Path(args.output) / "report.html", page)
    return 0
