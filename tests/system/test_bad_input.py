"""Whatever is wrong with the input: one clear line, exit code 2, nothing lost or half-written."""

from __future__ import annotations

import copy
import gc
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from slimsr.commands import cli
from slimsr.commands import eval as eval_script
from slimsr.commands import export as export_script
from slimsr.commands import train as train_script
from slimsr.commands import upscale as upscale_script
from slimsr.data import PatchDataset
from slimsr.errors import OutputError
from slimsr.weights.checkpoint import read_state
from tests import forks
from tests.system import tiny
from tests.system.bad_input_cases import CASES
from tests.system.tiny import SETTINGS, everything_below, put_pictures

MAINS = {
    "train": train_script.main,
    "eval": eval_script.main,
    "export": export_script.main,
    "upscale": upscale_script.main,
}
MODEL = "model: {scale: 2, n_feats: 8}\n"


def call(script: str, *args: str) -> int:
    """Run an entry script in this process; return its exit code."""
    before = sys.argv
    sys.argv = [f"{script}.py", *args]
    try:
        with pytest.raises(SystemExit) as ended:
            cli.run(MAINS[script])
    finally:
        sys.argv = before
    return ended.value.code or 0


def with_defaults(script: str, argv: str) -> list[str]:
    """Add what makes a case complete; what the case gives itself comes later and wins."""
    given = shlex.split(argv)
    if script == "train":
        return ["--data_path", "good", "--run_dir", "new", "--set", *SETTINGS, *given]
    network = [] if "--model" in given else ["--ckpt", "run/last.ckpt"]
    if script == "eval":
        return ["--data", "good", *network, *given]
    if script == "upscale":
        return ["--input", "good", "--output", "up", *network, *given]
    return ["--ckpt", "run/last.ckpt", "--output", "out", *given]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A folder with a good run and every kind of broken input."""
    root = tmp_path_factory.mktemp("world")
    good = put_pictures(root / "good")
    here = os.getcwd()
    os.chdir(root)
    try:
        assert call("train", *with_defaults("train", "--run_dir run --valid_path good")) == 0
        x3 = "--run_dir x3 --set model.scale=3 data.patch=15 train.steps=1"
        assert call("train", *with_defaults("train", x3)) == 0
        bundle = "--file_format ALL --width 1.0 0.25 --output bundle"
        assert call("export", *with_defaults("export", bundle)) == 0
    finally:
        os.chdir(here)
    shutil.copytree(root / "bundle", root / "out")
    last = (root / "run" / "last.ckpt").read_bytes()
    picture = (good / "0.png").read_bytes()
    for name, content in {
        "text/a.png": b"this is no picture\n",
        "truncated/a.png": picture[: len(picture) // 2],
        "zero/a.png": b"",
        "notes/readme.txt": b"no picture here\n",
        "text.ckpt": b"this is no checkpoint\n",
        "zero.ckpt": b"",
        "truncated.ckpt": last[: len(last) // 2],
        "cut_by_one.ckpt": last[:-1],
        "noise.ckpt": np.random.default_rng(0).bytes(5000),
        "mindir.ckpt": (root / "out" / "edsr_x2_w1.mindir").read_bytes(),
        "picture.ckpt": picture,
        "weights.bin": last,
        "vgg.pth": b"PK",
        "text.npz": b"this is no archive\n",
        "list.yaml": b"- model\n- train\n",
        "text.yaml": b"just some words\n",
        "empty.yaml": b"",
        "broken.yaml": b"model: {scale: 2\n",
        "tab.yaml": b"model:\n\tscale: 2\n",
        "double.yaml": b"train: {lr: 1.0}\ntrain: {lr: 2.0}\n",
        "latin1.yaml": "data: {train: bäume}\n".encode("latin-1"),
        "binary.yaml": bytes(range(256)),
        "python.yaml": b"model: !!python/object/apply:os.system ['true']\n",
        "section.yaml": b"train: 3\n",
        "unhashable.yaml": b"{[1]: 2}\n",
        "several/Set1/HR/a.png": picture,
        "several/Set1/LR/a.png": picture,
        "list.txt": b"good/0.png\ngone.png\n",
        "latin1.txt": "bäume.png\n".encode("latin-1"),
        "theirs/0.png": picture,
        "alone.onnx": (root / "bundle" / "edsr_x2_w1.onnx").read_bytes(),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    put_bad_bundles(root)
    (root / "empty").mkdir()
    (root / "folder.ckpt").mkdir()
    (root / "folder.npz").mkdir()
    put_pictures(root / "small", 1, 12, 60)
    put_pictures(root / "pixel", 1, 1, 60)
    put_pictures(root / "unequal" / "HR", 3)
    put_pictures(root / "unequal" / "LR", 2, 20, 24)
    put_pictures(root / "misfit" / "HR", 1, 40, 40)
    put_pictures(root / "misfit" / "LR", 1, 15, 15)
    put_pictures(root / "otherscale" / "HR", 1, 40, 40)
    put_pictures(root / "otherscale" / "LR" / "X4", 1, 10, 10)
    np.savez(root / "other.npz", **{"some.weight": np.zeros((3, 3), np.float32)})
    np.savez(root / "bn_vgg.npz", **{"features.0.weight": np.zeros((64, 3, 5, 5), np.float32)})
    for name, change in {"halfline": b'{"kind": "tra', "rubbish": b"\xff\xfe\n3\n[]\n{}\n"}.items():
        shutil.copytree(root / "run", root / name)
        with open(root / name / "log.jsonl", "ab") as file:
            file.write(change)
    for name, source in {"weightsonly": "run/best.ckpt", "damaged": "truncated.ckpt"}.items():
        shutil.copytree(root / "run", root / name)
        shutil.copy(root / source, root / name / "last.ckpt")
    return root


def put_bad_bundles(root: Path) -> None:
    """Copy the good bundle and damage each copy in another way."""
    good = json.loads((root / "bundle" / "manifest.json").read_text())
    onnx = [model for model in good["models"] if model["format"] == "ONNX"]
    wide, narrow = "edsr_x2_w1", "edsr_x2_w0.25"

    def put(name: str, manifest: object, **files: bytes | None) -> None:
        folder = shutil.copytree(root / "bundle", root / name)
        for stem, content in files.items():
            path = folder / stem
            path.unlink() if content is None else path.write_bytes(content)
            for model in manifest["models"] if content and name.startswith("rubbish") else ():
                if model["file"] == stem:
                    model["bytes"] = len(content)
                    model["sha256"] = hashlib.sha256(content).hexdigest()
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        (folder / "manifest.json").write_text(text)

    put("badmanifest", "{")
    put("newer", {**good, "slimsr_manifest": 2})
    put("listless", {**good, "models": "none"})
    keyless = {key: value for key, value in onnx[0].items() if key != "sha256"}
    put("keyless", {**good, "models": [keyless]})
    put("strange", {**good, "colours": "RGB"})
    put("hollow", good, **{f"{wide}.onnx": None})
    put(
        "swapped",
        {**good, "models": onnx},
        **{f"{wide}.onnx": (root / "bundle" / f"{narrow}.onnx").read_bytes()},
    )
    put("onlyonnx", {**good, "models": onnx})
    put("liar", {**good, "scale": 4})
    for kind in ("onnx", "mindir"):
        put(f"rubbish_{kind}", copy.deepcopy(good), **{f"{wide}.{kind}": b"rubbish" * 100})


@pytest.mark.parametrize("case", CASES, ids=[f"{script} {argv}" for script, argv, *_ in CASES])
def test_one_line_and_nothing_lost(world, monkeypatch, capfd, case):
    script, argv, *fragments = case
    monkeypatch.chdir(world)
    before = everything_below(world)
    code = call(script, *with_defaults(script, argv))
    out, err = capfd.readouterr()
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1 and err.endswith("\n")
    for fragment in fragments:
        assert fragment in err
    assert out == ""
    assert everything_below(world) == before


def test_one_bad_set_of_several_is_named_and_the_others_are_scored(
    world, monkeypatch, capfd, tmp_path
):
    monkeypatch.chdir(world)
    scores = tmp_path / "scores.json"
    code = call("eval", "--data", "text", "good", "nowhere", "--scale", "2", "--json", str(scores))
    out, err = capfd.readouterr()
    assert code == 2 and "good" in out
    bad = err.splitlines()
    assert len(bad) == 2 and all(line.startswith("error: ") for line in bad)
    assert "nowhere is not scored: " in bad[0] and "text is not scored: " in bad[1]
    report = json.loads(scores.read_text())
    assert list(report["sets"]) == ["good"] and set(report["left_out"]) == {"text", "nowhere"}


@pytest.mark.system
@pytest.mark.parametrize(
    "script, argv, fragment",
    [
        ("train", "--device_target Ascend", "device Ascend 0 cannot be used"),
        pytest.param(
            "eval", "--device_target GPU", "device GPU 0 cannot be used", marks=pytest.mark.slow
        ),
        ("eval", "--ckpt text.ckpt", "text.ckpt is damaged"),
    ],
)
def test_no_other_line_in_a_process_of_its_own(world, script, argv, fragment):
    before = everything_below(world)
    done = tiny.run(f"{script}.py", *with_defaults(script, argv), cwd=world)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert fragment in done.stderr
    assert done.stdout == ""
    assert everything_below(world) == before


@pytest.fixture
def disk(tmp_path):
    """Return a function that mounts a small file system of its own; it is gone after the test."""
    folder = tmp_path / "disk"

    def mount(options: str) -> Path:
        folder.mkdir()
        if shutil.which("mount") is None:
            pytest.skip("there is no mount command to make a small disk with")
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")
        return folder

    yield mount
    if os.path.ismount(folder):
        gc.collect()  # a run that failed in this process may still hold files of its cache
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.system
def test_disk_that_fills_up_while_training(world, disk):
    folder = disk("size=100k") / "run"  # room for one checkpoint, not for two
    argv = with_defaults("train", f"--run_dir {folder} --set train.steps=3 train.lr=0.1")
    done = forks.run("train.py", *argv, cwd=world)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: cannot write ") and "No space left on device" in last
    assert "[CRITICAL]" not in done.stderr and "Traceback" not in done.stderr
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["config.yaml", "last.ckpt", "log.jsonl"]
    assert read_state(folder / "last.ckpt").step == 1  # whole, and the last that found room


def refused_by_disk(capfd, script: str, argv: str, reason: str) -> None:
    code = call(script, *with_defaults(script, argv))
    err = capfd.readouterr().err
    assert code == 2
    assert err.startswith("error: ") and err.count("\n") == 1
    assert reason in err


def test_disk_that_is_full_while_preparing(world, disk, monkeypatch, capfd):
    monkeypatch.chdir(world)
    cache = disk("size=12k") / "cache"
    argv = f"--set data.cache_dir={cache}"
    refused_by_disk(capfd, "train", argv, "picture cache: cannot write")
    assert all(path.suffix == ".rgb" for path in cache.iterdir())
    assert not (world / "new").exists()


def test_disk_that_fills_up_while_exporting(world, disk, monkeypatch, capfd):
    monkeypatch.chdir(world)
    out = disk("size=44k") / "out"
    refused_by_disk(capfd, "export", f"--width 0.25 1.0 --output {out}", "No space left on device")
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    "script, argv",
    [
        ("train", "--run_dir {}/run"),
        ("train", "--set data.cache_dir={}/cache"),
        ("eval", "--json {}/scores.json"),
        ("export", "--output {}/out"),
        ("upscale", "--output {}/up"),
        ("upscale", "--input good/0.png --output {}/up.png"),
    ],
)
def test_disk_that_is_read_only(world, disk, monkeypatch, capfd, script, argv):
    monkeypatch.chdir(world)
    folder = disk("ro")
    refused_by_disk(capfd, script, argv.format(folder), str(folder))
    assert not (world / "new").exists()


def test_any_name_of_a_folder_will_do(world, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(tmp_path)
    name = 'it\'s a "b" \\n\n{c: [d]} # é 😀'
    shutil.copytree(world / "good", tmp_path / name / "good")
    data, folder = f"{name}/good", f"{name}/run"
    argv = with_defaults("train", "--set train.steps=1")
    paths = ["--data_path", data, "--valid_path", data, "--run_dir", folder]
    assert call("train", *argv, *paths) == 0
    paths = ["--data", data, "--ckpt", f"{folder}/best.ckpt", "--json", f"{name}/scores.json"]
    assert call("eval", *paths) == 0
    capfd.readouterr()
    assert call("export", "--ckpt", f"{folder}/best.ckpt", "--output", f"{name}/out") == 0
    scores = json.loads(Path(name, "scores.json").read_text(encoding="utf-8"))
    assert list(scores["sets"]) == ["good"]
    assert Path(name, "out", "edsr_x2_w1.mindir").is_file()


@pytest.mark.parametrize("run_dir", ["halfline", "rubbish"])
def test_a_damaged_log_does_not_stop_a_run(world, monkeypatch, tmp_path, run_dir):
    shutil.copytree(world / run_dir, tmp_path / "run")
    monkeypatch.chdir(world)
    argv = f"--valid_path good --resume --run_dir {tmp_path / 'run'} --set train.steps=5"
    assert call("train", *with_defaults("train", argv)) == 0
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "train"] == [1, 2, 3, 4, 5]


def test_gradients_that_stay_infinite_end_the_run(world, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(world)
    argv = f"--run_dir {tmp_path / 'run'} --set train.lr=1e30 train.steps=60 train.save_every=60"
    assert call("train", *with_defaults("train", argv)) == 2
    err = capfd.readouterr().err
    assert err.splitlines()[-1].startswith("error: the gradient has not been finite for 30 steps")
    assert "train.lr" in err


def test_a_cache_that_fails_in_the_middle_of_a_run(world, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(world)
    batch = PatchDataset.batch

    def failing(self, step, *args):
        if step == 2:  # it is prepared ahead: not before the first checkpoint
            deadline = time.monotonic() + 60
            while not (tmp_path / "run" / "last.ckpt").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            raise OutputError("picture cache: no room; make some")
        return batch(self, step, *args)

    monkeypatch.setattr(PatchDataset, "batch", failing)
    assert call("train", *with_defaults("train", f"--run_dir {tmp_path / 'run'}")) == 2
    assert capfd.readouterr().err == "error: picture cache: no room; make some\n"
    assert read_state(tmp_path / "run" / "last.ckpt").step >= 1
