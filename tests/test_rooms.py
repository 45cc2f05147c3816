"""The rooms of the package import from below only: there is an order of them, and no circle."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "slimsr"
FRONT = {"__init__", "__main__"}  # of the package, which everything below may name


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of this package that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports name the package"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.startswith("slimsr."))


def test_no_room_imports_from_above():
    rooms = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        for module in imported(path):
            other = module.split(".")[1]
            if other != room and other[0] != "_":
                rooms[room].add(other)
    assert len(rooms) > 20
    # CycleError names the circle.
    order = list(TopologicalSorter(rooms).static_order())
    assert set(order) >= rooms.keys()
    front = {order.index(room) for room in rooms if room in FRONT}
    assert min(front) > order.index("deploy") > order.index("models") > order.index("native")
