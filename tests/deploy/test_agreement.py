"""What the check of an exported network says of values that are no numbers."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest

from slimsr.deploy.agreement import largest_difference
from slimsr.errors import NotFiniteError
from slimsr.models import create_model

SIZES = [(1, 3, 4, 4), (1, 3, 5, 5)]


def network(weight: float | None = None):
    net = create_model("edsr", scale=2, n_feats=4, n_blocks=1).set_train(False)
    for parameter in net.get_parameters() if weight is not None else ():
        parameter.set_data(ms.Tensor(np.full(parameter.shape, weight, np.float32)))
    return net


def test_of_the_checkpoint_they_are_an_error():
    with pytest.raises(NotFiniteError, match="values that are not finite at width 1: "):
        largest_difference(network(1e30), 1.0, lambda x: np.zeros(1), SIZES)


def test_of_the_file_they_are_never_near_enough():
    net = network()

    def sometimes(x):
        return net(ms.Tensor(x)).asnumpy() * np.float32(np.nan if x.shape[2] == 4 else 1)

    assert np.isnan(largest_difference(net, 1.0, sometimes, SIZES))


def test_it_is_relative_to_the_largest_value():
    net = network()

    def off(x):
        y = net(ms.Tensor(x)).asnumpy()
        y.flat[0] += 0.01 * np.abs(y).max()
        return y

    assert largest_difference(net, 1.0, off, SIZES) == pytest.approx(0.01, rel=0.1)
