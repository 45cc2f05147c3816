"""Decoded pictures on disk: each is decoded once ever, and processes share the page cache."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import struct
import threading
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from slimsr.data.degradations import picture_generator
from slimsr.data.pairs import Pair, misfit
from slimsr.errors import DataError, ImageError, OutputError
from slimsr.files.cache_folder import cache_folder
from slimsr.files.writing import writing
from slimsr.imaging import imread, imresize

logger = logging.getLogger(__name__)

_VERSION = 2  # part of every key: raise it when imread or imresize give other pixels
_OPEN_FILES = 384  # the usual limit is 1024 for the whole process
_END = 16384  # bytes at the beginning and at the end of a picture that are part of its key

_MAGIC = b"slimsr-1"
_scratch = threading.local()
_HEADER = struct.Struct("<8sIII12x")  # magic, height, width, checksum; then the pixels


class Cached(Protocol):
    """A decoded picture that stays where it is until a part of it is wanted."""

    shape: tuple[int, int, int]

    def crop(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Return a part, (height, width, 3) uint8 RGB, read-only."""
        ...


class PictureCache:
    """Pictures as uint8 arrays (H, W, 3), in files of plain pixels.

    The file's name is a hash of the picture's absolute path, of its size, times of change, first
    and last bytes, and of what was made from it, so a picture that was replaced gets a new entry:
    copies may keep the time of the last change, but the system sets the time of the last change of
    the file's entry (ctime), and where a file system has none, the ends of compressed pictures
    differ. The whole content would be read anew at each start, some 10 GB for large sets.

    Files appear whole or not at all; several processes may fill one folder at once. They are read,
    not mapped: a map of a file that another process cuts kills the process that looks at it. A
    damaged file is made anew, also while it is in use. The folder can be deleted at any time.
    """

    def __init__(self, cache_dir: str | os.PathLike[str] = "") -> None:
        """Open the cache.

        Args:
            cache_dir: A folder, made when missing; "" for `cache_folder`, or where that cannot be,
                "memory"; "memory" to keep everything in this process instead.

        Raises:
            OutputError: The folder that was given cannot be made.
        """
        self.folder = _folder(cache_dir)
        self._open: OrderedDict[tuple[Path, str], Cached] = OrderedDict()
        self._names: dict[tuple[Path, str], str] = {}
        self._lock = threading.Lock()

    def pair(self, pair: Pair, scale: int) -> tuple[np.ndarray, np.ndarray]:
        """Return LR (h, w, 3) and HR (h * scale, w * scale, 3) of a pair, uint8 RGB, read-only.

        See `find`, also for what is raised.
        """
        lr, hr = self.find(pair, scale)
        height, width = lr.shape[:2]
        return lr.crop(0, 0, height, width), hr.crop(0, 0, height * scale, width * scale)

    def find(self, pair: Pair, scale: int) -> tuple[Cached, Cached]:
        """Return LR and HR of a pair; HR may exceed `scale` times LR at the bottom and right.

        Where the pair has no LR picture, it is made by `imresize`, or by the pair's degradation,
        which is not kept, from HR cropped to a multiple of `scale`.

        Raises:
            DataError: A picture is broken (ImageError), too small, or the two do not fit.
            OutputError: The cache folder cannot be written.
        """
        hr = self.find_hr(pair)
        if (small := pair.lr) is not None:
            lr = self._get(small, "rgb", lambda: imread(small))
            problem = misfit(hr.shape[:2], lr.shape[:2], scale)
            if problem:
                raise DataError(f"picture {pair.name} does not fit: {problem}; replace one of them")
        elif min(hr.shape[:2]) < scale:
            size = f"{hr.shape[0]}x{hr.shape[1]}"
            raise DataError(f"picture {pair.hr} is {size}, less than one LR pixel; remove it")
        elif pair.degradation is not None:
            whole = hr.crop(0, 0, *(side - side % scale for side in hr.shape[:2]))
            lr = _Held(pair.degradation(whole, picture_generator(pair.name)))
        else:
            lr = self._get(pair.hr, f"lr{scale}", lambda: _shrink(hr, scale))
        return lr, hr

    def find_hr(self, pair: Pair) -> Cached:
        """Return HR of a pair; see `find`, also for what is raised."""
        return self._get(pair.hr, "rgb", lambda: imread(pair.hr))

    def _get(self, path: Path, kind: str, make: Callable[[], np.ndarray]) -> Cached:
        """The array for (picture, kind): from this process, from disk, or made and stored."""
        key = path, kind
        with self._lock:
            if key in self._open:
                self._open.move_to_end(key)
                return self._open[key]
        if self.folder is None:
            cached: Cached = _Held(make())
        else:
            cached = self._from_disk(self.folder, path, kind, make)
        with self._lock:
            self._open[key] = cached
            if self.folder is not None and len(self._open) > _OPEN_FILES:
                self._open.popitem(last=False)
        return cached

    def _from_disk(
        self, folder: Path, path: Path, kind: str, make: Callable[[], np.ndarray]
    ) -> Cached:
        name = self._names.get((path, kind)) or _key(path, kind)
        self._names[path, kind] = name  # so that the picture is not read again by and by
        file = folder / name

        ours = weakref.ref(self)  # not self: files are closed when the cache is let go

        def again() -> Cached:
            cache = ours()
            if cache is None:
                return _Held(make())
            with cache._lock:
                cache._open.pop((path, kind), None)
            return cache._get(path, kind, make)

        stored = _Stored.opened(file, again)
        if stored is None:
            made = make()
            if _key(path, kind) != name:
                raise ImageError(f"picture {path} was changed while it was read; start again")
            self._write(file, made)
            stored = _Stored.opened(file, again)
        return stored or _Held(made)

    def _write(self, file: Path, array: np.ndarray) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with writing(file) as out:
                out.write(_header(file.name, *array.shape[:2]))
                out.write(np.ascontiguousarray(array).data)
        except (OSError, OutputError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            reason = getattr(cause, "strerror", None) or str(error)
            raise OutputError(
                f"picture cache: cannot write {file}: {reason}; make room or delete {file.parent}, "
                "which is made anew, or set data.cache_dir to another folder or to 'memory'"
            ) from error


class _Held:
    """A picture in memory."""

    def __init__(self, array: np.ndarray) -> None:
        array.flags.writeable = False
        height, width, bands = array.shape
        self.array, self.shape = array, (height, width, bands)

    def crop(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        return self.array[top : top + height, left : left + width]


class _Stored:
    """A picture in an open file."""

    def __init__(self, fd: int, shape: tuple[int, int, int], again: Callable[[], Cached]) -> None:
        self._fd, self.shape, self._again = fd, shape, again

    def __del__(self) -> None:
        os.close(self._fd)  # no earlier: another thread may be reading what the cache let go

    @classmethod
    def opened(cls, file: Path, again: Callable[[], Cached]) -> _Stored | None:
        """Open a cache file; None if it is missing or damaged."""
        try:
            fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return None
        stored = cls(fd, (0, 0, 3), again)
        try:
            header, size = os.pread(fd, _HEADER.size, 0), os.fstat(fd).st_size
        except OSError:
            return None
        if len(header) == _HEADER.size:
            _, height, width, _ = _HEADER.unpack(header)
            stored.shape = height, width, 3
            whole = _HEADER.size + height * width * 3
            if size == whole and header == _header(file.name, height, width):
                return stored
        return None

    def crop(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        row = self.shape[1] * 3
        whole = width == self.shape[1]
        band = np.empty(height * row, np.uint8) if whole else _band(height * row)
        if not self._read(band, _HEADER.size + top * row):
            return self._again().crop(top, left, height, width)
        part = band.reshape(height, self.shape[1], 3)[:, left : left + width]
        part = part if whole else part.copy()
        part.flags.writeable = False
        return part

    def _read(self, into: np.ndarray, offset: int) -> bool:
        """Fill an array; False if another process has cut the file."""
        done = 0
        while done < into.size:
            try:
                got = os.preadv(self._fd, [into[done:].data], offset + done)
            except OSError:
                got = 0
            if not got:
                return False
            done += got
        return True


def _band(size: int) -> np.ndarray:
    """Memory for some rows, valid until the next call: new memory costs more than the reading."""
    if getattr(_scratch, "band", None) is None or _scratch.band.size < size:
        _scratch.band = np.empty(size, np.uint8)
    return _scratch.band[:size]


def load_pair(pair: Pair, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Decode one pair for evaluation, without any cache; see `PictureCache.pair`."""
    return PictureCache("memory").pair(pair, scale)


def _folder(cache_dir: str | os.PathLike[str]) -> Path | None:
    if cache_dir == "memory":
        return None
    if cache_dir == "":
        try:
            return cache_folder()
        except OutputError as error:
            logger.warning("decoded pictures are kept in memory: %s", error)
            return None
    folder = Path(cache_dir).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "set data.cache_dir to a folder that can be written or to 'memory'"
        raise OutputError(f"cannot make cache folder {folder}: {error.strerror}; {hint}") from error
    return folder


def _key(path: Path, kind: str) -> str:
    """Name of the cache file of what is made of a picture as it is now."""
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for its other end
            raise ImageError(f"cannot read picture {path}: it is no file; remove it")
        with open(path, "rb") as file:
            ends = file.read(_END)
            file.seek(max(len(ends), found.st_size - _END))
            ends += file.read(_END)
    except OSError as error:
        raise ImageError(f"cannot read picture {path}: {error.strerror}; check the path") from error
    times = f"{found.st_size}|{found.st_mtime_ns}|{found.st_ctime_ns}"
    text = f"{_VERSION}|{kind}|{times}|{os.path.abspath(path)}|"
    return hashlib.sha256(os.fsencode(text) + ends).hexdigest()[:32] + ".rgb"


def _header(name: str, height: int, width: int) -> bytes:
    """First bytes of a cache file, by which a damaged or foreign one is recognised."""
    check = zlib.crc32(f"{name}|{height}|{width}".encode())
    return _HEADER.pack(_MAGIC, height, width, check)


def _shrink(hr: Cached, scale: int) -> np.ndarray:
    height, width = (n - n % scale for n in hr.shape[:2])
    return imresize(hr.crop(0, 0, height, width), 1 / scale)
