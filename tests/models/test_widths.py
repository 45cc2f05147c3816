"""A width as a network of its own, and the released weights' way in."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimsr.errors import WeightsError, WidthError
from slimsr.models import create_model
from slimsr.models.widths import extract, implant
from slimsr.weights.loading import load_reference_weights, load_weights
from tests.networks import below


def picture(*shape: int) -> ms.Tensor:
    rng = np.random.default_rng(sum(shape))
    return ms.Tensor(rng.uniform(0, 255, shape).astype(np.float32))


def values(net) -> dict[str, np.ndarray]:
    return {name: p.asnumpy().copy() for name, p in net.parameters_and_names()}


def same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    scale=st.sampled_from([2, 3, 4, 8]),
    n_feats=st.integers(1, 12),
    n_blocks=st.integers(1, 3),
    res_scale=st.sampled_from([1.0, 0.1]),
    size=st.tuples(st.integers(1, 2), st.integers(1, 7), st.integers(1, 7)),
    data=st.data(),
)
def test_what_is_extracted_gives_what_the_width_gives(
    scale, n_feats, n_blocks, res_scale, size, data
):
    net = create_model("edsr", scale=scale, n_feats=n_feats, n_blocks=n_blocks, res_scale=res_scale)
    width = data.draw(st.integers(1, n_feats)) / n_feats
    before = values(net)
    narrow = extract(net, width)
    x = picture(size[0], 3, *size[1:])
    same(narrow(x).asnumpy(), net(x, width).asnumpy())
    assert narrow.config.n_feats == round(n_feats * width) and narrow.scale == scale
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, before[name])


def test_what_is_extracted_owns_its_weights_in_graph_mode_too():
    net = create_model("edsr", scale=2, n_feats=8, n_blocks=1)
    narrow = extract(net, 0.25)
    assert sum(p.size for p in narrow.get_parameters()) == sum(
        weight.size + bias.size for weight, bias in (c.get_slice(0.25) for c in net.convs())
    )
    x = picture(1, 3, 5, 4)
    expected = net(x, 0.25).asnumpy()

    def run(x):
        return narrow(x)

    same(ms.jit(run)(x).asnumpy(), expected)
    for conv in net.convs():
        weight, bias = conv.get_slice(1.0)
        conv.set_slice(weight * 0, bias * 0)
    same(narrow(x).asnumpy(), expected)


@pytest.mark.parametrize("width", [0.25, 0.5, 1.0])
def test_implant_undoes_extract(width):
    net = create_model("edsr", scale=3, n_feats=4, n_blocks=2)
    before = values(net)
    implant(net, extract(net, width), width)
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, before[name])


def test_implant_changes_the_slice_alone():
    net = create_model("edsr", scale=2, n_feats=4, n_blocks=1)
    other = create_model("edsr", scale=2, n_feats=2, n_blocks=1)
    before = values(net)
    implant(net, other, 0.5)
    x = picture(1, 3, 4, 4)
    same(net(x, 0.5).asnumpy(), other(x).asnumpy())
    after = values(net)["body_conv.weight"]
    np.testing.assert_array_equal(after[2:], before["body_conv.weight"][2:])
    np.testing.assert_array_equal(after[:, 2:], before["body_conv.weight"][:, 2:])


def test_widths_that_do_not_exist():
    net = create_model("edsr", scale=2, n_feats=4, n_blocks=1)
    for width in (0, 0.3, 1.5):
        with pytest.raises(WidthError, match=r"choose one of: 0\.25, 0\.5, 0\.75, 1$"):
            extract(net, width)
        with pytest.raises(WidthError, match=r"choose one of: 0\.25, 0\.5, 0\.75, 1$"):
            implant(net, net, width)


@pytest.fixture
def released(golden_edsr):
    """A new network and the released weights for it."""
    data, net = golden_edsr(2)
    return type(net)(net.config), below(data, "param/")


def refused(net, arrays, message):
    before = values(net)
    with pytest.raises(WeightsError, match=message) as caught:
        load_reference_weights(net, arrays, "release.npz")
    assert str(caught.value).startswith("release.npz") and "\n" not in str(caught.value)
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, before[name])


def test_released_names_are_our_names(released):
    net, arrays = released
    load_reference_weights(net, arrays)
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, arrays[name])
    own = {k: v for k, v in arrays.items() if "mean" not in k}
    load_reference_weights(net, own)  # without the constants
    assert own.keys() == values(net).keys()


@pytest.mark.parametrize("scale", [3, 4])
def test_the_releases_of_other_scales_load_too(golden_edsr, scale):
    data, net = golden_edsr(scale)
    np.testing.assert_array_equal(net.tail_conv.bias.asnumpy(), data["param/tail_conv.bias"])


def test_a_release_for_another_range_of_colours_is_refused(released):
    net, arrays = released
    arrays["sub_mean.bias"] = arrays["sub_mean.bias"] / 255
    refused(net, arrays, r"sub_mean\.bias is \[-0\.4.*\], this network has \[-114\.4")
    arrays["sub_mean.bias"] = arrays["add_mean.bias"]  # the sign
    refused(net, arrays, r"sub_mean\.bias is \[114\.4")


def test_a_release_that_scales_its_colours_is_refused(released):
    net, arrays = released
    arrays["add_mean.weight"] = arrays["add_mean.weight"] * 2
    refused(net, arrays, r"add_mean\.weight is \[\[2\.0")


def test_a_mean_shift_of_another_shape_is_refused(released):
    net, arrays = released
    arrays["add_mean.bias"] = np.zeros(4, np.float32)
    refused(net, arrays, r"add_mean\.bias")


def test_names_that_are_missing_or_left_over(released):
    net, arrays = released
    del arrays["body.1.conv2.bias"]
    arrays["body.3.conv1.weight"] = arrays["body.2.conv1.weight"]
    refused(net, arrays, r"missing: body\.1\.conv2\.bias; unexpected: body\.3\.conv1\.weight")
    refused(net, {}, r"missing: body\.0\.conv1\.bias, .* and 16 more")


def test_shapes_of_another_network(released, golden):
    net, arrays = released
    arrays["upsampler.blocks.0.weight"] = np.zeros((144, 16, 3, 3), np.float32)
    refused(net, arrays, r"other shape: upsampler\.blocks\.0\.weight \(144, 16, 3, 3\) for \(64, ")


@pytest.mark.parametrize("suffix", [".npz", ".ckpt", ".safetensors"])
def test_files_of_every_format(released, tmp_path, suffix):
    net, arrays = released
    path = tmp_path / f"release{suffix}"
    if suffix == ".npz":
        np.savez(path, **arrays)
    elif suffix == ".ckpt":
        entries = [{"name": k, "data": ms.Tensor(v)} for k, v in arrays.items()]
        ms.save_checkpoint(entries, str(path))
    else:
        from safetensors.numpy import save_file

        save_file(arrays, path)
    load_weights(net, path)
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, arrays[name])
    with pytest.raises(WeightsError, match=r"release\..* does not fit this Edsr"):
        load_weights(create_model("edsr", scale=2, n_feats=8, n_blocks=3), path)
