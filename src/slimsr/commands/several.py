"""The arguments of a training by several processes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from slimsr.commands import cli
from slimsr.errors import ConfigError

if TYPE_CHECKING:
    from slimsr.device.launch import Cluster


def parser() -> argparse.ArgumentParser:
    """Return what only the process that starts the others reads."""
    found = cli.Parser(add_help=False)
    group = found.add_argument_group(
        "several devices", "Several machines run the same command but for --node_rank."
    )
    for flag, text in (
        ("processes", "that share train.batch on this machine, one per device"),
        ("nnodes", "number of machines, each with as many processes"),
        ("node_rank", "which of them this is, from 0"),
        ("master_addr", "address of machine 0"),
        ("master_port", "free port there; default: any on one machine, 8118 on several"),
        ("log_dir", "for worker_RANK.log and scheduler.log; default: logs in the run folder"),
    ):
        group.add_argument(f"--{flag}", help=text)
    return found


def cluster(args: argparse.Namespace) -> Cluster | None:
    """Return the machines and processes that the arguments ask for, checked; None for one process.

    Raises:
        ConfigError: numbers that are none, what does not go together, an address or port that
            cannot be used.
    """
    given = [flag for flag, value in vars(args).items() if value is not None]
    if args.processes is None:
        if given:
            raise ConfigError(f"--{given[0]} needs --processes: give the number of processes")
        return None
    from slimsr.device.launch import Cluster

    def number(flag: str, text: str, low: int, high: int, what: str) -> int:
        if not (text.isdecimal() and low <= int(text) <= high):
            raise ConfigError(f"{flag} = {text} is not {what}")
        return int(text)

    most = 10**6
    processes = number(
        "N", args.processes, 1, most, "a number of processes (--processes): give 1 or more"
    )
    nodes = number("--nnodes", args.nnodes or "1", 1, most, "a number of machines: give 1 or more")
    if nodes == 1 and args.node_rank not in (None, "0"):
        raise ConfigError(
            f"--node_rank {args.node_rank} needs --nnodes: give the number of machines"
        )
    if nodes > 1 and not args.master_addr:
        raise ConfigError(f"--nnodes {nodes} needs --master_addr: give the address of machine 0")
    if nodes > 1 and args.node_rank is None:
        raise ConfigError(
            f"--nnodes {nodes} needs --node_rank: give 0 to {nodes - 1}, another on each machine"
        )
    node = number(
        "--node_rank",
        args.node_rank or "0",
        0,
        nodes - 1,
        f"a machine's number: give 0 to {nodes - 1}, another on each machine",
    )
    port = 0 if nodes == 1 else 8118
    if args.master_port is not None:
        port = number(
            "--master_port",
            args.master_port,
            1024,
            65535,
            "a port: give a number from 1024 to 65535",
        )
    return Cluster(processes, nodes, node, args.master_addr or "127.0.0.1", port).checked()
