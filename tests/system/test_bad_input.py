"""Whatever is wrong with the input: one clear line, exit code 2, nothing lost or half-written."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import eval as eval_script
import export as export_script
import train as train_script
from src import cli
from src.data import PatchDataset
from src.engine.checkpoint import read_state
from src.errors import OutputError
from tests.system.tiny import SETTINGS, everything_below, put_pictures, run

MAINS = {"train": train_script.main, "eval": eval_script.main, "export": export_script.main}
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
    if script == "eval":
        return ["--data", "good", "--ckpt", "run/last.ckpt", *given]
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
        assert call("export", *with_defaults("export", "")) == 0
    finally:
        os.chdir(here)
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
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
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


# (script, arguments beside the defaults, what the line must contain)
CASES = [
    # data
    ("train", "--data_path nowhere", "nowhere does not exist"),
    ("train", "--data_path ''", "data.train is not set", "--data_path"),
    ("train", "--data_path good/0.png", "good/0.png is a file, expected a folder"),
    ("train", "--data_path empty", "no pictures in empty", ".png"),
    ("train", "--data_path notes", "no pictures in notes"),
    ("train", "--data_path text", "text/a.png", "not a known picture format"),
    ("train", "--data_path truncated", "truncated/a.png", "replace or remove"),
    ("train", "--data_path zero", "zero/a.png", "the file is empty"),
    ("train", "--data_path small", "12x60, smaller than the patch 16"),
    ("train", "--data_path pixel", "less than one LR pixel"),
    ("train", "--data_path unequal", "3 pictures in unequal/HR", "2 in", "HR without LR: 2"),
    ("train", "--data_path misfit", "HR 40x40, LR 15x15, expected LR 20x20"),
    ("train", "--data_path otherscale", "no folder for scale x2", "x4"),
    ("train", "--data_path several", "Set1", "expected one set"),
    ("train", "--set data.layout=div2k", "DIV2K_train_HR is missing"),
    ("train", "--set data.layout=div4k", "data.layout = 'div4k'", "'div2k'"),
    ("train", "--set data.patch=17", "patch 17 is not a multiple of scale 2", "16"),
    ("train", "--set data.patch=0", "data.patch = 0"),
    ("train", "--valid_path nowhere", "nowhere does not exist"),
    ("train", "--valid_path text", "text/a.png"),
    ("train", "--set data.cache_dir=good/0.png/c", "cache folder", "'memory'"),
    # configuration: keys
    ("train", "--set train.learning_rate=1", "train.learning_rate", "known: amp"),
    ("train", "--set train.stesp=1", "unknown key train.stesp", "did you mean 'steps'?"),
    ("train", "--set data.pach=1", "data.pach", "did you mean 'patch'?"),
    ("train", "--set run.dri=1", "run.dri", "did you mean 'dir'?"),
    ("train", "--set model.n_feat=1", "model.n_feat", "did you mean 'n_feats'?"),
    ("train", "--set method.width=1", "method.width", "did you mean 'widths'?"),
    ("train", "--set trian.steps=1", "unknown section 'trian'", "did you mean 'train'?"),
    ("train", "--set model.name=edrs", "no model 'edrs'", "did you mean 'edsr'?"),
    ("train", "--set model.name=[edsr]", "no model ['edsr']", "known: edsr"),
    ("train", "--set model.name=3", "no model 3", "known: edsr"),
    ("train", "--set method.name=cds", "no method 'cds'", "did you mean 'csd'?"),
    ("train", "--set method.name=null", "no method None", "csd"),
    ("train", "--set train.steps", "'train.steps' is not an override", "section.key=value"),
    ("train", "--set steps=3", "'steps=3' is not an override"),
    ("train", "--set .=3", "is not an override"),
    ("train", "--set train.lr=[1", "the value of train.lr is not valid YAML"),
    ("train", "--set", "expected at least one argument", "--help"),
    # configuration: values
    ("train", "--set train.steps=many", "train.steps = 'many'", "integer"),
    ("train", "--set train.steps=4.5", "train.steps = 4.5", "integer"),
    ("train", "--set train.steps=0", "train.steps = 0"),
    ("train", "--set train.steps=-3", "train.steps = -3"),
    ("train", "--set train.steps=null", "train.steps = None"),
    ("train", "--set train.steps={}", "train.steps = {}"),
    ("train", "--set train.batch=0", "train.batch = 0"),
    ("train", "--set train.batch=-2", "train.batch = -2"),
    ("train", "--set train.lr=0", "train.lr = 0"),
    ("train", "--set train.lr=-1e-4", "train.lr = -0.0001"),
    ("train", "--set train.lr=nan", "train.lr = 'nan'"),
    ("train", "--set train.lr=.inf", "train.lr = inf"),
    ("train", "--set train.betas=[0.9]", "train.betas"),
    ("train", "--set train.betas=[0.9,1.5]", "train.betas"),
    ("train", "--set train.eps=.inf", "train.eps = inf"),
    ("train", "--set train.seed=-1", "train.seed = -1"),
    ("train", "--set train.seed=5000000000", "train.seed = 5000000000"),
    ("train", "--set train.log_every=0", "train.log_every = 0"),
    ("train", "--set train.amp=O1", "train.amp = 'O1'", "'O2'"),
    ("train", "--set train.schedule=linear", "train.schedule = 'linear'", "'cosine'"),
    ("train", "--set run.mode=fast", "run.mode = 'fast'", "'graph'"),
    ("train", "--set data.valid=[1]", "data.valid = [1]", "string"),
    ("train", "--set model.scale=5", "scale 5 is not offered", "2, 3, 4 or 8"),
    ("train", "--set model.scale=-2", "scale -2"),
    ("train", "--set model.n_feats=0", "model.n_feats = 0"),
    ("train", "--set model.res_scale=.nan", "model.res_scale = nan"),
    # method
    ("train", "--set method.n_negatives=3", "n_negatives = 3", "batch of at least 3"),
    ("train", "--set method.n_negatives=2 method.negative_choice=others",
     "batch of at least 3", "train.batch = 2"),
    ("train", "--set method.n_negatives=-1", "method.n_negatives = -1"),
    ("train", "--set method.widths=[]", "method.widths = []", "at least one"),
    ("train", "--set method.widths=[1.0]", "method.widths = [1.0]", "between 0 and 1"),
    ("train", "--set method.widths=[0.33]", "width 0.33", "choose one of", "0.25"),
    ("train", "--set method.widths=[.nan]", "method.widths", "nan"),
    ("train", "--set method.widths=0.25", "method.widths = 0.25"),
    ("train", "--set method.tap_weights=[1,2]", "method.tap_weights has 2 values for 1 taps"),
    ("train", "--set method.taps=[relu9_1]", "relu9_1", "relu1_1"),
    ("train", "--set method.taps=[] method.tap_weights=[]", "taps", "relu1_1"),
    ("train", "--set method.taps=[relu2_1,relu1_1] method.tap_weights=[1,1]", "in this order"),
    ("train", "--set method.tap_weights=[.inf]", "method.tap_weights", "inf"),
    ("train", "--set method.contrast_weight=.inf", "method.contrast_weight = inf"),
    ("train", "--set method.blur_sigma=0", "method.blur_sigma = 0"),
    ("train", "--set data.patch=8 method.taps=[relu5_1]", "data.patch = 8", "relu5_1", "16"),
    ("train", "--set data.patch=2 method.negatives=blur", "method.blur_sigma = 2.0", "of 6"),
    ("train", "--vgg ''", "method.vgg is not set", "method.n_negatives=0"),
    ("train", "--vgg nowhere.npz", "no weights at nowhere.npz"),
    ("train", "--vgg text.npz", "text.npz is damaged or not a .npz file"),
    ("train", "--vgg folder.npz", "folder.npz"),
    ("train", "--vgg vgg.pth", "vgg.pth is a PyTorch file", "src.deploy.convert"),
    ("train", "--vgg weights.bin", "unknown format", ".npz"),
    ("train", "--vgg other.npz", "other.npz reaches none of the taps", "features.N.weight"),
    ("train", "--vgg bn_vgg.npz", "bn_vgg.npz", "features.0.weight"),
    ("train", "--vgg text.ckpt", "text.ckpt is damaged or not a .ckpt file"),
    ("train", "--ckpt nowhere.ckpt", "no weights at nowhere.ckpt"),
    ("train", "--ckpt x3/last.ckpt", "x3/last.ckpt does not fit this Edsr", "other shape"),
    ("train", "--ckpt run/last.ckpt --set model.n_feats=16", "does not fit", "(8,) for (16,)"),
    ("train", "--ckpt run/last.ckpt --set model.n_blocks=2", "does not fit", "missing: body.1"),
    ("train", "--set method.student=run/last.ckpt", "does not fit", "(8,) for (2,)"),
    ("train", "--set method.student=run/last.ckpt method.widths=[0.25,0.5]", "method.student"),
    ("train", "--set method.name=supervised", "unknown key method.", "known: student"),
    # files of configuration
    ("train", "--config nowhere.yaml", "nowhere.yaml", "No such file"),
    ("train", "--config good", "good", "directory"),
    ("train", "--config broken.yaml", "broken.yaml is not valid YAML"),
    ("train", "--config tab.yaml", "tab.yaml is not valid YAML"),
    ("train", "--config list.yaml", "list.yaml holds no configuration"),
    ("train", "--config text.yaml", "text.yaml holds no configuration"),
    ("train", "--config empty.yaml", "empty.yaml holds no configuration"),
    ("train", "--config double.yaml", "'train' stands twice"),
    ("train", "--config latin1.yaml", "latin1.yaml", "UTF-8"),
    ("train", "--config binary.yaml", "binary.yaml"),
    ("train", "--config python.yaml", "python.yaml is not valid YAML"),
    ("train", "--config section.yaml", "train = 3 is not valid"),
    ("train", "--config unhashable.yaml", "unhashable.yaml is not valid YAML"),
    ("train", "--config good/0.png", "good/0.png"),
    # the run folder
    ("train", "--run_dir run", "run already holds a run", "--resume", "--run_dir"),
    ("train", "--run_dir good/0.png", "good/0.png"),
    ("train", "--run_dir good/0.png/run", "good/0.png"),
    ("train", "--run_dir ''", "run.dir"),
    ("train", "--resume --run_dir weightsonly", "holds weights only", "last.ckpt"),
    ("train", "--resume --run_dir damaged", "damaged/last.ckpt is damaged"),
    ("train", "--resume --run_dir run --set train.lr=0.1", "train.lr was 0.001, now 0.1"),
    ("train", "--resume --run_dir run --set model.n_feats=16", "model.n_feats was 8, now 16"),
    ("train", "--resume --run_dir run --set method.name=supervised", "unknown key method."),
    ("train", "--resume --run_dir run --set train.steps=2", "train.steps = 2", "4 steps"),
    # arguments
    ("train", "--lr 3", "unrecognized arguments: --lr 3", "--help"),
    ("train", "--device_target TPU", "invalid choice: 'TPU'", "Ascend"),
    ("train", "--device_id -1", "device_id", "-1"),
    ("train", "--device_id x", "--device_id", "'x'"),
    ("eval", "--data nowhere", "nowhere does not exist"),
    ("eval", "--data good/0.png", "is a file, expected a folder"),
    ("eval", "--data empty", "no pictures in empty"),
    ("eval", "--data truncated", "truncated/a.png"),
    ("eval", "--data good text", "text/a.png", "not a known picture format"),
    ("eval", "--data small", "12x60, less than 15x15"),
    ("train", "--valid_path small", "12x60, less than 15x15"),
    ("eval", "--data misfit", "HR 40x40, LR 15x15"),
    ("eval", "--data otherscale", "no folder for scale x2"),
    ("eval", "--data good good", "two sets are named good"),
    ("eval", "--data pixel", "less than one LR pixel"),
    ("eval", "--ckpt nowhere.ckpt", "no checkpoint at nowhere.ckpt", "train.py"),
    ("eval", "--ckpt folder.ckpt", "folder.ckpt"),
    ("eval", "--ckpt text.ckpt", "text.ckpt is damaged or was not written by train.py"),
    ("eval", "--ckpt zero.ckpt", "zero.ckpt is damaged"),
    ("eval", "--ckpt truncated.ckpt", "truncated.ckpt is damaged"),
    ("eval", "--ckpt cut_by_one.ckpt", "cut_by_one.ckpt is damaged"),
    ("eval", "--ckpt noise.ckpt", "noise.ckpt is damaged"),
    ("eval", "--ckpt mindir.ckpt", "mindir.ckpt"),
    ("eval", "--ckpt picture.ckpt", "picture.ckpt"),
    ("eval", "--ckpt out/edsr_x2_w1.mindir", "edsr_x2_w1.mindir is damaged or was not"),
    ("eval", "--ckpt other.npz", "other.npz"),
    ("eval", "--scale 3", "--scale 3 does not fit run/last.ckpt", "x2"),
    ("eval", "--scale x", "--scale", "'x'"),
    ("eval", "--widths 0.33", "width 0.33", "0.25"),
    ("eval", "--widths 0", "width 0 "),
    ("eval", "--widths 1.5", "width 1.5"),
    ("eval", "--widths -1", "width -1"),
    ("eval", "--widths nan", "width nan"),
    ("eval", "--widths inf", "width inf"),
    ("eval", "--widths", "expected at least one argument"),
    ("eval", "--tile 0", "--tile"),
    ("eval", "--json nowhere/scores.json", "nowhere/scores.json"),
    ("eval", "--json good", "good"),
    ("eval", "--json good/0.png/x", "good/0.png/x"),
    ("eval", "--device_id -1", "--device_id", "-1"),
    ("eval", "--size 3", "unrecognized arguments"),
    ("export", "--ckpt nowhere.ckpt", "no checkpoint at nowhere.ckpt"),
    ("export", "--ckpt truncated.ckpt", "truncated.ckpt is damaged"),
    ("export", "--ckpt out/edsr_x2_w1.mindir", "edsr_x2_w1.mindir"),
    ("export", "--width 0.33", "width 0.33", "0.25"),
    ("export", "--width 1.0 0", "width 0 "),
    ("export", "--width nan", "width nan"),
    ("export", "--width 1.5", "width 1.5"),
    ("export", "--file_format AIR", "AIR cannot be exported on CPU", "MINDIR"),
    ("export", "--file_format ONNX2", "invalid choice"),
    ("export", "--size 128", "--size 128", "128x128"),
    ("export", "--size 0x5", "--size 0x5"),
    ("export", "--size 4x-5", "--size 4x-5"),
    ("export", "--batch 0", "--batch 0"),
    ("export", "--size 999999x999999", "not enough memory"),
    ("export", "--output good/0.png", "good/0.png"),
    ("export", "--output good/0.png/x", "good/0.png"),
]  # fmt: skip


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


@pytest.mark.system
@pytest.mark.parametrize(
    "script, argv, fragment",
    [
        ("train", "--device_target Ascend", "device Ascend 0 cannot be used"),
        ("eval", "--device_target GPU", "device GPU 0 cannot be used"),
        ("eval", "--ckpt text.ckpt", "text.ckpt is damaged"),
    ],
)
def test_no_other_line_in_a_process_of_its_own(world, script, argv, fragment):
    before = everything_below(world)
    done = run(f"{script}.py", *with_defaults(script, argv), cwd=world)
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
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.system
def test_disk_that_fills_up_while_training(world, disk):
    folder = disk("size=100k") / "run"  # room for one checkpoint, not for two
    argv = with_defaults("train", f"--run_dir {folder} --set train.steps=3 train.lr=0.1")
    done = run("train.py", *argv, cwd=world)
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
    assert all(path.suffix == ".npy" for path in cache.iterdir())
    assert not (world / "new").exists()


def test_disk_that_fills_up_while_exporting(world, disk, monkeypatch, capfd):
    monkeypatch.chdir(world)
    out = disk("size=44k") / "out"
    refused_by_disk(capfd, "export", f"--width 0.25 1.0 --output {out}", "No space left on device")
    assert sorted(path.name for path in out.iterdir()) == [
        "edsr_x2_w0.25.mindir",
        "edsr_x2_w0.25.mindir.json",
    ]


@pytest.mark.parametrize(
    "script, argv",
    [
        ("train", "--run_dir {}/run"),
        ("train", "--set data.cache_dir={}/cache"),
        ("eval", "--json {}/scores.json"),
        ("export", "--output {}/out"),
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
    assert err.startswith("error: the gradient has not been finite for 30 steps")
    assert "train.lr" in err


def test_a_cache_that_fails_in_the_middle_of_a_run(world, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(world)
    batch = PatchDataset.batch

    def failing(self, step, *args):
        if step == 2:
            raise OutputError("picture cache: no room; make some")
        return batch(self, step, *args)

    monkeypatch.setattr(PatchDataset, "batch", failing)
    assert call("train", *with_defaults("train", f"--run_dir {tmp_path / 'run'}")) == 2
    assert capfd.readouterr().err == "error: picture cache: no room; make some\n"
    assert read_state(tmp_path / "run" / "last.ckpt").step >= 1
