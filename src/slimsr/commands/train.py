"""Train a network: slimsr train --config configs/csd_edsr_x4.yaml --data_path DIV2K."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from slimsr.commands import cli, several

# Command-line flags in the zoo's manner -> keys of the configuration.
FLAGS = {
    "data_path": ("data.train", "folder of training pictures"),
    "valid_path": ("data.valid", "folder of validation pictures"),
    "run_dir": ("run.dir", "folder for checkpoints and logs"),
    "ckpt": ("method.teacher", "checkpoint of the teacher, which the method starts or learns from"),
    "weights": ("method.weights", "trained network that dual_regression or drc start from"),
    "vgg": ("method.vgg", "VGG-19 weights for the contrast, or 'random'"),
}


def _quoted(value: str | int) -> str:
    """Write a value as YAML reads it; repr() would do so but for backslashes and newlines."""
    text = json.dumps(value, ensure_ascii=False)
    # Bytes of a path that are no text in this locale are written as YAML takes them, \\udcXX.
    return text.encode("utf-8", "backslashreplace").decode()


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, train, return the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    launcher = several.parser()
    parser = cli.Parser(description=__doc__, parents=[launcher])
    parser.add_argument("--config", help="YAML file; what it leaves out has its default")
    for flag, (key, text) in FLAGS.items():
        parser.add_argument(f"--{flag}", help=f"{text} ({key})")
    cli.add_device_arguments(parser, default=None)
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="override keys of the configuration, e.g. train.lr=2e-4",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --run_dir")
    parser.add_argument(
        "--show_config", action="store_true", help="print the effective configuration and stop"
    )
    parser.add_argument("--list", action="store_true", help="print all networks and stop")
    args = parser.parse_args(argv)

    if args.list:
        from slimsr.models.table import network_table

        cli.say(network_table())
        return 0
    launched, own = launcher.parse_known_args(argv)
    cluster = several.cluster(launched)
    from slimsr.config import load_config  # not before: MindSpore takes seconds

    keys = {flag: key for flag, (key, _) in FLAGS.items()}
    keys |= {"device_target": "run.device_target", "device_id": "run.device_id"}
    flags = [
        f"{key}={_quoted(getattr(args, flag))}"
        for flag, key in keys.items()
        if getattr(args, flag) is not None
    ]
    config = load_config(args.config, args.set + flags)
    if args.show_config:
        cli.say(config.to_yaml())
        return 0
    if cluster is not None:
        from slimsr.device.launch import Job

        logs = Path(launched.log_dir or Path(config.run.dir, "logs"))
        return Job(["train", *own], cluster, logs, cli.complain).run()
    from slimsr.engine.stages import train
    from slimsr.engine.stopping import Stopped

    try:
        train(config, args.resume)
    except Stopped as stopped:
        cli.complain(str(stopped))
        return 1
    return 0
