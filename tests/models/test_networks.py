"""What holds for every network: sizes, widths, slices, taps, reach, precision, graph mode."""

from __future__ import annotations

import math

import mindspore as ms
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slimsr.device.modes import switched_off
from slimsr.errors import ConfigError, WidthError
from slimsr.metrics import rgb_to_y
from slimsr.models import (
    MODELS,
    SlimmableNet,
    create_model,
    list_models,
    list_presets,
    resolve,
)
from slimsr.models.widths import extract, implant
from tests.networks import (
    CASES,
    COMPILED,
    DRAWN,
    FORMS,
    OTHER_FORMS,
    SMALL,
    TAPS,
    assert_same,
    one_scale,
    picture,
    run,
    small,
)


def values(net: SlimmableNet) -> dict[str, np.ndarray]:
    return {name: p.asnumpy().copy() for name, p in net.parameters_and_names()}


@pytest.mark.parametrize(("form", "scale"), FORMS)
def test_the_picture_is_enlarged_by_the_scale(form, scale):
    net = small(form, scale)
    for shape in ((2, 3, 3, 5), (1, 3, 1, 1)):
        sr = net(ms.Tensor(picture(*shape)))
        assert sr.dtype == ms.float32
        assert sr.shape == (*shape[:2], shape[2] * scale, shape[3] * scale)


# Compiled of one network of Y and one of RGB: that of all networks is tested below.
OWN_GRAPHS = ("fsrcnn", "edsr")


@pytest.mark.parametrize(
    ("form", "graph"),
    [
        *((form, False) for form in SMALL),
        *(
            pytest.param(form, True, marks=() if form in OWN_GRAPHS else pytest.mark.slow)
            for form in SMALL
        ),
    ],
)
def test_own_colours_are_enlarged_as_the_picture_is(form, graph):
    """What a network makes of Y, or of RGB, is in [0, 1] what it makes of the whole picture."""
    net = small(form, one_scale(form))
    rgb = ms.Tensor(picture(1, 3, 6, 7))

    def own(rgb):
        return net.enlarge_own(net.own_colours(rgb))

    taps, sr = (ms.jit(own) if graph else own)(rgb)
    expected_taps, whole = net.features(rgb)
    if net.colour == "Y":
        expected = rgb_to_y(whole.asnumpy()[0].transpose(1, 2, 0))[None, None] / 255
    else:
        expected = whole.asnumpy() / 255
    np.testing.assert_allclose(sr.asnumpy(), expected, atol=2e-5)
    for found, tap in zip(taps, expected_taps, strict=True):
        np.testing.assert_allclose(found.asnumpy(), tap.asnumpy(), atol=1e-4)


@pytest.mark.parametrize("form", SMALL)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_is_extracted_gives_what_the_width_gives(form, data):
    scale = data.draw(st.sampled_from([scale for name, scale in FORMS if name == form]))
    size = {name: data.draw(drawn, name) for name, drawn in DRAWN[form].items()}
    net = small(form, scale, **size)
    width = data.draw(st.sampled_from(net.realisable_widths()))
    shape = data.draw(
        st.tuples(st.integers(1, 2), st.just(3), st.integers(1, 6), st.integers(1, 6))
    )
    before = values(net)
    narrow = extract(net, width)
    x = picture(*shape)
    assert_same(run(narrow, x), run(net, x, width))
    counts = [sum(p.size for p in layer.get_parameters()) for layer in narrow.slim_layers()]
    sliced = [sum(a.size for a in layer.get_slice(width)) for layer in net.slim_layers()]
    assert counts == sliced
    implant(net, narrow, width)
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("form", SMALL)
def test_a_slice_is_what_the_wide_network_does_with_those_channels(form):
    """Zero all that lies outside the slice: the wide network then gives what the width gives.

    So a channel of the narrow network is the same channel of the wide one in every layer, across
    concatenations and groups too. Channel attention's means do not depend on other channels, and a
    zero channel stays zero through ReLU, so this holds for all networks.
    """
    net = small(form, one_scale(form))
    widths = [width for width in net.realisable_widths() if width < 1]
    width = widths[len(widths) // 2]
    x = picture(1, 3, 5, 6)
    expected = run(net, x, width)
    for layer in net.slim_layers():
        kept = layer.get_slice(width)
        layer.set_slice(*(np.zeros_like(array) for array in layer.get_slice(1.0)))
        layer.set_slice(*kept)
    assert_same(run(net, x), expected)


@pytest.mark.parametrize("form", SMALL)
def test_only_the_slice_is_trained(form):
    net = small(form, one_scale(form)).set_train()
    widths = net.realisable_widths()
    width = widths[(len(widths) - 1) // 2]
    x = ms.Tensor(picture(1, 3, 5, 4))

    def loss(x):
        return (net(x, width) ** 2).mean()

    parameters = net.trainable_params()
    gradients = ms.grad(loss, None, parameters)(x)
    found = {p.name: g.asnumpy() for p, g in zip(parameters, gradients, strict=True)}
    assert all(np.isfinite(gradient).all() for gradient in found.values())
    assert sum(np.count_nonzero(gradient) for gradient in found.values()) > 0


# Compiled at width 1 too: elsewhere that is the same graph with less cut off.
BOTH_WIDTHS = ("edsr", "fsrcnn")


@pytest.mark.parametrize("form", COMPILED)
def test_graph_mode_gives_the_same(form):
    net = small(form, one_scale(form))
    x = picture(2, 3, 5, 4)
    narrow = net.realisable_widths()[0]
    widths = (1.0, narrow) if form in BOTH_WIDTHS else (narrow,)

    def each(x):
        found = ()
        for width in widths:
            found += (net.features(x, width),)
        return found

    found = ms.jit(each)(ms.Tensor(x))
    for (taps, sr), width in zip(found, widths, strict=True):
        expected_taps, expected = net.features(ms.Tensor(x), width)
        assert_same(sr.asnumpy(), expected.asnumpy())
        assert_same(run(net, x, width), expected.asnumpy())
        assert len(taps) == len(expected_taps)
        for tap, expected_tap in zip(taps, expected_taps, strict=True):
            assert_same(tap.asnumpy(), expected_tap.asnumpy())


@pytest.mark.parametrize("form", SMALL)
def test_taps_are_as_documented(form):
    net = small(form, 2)
    for width in (1.0, 0.5):
        taps, _ = net.features(ms.Tensor(picture(1, 3, 4, 5)), width)
        expected = [
            (1, int(c * width), math.ceil(4 * side), math.ceil(5 * side)) for c, side in TAPS[form]
        ]
        assert [tap.shape for tap in taps] == expected


@pytest.mark.parametrize(("form", "scale"), FORMS)
def test_every_tap_has_a_name_of_its_own(form, scale):
    net = small(form, scale)
    taps, _ = net.features(ms.Tensor(picture(1, 3, 4, 4)))
    names = net.tap_names
    assert len(names) == len(taps) == len(set(names))
    assert net.tap_indices(names) == tuple(range(len(taps)))
    assert net.tap_indices((names[-1], names[0])) == (len(taps) - 1, 0)


def test_a_tap_that_does_not_exist_names_those_that_do():
    net = small("carn", 2)
    assert net.tap_indices(()) == ()
    message = r"'cascade4' is not a tap of this Carn: did you mean 'cascade.'\? known: cascade1, "
    with pytest.raises(ConfigError, match=message):
        net.tap_indices(("entry", "cascade4"))


@pytest.mark.parametrize(
    ("form", "widths"),
    [
        ("rcan", [0.25, 0.5, 0.75, 1]),  # 8 features, but the attention's bottleneck has 4
        ("carn_m", [0.25, 0.5, 0.75, 1]),  # 16 features in groups of 4
        ("carn", [n / 8 for n in range(1, 9)]),
        ("idn", [0.25, 0.5, 0.75, 1]),  # 32 channels in 4 groups make 8, 48 make 12
        ("fsrcnn", [0.25, 0.5, 0.75, 1]),
        ("drn", [0.5, 1]),  # 32 features at LR size, 2 in the bottleneck
    ],
)
def test_widths_that_cannot_be_realised_name_those_that_can(form, widths):
    net = small(form, 2)
    assert net.realisable_widths() == widths
    listed = ", ".join(f"{width:g}" for width in widths)
    for width in (1 / 64, 0.3, 0, 1.5):
        with pytest.raises(WidthError, match=rf"width .* choose one of: {listed}$"):
            extract(net, width)
        with pytest.raises(WidthError, match="cannot be realised"):
            run(net, picture(1, 3, 4, 4), width)


def test_the_attention_of_the_papers_rcan_refuses_a_64th():
    net = create_model("rcan", n_groups=1, n_blocks=1)
    with pytest.raises(WidthError, match=r"choose one of: 0\.25, 0\.5, 0\.75, 1$"):
        net.check_width(1 / 64)


# What scales change is the tail, which forms have in common.
ONCE = [
    pytest.param(form, scale, marks=pytest.mark.slow if other else ())
    for form, scale in FORMS
    for other in [form in OTHER_FORMS and scale != one_scale(form)]
]


@pytest.mark.parametrize(("form", "scale"), ONCE)
def test_nothing_beyond_the_margin_counts(form, scale):
    net = small(form, scale)
    if form == "drn" and scale == 8:
        pytest.skip("the same formula as x2 and x4; takes long")
    for layer in net.slim_layers():  # all positive: no rectifier may hide a path
        layer.set_slice(*(np.abs(array) * 0.3 for array in layer.get_slice(1.0)))
    for name, cell in net.cells_and_names():
        if name.endswith("attention.pool"):  # the means over the whole picture are left out
            cell.construct = lambda x: x[:, :, :1, :1] * 0 + 1
        if name.endswith("attention.context"):  # and what is seen from afar
            cell.construct = lambda x, width: x * 0
    margin = net.margin
    size, middle = 2 * margin + 5, margin + 2
    block = slice(middle * scale, (middle + 1) * scale)
    mask = np.zeros((1, 3, size * scale, size * scale), np.float32)
    mask[..., block, block] = 1
    mask = ms.Tensor(mask)

    def one_pixel(x):
        return (net(x) * mask).sum()

    x = ms.Tensor(np.full((1, 3, size, size), 200, np.float32))
    with switched_off():  # the native kernels leave a pixel's rounding errors in its whole tile
        seen = np.argwhere(ms.grad(one_pixel)(x).asnumpy()[0])[:, 1:]
    assert seen.min() >= middle - margin and seen.max() <= middle + margin
    # Honest in the other direction too: no more than 3 pixels (of what it calls so) are unused.
    unused = 3 * getattr(net.config, "unshuffle", 1)
    assert max(middle - seen.min(), seen.max() - middle) >= margin - unused


@pytest.mark.parametrize("form", COMPILED)
def test_half_precision_is_close_and_gives_float32(form):
    net = small(form, one_scale(form))
    x = picture(1, 3, 6, 6)
    width = net.realisable_widths()[0]
    exact = run(net, x, width)
    for level in ("O2", "O3"):
        net.set_precision(level)
        half = run(net, x, width)
        assert half.dtype == np.float32
        assert np.abs(half - exact).max() < 1.5  # grey levels
    assert all(p.dtype == ms.float32 for p in net.get_parameters())


@pytest.mark.parametrize("form", SMALL)
def test_scales_that_are_not_offered(form):
    with pytest.raises(ConfigError, match=r"scale 5 is not offered: choose [12], .* or [348]"):
        small(form, 5)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rcan", {"n_feats": 8}, "reduction 16 needs 16 features or more, got 8"),
        ("drn", {"n_feats": 2}, "reduction 16 needs 16 features or more, got 8"),
        ("carn", {"n_feats": 10, "groups": 4}, "groups = 4 do not divide n_feats = 10"),
        ("idn", {"n_feats": 32, "n_distilled": 16}, "n_feats more than twice n_distilled"),
        ("idn", {"n_feats": 30, "n_distilled": 8}, "give multiples of 4"),
        ("idn", {"colour": "CMYK"}, "model.colour = 'CMYK' is not valid"),
        ("vdsr", {"n_layers": 2}, "model.n_layers = 2 is not valid"),
        ("fsrcnn", {"m": 0}, "model.m = 0 is not valid"),
    ],
)
def test_options_that_do_not_fit(name, options, message):
    with pytest.raises(ConfigError, match=message):
        create_model(name, **options)


def test_every_network_has_forms_and_a_name_of_its_own():
    assert CASES.keys() == set(list_models())
    names = [*list_models(), *list_presets()]
    presets = [preset for name in list_models() for preset in MODELS.get(name).presets]
    assert len(set(names)) == len(list_models()) + len(presets)
    for name, case in CASES.items():
        assert {resolve(form.name, {})[0] for form in case.FORMS.values()} == {name}


def test_presets_are_networks_of_published_size():
    assert set(list_presets()) >= {"carn_m", "carn_csd", "idn_rgb", "drn_s", "drn_l", "edsr_full"}
    net = create_model("carn_m", scale=3)
    assert (net.config.groups, net.config.recursive, net.scale) == (4, True, 3)
    assert create_model("carn_m", n_feats=8, groups=2).config.groups == 2  # given comes first
    assert create_model("drn_s", scale=8, n_blocks=1).config.n_feats == 8
    assert create_model("drn_l", n_blocks=1).config.n_feats == 20
