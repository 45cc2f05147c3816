"""Fuzzing: python -m tests.fuzz --seed 0 --cases 300 [--only pictures manifests ...].

Damages pictures, models and texts, gives them to the programs and looks for traces, crashes, hangs,
half files and wrong results. Exit code 1 if something was found; what failed is kept.
"""

from __future__ import annotations

import argparse
import collections
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.calls import ROOT
from tests.fuzz.kinds import KINDS
from tests.fuzz.pictures import PER_CASE
from tests.fuzz.runner import Runner, numbers


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Parse, run the cases, print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=300, help="inputs of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument(
        "--harness",
        type=Path,
        help="program of ascend310_infer, built with -DSANITIZE=ON; without it, Python alone",
    )
    parser.add_argument(
        "--apart",
        type=int,
        default=25,
        metavar="N",
        help="run the programs of each Nth case in processes of their own; 0: of none",
    )
    parser.add_argument("--keep", type=Path, help="where failures go (default: a temporary folder)")
    args = parser.parse_args()
    scratch = args.keep or Path(tempfile.mkdtemp(prefix="slimsr-fuzz-"))
    world = scratch / "world"
    if not world.is_dir():
        command = [sys.executable, "-m", "tests.fuzz.world", str(world.resolve())]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    failed = 0
    with Runner(args.seed, world, scratch, args.harness, args.apart) as runner:
        for kind in args.only:
            start, tally = time.perf_counter(), collections.Counter()
            for number in numbers(args.cases, PER_CASE if kind == "pictures" else 1, args.first):
                outcome = runner.run(kind, number)
                tally[bool(outcome.faults)] += 1
                if outcome.faults:
                    _say(f"{kind} {number}: {' | '.join(outcome.faults)[:600]!r}")
            failed += tally[True]
            seconds = time.perf_counter() - start
            _say(f"{kind}: {tally.total()} cases, {tally[True]} failed, {seconds:.0f} s")
    _say(f"failures are kept in {scratch / 'failed'}" if failed else "nothing was found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
