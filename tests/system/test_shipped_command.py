"""upscale.py where the user names no network, or one that ships."""

from __future__ import annotations

import subprocess
import sys

import pytest

from slimsr.imaging import imread
from slimsr.inference.shipped import ENVIRONMENT
from tests.shipped import put_shipped
from tests.system.tiny import ROOT, put_pictures, run

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folder of photo_x2, classic_x3 and one that is damaged."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("photo_x2", "classic_x3", "broken_x2"):
        put_shipped(folder, name, int(name[-1]))
    (folder / "broken_x2" / "manifest.json").write_text("{}")
    return folder


@pytest.fixture
def upscale(models, tmp_path, monkeypatch):
    """Run upscale.py with arguments, in a folder that holds 0.png of 40 rows and 48 columns."""
    monkeypatch.setenv(ENVIRONMENT, str(models))
    put_pictures(tmp_path, 1)

    def call(*args: str):
        return run("upscale.py", *args, cwd=tmp_path)

    return call


@pytest.mark.openvino
@pytest.mark.parametrize(
    "args, name, scale",
    [
        ((), "photo_x2", 2),
        (("--scale", "3"), "classic_x3", 3),
        (("--model", "classic_x3"), "classic_x3", 3),
        (("--model", "photo_x2", "--scale", "2", "--width", "0.5"), "photo_x2", 2),
    ],
)
def test_one_line_says_which_network(upscale, tmp_path, args, name, scale):
    done = upscale(*args, "--input", "0.png", "--output", "a.png")
    assert (done.returncode, done.stdout) == (0, "a.png: 1 done, 0 done before, 0 failed\n")
    width, parameters = ("0.5", "") if "--width" in args else ("1", "")
    assert f"network {name}, width {width} ({parameters}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert imread(tmp_path / "a.png").shape == (40 * scale, 48 * scale, 3)


@pytest.mark.parametrize(
    "args, words",
    [
        (("--scale", "4"), "--scale 4 alone names no network that ships"),
        (("--scale", "0"), "'0' is not valid"),
        (("--model", "foto_x2"), "did you mean 'photo_x2'?"),
        (("--model", "photo_x2", "--scale", "3"), "--scale 3 does not fit photo_x2"),
        (("--model", "broken_x2"), "slimsr_manifest is None"),
    ],
)
def test_mistakes_end_in_one_line(upscale, tmp_path, args, words):
    done = upscale(*args, "--input", "0.png", "--output", "a.png")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: ") and words in done.stderr
    assert not (tmp_path / "a.png").exists()


@pytest.mark.openvino
def test_the_list(upscale):
    done = upscale("--list-models")
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines, last = done.stdout.splitlines()
    assert head.split() == ["name", "scale", "width", "parameters", "MB", "ms/Mpixel"]
    assert [line.split()[0] for line in lines[::2][:1]] == ["broken_x2"]
    assert "error: " in lines[1] and "slimsr_manifest" in lines[1]
    assert [line.split()[:3] for line in (lines[2], lines[5])] == [
        ["classic_x3", "x3", "1"],
        ["photo_x2", "x2", "1"],
    ]
    assert lines[3].split()[0] == "0.5"
    assert lines[4] == lines[7] == "  For tests, and nothing else."
    assert float(lines[5].split()[-1]) > 0
    assert last.startswith("Time per megapixel of the result by ")


@pytest.mark.openvino
def test_mindspore_is_left_out_where_openvino_runs(models, tmp_path):
    """Else the first picture would wait seconds for it."""
    put_pictures(tmp_path, 1)
    code = (
        "import sys; from slimsr.commands.upscale import main\n"
        "main(['--input', '0.png', '--output', 'a.png'])\n"
        "print([m for m in ('mindspore', 'onnx', 'tqdm', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "src"), ENVIRONMENT: str(models)},
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.openvino
def test_a_shipped_network_is_exported_in_another_form(upscale, tmp_path, monkeypatch):
    monkeypatch.delenv("SLIMSR_NATIVE", raising=False)  # "0" is said in the log
    asked = ("--file_format", "ONNX", "--size", "20x24", "--output", "out")
    done = run("export.py", "--model", "photo_x2", *asked, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "plain_x2_w1.onnx").is_file()
    done = run("export.py", "--model", "foto_x2", *asked, cwd=tmp_path)
    assert done.returncode == 2 and "did you mean 'photo_x2'?" in done.stderr
