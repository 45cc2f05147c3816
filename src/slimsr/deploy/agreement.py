"""Whether an exported network computes what the checkpoint's does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mindspore as ms
import numpy as np

from slimsr.errors import NotFiniteError
from slimsr.models import SlimmableNet


def largest_difference(
    net: SlimmableNet,
    width: float,
    run: Callable[[np.ndarray], np.ndarray],
    sizes: Sequence[tuple[int, ...]],
) -> float:
    """Return the largest difference of a file's network from the checkpoint's, relative.

    NaN where the file's network gives no numbers.

    Args:
        net: of the checkpoint.
        width: at which it is compared.
        run: what the file's network makes of (B, 3, h, w) float32 in [0, 255].
        sizes: (B, 3, h, w) of the random pictures.

    Raises:
        NotFiniteError: the checkpoint's network gives no numbers.
    """
    rng = np.random.default_rng(0)
    differences = []
    for size in sizes:
        picture = rng.uniform(0, 255, size).astype(np.float32)
        expected = net(ms.Tensor(picture), width).asnumpy()
        if not np.isfinite(expected).all():
            raise NotFiniteError(
                f"the network gives values that are not finite at width {width:g}: nothing was "
                "written; give another checkpoint of its run, or train again"
            )
        largest = np.abs(expected).max() or 1  # black is compared as it is
        differences.append(np.abs(run(picture) - expected).max() / largest)
    return float(np.max(differences))


def check_weights(net: SlimmableNet, width: float) -> None:
    """Refuse weights that are no numbers; a ReLU may hide them from a comparison.

    Raises:
        NotFiniteError: some are not.
    """
    for name, parameter in net.parameters_and_names():
        if not np.isfinite(parameter.asnumpy()).all():
            raise NotFiniteError(
                f"the weights {name} are not finite at width {width:g}: nothing was written; give "
                "another checkpoint of its run, or train again"
            )
