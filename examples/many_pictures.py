"""Enlarge a collection on several machines by Ray Data; see docs/many_pictures.md.

    python examples/many_pictures.py --input PICTURES --output LARGE --address auto [--parts 100]

All machines see both folders by these names, and have SlimSR. A task is the pictures of a folder,
or one of so many parts of them; it has a folder of results with a record of its own, so that run
again, or after a machine has died, only what is not there is done.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slimsr.commands import cli
from slimsr.errors import SlimSRError


def parts_of(pictures: Path, output: Path, count: int) -> list[dict[str, Any]]:
    """Return what to enlarge into which folder; a picture's part is found from its name alone."""
    from slimsr.imaging import READABLE_SUFFIXES
    from slimsr.imaging.listing import pictures_below

    found: dict[Path, list[str]] = defaultdict(list)
    for path in pictures_below(pictures, READABLE_SUFFIXES, besides=output):
        number = zlib.crc32(path.name.encode(errors="surrogateescape")) % count
        below = path.parent.relative_to(pictures)
        found[below / f"part-{number}" if count > 1 else below].append(str(path))
    return [{"pictures": paths, "output": str(output / part)} for part, paths in found.items()]


def enlarge(part: dict[str, Any], model: str, width: float | None) -> dict[str, Any]:
    """Enlarge a part on whatever machine this is; return what became of it."""
    from slimsr.deploy.upscale import Options, upscale
    from slimsr.inference.source import ModelSpec

    Path(part["output"]).mkdir(parents=True, exist_ok=True)
    try:
        result = upscale(ModelSpec(model=model), part["pictures"], part["output"], Options(width))
    except SlimSRError as error:
        return {"done": 0, "skipped": 0, "failed": [str(error)]}
    failed = list(result.failed.values())
    return {"done": result.done, "skipped": result.skipped, "failed": failed}


def main(argv: Sequence[str] | None = None) -> int:
    """List, enlarge, say what was done."""
    parser = cli.Parser(description=__doc__, formatter_class=cli.PlainHelp)
    parser.add_argument("--input", required=True, type=Path, help="folder, with its sub-folders")
    parser.add_argument("--output", required=True, type=Path, help="folder")
    parser.add_argument("--model", default="photo_x2", help="a network that ships, or a file")
    parser.add_argument("--width", type=float, help="of the network; default: the widest")
    parser.add_argument("--parts", type=int, default=1, help="that a folder is cut into")
    parser.add_argument("--address", help="of the cluster; without it: this machine alone")
    args = parser.parse_args(argv)

    import ray

    pictures, output = args.input.resolve(), args.output.resolve()
    parts = parts_of(pictures, output, args.parts)
    ray.init(address=args.address)
    # A task has a machine to itself: it decodes and encodes beside the network by itself.
    cores = min(int(node["Resources"].get("CPU", 1)) for node in ray.nodes() if node["Alive"])
    tasks = ray.data.from_items(parts, override_num_blocks=max(1, len(parts)))
    how = {"model": args.model, "width": args.width}
    results = tasks.map(enlarge, fn_kwargs=how, num_cpus=cores).take_all()
    failed = [message for result in results for message in result["failed"]]
    done, before = (sum(result[key] for result in results) for key in ("done", "skipped"))
    cli.say(f"{output}: {done} done, {before} done before, {len(failed)} failed\n")
    for message in failed:
        cli.complain(f"error: {message}")
    return 2 if failed else 0


if __name__ == "__main__":
    cli.run(main)
