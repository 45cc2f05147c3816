"""Kinds that are words: YAML, lists, names, command lines, and the record of an output folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import yaml

from tests.fuzz.case import Case
from tests.fuzz.hostile_texts import LINES, NAMES, NUMBERS, YAML
from tests.fuzz.models import STRANGE
from tests.fuzz.mutate import mutated, pick
from tests.fuzz.structures import mutated_json


def yaml_files(case: Case) -> None:
    """A damaged configuration; what is taken says itself again."""
    data = case.world.read("config.yaml")
    act = case.rng.random()
    if act < 0.3:
        data, case.about = mutated(data, case.rng)
    elif act < 0.35:
        rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
        data, case.about = data + "\n".join(rows).encode(), "aliases that multiply"
    else:
        lines = data.decode().splitlines()
        which = int(case.rng.integers(len(lines)))
        value = pick(case.rng, YAML)
        key, colon, _ = lines[which].partition(":")
        lines[which] = f"{key}{colon} {value}"
        data, case.about = "\n".join(lines).encode(), f"{key.strip()}: {value[:40]}"
    (case.folder / "config.yaml").write_bytes(data)
    ended = case.run("train", "--show_config", "--config", "config.yaml")
    if ended.code:
        return
    (case.folder / "out.yaml").write_text(ended.out, encoding="utf-8")
    again = case.run("train", "--show_config", "--config", "out.yaml")
    if again.out != ended.out:
        case.fault("train: --show_config does not read back what it says")
    yaml.safe_load(ended.out)


def lists(case: Case) -> None:
    """A list of paths with strange lines, line ends and marks."""
    (case.folder / "in").mkdir()
    case.world.copy("good.png", case.folder / "in" / "good.png")
    case.world.copy("identity", case.folder / "identity")
    os.mkfifo(case.folder / "pipe.png")
    os.symlink("loop", case.folder / "loop")
    rng = case.rng
    lines = [pick(rng, LINES[:2])] * int(rng.random() < 0.8)
    lines += [pick(rng, LINES) for _ in range(int(rng.integers(3)))]
    end = pick(rng, (b"\n", b"\n", b"\r\n", b"\r"))
    data = pick(rng, (b"", b"", b"\xef\xbb\xbf", b"\xff\xfe")) + end.join(lines)
    data += pick(rng, (b"", end, end * 3, b"\x1a"))
    (case.folder / "list.txt").write_bytes(data)
    case.about = repr(data[:200])
    ended = case.run("upscale", "--model", "identity", "--input", "list.txt", "--output", "out")
    if ended.code == 0:
        case.expect_pixels("upscale", "out/good.png", case.world.good)


def names(case: Case) -> None:
    """Pictures and folders of strange names: all of them are done."""
    case.world.copy("identity", case.folder / "identity")
    chosen = {pick(case.rng, NAMES) for _ in range(6)}
    case.about = ", ".join(map(ascii, sorted(chosen)))
    source = case.folder / "in"
    source.mkdir()
    files = []
    for number, name in enumerate(sorted(chosen)):
        below = Path() if number % 3 else Path(f"{pick(case.rng, NAMES)}d")
        (source / below).mkdir(exist_ok=True)
        file = below / f"{name}.png"
        case.world.copy("good.png", source / file)
        files.append(file)
    for who, out in (("upscale", "out"), ("harness", "out_cpp")):
        ended = case.run(who, "--model", "identity", "--input", "in", "--output", out)
        if ended is None:
            continue
        if ended.code:
            case.fault(f"{who}: exit code {ended.code} for good pictures: {ended.err[-500:]!r}")
        for file in files:
            case.expect_pixels(who, f"{out}/{file}", case.world.good)
    act = case.rng.random()
    first = f"in/{files[0]}"
    if act < 0.3:
        case.run("upscale", "--model", "identity", "--input", first, "--output", "out_one.png")
    elif act < 0.6:
        folder = f"out{pick(case.rng, NAMES)}"
        case.run("upscale", "--model", "identity", "--input", "in", "--output", folder)
    elif act < 0.8:
        case.run("eval", "--scale", "2", "--data", "in", "--json", "out.json")


_SIZES = ("1e3MB", "MB", "GB1", "-1GB", "1" * 300 + "GB", "0.0001TB", "1GB ", "nanMB", "1e400GB")
_FLAGS = {
    "upscale": (
        "--width",
        "--budget-ms",
        "--tile",
        "--overlap",
        "--memory",
        "--device_id",
        "--format",
        "--runtime",
        "--precision",
        "--input",
        "--output",
        "--model",
    ),
    "harness": (
        "--width",
        "--budget_ms",
        "--tile",
        "--overlap",
        "--batch",
        "--device_id",
        "--precision",
        "--format",
        "--report",
        "--config",
        "--engine",
        "--device",
    ),
    "eval": ("--scale", "--widths", "--tile", "--device_id", "--json", "--sr", "--data"),
    "export": ("--width", "--size", "--batch", "--device_id", "--file_format"),
    "convert": ("--scale", "--set", "--range", "--model", "--names", "--to"),
    "train": ("--device_id", "--set", "--run_dir", "--data_path", "--vgg", "--weights"),
}


def command_lines(case: Case) -> None:
    """Options with absurd values."""
    rng = case.rng
    program = pick(rng, ("upscale", "upscale", "harness", "eval", "export", "convert", "train"))
    for name in ("good.png", "network.ckpt", "network.npz", "identity"):
        case.world.copy(name, case.folder / name)
    (case.folder / "hr").mkdir()
    case.world.copy("good.png", case.folder / "hr" / "good.png")
    argv = {
        "upscale": ["--model", "identity", "--input", "good.png", "--output", "out"],
        "harness": ["--model", "identity", "--input", "good.png", "--output", "out"],
        "eval": ["--scale", "2", "--data", "hr"],
        "export": ["--ckpt", "network.ckpt", "--file_format", "ONNX", "--output", "out"],
        "convert": ["--from", "network.npz", "--set", "res_scale=1", "--to", "out.npz"],
        "train": ["--show_config"],
    }[program]
    for _ in range(int(rng.integers(1, 3))):
        flag = pick(rng, _FLAGS[program])
        value = pick(rng, NUMBERS)
        if flag == "--memory":
            value = pick(rng, (*_SIZES, f"{value}MB", value))
        elif flag == "--size":
            value = pick(rng, (f"{value}x{value}", f"{value}x8", f"8x{value}", value))
        elif flag == "--set" and program == "train":
            key = pick(
                rng,
                (
                    "train.steps",
                    "train.lr",
                    "model.scale",
                    "model.n_feats",
                    "run.dir",
                    "data.patch",
                    "train.seed",
                    "x",
                    "",
                    "train.stages.a",
                    "model",
                ),
            )
            value = f"{key}={value}"
        elif flag == "--set":
            value = f"{pick(rng, ('res_scale', 'n_feats', 'n_blocks', ''))}={value}"
        elif flag in ("--output", "--report", "--json", "--to"):
            value = f"out{value}"
        argv += [flag, value] if rng.random() < 0.7 else [f"{flag}={value}"]
    case.about = ascii(f"{program} {argv[-4:]}")[:300]
    if any("\0" in text for text in argv):
        return
    ended = case.run(program, *argv)
    if ended is not None and ended.code == 0 and (case.folder / "out" / "good.png").is_file():
        case.expect_pixels(program, "out/good.png", case.world.good)


def records(case: Case) -> None:
    """A second run into an output folder whose record, source or result has changed since."""
    rng = case.rng
    case.world.copy("identity", case.folder / "identity")
    (case.folder / "in").mkdir()
    case.world.copy("good.png", case.folder / "in" / "good.png")
    common = ("--model", "identity", "--input", "in", "--output", "out")
    case.run("upscale", *common)
    record, source = case.folder / "out" / "upscale.json", case.folder / "in" / "good.png"
    right = case.world.good
    act = int(rng.integers(6))
    if act == 0:
        put = pick(rng, tuple(STRANGE))
        if put == "a picture":
            put = "empty"
        record.unlink()
        STRANGE[put](record)
        case.about = f"the record is {put}"
    elif act <= 2:
        data, case.about = mutated_json(record.read_bytes(), rng)
        record.write_bytes(data)
    elif act == 3:
        case.about = "another source under the same name, older than the result"
        right = _other_source(source)
        os.utime(source, (1, 1))
    elif act == 4:
        case.about = "another source with the date and size of the first one"
        before = source.stat()
        right = _other_source(source)
        with open(source, "ab") as file:
            file.write(bytes(max(0, before.st_size - source.stat().st_size)))
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        case.about = "the same result in the future, its source replaced"
        os.utime(case.folder / "out" / "good.png", (2**33, 2**33))
        right = _other_source(source)
    if rng.random() < 0.2:
        case.run("harness", *common)
        return
    ended = case.run("upscale", *common, *(["--overwrite"] * int(rng.random() < 0.3)))
    if ended.code == 0:
        case.expect_pixels("upscale", "out/good.png", right)


def _other_source(path: Path) -> np.ndarray:
    from PIL import Image

    other = np.asarray(Image.open(path).convert("RGB"))[::-1].copy()
    Image.fromarray(other).save(path)
    return other
