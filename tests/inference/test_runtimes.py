"""Checkpoint, MINDIR and ONNX, through MindSpore and OpenVINO: the same pictures."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from slimsr.deploy.export import export_widths
from slimsr.errors import ConfigError, DeviceError, WeightsError, WidthError
from slimsr.imaging import imread
from slimsr.inference import runtime as runtime_module
from slimsr.inference.runtime import choose_runtime
from slimsr.inference.source import ModelSpec, open_source
from slimsr.models import describe_network, resolve
from slimsr.weights.checkpoint import TrainingState
from slimsr.weights.saving import save_checkpoint
from tests.networks import SMALL, one_scale, small

WIDTHS = [1.0, 0.5, 0.25]
openvino = pytest.mark.openvino


@pytest.fixture(scope="module")
def released(golden_edsr, tmp_path_factory):
    """scale -> checkpoint with the released weights, and a folder of all its exports."""
    found = {}
    for scale in (2, 3):
        _, net = golden_edsr(scale)
        folder = tmp_path_factory.mktemp(f"x{scale}")
        checkpoint = folder / "best.ckpt"
        state = TrainingState(describe_network("edsr", net), {}, widths=WIDTHS)
        save_checkpoint(checkpoint, net, state)
        bundle = folder / "bundle"
        # Exporting takes long: of the other upsampler one width.
        export_widths(checkpoint, WIDTHS if scale == 2 else WIDTHS[-1:], bundle, "ALL")
        found[scale] = checkpoint, bundle
    return found


@openvino
@pytest.mark.parametrize("scale", [2, 3])
def test_all_ways_agree_on_real_pictures(released, shared, scale):
    checkpoint, bundle = released[scale]
    sources = [
        open_source(ModelSpec(str(checkpoint), runtime="mindspore")),
        open_source(ModelSpec(str(checkpoint), runtime="openvino")),
        open_source(ModelSpec(model=str(bundle), runtime="mindspore")),
        open_source(ModelSpec(model=str(bundle), runtime="openvino")),
        open_source(ModelSpec(str(checkpoint))),
        open_source(ModelSpec(model=str(bundle))),
    ]
    set5 = shared / "data" / "benchmark" / "Set5"
    pictures = sorted((set5 / "LR_bicubic" / f"X{scale}").iterdir())
    assert len(pictures) == 5
    for width in sources[-1].widths:
        runtimes = [source.load(width) for source in sources]
        names = [runtime.name for runtime in runtimes]
        assert names == ["mindspore", "openvino"] * 2 + ["openvino"] * 2
        for picture in pictures[::2]:
            batch = imread(picture)[:48, :56].transpose(2, 0, 1)[None].astype(np.float32)
            first, *others = [runtime.run(batch) for runtime in runtimes]
            assert first.shape == (1, 3, scale * batch.shape[2], scale * batch.shape[3])
            levels = np.clip(first, 0, 255).round()
            assert np.unique(levels).size > 20  # a picture, not a constant
            for other in others:
                assert other.dtype == np.float32
                assert np.abs(np.clip(other, 0, 255).round() - levels).max() <= 1
                np.testing.assert_allclose(other, first, atol=1e-5 * np.abs(first).max())


@pytest.mark.openvino
def test_what_a_source_says(released):
    checkpoint, bundle = released[2]
    for source in (
        open_source(ModelSpec(str(checkpoint), runtime="mindspore")),
        open_source(ModelSpec(model=str(bundle))),
    ):
        assert (source.scale, source.margin, list(source.widths)) == (2, 10, WIDTHS)
        assert source.bytes_per_pixel(1.0) > source.bytes_per_pixel(0.25) > 0
        with pytest.raises(WidthError, match=r"0\.3"):
            source.load(0.3)
    identities = {
        open_source(ModelSpec(model=str(bundle), runtime=name)).identity
        for name in ("auto", "mindspore")
    }
    assert len(identities) == 2


def test_which_networks_see_all_of_a_picture():
    """Those whose attention a tile changes, or whose input is unshuffled from where it begins."""
    for form, (name, options) in SMALL.items():
        net = small(form, one_scale(form))
        expected = resolve(name, options)[0] in {"rcan", "drn", "rlfn"}
        assert net.sees_all == (expected or form == "rrdbnet_unshuffled"), form


def test_one_file_has_one_width(released):
    _, bundle = released[2]
    source = open_source(ModelSpec(model=str(bundle / "edsr_x2_w0.25.mindir")))
    assert list(source.widths) == [0.25]
    assert source.load(0.25).name == "mindspore"
    with pytest.raises(WidthError, match=r"choose one of 0\.25"):
        source.load(1.0)


def test_a_shape_that_comes_again_and_again_is_compiled(released):
    runtime = open_source(ModelSpec(str(released[2][0]), runtime="mindspore")).load(0.25)
    batch = np.random.default_rng(0).uniform(0, 255, (1, 3, 6, 7)).astype(np.float32)
    results = [runtime.run(batch) for _ in range(runtime_module.WORTH_COMPILING + 1)]
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], atol=1e-4)


@openvino
def test_onnx_needs_no_mindspore(released):
    """Neither the import nor the run of an ONNX file loads it."""
    code = (
        "import sys, numpy as np\n"
        "from slimsr.inference.source import ModelSpec, open_source\n"
        f"runtime = open_source(ModelSpec(model={str(released[2][1])!r})).load(0.25)\n"
        "print(runtime.run(np.zeros((1, 3, 5, 4), np.float32)).shape, 'mindspore' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "(1, 3, 10, 8) False\n"


@openvino
def test_a_signal_after_a_model_is_gone_is_still_handled(released):
    """OpenVINO leaves the thread a stack for signals that it frees with the model."""
    code = (
        "import gc, os, signal\n"
        "from slimsr.inference.source import ModelSpec, open_source\n"
        f"source = open_source(ModelSpec(model={str(released[2][1])!r}))\n"
        "first, second = source.load(0.25), source.load(0.5)\n"
        "del first; gc.collect(); third = source.load(1.0)\n"
        "del second, third; gc.collect()\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('handled'))\n"
        "os.kill(os.getpid(), signal.SIGTERM)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "handled\n")


def test_which_runtime_is_chosen(monkeypatch):
    monkeypatch.setattr(runtime_module, "openvino_installed", lambda: True)
    assert choose_runtime("auto", "CPU") == "openvino"
    assert choose_runtime("auto", "Ascend") == "mindspore"
    assert choose_runtime("mindspore", "CPU") == "mindspore"
    assert choose_runtime("auto", "CPU", "MINDIR") == "mindspore"
    assert choose_runtime("auto", "CPU", "ONNX") == "openvino"
    with pytest.raises(ConfigError, match="openvino does not run on Ascend"):
        choose_runtime("openvino", "Ascend")
    with pytest.raises(ConfigError, match="mindspore does not read ONNX"):
        choose_runtime("mindspore", "CPU", "ONNX")
    with pytest.raises(ConfigError, match="openvino does not read MINDIR"):
        choose_runtime("openvino", "CPU", "MINDIR")
    monkeypatch.setattr(runtime_module, "openvino_installed", lambda: False)
    assert choose_runtime("auto", "CPU") == "mindspore"
    with pytest.raises(DeviceError, match=r"pip install -r requirements-openvino\.txt"):
        runtime_module.OpenVinoRuntime(b"")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("nowhere.onnx", "no model at nowhere.onnx"),
        ("best.ckpt", "neither .onnx nor .mindir nor a folder"),
        ("empty", "cannot read empty/manifest.json"),
        ("alone.onnx", "cannot read manifest.json"),
        ("bundle/other.onnx", "lists no other.onnx"),
        ("cut/edsr_x2_w1.onnx", "cut short or replaced"),
        ("gone/edsr_x2_w1.onnx", "no model at"),
    ],
)
def test_what_cannot_be_opened(released, tmp_path, monkeypatch, model, words):
    checkpoint, bundle = released[2]
    monkeypatch.chdir(tmp_path)
    good = (bundle / "edsr_x2_w1.onnx").read_bytes()
    for folder in ("bundle", "cut", "gone"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "manifest.json").write_bytes((bundle / "manifest.json").read_bytes())
    (tmp_path / "empty").mkdir()
    for name, content in {
        "best.ckpt": checkpoint.read_bytes(),
        "alone.onnx": good,
        "bundle/other.onnx": good,
        "cut/edsr_x2_w1.onnx": good[:-1],
    }.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        open_source(ModelSpec(model=model)).load(1.0)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_options_that_exclude_each_other(released):
    checkpoint, bundle = released[2]
    for both in ((None, None), (str(checkpoint), str(bundle))):
        with pytest.raises(ConfigError, match=r"either --ckpt .* or --model"):
            open_source(ModelSpec(*both))
    with pytest.raises(ConfigError, match="--precision bf16 is for the runtime openvino"):
        open_source(ModelSpec(str(checkpoint), runtime="mindspore", precision="bf16"))
