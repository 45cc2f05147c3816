"""Does CSD help? Train the baselines beside it on the same data and score them all.

python benchmarks/csd_baselines.py --data_path TRAIN --valid_path VALID --eval DIR --vgg FILE

Five runs of the same number of steps: the teacher; the student alone; the student as a slice of the
teacher trained by L1; teacher and student jointly without contrast; CSD. A run that was killed goes
on where it stopped. Writes DIR/results.json and DIR/results.md (--output).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

from slimsr.engine.evaluate import shown_psnr  # noqa: E402
from slimsr.engine.report import EvalOptions, evaluate_sets  # noqa: E402
from slimsr.files.writing import write_json, write_text  # noqa: E402
from slimsr.inference.latency import machine_name  # noqa: E402
from slimsr.inference.source import ModelSpec  # noqa: E402


def runs(teacher: Path, vgg: str, width: float) -> dict[str, tuple[list[str], dict[str, float]]]:
    """Return, for each run, its settings and what is scored: label -> width of the checkpoint."""
    supervised, csd = "method.name=supervised", "method.name=csd"
    sliced = [f"method.teacher={teacher}"]
    students = f"method.widths=[{width}]"
    return {
        "teacher": ([supervised], {"teacher alone": 1.0}),
        "student_alone": ([supervised, f"method.width={width}"], {"student alone": 1.0}),
        "slice_l1": (
            [supervised, f"method.width={width}", *sliced],
            {"student, slice of the teacher + L1": 1.0},
        ),
        "joint": (
            [csd, "method.n_negatives=0", students, *sliced],
            {"student, joint without contrast": width, "teacher, joint without contrast": 1.0},
        ),
        "csd": (
            [
                csd, "method.n_negatives=4", "method.contrast_weight=80", students, *sliced,
                f"method.vgg={vgg}", "method.vgg_normalisation=caffe",
                "method.taps=[relu1_1, relu2_1, relu3_1]",
                "method.tap_weights=[0.03125, 0.0625, 0.125]",
            ],
            {"student, CSD": width, "teacher, CSD": 1.0},
        ),
    }  # fmt: skip


def train(folder: Path, settings: list[str], args: argparse.Namespace) -> None:
    """Run train.py to its end."""
    common = [
        "model.name=edsr", "model.scale=2", "model.n_feats=64", "model.n_blocks=4",
        f"data.patch={args.patch}", f"train.steps={args.steps}", "train.batch=8", "train.lr=1e-3",
        "train.schedule=cosine", "train.lr_end=1e-6", "train.warmup=100", "train.clip_norm=100",
        "train.log_every=100", f"train.valid_every={max(1, args.steps // 4)}",
        "train.save_every=200", "train.valid_pictures=6",
    ]  # fmt: skip
    command = [
        sys.executable, str(ROOT / "train.py"), "--data_path", args.data_path,
        "--valid_path", args.valid_path, "--run_dir", str(folder), "--resume",
        "--set", *common, *settings,
    ]  # fmt: skip
    subprocess.run(command, check=True)


def seconds_of(folder: Path) -> float:
    """Return the time that the run's steps took, from its log."""
    total, before = 0.0, 0
    for line in (folder / "log.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["kind"] == "train":
            total += row["seconds_per_step"] * (row["step"] - before)
            before = row["step"]
    return total


def main() -> None:
    """Train what is missing, score everything, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_path", required=True, help="folder of training pictures")
    parser.add_argument("--valid_path", required=True, help="folder of validation pictures")
    parser.add_argument("--eval", nargs="+", required=True, help="folders of benchmark sets")
    parser.add_argument("--vgg", required=True, help="VGG-19 weights reaching relu3_1, caffe-like")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--patch", type=int, default=48, help="side of the HR patch")
    parser.add_argument("--width", type=float, default=0.25, help="of the student")
    parser.add_argument("--output", default="runs/csd_baselines")
    args = parser.parse_args()
    output = Path(args.output).resolve()
    output.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict] = {}
    start = time.time()
    plan = runs(output / "teacher" / "last.ckpt", args.vgg, args.width)
    for name, (settings, scored) in plan.items():
        train(output / name, settings, args)
        report = evaluate_sets(
            args.eval,
            ModelSpec(checkpoint=str(output / name / "last.ckpt")),
            EvalOptions(widths=list(scored.values())),
        )
        for label, width in scored.items():
            key = f"width {width:g}"
            sets = {s: methods[key] for s, methods in report["sets"].items()}
            results[label] = {
                "minutes": seconds_of(output / name) / 60,
                "cost": report["costs"][key],
                "sets": {
                    s: {k: score[k] for k in ("psnr", "infinite", "ssim")}
                    for s, score in sets.items()
                },
            }
        results["bicubic"] = {
            "minutes": 0.0,
            "cost": report["costs"]["bicubic"],
            "sets": {s: m["bicubic"] for s, m in report["sets"].items()},
        }
    machine = machine_name("CPU")
    write_json(output / "results.json", {"steps": args.steps, "machine": machine, **results})
    write_text(output / "results.md", table(results))
    print(table(results), f"{machine}; {(time.time() - start) / 60:.0f} minutes for this call")


def table(results: dict[str, dict]) -> str:
    """Return a Markdown table, bicubic first."""
    labels = ["bicubic", *[label for label in results if label != "bicubic"]]
    sets = list(results["bicubic"]["sets"])
    lines = [
        "| network | parameters | " + " | ".join(sets) + " | training, minutes |",
        "| --- | ---: | " + "--- | " * len(sets) + "---: |",
    ]
    for label in labels:
        row = results[label]
        scores = [f"{shown_psnr(row['sets'][s])} / {row['sets'][s]['ssim']:.4f}" for s in sets]
        lines.append(
            f"| {label} | {row['cost']['parameters']:,} | {' | '.join(scores)} | "
            f"{row['minutes']:.1f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
