"""Time oneDNN's kernels and Winograd's of src/slimsr/native on one core; find when the second pay.

    python benchmarks/conv_kernels.py [--isa avx2] [--seconds 0.1] [--rounds 3]

3x3 convolutions, each part of a training step by itself; GFLOP/s of the definition, median over
the rounds. Both ways' results must agree. Then, over many small cases, how much more time the
choice of `choose.cc` takes than the best one, by the constant `transform` of its cost model.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from conv_worker import SIZES

from slimsr.inference.latency import machine_name
from slimsr.native import build, compiler

HERE = Path(__file__).resolve().parent
NATIVE = Path(build.__file__).parent
PARTS = ("forward", "gradient of x", "gradient of weight")
SOURCES = ("choose.cc", "direct.cc", "tiles.cc", "winograd.cc", "winograd_gradient.cc")
TOLERANCE = 1e-5  # of the largest result
# Of the cases that the constant decides: from 64 channels on accuracy does.
CHANNELS, SIDES = (8, 12, 16, 24, 32, 48), (8, 16, 24, 48, 96)


def compile_program(target: Path) -> None:
    """Compile the program as the native library is compiled."""
    library, include = build.onednn()
    flags = (flag for flag in build._FLAGS if flag != "-shared")
    sources = (HERE / "conv_kernels.cc", *(NATIVE / name for name in SOURCES))
    arguments = (*build.machine().compiler, *flags, f"-I{NATIVE}", f"-I{include}")
    linked = (str(library), f"-Wl,-rpath,{library.parent}", "-o", str(target))
    compiler.run(*compiler.find(), *arguments, *map(str, sources), *linked, result=target)


class Measured(NamedTuple):
    """Of one convolution: ms by oneDNN and by Winograd (0: none); the model's word."""

    direct: float
    winograd: float
    apart: float  # the results, of the largest
    transform: int  # the largest constant with which Winograd's is taken


def measure(program: Path, seconds: float, *case: int) -> Measured:
    """Measure a case: the part, channels in and out, side, batch."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if build.machine().onednn:
        environment["ONEDNN_MAX_CPU_ISA"] = build.machine().onednn
    command = [program, str(seconds), *map(str, case)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    *ms, transform = done.stdout.split()
    found = Measured(*map(float, ms), int(transform))
    if found.apart > TOLERANCE:
        raise SystemExit(f"error: {case}: the results are {found.apart} apart")
    return found


def table(program: Path, args: argparse.Namespace) -> None:
    """Print the rates of the sizes of benchmarks/conv.py."""
    print("| part, channels, size, batch | oneDNN | Winograd |\n| --- | --- | --- |")
    for part, title in enumerate(PARTS):
        for channels, side, batch in SIZES:
            case = part, channels, channels, side, batch
            rounds = [measure(program, args.seconds, *case) for _ in range(args.rounds)]
            direct, winograd, _, _ = map(statistics.median, zip(*rounds, strict=True))
            work = 2 * 9 * channels**2 * side**2 * batch / 1e6
            cells = " | ".join(f"{work / ms:.0f}" if ms else "" for ms in (direct, winograd))
            print(f"| {title}, {channels}, {side}x{side}, {batch} | {cells} |")


def fit(program: Path, args: argparse.Namespace) -> None:
    """Print what each value of the constant loses."""
    cases = list(itertools.product((0, 1), CHANNELS, CHANNELS, SIDES, (4,)))
    found = [measure(program, args.seconds / 5, *case) for case in cases]
    print(f"\n{len(cases)} cases\n")
    print("| transform | time over the best, mean | at most |\n| --- | --- | --- |")
    for transform in range(1, 10):
        taken = ((m.winograd if transform <= m.transform else m.direct, m) for m in found)
        lost = [ms / min(m.direct, m.winograd) - 1 for ms, m in taken]
        print(f"| {transform} | {statistics.mean(lost):.1%} | {max(lost):.0%} |")


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--isa", choices=("native", "avx2", "baseline"), default="native")
    parser.add_argument("--seconds", type=float, default=0.1, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    os.environ["SLIMSR_NATIVE_ISA"] = args.isa
    print(f"{machine_name('CPU')}, one of them, {args.isa}\n")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "conv_kernels")
        compile_program(program)
        table(program, args)
        fit(program, args)


if __name__ == "__main__":
    main()
