"""Conventions of the releases: what a converted network computes is what the release's computes."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn, ops

from slimsr.errors import ConfigError, WeightsError
from slimsr.layers.blocks import DIV2K_MEAN
from slimsr.layers.functional import conv2d
from slimsr.models import SlimmableNet, create_model
from slimsr.models.release import Release, mean_shifts
from slimsr.weights.arrays import assign
from slimsr.weights.conventions import inner_range, rescale, to_own, to_release
from slimsr.weights.releases import find_release
from tests.networks import assert_same, one_scale, picture, run, small, values

MEAN = np.array(DIV2K_MEAN)


def edsr(**options) -> SlimmableNet:
    return create_model("edsr", **{"scale": 4, "n_feats": 4, "n_blocks": 2, **options})


def released(net: SlimmableNet, key: str) -> tuple[Release, dict[str, np.ndarray]]:
    release = find_release(net, key)
    return release, to_release(net, release)


def loaded(net: SlimmableNet, weights: dict[str, np.ndarray]) -> SlimmableNet:
    assign(net, weights, "file")
    return net


@pytest.mark.parametrize("form", ["edsr", "rcan", "carn", "carn_m", "carn_csd", "drn"])
def test_weights_for_another_range_give_the_same_pictures(form):
    net = small(form, one_scale(form))
    own = inner_range(net)
    other = 256 - own
    x = picture(1, 3, 5, 4)
    for shift in mean_shifts(net).values():  # the release: the same weights, another range
        shift.rgb_range = other
    expected = run(net, x)
    converted = rescale(net, values(net), own / other)
    for shift in mean_shifts(net).values():
        shift.rgb_range = own
    assert np.abs(run(net, x) - expected).max() > 1
    assert_same(run(loaded(net, converted), x), expected)


@pytest.mark.parametrize("form", ["vdsr_bias", "fsrcnn", "fsrcnn_slopes", "idn"])
def test_weights_for_luma_in_0_to_255_give_the_same_detail(form):
    net = small(form, one_scale(form))
    assert inner_range(net) == 1
    convs = net.convs()
    convs[0].set_slice(*(255 * convs[0].get_slice(1.0)[0], convs[0].get_slice(1.0)[1]))
    convs[-1].set_slice(*(array / 255 for array in convs[-1].get_slice(1.0)))
    x = picture(1, 3, 5, 4)
    expected = run(net, x)  # Y in 0..255 from the first convolution to the last
    convs[0].set_slice(*(convs[0].get_slice(1.0)[0] / 255, convs[0].get_slice(1.0)[1]))
    convs[-1].set_slice(*(255 * array for array in convs[-1].get_slice(1.0)))
    assert_same(run(loaded(net, rescale(net, values(net), 1 / 255)), x), expected)


def test_the_stored_mean_shift_tells_the_range():
    net = edsr()
    release, arrays = released(net, "edsr-pytorch")
    assert to_own(net, release, arrays, "file")[1] == ["RGB in 0..255"]
    for name in ("sub_mean.bias", "add_mean.bias"):
        arrays[name] = arrays[name] / 255
    weights, remarks = to_own(net, release, arrays, "file")
    assert remarks == ["made for RGB in 0..1, biases scaled to 0..255"]
    np.testing.assert_allclose(weights["head.bias"], 255 * arrays["head.0.bias"], rtol=1e-6)
    np.testing.assert_array_equal(weights["head.weight"], arrays["head.0.weight"])
    with pytest.raises(ConfigError, match=r"--range 255 contradicts file, .* for RGB in 0\.\.1"):
        to_own(net, release, arrays, "file", 255)
    arrays = {name: array.astype(np.float16) for name, array in arrays.items()}
    assert to_own(net, release, arrays, "file")[1] == remarks


def test_where_no_mean_shift_is_stored_the_range_is_given_or_assumed():
    net = edsr()
    release, arrays = released(net, "basicsr")
    weights, remarks = to_own(net, release, arrays, "file")
    assert remarks == ["RGB in 0..255 assumed"]
    np.testing.assert_array_equal(weights["head.bias"], arrays["conv_first.bias"])
    weights, remarks = to_own(net, release, arrays, "file", 1)
    assert remarks == ["made for RGB in 0..1, biases scaled to 0..255"]
    np.testing.assert_allclose(weights["head.bias"], 255 * arrays["conv_first.bias"], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("sub_mean.bias", lambda a: a + 1),
        ("sub_mean.bias", lambda a: -a),
        ("sub_mean.bias", lambda a: a / 255),  # the other one is for 0..255
        ("add_mean.weight", lambda a: a * 2),
        ("add_mean.weight", lambda a: a[:2]),
        ("sub_mean.weight", lambda a: a[::-1]),  # BGR
    ],
)
def test_another_mean_shift_is_refused(name, change):
    net = edsr()
    release, arrays = released(net, "edsr-pytorch")
    arrays[name] = change(arrays[name])
    with pytest.raises(WeightsError, match=f"file: {name} is .*, this network has .*DIV2K's mean"):
        to_own(net, release, arrays, "file")


class Affine(nn.Cell):
    """A mean shift as releases store it: a 1x1 convolution, or a factor and an offset."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray):
        super().__init__()
        self.weight, self.bias = ms.Tensor(weight), ms.Tensor(bias.reshape(1, 3, 1, 1))

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        if self.weight.shape[0] == 1:
            return x * self.weight + self.bias
        return conv2d(x, self.weight) + self.bias


class DepthToSpace(nn.Cell):
    """The zoo's pixel shuffle."""

    def __init__(self, factor: int):
        super().__init__()
        self.shuffle = ops.DepthToSpace(factor)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        return self.shuffle(x)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_model_zoo_edsr_computes_the_same(scale):
    """The zoo's network: our layers, its mean shift, its pixel shuffle, its weights in place."""
    net = edsr(scale=scale)
    release, arrays = released(edsr(scale=scale), "modelzoo")
    raw = release.parameters(net)
    assign(net, {raw[name]: array for name, array in arrays.items() if name in raw}, "file")
    net.sub_mean = Affine(arrays["norm.weight"], arrays["norm.bias"])
    net.add_mean = Affine(arrays["de_norm.weight"], arrays["de_norm.bias"])
    for i in range(len(net.upsampler.blocks)):
        net.upsampler.shuffles[i] = DepthToSpace(3 if scale == 3 else 2)
    x = picture(1, 3, 5, 4)
    converted, remarks = to_own(edsr(scale=scale), release, arrays, "file")
    assert remarks == ["made for RGB in 0..1, biases scaled to 0..255"]
    assert_same(run(loaded(edsr(scale=scale), converted), x), run(net, x))


def trained_drn(offset: float) -> tuple[SlimmableNet, dict[str, np.ndarray]]:
    """Return a DRN with a mean shift that training has changed, and its weights as released."""
    rng = np.random.default_rng(0)
    net = create_model("drn", scale=4, n_feats=8, n_blocks=1)
    _, arrays = released(net, "drn")
    before = (np.eye(3) + rng.normal(0, 0.01, (3, 3))).astype(np.float32)
    after = (np.eye(3) + rng.normal(0, 0.01, (3, 3))).astype(np.float32)
    arrays["sub_mean.weight"] = before.reshape(3, 3, 1, 1)
    arrays["sub_mean.bias"] = (-before @ (255 * MEAN) + offset).astype(np.float32)
    arrays["add_mean.weight"] = after.reshape(3, 3, 1, 1)
    arrays["add_mean.bias"] = (255 * MEAN + rng.normal(0, 1, 3)).astype(np.float32)
    for name in ("sub_mean", "add_mean"):
        shift = Affine(arrays[f"{name}.weight"], arrays[f"{name}.bias"])
        setattr(net, name, shift)
    return net, arrays


def test_a_trained_mean_shift_is_folded_into_its_neighbours():
    net, arrays = trained_drn(0)
    other = create_model("drn", scale=4, n_feats=8, n_blocks=1)
    weights, remarks = to_own(other, find_release(other, "drn"), arrays, "file")
    assert "trained mean shift is folded" in remarks[0] and remarks[1] == "RGB in 0..255"
    x = picture(1, 3, 6, 5)
    assert_same(run(loaded(other, weights), x), run(net, x))
    found = [sr.asnumpy() for sr in other.pictures(ms.Tensor(x))]
    for picture_found, expected in zip(found, net.pictures(ms.Tensor(x)), strict=True):
        assert_same(picture_found, expected.asnumpy())


def test_what_folding_leaves_at_the_border_is_said():
    net, arrays = trained_drn(0.5)
    other = create_model("drn", scale=4, n_feats=8, n_blocks=1)
    weights, remarks = to_own(other, find_release(other, "drn"), arrays, "file")
    assert "differs by up to 0.5 of 255 grey levels" in remarks[0]
    x = picture(1, 3, 6, 5)
    assert np.abs(run(loaded(other, weights), x) - run(net, x)).max() < 0.5


def test_a_trained_mean_shift_far_from_div2ks_is_refused():
    net = create_model("drn", scale=4, n_feats=8, n_blocks=1)
    release, arrays = released(net, "drn")
    arrays["sub_mean.bias"] = arrays["sub_mean.bias"] * 0.8
    with pytest.raises(WeightsError, match=r"sub_mean\.bias is \[-91\.555"):
        to_own(net, release, arrays, "file")


def test_faults_are_listed_by_the_names_of_the_file():
    net = edsr()
    release, arrays = released(net, "edsr-pytorch")
    arrays["tail.0.0.weight"] = arrays["tail.0.0.weight"][:9]
    arrays["body.3.body.0.weight"] = arrays.pop("body.1.body.0.weight")
    with pytest.raises(WeightsError) as caught:
        to_own(net, release, arrays, "file")
    assert str(caught.value) == (
        "file does not fit this Edsr (missing: body.1.body.0.weight; unexpected: "
        "body.3.body.0.weight; other shape: tail.0.0.weight (9, 4, 3, 3) for (16, 4, 3, 3)): give "
        "weights of the same architecture, size and scale"
    )


def test_branches_of_span_are_merged():
    """A 1x1, a 3x3 and a 1x1 in a row and a 1x1 beside them, on a picture with one zero around."""
    rng = np.random.default_rng(0)
    net = create_model("span", scale=2, n_feats=2, n_blocks=1)
    release = find_release(net, "span")
    arrays = to_release(net, release)
    name = "block_1.c2_r"
    shapes = {"conv.0": (4, 2, 1, 1), "conv.1": (4, 4, 3, 3), "conv.2": (2, 4, 1, 1)}
    for layer, shape in {**shapes, "sk": (2, 2, 1, 1)}.items():
        arrays[f"{name}.{layer}.weight"] = rng.normal(size=shape).astype(np.float32)
        arrays[f"{name}.{layer}.bias"] = rng.normal(size=shape[0]).astype(np.float32)
    weights, remarks = to_own(net, release, arrays, "file")
    assert remarks[0] == "8 tensors of branches merged"

    def conv(x, layer):
        weight, bias = (ms.Tensor(arrays[f"{name}.{layer}.{kind}"]) for kind in ("weight", "bias"))
        return ops.conv2d(x, weight, bias)

    x = ms.Tensor(rng.normal(size=(1, 2, 5, 6)).astype(np.float32))
    padded = ops.pad(x, (1, 1, 1, 1))
    expected = conv(conv(conv(padded, "conv.0"), "conv.1"), "conv.2") + conv(x, "sk")
    own = (ms.Tensor(weights[f"body.0.conv2.{kind}"]) for kind in ("weight", "bias"))
    found = ops.conv2d(padded, *own)
    np.testing.assert_allclose(found.asnumpy(), expected.asnumpy(), atol=1e-4)
