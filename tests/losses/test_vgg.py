"""VGG-19: taps of the release, and the three kinds of weights files."""

from __future__ import annotations

import logging
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from safetensors.numpy import save_file

from slimsr.errors import ConfigError, WeightsError
from slimsr.losses.vgg import CSD_TAPS, Vgg19
from slimsr.weights.arrays import read_arrays

# torchvision's index, input and output channels of conv1_1, conv1_2 and conv2_1
FIRST = [(0, 3, 64), (2, 64, 64), (5, 64, 128)]
SHALLOW = ("relu1_1", "relu2_1")


def load(vgg: Vgg19, path: Path) -> tuple[str, ...]:
    return vgg.load(read_arrays(path), str(path))


def weights(prefix: str, bias: bool = True) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = {}
    for index, n_in, n_out in FIRST:
        weight = rng.normal(size=(n_out, n_in, 3, 3)) / np.sqrt(9 * n_in)
        arrays[f"{prefix}.{index}.weight"] = weight.astype(np.float32)
        if bias:
            arrays[f"{prefix}.{index}.bias"] = rng.normal(size=n_out).astype(np.float32)
    return arrays


def conv_relu(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    x = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    out = np.tensordot(windows, weight.astype(np.float64), ([1, 4, 5], [1, 2, 3]))
    return np.maximum(out.transpose(0, 3, 1, 2) + bias.reshape(1, -1, 1, 1), 0)


def taps_by_hand(x: np.ndarray, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """relu1_1 and relu2_1 in float64."""
    (w1, b1), (w2, b2), (w3, b3) = (
        (arrays[f"features.{i}.weight"], arrays[f"features.{i}.bias"]) for i, _, _ in FIRST
    )
    first = conv_relu(x, w1, b1)
    second = conv_relu(first, w2, b2)
    n, c, h, w = second.shape
    pooled = second.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))
    return [first, conv_relu(pooled, w3, b3)]


def close(found: ms.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found.asnumpy(), expected, atol=1e-5 * np.abs(expected).max())


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, (2, 3, 6, 4))


def test_taps_of_the_release(golden):
    data = golden("csd_contrast_detached")
    taps = Vgg19(seed=int(data["vgg_seed"]))(ms.Tensor(data["student"]))
    assert len(taps) == 5
    for i, tap in enumerate(taps, 1):
        values = tap.asnumpy()
        assert values.mean(dtype=np.float64) == pytest.approx(float(data[f"tap{i}_mean"]), rel=1e-5)
        corner = data[f"tap{i}_corner"]
        atol = 1e-5 * np.abs(values).max()
        np.testing.assert_allclose(values[0, :4, 0, 0], corner, atol=atol)


def test_the_network_is_frozen():
    vgg = Vgg19(("relu1_1",))
    assert vgg.trainable_params() == [] and len(list(vgg.get_parameters())) == 2


def test_depth_ends_at_the_deepest_tap():
    assert len(Vgg19(("relu1_2", "relu2_2")).convs) == 4
    assert CSD_TAPS == ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_torchvision_weights(tmp_path, picture, suffix, graph):
    arrays = weights("features")
    path = tmp_path / f"vgg{suffix}"
    # a whole state dict has a classifier and deeper layers too: they are not needed here
    more = {**arrays, "classifier.0.weight": np.zeros((2, 2), np.float32)}
    np.savez(path, **more) if suffix == ".npz" else save_file(more, path)
    vgg = Vgg19(SHALLOW)
    assert load(vgg, path) == SHALLOW

    def run(x):
        return vgg(x)

    found = (ms.jit(run) if graph else run)(ms.Tensor(picture.astype(np.float32)))
    for tap, expected in zip(found, taps_by_hand(picture, arrays), strict=True):
        close(tap, expected)


def test_zoo_checkpoint_without_biases(tmp_path, picture):
    arrays = weights("layers", bias=False)
    path = tmp_path / "vgg19_ImageNet.ckpt"
    entries = [{"name": k, "data": ms.Tensor(v)} for k, v in arrays.items()]
    ms.save_checkpoint(entries, str(path))
    vgg = Vgg19(SHALLOW)
    assert load(vgg, path) == SHALLOW
    named = {k.replace("layers", "features"): v for k, v in arrays.items()}
    named |= {f"features.{i}.bias": np.zeros(n, np.float32) for i, _, n in FIRST}
    found = vgg(ms.Tensor(picture.astype(np.float32)))
    for tap, expected in zip(found, taps_by_hand(picture, named), strict=True):
        close(tap, expected)


def test_partial_weights_drop_the_taps_that_they_do_not_reach(shared, caplog):
    vgg = Vgg19()
    with caplog.at_level(logging.WARNING):
        kept = load(vgg, shared / "weights" / "vgg19_conv1_1-conv3_4.npz")
    assert kept == vgg.taps == ("relu1_1", "relu2_1", "relu3_1")
    (record,) = caplog.records
    message = record.getMessage()
    assert "relu3_4" in message and message.endswith("left out: relu4_1, relu5_1")
    found = vgg(ms.Tensor(np.full((1, 3, 8, 8), 100, np.float32)))
    assert [tap.shape for tap in found] == [(1, 64, 8, 8), (1, 128, 4, 4), (1, 256, 2, 2)]


def test_files_that_are_no_vgg(tmp_path):
    vgg = Vgg19(SHALLOW)
    before = [p.asnumpy().copy() for p in vgg.get_parameters()]
    wrong = weights("features")
    wrong["features.2.weight"] = np.zeros((64, 32, 3, 3), np.float32)
    short = weights("features")
    short["features.5.bias"] = np.zeros(3, np.float32)
    other = {"conv.weight": np.zeros((2, 3, 3, 3), np.float32)}
    cases = [
        (wrong, r"features\.2\.weight has shape \(64, 32, 3, 3\), VGG-19 needs \(64, 64, 3, 3\)"),
        (short, r"features\.5"),
        (other, r"reaches none of the taps relu1_1, relu2_1: expected .*features\.N\.weight"),
        ({}, "reaches none of the taps"),
    ]
    for arrays, message in cases:
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(WeightsError, match=message) as caught:
            load(vgg, tmp_path / "a.npz")
        assert "\n" not in str(caught.value)
    for parameter, old in zip(vgg.get_parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.asnumpy(), old)


def test_a_bias_of_the_wrong_shape_is_named(tmp_path):
    arrays = weights("features")
    arrays["features.5.bias"] = np.zeros(3, np.float32)
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(WeightsError, match=r"features\.5\.bias has shape \(3,\).*\(128,\)"):
        load(Vgg19(SHALLOW), tmp_path / "a.npz")


def test_a_pytorch_file_names_the_converter(tmp_path):
    path = tmp_path / "vgg19.pth"
    path.write_bytes(b"PK")
    with pytest.raises(WeightsError, match=r"slimsr convert .*vgg19\.pth .*\.npz"):
        load(Vgg19(("relu1_1",)), path)


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("raw", [0, 0, 0], [1, 1, 1]),
        # torchvision: (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) of pictures in [0, 1]
        ("imagenet", [0.485 * 255, 0.456 * 255, 0.406 * 255], [58.395, 57.12, 57.375]),
        ("caffe", [123.68, 116.779, 103.939], [1, 1, 1]),
    ],
)
def test_normalisations(tmp_path, picture, name, mean, std):
    arrays = weights("features")
    np.savez(tmp_path / "a.npz", **arrays)
    vgg = Vgg19(("relu1_1",), name)
    load(vgg, tmp_path / "a.npz")
    normal = (picture - np.reshape(mean, (1, 3, 1, 1))) / np.reshape(std, (1, 3, 1, 1))
    expected = conv_relu(normal, arrays["features.0.weight"], arrays["features.0.bias"])
    close(vgg(ms.Tensor(picture.astype(np.float32)))[0], expected)


@pytest.mark.parametrize(
    "taps", [(), ("relu6_1",), ("relu2_1", "relu1_1"), ("relu1_1", "relu1_1"), ("conv1_1",)]
)
def test_taps_that_do_not_exist(taps):
    with pytest.raises(ConfigError, match=r"choose among relu1_1, relu1_2, .*relu5_4"):
        Vgg19(taps)


def test_a_normalisation_that_does_not_exist():
    with pytest.raises(ConfigError, match="'mean' is unknown: choose raw, imagenet, caffe"):
        Vgg19(("relu1_1",), "mean")


def test_the_seed_decides_the_weights():
    first, again, other = (Vgg19(("relu1_1",), seed=seed) for seed in (3, 3, 4))
    w, v, u = (vgg.convs[0].weight.asnumpy() for vgg in (first, again, other))
    np.testing.assert_array_equal(w, v)
    assert not np.array_equal(w, u)
    rng = np.random.RandomState(3)
    expected = (rng.standard_normal((64, 3, 3, 3)) * np.sqrt(2 / 27)).astype(np.float32)
    np.testing.assert_array_equal(w, expected)
