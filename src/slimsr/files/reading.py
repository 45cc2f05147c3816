"""Reading files that somebody else may have made: never waiting, bounded in size and depth."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

MOST_TEXT = 16_000_000  # bytes of a JSON file
DEEPEST = 32  # levels of lists and mappings in one another
LARGEST = 2**64  # whole numbers are smaller than this


def read_bytes(path: str | os.PathLike[str], most: int = MOST_TEXT) -> bytes:
    """Read a regular file as it is now.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        OSError: with ``strerror``: there is no such file, it is a pipe or a device (which might
            make us wait for ever), or it is larger.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "it is no regular file", str(path))
            data = file.read(min(found.st_size, most) + 1)
    except ValueError as error:  # a null byte in the name
        raise OSError(errno.EINVAL, str(error)) from error
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most} bytes", str(path))
    return data


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file as `parse_json`; OSError as `read_bytes`."""
    return parse_json(read_bytes(Path(path)).decode("utf-8-sig"))


def parse_json(text: str, constants: bool = False) -> Any:
    """Parse strict JSON.

    Args:
        text: the whole of it.
        constants: take the words NaN, Infinity and -Infinity, which are no JSON.

    Raises:
        ValueError: it is none, or it holds NaN, infinity, numbers beyond every use, a key twice, or
            is nested too deeply.
    """
    try:
        value = json.loads(
            text,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=float if constants else _refuse_constant,
            object_pairs_hook=_mapping,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check_depth(value)
    return value


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) >= LARGEST:
        raise ValueError(f"a number of {len(digits)} digits is too large")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:40]} is too large")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"key {twice[:80]!r} stands twice")
    return found


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        inner = [item for item in level if isinstance(item, (dict, list))]
        if not inner:
            return
        level = [
            item
            for container in inner
            for item in (container.values() if isinstance(container, dict) else container)
        ]
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")
