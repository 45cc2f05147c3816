"""The device, and data parallelism in MindSpore's cluster of processes."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import mindspore as ms
import numpy as np
from mindspore import communication, ops
from mindspore.mint.distributed import TCPStore

from slimsr.compat import mindspore_muted
from slimsr.device.cluster import in_cluster
from slimsr.device.modes import run_one_by_one, set_compiles
from slimsr.errors import DeviceError

logger = logging.getLogger(__name__)


class Meeting:
    """Lets every rank wait for all the others, however long one of them takes.

    A collective on CPU fails after 30 seconds of waiting, which rank 0 may need to validate.

    Args:
        rank: number of this process.
        size: number of processes.
    """

    def __init__(self, rank: int, size: int):
        self.size = size
        self.count = 0
        port = float(_free_port()) if rank == 0 else 0.0
        port = int(ops.AllReduce()(ms.Tensor([port], ms.float32)).asnumpy()[0])
        # Rank 0 runs on the scheduler's machine.
        host = os.environ["MS_SCHED_HOST"]
        self.store = TCPStore(host, port, size, rank == 0, timeout=timedelta(days=7))

    def join(self) -> None:
        """Wait until every rank has come here."""
        self.count += 1
        if self.store.add("arrived", 1) == self.count * self.size:
            self.store.delete_key(f"go {self.count - 1}")
            self.store.set(f"go {self.count}", "")
        self.store.get(f"go {self.count}")


@dataclass(frozen=True)
class World:
    """This process among its peers.

    Attributes:
        rank: number of this process, from 0; rank 0 writes the files.
        size: number of processes.
        meeting: where ranks wait before a collective; None where collectives wait long enough.
    """

    rank: int = 0
    size: int = 1
    meeting: Meeting | None = None

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """Which elements of a list are this process's, where each is one's."""
        return slice(self.rank, None, self.size)

    def any_rank(self, flag: bool) -> bool:
        """Tell whether ``flag`` is set on at least one rank; every rank must call it."""
        return bool(self.sum(np.array([flag]))[0] > 0)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of all ranks' arrays; every rank must call it."""
        return self.sum(values) / self.size

    def barrier(self) -> None:
        """Wait until every rank has come here."""
        self.any_rank(False)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of all ranks' arrays, of several as float32; every rank must call it."""
        if self.size == 1:
            return values
        if self.meeting is not None:
            self.meeting.join()
        return ops.AllReduce()(ms.Tensor(values, ms.float32)).asnumpy()


def start_device(
    target: str,
    device_id: int = 0,
    compiles: bool | None = None,
    prepare: Callable[[], None] | None = None,
) -> World:
    """Choose the device and, in a cluster, join the other processes.

    In a cluster one more process, the scheduler, runs the same program: it stays in here until the
    job ends.

    Args:
        target: ``Ascend``, ``GPU`` or ``CPU``.
        device_id: which one; in a cluster each process gets its own instead.
        compiles: whether what takes long is compiled, graph mode; None leaves that as it is, which
            is graph mode in the beginning.
        prepare: called once the device is chosen, before anything runs on it.

    Raises:
        DeviceError: this MindSpore or this machine has no such device, or the other processes of
            the job cannot be reached.
    """
    if compiles is not None:
        set_compiles(compiles)
    try:
        with mindspore_muted():
            if in_cluster() or target == "CPU":
                ms.set_device(target)
            else:
                ms.set_device(target, device_id)
            if target == "CPU" and compiles is False:
                run_one_by_one()
    except (RuntimeError, ValueError) as error:
        # Once a kernel has run, MindSpore refuses even the device that it runs on.
        if in_cluster() or _device_in_use() != (target, device_id):
            raise DeviceError(
                f"device {target} {device_id} cannot be used ({_first_line(error)}): "
                "give --device_target CPU, or install MindSpore for that device"
            ) from error
    if prepare is not None:
        prepare()
    if not in_cluster():
        return World()
    try:
        communication.init()
    except RuntimeError as error:
        raise DeviceError(
            f"the processes of this job do not come together ({_first_line(error)}): start it on "
            "every machine with the same --master_addr and --master_port and its own --node_rank"
        ) from error
    rank, size = communication.get_rank(), communication.get_group_size()
    world = World(rank, size, Meeting(rank, size) if target == "CPU" and size > 1 else None)
    # The one place for data parallelism: AutoParallel has no plain data-parallel mode.
    ms.set_auto_parallel_context(
        parallel_mode=ms.ParallelMode.DATA_PARALLEL,
        gradients_mean=True,
        device_num=world.size,
        global_rank=world.rank,
    )
    # scripts/run_distribute_train.sh finds the log of a dead process by this line.
    logger.info("rank %d of %d on %s, process %d", world.rank, world.size, target, os.getpid())
    return world


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


def _device_in_use() -> tuple[str, int]:
    return ms.get_context("device_target"), ms.get_context("device_id")


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n")[0].split())
