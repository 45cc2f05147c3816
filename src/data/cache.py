"""Decoded pictures on disk: each is decoded once ever, and processes share the page cache."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from src.data.folders import Pair
from src.data.sizes import misfit
from src.errors import DataError, ImageError, OutputError
from src.files import writing
from src.imaging import imread, imresize

_VERSION = 1  # part of every key: raise it when imread or imresize give other pixels
_OPEN_MAPS = 384  # each holds a file descriptor; the usual limit is 1024 for the whole process


class PictureCache:
    """Pictures as read-only uint8 arrays (H, W, 3), from ``.npy`` files mapped into memory.

    The file's name is a hash of the picture's absolute path, size, time of change and of what was
    made from it, so a changed picture gets a new entry. Files appear whole or not at all; several
    processes may fill one folder at once. A damaged file is made anew. The folder can be deleted at
    any time while nothing runs.
    """

    def __init__(self, cache_dir: str | os.PathLike[str] = "") -> None:
        """Open the cache.

        Args:
            cache_dir: A folder, made when missing; "" for ``$XDG_CACHE_HOME/slimsr`` or
                ``~/.cache/slimsr``; "memory" to keep everything in this process instead.

        Raises:
            OutputError: The folder cannot be made.
        """
        self.folder = None if cache_dir == "memory" else _folder(cache_dir)
        self._arrays: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def pair(self, pair: Pair, scale: int) -> tuple[np.ndarray, np.ndarray]:
        """Return LR (h, w, 3) and HR (h * scale, w * scale, 3) of a pair, uint8 RGB, read-only.

        HR is cropped at the bottom and right to what LR covers. Where the pair has no LR picture,
        it is made by `imresize` from HR cropped to a multiple of `scale`.

        Raises:
            DataError: A picture is broken (ImageError), too small, or the two do not fit.
            OutputError: The cache folder cannot be written.
        """
        hr = self._get(pair.hr, "rgb", lambda: imread(pair.hr))
        if pair.lr is not None:
            lr = self._get(pair.lr, "rgb", lambda: imread(pair.lr))
            problem = misfit(hr.shape[:2], lr.shape[:2], scale)
            if problem:
                raise DataError(f"picture {pair.name} does not fit: {problem}; replace one of them")
        elif min(hr.shape[:2]) < scale:
            size = f"{hr.shape[0]}x{hr.shape[1]}"
            raise DataError(f"picture {pair.hr} is {size}, less than one LR pixel; remove it")
        else:
            lr = self._get(pair.hr, f"lr{scale}", lambda: _shrink(hr, scale))
        height, width = lr.shape[:2]
        return lr, hr[: height * scale, : width * scale]

    def _get(self, path: Path, kind: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array for (picture, kind): from this process, from disk, or made and stored."""
        key = f"{path}|{kind}"
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
                return self._arrays[key]
        array = make() if self.folder is None else self._from_disk(path, kind, make)
        array.flags.writeable = False
        with self._lock:
            self._arrays[key] = array
            if self.folder is not None and len(self._arrays) > _OPEN_MAPS:
                self._arrays.popitem(last=False)
        return array

    def _from_disk(self, path: Path, kind: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        file = self.folder / f"{_key(path, kind)}.npy"
        array = _load(file)
        if array is None:
            made = make()
            try:
                with writing(file) as out:
                    # Not np.save: its tofile() can miss a full disk when it closes its own buffer.
                    np.lib.format.write_array_header_1_0(
                        out, np.lib.format.header_data_from_array_1_0(made)
                    )
                    out.write(memoryview(made))
            except OutputError as error:
                hint = "or set the cache folder to another one or to 'memory'"
                raise OutputError(f"picture cache: {error} {hint}") from error
            array = _load(file)
            if array is None:
                array = made
        return array


def load_pair(pair: Pair, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode one pair for evaluation, without any cache; see `PictureCache.pair`."""
    return PictureCache("memory").pair(pair, scale)


def _folder(cache_dir: str | os.PathLike[str]) -> Path:
    if cache_dir == "":
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        cache_dir = Path(base) / "slimsr"
    folder = Path(cache_dir).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "set the cache folder to a writable one or to 'memory'"
        raise OutputError(f"cannot make cache folder {folder}: {error.strerror}; {hint}") from error
    return folder


def _key(path: Path, kind: str) -> str:
    try:
        stat = os.stat(path)
    except OSError as error:
        raise ImageError(f"cannot read picture {path}: {error.strerror}; check the path") from error
    text = f"{_VERSION}|{kind}|{stat.st_size}|{stat.st_mtime_ns}|".encode()
    return hashlib.sha256(text + os.fsencode(os.path.abspath(path))).hexdigest()[:32]


def _load(file: Path) -> np.ndarray | None:
    """Map a cache file; None if it is missing or damaged."""
    try:
        array = np.load(file, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        return None
    return array.view(np.ndarray)  # slicing np.memmap itself is several times slower


def _shrink(hr: np.ndarray, scale: int) -> np.ndarray:
    height, width = (n - n % scale for n in hr.shape[:2])
    return imresize(hr[:height, :width], 1 / scale)
