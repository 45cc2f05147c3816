"""The device, and data parallelism under MindSpore's `msrun`."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

import mindspore as ms
import numpy as np
from mindspore import communication, ops

from src.errors import DeviceError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class World:
    """This process among its peers.

    Attributes:
        rank: number of this process, from 0; rank 0 writes the files.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def any_rank(self, flag: bool) -> bool:
        """Tell whether ``flag`` is set on at least one rank; every rank must call it."""
        if self.size == 1:
            return flag
        return bool(ops.AllReduce()(ms.Tensor([float(flag)], ms.float32)).asnumpy()[0] > 0)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of all ranks' arrays; every rank must call it."""
        if self.size == 1:
            return values
        return ops.AllReduce()(ms.Tensor(values, ms.float32)).asnumpy() / self.size

    def barrier(self) -> None:
        """Wait until every rank has come here."""
        self.any_rank(False)


def launched_processes() -> int:
    """Return how many processes `msrun` has started for this job; 1 without it."""
    return int(os.environ.get("MS_WORKER_NUM", "1"))


def start_device(target: str, device_id: int = 0) -> World:
    """Choose the device and, under `msrun`, join the other processes.

    Args:
        target: ``Ascend``, ``GPU`` or ``CPU``.
        device_id: which one; under `msrun` each process gets its own instead.

    Raises:
        DeviceError: this MindSpore or this machine has no such device.
    """
    processes = launched_processes()
    try:
        if processes > 1 or target == "CPU":
            ms.set_device(target)
        else:
            ms.set_device(target, device_id)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split("\n")[0].split())
        raise DeviceError(
            f"device {target} {device_id} cannot be used ({reason}): "
            "give --device_target CPU, or install MindSpore for that device"
        ) from error
    if processes == 1:
        return World()
    communication.init()
    world = World(communication.get_rank(), communication.get_group_size())
    # The one place for data parallelism: AutoParallel has no plain data-parallel mode.
    ms.set_auto_parallel_context(
        parallel_mode=ms.ParallelMode.DATA_PARALLEL,
        gradients_mean=True,
        device_num=world.size,
        global_rank=world.rank,
    )
    logger.info("rank %d of %d on %s", world.rank, world.size, target)
    return world
