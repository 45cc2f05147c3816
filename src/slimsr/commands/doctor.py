"""Say what this machine has and what does not fit together: slimsr doctor."""

from __future__ import annotations

from collections.abc import Sequence

from slimsr.commands import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, print a line for each piece; return 2 where one that is needed does not serve."""
    cli.Parser(description=__doc__).parse_args(argv)

    from slimsr import __version__
    from slimsr.doctor.examine import examine
    from slimsr.doctor.machine import Machine

    findings = examine(Machine())
    lines = [f"{'SlimSR':15} {__version__}"]
    for finding in findings:
        mark = "" if not finding.advice else "  <- " if finding.needed else "  (hint) "
        lines.append(f"{finding.piece:15} {finding.found}{mark}{finding.advice}")
    wrong = [finding.piece for finding in findings if finding.advice and finding.needed]
    lines.append(f"to mend: {', '.join(wrong)}" if wrong else "nothing is wrong")
    cli.say("\n".join(lines) + "\n")
    return 2 if wrong else 0
