"""What a network costs: its parameters, and its multiply-adds by running it once."""

from __future__ import annotations

import mindspore as ms
import numpy as np

from slimsr.device.modes import layer_by_layer
from slimsr.layers.slim import SlimConv
from slimsr.metrics import ConvShape, multiply_adds_720p
from slimsr.models.network import SlimmableNet


def network_cost(net: SlimmableNet, width: float = 1.0) -> dict[str, int]:
    """Return parameters, and multiply-adds for a 1280x720 result, of a network at a width.

    A small picture is run once and the convolutions are recorded as they happen, so shared and
    repeated layers count as often as they run. Fixed filters (bicubic, luma) are not counted.
    """
    net.check_width(width)
    size = 4
    shapes: list[ConvShape] = []

    def record(conv: SlimConv, inputs: tuple[ms.Tensor, ...], output: ms.Tensor) -> None:
        rows, columns = (inputs[0] if conv.transposed else output).shape[2:]
        shapes.append(
            ConvShape(
                inputs[0].shape[1],
                output.shape[1],
                conv.kernel_size,
                conv.groups,
                rows,
                columns,
                conv.bias is not None,
            )
        )

    hooks = [conv.register_forward_hook(record) for conv in net.convs()]
    with layer_by_layer():
        net(ms.Tensor(np.zeros((1, 3, size, size), np.float32)), width).asnumpy()
    for hook in hooks:
        hook.remove()
    slices = [array for layer in net.slim_layers() for array in layer.get_slice(width)]
    return {
        "parameters": sum(array.size for array in slices),
        "multiply_adds_720p": multiply_adds_720p(shapes, size, size, net.scale),
    }
