"""PyTorch's files without PyTorch: tensors out of a pickle that may make nothing else.

A file is a zip of a pickle and of one raw file for each storage (since PyTorch 1.6), or a sequence
of pickles followed by the storages. The pickle is read by an unpickler that knows the functions
and types that describe a tensor, and refuses every other name: nothing of the file is ever run.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slimsr.errors import WeightsError, shown, shown_name
from slimsr.files.tensor_files import MOST, DamagedError, as_kept, read_weights

# Types of storages, as NumPy calls them; of bfloat16, which it does not know, the bits.
_STORAGES = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "DoubleStorage": "<f8",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
# What the first of the pickles in a row is.
_MAGIC = 0x1950A86A20F9469CFC6C
_ZIP = b"PK\3\4"
_MOST_VALUES = 1_000_000  # of containers; more than any state of a training has


class RefusedError(WeightsError):
    """A file that is whole but holds more than tensors and what they are kept in."""


@dataclass(frozen=True)
class _Storage:
    key: str
    kind: str


@dataclass(frozen=True)
class Tensor:
    """A part of a storage, as the pickle describes it."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    numbers = (offset, *shape, *strides)
    whole = all(type(n) is int and 0 <= n <= MOST for n in numbers)
    if not isinstance(storage, _Storage) or not whole or len(shape) != len(strides):
        raise ValueError("a tensor has no valid storage, offset, shape or strides")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: Any, *_: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise ValueError("a parameter is no tensor")
    return tensor


class _LeftOut:
    """Stands for what trainings save beside tensors and nobody needs here; it is never made."""

    def __init__(self, *_: Any):
        pass

    def __setstate__(self, _: Any) -> None:
        pass


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "Counter"): dict,
    ("argparse", "Namespace"): _LeftOut,
    ("pathlib", "PosixPath"): _LeftOut,
    ("torch", "device"): _LeftOut,
    **{("torch", name): name for name in ("float32", "float16", "bfloat16", "float64")},
    # NumPy's scalars.
    ("numpy.core.multiarray", "scalar"): _LeftOut,
    ("numpy._core.multiarray", "scalar"): _LeftOut,
    ("numpy", "dtype"): _LeftOut,
    ("_codecs", "encode"): _LeftOut,
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch", "Size"): tuple,
    **{("torch", name): name for name in _STORAGES},
}


class _Unpickler(pickle.Unpickler):
    """Makes tensors and the containers of Python; refuses the name of anything else."""

    def __init__(self, file: io.BytesIO, path: Path):
        super().__init__(file, encoding="utf-8")
        self.path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise RefusedError(
                f"{self.path} holds more than tensors (an object of "
                f"{shown_name(f'{module}.{name}')}), which is not made: give a state dict, as "
                "torch.save(model.state_dict(), FILE) writes it"
            )
        return _KNOWN[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        # ('storage', type, key, where it was, how many), in older files and what it is a view of.
        kind, storage, key, *rest = pid
        if kind != "storage" or storage not in _STORAGES or (len(rest) > 2 and rest[2] is not None):
            raise ValueError("a storage is of an unknown kind")
        return _Storage(str(key), storage)


def _load(file: io.BytesIO, path: Path) -> Any:
    """Return what the next pickle of a file holds."""
    start = file.tell()
    for code, number, _ in pickletools.genops(file):
        # The unpickler makes room for as many remembered objects as such a number says.
        if (
            code.name in ("PUT", "LONG_BINPUT")
            and isinstance(number, int)
            and number > _MOST_VALUES
        ):
            raise ValueError("it remembers more than it can hold")
    file.seek(start)
    return _Unpickler(file, path).load()


def is_torch_file(path: Path) -> bool:
    """Tell a file of PyTorch by its first bytes, for Lightning calls its own .ckpt as MindSpore."""
    with open(path, "rb") as file:
        start = file.read(32)
    return start.startswith((_ZIP, pickle.dumps(_MAGIC, 2)))


def read_torch_file(path: Path) -> Any:
    """Return what a file of PyTorch holds: mappings, lists, numbers, texts, and arrays.

    Args:
        path: of the file.

    Returns:
        What was saved, tensors as arrays, floating ones as float32.

    Raises:
        WeightsError: it cannot be read.
        DamagedError: it is damaged or of another format.
        RefusedError: it holds objects of other kinds, the first of which is named.
    """
    data = read_weights(path)
    try:
        content, storage = (_read_zip if data.startswith(_ZIP) else _read_row)(data, path)
        return _with_arrays(content, _Arrays(storage))
    except (RefusedError, MemoryError):
        raise
    except Exception as error:  # whatever pickle and zipfile make of damaged bytes
        raise DamagedError.by(path, error) from error


def _read_zip(data: bytes, path: Path) -> tuple[Any, Callable[[_Storage], bytes]]:
    file = zipfile.ZipFile(io.BytesIO(data))
    if sum(member.file_size for member in file.infolist()) > MOST:
        raise ValueError(f"it would unpack to more than {MOST} bytes")
    pickles = [name for name in file.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        if any(name.endswith("/constants.pkl") for name in file.namelist()):
            raise ValueError("it is a TorchScript module")
        raise ValueError("there is no data.pkl in it")
    root = pickles[0].removesuffix("data.pkl")
    order = f"{root}byteorder"
    if order in file.namelist() and file.read(order) != b"little":
        raise ValueError("it was written on a machine of another byte order")
    content = _load(io.BytesIO(file.read(pickles[0])), path)
    return content, lambda storage: file.read(f"{root}data/{storage.key}")


def _read_row(data: bytes, path: Path) -> tuple[Any, Callable[[_Storage], bytes]]:
    file = io.BytesIO(data)
    if _load(file, path) != _MAGIC:
        raise ValueError("it does not begin as a file of PyTorch does")
    _, about, content, keys = (_load(file, path) for _ in range(4))
    if not about["little_endian"]:
        raise ValueError("it was written on a machine of another byte order")
    kinds: dict[str, _Storage] = {}
    _with_arrays(content, lambda tensor: kinds.setdefault(tensor.storage.key, tensor.storage))
    parts = {}
    for key in keys:
        size = int.from_bytes(file.read(8), "little")
        if key in kinds:
            size *= np.dtype(_STORAGES[kinds[key].kind]).itemsize
        parts[key] = file.read(size)
        if len(parts[key]) != size:
            raise ValueError("it is cut short")
    return content, lambda storage: parts[storage.key]


class _Arrays:
    """Makes arrays of tensors; a storage that several share is read once."""

    def __init__(self, read: Callable[[_Storage], bytes]):
        self.read = read
        self.storages: dict[_Storage, np.ndarray] = {}
        self.values = 0  # of all tensors, which may be views of few

    def __call__(self, tensor: Tensor) -> np.ndarray:
        kind = tensor.storage
        if kind not in self.storages:
            self.storages[kind] = np.frombuffer(self.read(kind), _STORAGES[kind.kind])
        storage, shape = self.storages[kind], tensor.shape
        reach = sum((side - 1) * stride for side, stride in zip(shape, tensor.strides, strict=True))
        size = math.prod(shape)
        self.values += size
        if (size and tensor.offset + reach >= len(storage)) or self.values > MOST // 4:
            raise ValueError(f"the shape {shown(shape)} of a tensor is not that of its data")
        strides = [stride * storage.itemsize for stride in tensor.strides]
        start = storage[tensor.offset :] if size else storage[:0]
        array = np.lib.stride_tricks.as_strided(start, shape, strides, writeable=False)
        return as_kept(array, kind.kind == "BFloat16Storage")


def _with_arrays(value: Any, make: Callable[[Tensor], Any]) -> Any:
    """Return containers with what ``make`` gives in the place of each tensor."""
    seen = 0

    def replaced(value: Any, depth: int) -> Any:
        nonlocal seen
        seen += 1  # a list that holds another twice, which holds another twice, ... is small
        if depth > 50 or seen > _MOST_VALUES:
            raise ValueError("it is nested too deep")
        if isinstance(value, Tensor):
            return make(value)
        if isinstance(value, dict):
            return {key: replaced(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [replaced(inner, depth + 1) for inner in value]
        return value

    return replaced(value, 0)
