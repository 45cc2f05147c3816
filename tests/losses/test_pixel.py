"""Pixel losses by hand, with their gradients; what a new one needs."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from pydantic.dataclasses import dataclass

from slimsr.errors import ConfigError, RegistryError
from slimsr.losses.pixel import PIXEL_LOSSES, PixelLoss, create_pixel_loss
from slimsr.methods.common_options import MethodConfig
from slimsr.options import STRICT, build_options

# name -> (value, derivative) of a difference d, with white at p.
BY_HAND = {
    "l1": (lambda d, p: np.abs(d), lambda d, p: np.sign(d)),
    "l2": (lambda d, p: d**2, lambda d, p: 2 * d),
    "charbonnier": (
        lambda d, p: np.sqrt(d**2 + (p / 1000) ** 2),
        lambda d, p: d / np.sqrt(d**2 + (p / 1000) ** 2),
    ),
}


def test_every_loss_is_known_by_hand():
    assert PIXEL_LOSSES.names() == sorted(BY_HAND)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("peak", [255.0, 1.0])
@pytest.mark.parametrize("name", BY_HAND)
def test_value_and_gradient(name, peak, graph):
    rng = np.random.default_rng(0)
    picture, target = rng.uniform(0, peak, (2, 2, 3, 4, 5)).astype(np.float32)
    target[0] = picture[0] + rng.normal(size=(3, 4, 5)).astype(np.float32) * peak / 1000
    target[1, 0] = picture[1, 0]  # no difference at all
    run = ms.value_and_grad(create_pixel_loss(name, peak))
    value, grad = (ms.jit(run) if graph else run)(ms.Tensor(picture), ms.Tensor(target))
    difference = picture.astype(np.float64) - target
    expected, slope = (by_hand(difference, peak) for by_hand in BY_HAND[name])
    assert value.shape == () and float(value.asnumpy()) == pytest.approx(expected.mean(), rel=1e-5)
    np.testing.assert_allclose(grad.asnumpy(), slope / picture.size, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_picture_of_half_precision_is_compared_in_single(name):
    picture = ms.Tensor(np.full((1, 3, 2, 2), 200, np.float16))
    target = ms.Tensor(np.full((1, 3, 2, 2), 200.03, np.float32))  # which float16 rounds away
    value = create_pixel_loss(name)(picture, target)
    assert value.dtype == ms.float32
    difference = 200.0 - float(target.asnumpy()[0, 0, 0, 0])
    assert float(value.asnumpy()) == pytest.approx(BY_HAND[name][0](difference, 255.0), rel=1e-5)


def fourier_by_hand(difference):
    """Return the mean |part| of the half spectrum and its gradient, by the transform's matrices."""
    height, width = difference.shape[-2:]

    def matrix(n, kept):
        return np.exp(-2j * np.pi * np.outer(np.arange(kept), np.arange(n)) / n)

    rows, columns = matrix(height, height), matrix(width, width // 2 + 1)
    found = rows @ difference @ columns.T
    np.testing.assert_allclose(found, np.fft.rfft2(difference), rtol=1e-9, atol=1e-9)
    parts = np.stack([found.real, found.imag])
    signs = np.sign(found.real) - 1j * np.sign(found.imag)
    return np.abs(parts).mean(), (rows.T @ signs @ columns).real / parts.size


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    ("name", "peak", "size"), [("l1", 255.0, (6, 8)), ("charbonnier", 1.0, (5, 7))]
)
def test_the_fourier_term(name, peak, size, graph):
    rng = np.random.default_rng(0)
    picture, target = rng.uniform(0, peak, (2, 2, 3, *size)).astype(np.float32)
    run = ms.value_and_grad(create_pixel_loss(name, peak, fourier=0.05))
    value, grad = (ms.jit(run) if graph else run)(ms.Tensor(picture), ms.Tensor(target))
    difference = picture.astype(np.float64) - target
    pixel, slope = (by_hand(difference, peak) for by_hand in BY_HAND[name])
    fourier, more = fourier_by_hand(difference)
    assert float(value.asnumpy()) == pytest.approx(pixel.mean() + 0.05 * fourier, rel=1e-5)
    expected = slope / picture.size + 0.05 * more
    np.testing.assert_allclose(grad.asnumpy(), expected, rtol=1e-3, atol=1e-7)


def test_the_fourier_term_has_the_published_proportion_to_l1():
    """Both are in the pictures' unit: what [0, 1] gives, times 255."""
    rng = np.random.default_rng(0)
    picture, target = rng.uniform(0, 1, (2, 1, 3, 4, 4)).astype(np.float32)
    losses = [
        float(create_pixel_loss("l1", p, 0.05)(ms.Tensor(picture * p), ms.Tensor(target * p)))
        for p in (1.0, 255.0)
    ]
    assert losses[1] == pytest.approx(255 * losses[0], rel=1e-5)


def test_a_weight_below_zero():
    with pytest.raises(ConfigError, match=r"method\.fourier = -1 is not valid"):
        build_options(MethodConfig, {"fourier": -1}, "method")


def test_an_unknown_name():
    with pytest.raises(RegistryError, match="no pixel loss 'l3': did you mean"):
        create_pixel_loss("l3")
    with pytest.raises(RegistryError, match=r"no pixel loss 'sharp': .*charbonnier, l1, l2"):
        build_options(MethodConfig, {"pixel_loss": "sharp"}, "method")


def test_a_new_loss_is_one_class(monkeypatch):
    monkeypatch.setattr(PIXEL_LOSSES, "_entries", dict(PIXEL_LOSSES._entries))

    @PIXEL_LOSSES.register("worst")
    class Worst(PixelLoss):
        def construct(self, picture, target):
            return ms.ops.abs(picture - target).max()

    @dataclass(config=STRICT)
    class Config(MethodConfig):
        """Of any method."""

    options = build_options(Config, {"pixel_loss": "worst"}, "method")
    pictures = (ms.Tensor(np.array(v, np.float32).reshape(1, 1, 1, 2)) for v in ([1, 9], [2, 5]))
    assert float(create_pixel_loss(options.pixel_loss)(*pictures).asnumpy()) == 4
