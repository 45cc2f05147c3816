"""Changes inside JSON: values that are legal to a parser and of no use to a program."""

from __future__ import annotations

import json
from typing import Any

from tests.fuzz.mutate import EXTREMES, Rng, mutated, pick

_HERE = "the value goes here"

# As they stand in a file: some are no JSON, some are JSON that Python or C++ cannot hold.
_TEXTS = (
    "null",
    "true",
    "[]",
    "{}",
    '""',
    "-1",
    "0",
    "0.5",
    "-0.0",
    "1e999",
    "-1e999",
    "1e-999",
    "NaN",
    "Infinity",
    "9" * 30,
    "9" * 5000,
    '"../good.png"',
    '"/etc/passwd"',
    '"."',
    '"a/b"',
    '"a\\u0000b"',
    '"\\ud800"',
    '"line\\nof two"',
    '"\\u001b[31mred"',
    '"\x1b[2J"',
    '"' + "x" * 300 + '"',
    '"' + "x" * 70000 + '"',
    "[" * 500 + "]" * 500,
    "[" * 100000 + "]" * 100000,
    '{"a":' * 100000 + "1" + "}" * 100000,
    "[null, 3, null]",
    "[null, 3, 0, 0]",
    "[1, 3, -8, 8]",
    "[1, 3, 99999999, 99999999]",
    "[1, 4, 8, 8]",
    '["1", 3, null, null]',
    "[0, 255, 255]",
    "[1e999, 3, null, null]",
    "'one'",
    "",
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key or index) below a value."""
    pairs = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        pairs.append((value, key))
        if isinstance(inner, dict | list):
            pairs += _places(inner)
    return pairs


def mutated_json(data: bytes, rng: Rng) -> tuple[bytes, str]:
    """Return JSON with a value replaced, left out, added or repeated; or damaged as bytes are."""
    if rng.random() < 0.3:
        return mutated(data, rng)
    value = json.loads(data)
    container, key = pick(rng, _places(value))
    act = rng.random()
    if act < 0.1:
        del container[key]
        return json.dumps(value).encode(), f"without {key}"
    if act < 0.2 and isinstance(container, list):
        container += [container[key]] * int(pick(rng, (1, 2, 1000)))
        return json.dumps(value).encode(), f"{key} repeated"
    if act < 0.3 and isinstance(container, dict):
        new = pick(rng, ("", "unknown", "k\n", "\x1b", "x" * 1000, "\ud800"))
        container[new] = container[key]
        return json.dumps(value).encode(), f"another key {new[:10]!r}"
    text = str(pick(rng, EXTREMES)) if act < 0.4 else pick(rng, _TEXTS)
    container[key] = _HERE
    whole = json.dumps(value).replace(f'"{_HERE}"', text)
    return whole.encode("utf-8", "surrogatepass"), f"{key} = {text[:40]}"
