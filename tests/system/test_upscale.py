"""upscale.py as a user runs it: all kinds of pictures, bad ones among them, breaks, processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms

from slimsr.imaging import imread, imwrite
from slimsr.models import create_model, describe_network
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint
from tests.forks import fork_script, run
from tests.system.bad_input_cases import BAD_PICTURES
from tests.system.tiny import ROOT, everything_below

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A checkpoint and a bundle of an EDSR x2 whose output follows its input."""
    folder = tmp_path_factory.mktemp("network")
    net = create_model("edsr", scale=2, n_feats=8, n_blocks=1, res_scale=0.1)
    checkpoint = folder / "best.ckpt"
    state = TrainingState(describe_network("edsr", net), {}, widths=[1.0, 0.25])
    save_checkpoint(checkpoint, net, state)
    done = run(
        "export.py",
        "--ckpt",
        str(checkpoint),
        "--file_format",
        "ALL",
        "--width",
        "1",
        "0.25",
        "--output",
        str(folder / "bundle"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return checkpoint, folder / "bundle"


def noise(height, width, bands=3, dtype=np.uint8, seed=0):
    top = np.iinfo(dtype).max + 1
    shape = (height, width, bands) if bands > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, top, shape, dtype=dtype)


def upscale(network, *args, cwd):
    return run("upscale.py", "--model", str(network[1]), *args, cwd=cwd)


def put_kinds(folder: Path) -> None:
    """Write one picture of every kind, 30 rows of 40 columns as a person sees it."""
    folder.mkdir()
    rgb, grey = Image.fromarray(noise(30, 40)), Image.fromarray(noise(30, 40, 1))
    rgb.save(folder / "rgb.png")
    grey.save(folder / "grey.jpg", quality=95)
    Image.fromarray(noise(30, 40, 4)).save(folder / "rgba.png")
    rgb.quantize(16).save(folder / "palette.png")
    Image.fromarray(noise(30, 40, 1, np.uint16)).save(folder / "deep.png")
    exif = Image.Exif()
    exif[274], exif[271] = 6, "a camera"  # to be turned by 90 degrees
    Image.fromarray(noise(40, 30)).save(folder / "turned.jpg", exif=exif)
    rgb.convert("CMYK").save(folder / "cmyk.jpg")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgb.save(folder / "profile.tif", icc_profile=profile)
    rgb.save(folder / "old.bmp")
    (folder / "sub").mkdir()
    rgb.save(folder / "sub" / "na me.x4.é.webp", lossless=True)


def test_every_kind_of_picture(network, tmp_path):
    put_kinds(tmp_path / "in")
    done = upscale(network, "--input", "in", "--output", "out", "--width", "0.25", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "out: 10 done, 0 done before, 0 failed\n"
    kinds = {
        "rgb.png": (3, "uchar"),
        "grey.jpg": (1, "uchar"),
        "rgba.png": (4, "uchar"),
        "palette.png": (3, "uchar"),
        "deep.png": (1, "ushort"),
        "turned.jpg": (3, "uchar"),
        "cmyk.jpg": (3, "uchar"),
        "profile.tif": (3, "uchar"),
        "old.png": (3, "uchar"),
        "sub/na me.x4.é.webp": (3, "uchar"),
    }
    made = everything_below(tmp_path / "out").keys() - {"upscale.json", "sub"}
    assert made == set(kinds)
    for name, kind in kinds.items():
        picture = pyvips.Image.new_from_file(str(tmp_path / "out" / name))
        assert (picture.width, picture.height) == (80, 60), name
        assert (picture.bands, picture.format) == kind, name
    with Image.open(tmp_path / "out" / "turned.jpg") as turned:
        assert turned.getexif().get(274, 1) == 1 and turned.getexif()[271] == "a camera"
    before = (tmp_path / "in" / "profile.tif", tmp_path / "out" / "profile.tif")
    profiles = [Image.open(path).info["icc_profile"] for path in before]
    assert profiles[0] == profiles[1]


@pytest.mark.openvino
def test_checkpoint_bundle_and_both_runtimes_give_the_same(network, tmp_path):
    imwrite(tmp_path / "a.png", noise(70, 90))
    results = []
    for number, source in enumerate(
        (
            ["--model", network[1]],
            ["--model", network[1], "--runtime", "mindspore"],
            ["--ckpt", network[0]],
            ["--ckpt", network[0], "--runtime", "mindspore"],
            ["--model", network[1] / "edsr_x2_w0.25.onnx", "--tile", "48"],
        )
    ):
        args = [*map(str, source), "--width", "0.25", "--input", "a.png"]
        done = run("upscale.py", *args, "--output", f"{number}.png", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        results.append(imread(tmp_path / f"{number}.png").astype(int))
    for result in results[1:]:
        assert np.abs(result - results[0]).max() <= 1
    np.testing.assert_array_equal(results[4], results[0])  # tiles overlap by the whole margin


def put_bad_pictures(folder: Path) -> None:
    """Write the pictures of BAD_PICTURES."""
    folder.mkdir()
    good = Image.fromarray(noise(200, 300))
    for suffix, options in {
        "png": {},
        "jpg": {},
        "tif": {"compression": "tiff_deflate"},
        "webp": {"lossless": True},
    }.items():
        path = folder / f"cut.{suffix}"
        good.save(path, **options)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    (folder / "cut_header.png").write_bytes((folder / "cut.png").read_bytes()[:20])
    (folder / "text.png").write_text("no picture")
    (folder / "zero.png").write_bytes(b"")
    (folder / "noise.jpg").write_bytes(np.random.default_rng(0).bytes(999))
    Image.fromarray(np.zeros((9, 9), np.float32)).save(folder / "float.tif")
    header = bytearray((folder / "cut.png").read_bytes())
    header[16:24] = b"\x7f\xff\xff\xff" * 2
    (folder / "huge_header.png").write_bytes(header)
    Image.fromarray(noise(2, 9000)).save(folder / "too_wide.webp", lossless=True)


def test_bad_pictures_are_reported_at_the_end_and_do_not_stop_the_rest(network, tmp_path):
    put_bad_pictures(tmp_path / "in")
    for name in ("aaa.png", "mmm.jpg", "zzz.tif"):
        imwrite(tmp_path / "in" / name, noise(20, 30))
    before = everything_below(tmp_path / "in")
    done = upscale(network, "--input", "in", "--output", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == f"out: 3 done, 0 done before, {len(BAD_PICTURES)} failed\n"
    lines = done.stderr.splitlines()
    assert len(lines) == len(BAD_PICTURES)
    for name, words in BAD_PICTURES:
        (line,) = [line for line in lines if f"/{name}" in line]
        assert line.startswith("error: ") and words in line
    made = {"aaa.png", "mmm.jpg", "zzz.tif", "upscale.json"}
    assert set(everything_below(tmp_path / "out")) == made
    assert everything_below(tmp_path / "in") == before
    again = upscale(network, "--input", "in", "--output", "out", cwd=tmp_path)
    assert again.returncode == 2
    assert again.stdout == f"out: 0 done, 3 done before, {len(BAD_PICTURES)} failed\n"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_goes_on(network, tmp_path, stop):
    (tmp_path / "in").mkdir()
    count = 20
    for i in range(count):
        imwrite(tmp_path / "in" / f"{i:02d}.png", noise(300, 300, seed=i))
    args = ["--model", str(network[1]), "--input", "in", "--output", "out"]
    with open(tmp_path / "log.txt", "w") as log:
        process = fork_script("upscale.py", *args, cwd=tmp_path, out=log, err=log)
    while len(list((tmp_path / "out").glob("*.png"))) < 3:
        assert process.poll() is None, (tmp_path / "log.txt").read_text()
        time.sleep(0.005)
    process.send_signal(stop)
    assert process.wait(60) == (1 if stop == signal.SIGINT else -9)
    done = sorted((tmp_path / "out").glob("*.png"))
    assert 3 <= len(done) < count
    for path in done:
        assert imread(path).shape == (600, 600, 3)
    if stop == signal.SIGINT:
        assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".png", ".json"}
    times = {path: path.stat().st_mtime_ns for path in done}
    again = run("upscale.py", *args, cwd=tmp_path)
    assert again.returncode == 0
    kept = sum(path.stat().st_mtime_ns == ns for path, ns in times.items())
    assert again.stdout == f"out: {count - kept} done, {kept} done before, 0 failed\n"
    # Those that were in work may have been there, but not yet noted as whole.
    assert kept >= len(done) - min(8, len(os.sched_getaffinity(0)) + 1)
    assert (
        len(list((tmp_path / "out").iterdir())) == count + 1
    )  # nor is anything left of the killed one


def share_by_msrun(args: list[str], folder: Path) -> int:
    """Give two processes the same arguments, as a user does."""
    command = [
        str(Path(sys.executable).with_name("msrun")),
        "--worker_num=2",
        "--local_worker_num=2",
        "--master_port=8137",
        "--log_dir=log",
        "--join=True",
        str(ROOT / "upscale.py"),
        *args,
    ]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, timeout=300
    )
    return done.returncode


def share_by_forks(args: list[str], folder: Path) -> int:
    """The same with what msrun sets, by processes that need not import MindSpore again."""
    (folder / "log").mkdir()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    common = {"MS_WORKER_NUM": "2", "MS_SCHED_HOST": "127.0.0.1", "MS_SCHED_PORT": str(port)}
    roles = {
        "scheduler": {"MS_ROLE": "MS_SCHED"},
        **{f"worker_{i}": {"MS_ROLE": "MS_WORKER", "MS_NODE_ID": str(i)} for i in range(2)},
    }
    processes = []
    for name, role in roles.items():
        with open(folder / "log" / f"{name}.log", "w") as log:
            processes.append(
                fork_script("upscale.py", *args, cwd=folder, out=log, err=log, **common, **role)
            )
    return max(process.wait(300) for process in processes)


@pytest.mark.parametrize(
    "share", [share_by_forks, pytest.param(share_by_msrun, marks=pytest.mark.slow)]
)
def test_processes_share_a_folder(network, tmp_path, share):
    (tmp_path / "in").mkdir()
    for i in range(5):
        imwrite(tmp_path / "in" / f"{i}.png", noise(40, 50, seed=i))
    args = ["--model", str(network[1]), "--input", "in", "--output", "out", "--budget-ms", "60000"]
    code = share(args, tmp_path)
    logs = [(tmp_path / "log" / f"worker_{i}.log").read_text() for i in range(2)]
    assert code == 0, logs
    assert sorted(log.split("out: ")[1].split(",")[0] for log in logs) == ["2 done", "3 done"]
    alone = upscale(network, "--input", "in", "--output", "alone", cwd=tmp_path)
    assert alone.returncode == 0
    made, expected = (everything_below(tmp_path / name) for name in ("out", "alone"))
    record, other = (json.loads(files.pop("upscale.json")) for files in (made, expected))
    assert made == expected and record["results"].keys() == other["results"].keys() == made.keys()


def test_memory_does_not_grow_with_the_picture(network, tmp_path):
    strip = noise(500, 200)
    peaks = []
    for times in (1, 12):
        imwrite(tmp_path / f"{times}.png", np.tile(strip, (times, 1, 1)))
        code = (
            "import resource, sys\nfrom slimsr.commands import cli, upscale\n"
            "try:\n    cli.run(upscale.main)\n"
            "finally:\n    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        args = ["--model", str(network[1]), "--tile", "128", "--input", f"{times}.png"]
        done = subprocess.run(
            [sys.executable, "-c", code, *args, "--output", f"{times}_.png"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout.split()[-1]) * 1024)
    assert imread(tmp_path / "12_.png").shape == (12_000, 400, 3)
    # The eleven times 0.4 MB of pixels that came in and 1.6 that went out are not held.
    assert peaks[1] < peaks[0] + 8e6, peaks


def test_a_budget_and_a_format(network, tmp_path):
    imwrite(tmp_path / "a.png", noise(40, 50))
    args = ["--input", "a.png", "--output", "out", "--format", "webp", "--budget-ms", "60000"]
    done = upscale(network, *args, cwd=tmp_path)
    assert done.returncode == 0
    assert "width 1 takes" in done.stderr and "ms for 50x40, within 60000 ms" in done.stderr
    assert imread(tmp_path / "out" / "a.webp").shape == (80, 100, 3)
    settings = json.loads((tmp_path / "out" / "upscale.json").read_text())
    assert settings["width"] == 1.0
    other = upscale(network, *args[:-2], "--width", "0.25", cwd=tmp_path)
    assert other.returncode == 2
    assert "a.webp was made otherwise (width was 1.0, now 0.25)" in other.stderr
    again = upscale(network, *args[:-2], "--width", "0.25", "--overwrite", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
