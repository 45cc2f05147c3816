"""Tensors in files: MindSpore's checkpoints and MINDIR, NumPy's ``.npz``, and ``.safetensors``.

The formats are taken apart here and not by the loaders of their libraries: MindSpore's ends the
process where the shape or type of a tensor is damaged, and NumPy's does not look at the checksum of
an array whose damaged shape is smaller than its data. A file is read once, and everything in it
that a checksum covers is verified.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import deserialize
from safetensors.numpy import save as to_safetensors

from slimsr.compat import Checkpoint, ModelProto
from slimsr.errors import WeightsError, shown, shown_name
from slimsr.files.reading import parse_json, read_bytes

SUFFIXES = (".ckpt", ".npz", ".safetensors")
READABLE = (*SUFFIXES, ".mindir")
MOST = 2**31  # bytes of a file and of what is unpacked from it; MindSpore cannot read more either

# The first entry of our checkpoints: it says that MindSpore's own checksum ends the file. Without
# it a checkpoint is of another program or older, and need not have one.
CHECKED = "slimsr.checksum"
# What MindSpore writes before that checksum, a number of 10 bytes.
_TRAILER = b"crc_num"
# Key and beginning of the one entry of metadata in our safetensors.
_DIGEST, _SHA256 = "slimsr", "slimsr-sha256:"

# What safetensors and MindSpore call the types that weights can have, and what NumPy calls them.
_TYPES = [
    ("BOOL", "Bool", "?"),
    ("U8", "UInt8", "u1"),
    ("I8", "Int8", "i1"),
    ("U16", "UInt16", "<u2"),
    ("I16", "Int16", "<i2"),
    ("U32", "UInt32", "<u4"),
    ("I32", "Int32", "<i4"),
    ("U64", "UInt64", "<u8"),
    ("I64", "Int64", "<i8"),
    ("F16", "Float16", "<f2"),
    ("F32", "Float32", "<f4"),
    ("F64", "Float64", "<f8"),
    ("BF16", "BFloat16", "bfloat16"),
]
_OF_SAFETENSORS = {theirs: dtype for theirs, _, dtype in _TYPES}
_OF_MINDSPORE = {theirs: dtype for _, theirs, dtype in _TYPES}
# The types in MINDIR by their numbers; those up to 16 are ONNX's.
_MINDIR_TYPES = {1: "FLOAT", 10: "FLOAT16", 11: "DOUBLE", 16: "BFLOAT16", 17: "FLOAT64"}
_OF_MINDIR = dict(
    zip(_MINDIR_TYPES.values(), ("<f4", "<f2", "<f8", "bfloat16", "<f8"), strict=True)
)


@dataclass(frozen=True)
class TensorFile:
    """What a file holds.

    Attributes:
        arrays: name -> array; floating ones are float32.
        texts: entries of a checkpoint that are no tensors.
        sha256: of the file, in hexadecimal digits.
    """

    arrays: dict[str, np.ndarray]
    texts: dict[str, str] = field(default_factory=dict)
    sha256: str = ""


class DamagedError(WeightsError):
    """A file that cannot be read as what its suffix says.

    Attributes:
        reason: what is wrong with it, in a line.
    """

    def __init__(self, path: Path, reason: str):
        super().__init__(
            f"{path} is damaged or not a {path.suffix} file ({reason}): make or copy it again"
        )
        self.reason = reason

    @classmethod
    def by(cls, path: Path, error: Exception) -> DamagedError:
        """Return the one that says what a library made of damaged bytes."""
        return cls(path, " ".join(str(error).split())[:120] or type(error).__name__)


class _UselessError(ValueError):
    """What may be whole but is of no use."""


def read_weights(path: Path) -> bytes:
    """Return the contents of a file of weights; WeightsError where it cannot be read."""
    try:
        return read_bytes(path, MOST)
    except OSError as error:
        raise WeightsError(
            f"cannot read {path} ({error.strerror}): give a file of weights that can be read"
        ) from error


def read_tensors(path: Path) -> TensorFile:
    """Read a ``.ckpt``, ``.npz`` or ``.safetensors`` file, or the parameters in a ``.mindir`` file.

    Raises:
        WeightsError: it cannot be read or holds what is no real number.
        DamagedError: it is damaged or of another format.
    """
    data = read_weights(path)
    read = {
        ".npz": _read_npz,
        ".safetensors": _read_safetensors,
        ".ckpt": _read_checkpoint,
        ".mindir": _read_mindir,
    }
    texts: dict[str, str] = {}
    try:
        arrays = read[path.suffix](data, texts)
    except _UselessError as error:
        raise WeightsError(f"{path} {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # whatever the libraries make of damaged bytes
        raise DamagedError.by(path, error) from error
    return TensorFile(arrays, texts, hashlib.sha256(data).hexdigest())


def pack_safetensors(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the contents of a ``.safetensors`` file with a checksum over all of it."""
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    digest = _digest(dict(deserialize(to_safetensors(plain))))
    return to_safetensors(plain, {_DIGEST: _SHA256 + digest})


def _read_safetensors(data: bytes, _: dict[str, str]) -> dict[str, np.ndarray]:
    found = dict(deserialize(data))
    header = parse_json(data[8 : 8 + int.from_bytes(data[:8], "little")].decode())
    notes = header.get("__metadata__", {})
    # Damage to the key leaves the beginning of the value, and the other way round.
    ours = _DIGEST in notes or any(value.startswith(_SHA256) for value in notes.values())
    if ours and notes.get(_DIGEST) != _SHA256 + _digest(found):
        raise ValueError("its checksum does not fit")
    return {
        name: _tensor(name, _dtype(name, t["dtype"], _OF_SAFETENSORS), t["shape"], t["data"])
        for name, t in found.items()
    }


def _digest(found: Mapping[str, Mapping]) -> str:
    total = hashlib.sha256()
    for name, tensor in sorted(found.items()):
        total.update(repr((name, tensor["dtype"], list(tensor["shape"]))).encode())
        total.update(tensor["data"])
    return total.hexdigest()


def _read_checkpoint(data: bytes, texts: dict[str, str]) -> dict[str, np.ndarray]:
    checked = data[-17:-10] == _TRAILER
    if checked:
        given = int.from_bytes(data[-10:], "big")
        data = data[:-17]
        if zlib.crc32(data) != given:
            raise ValueError("its checksum does not fit")
    entries = Checkpoint()
    entries.ParseFromString(data)
    arrays: dict[str, np.ndarray] = {}
    # A large tensor stands in slices, each with the shape of the whole.
    for name, slices in groupby(entries.value, lambda entry: entry.tag):
        tensors = [entry.tensor for entry in slices if entry.HasField("tensor")]
        if not tensors or name in arrays or name in texts:
            raise ValueError(f"{shown_name(name)} is no tensor, or stands twice")
        kind, shape = tensors[0].tensor_type, list(tensors[0].dims)
        content = b"".join(tensor.tensor_content for tensor in tensors)
        if any((t.tensor_type, list(t.dims)) != (kind, shape) for t in tensors):
            raise ValueError(f"{shown_name(name)} has slices of several shapes")
        if kind == "str":
            texts[name] = content.decode("utf-32-le")
            continue
        dtype = _dtype(name, kind, _OF_MINDSPORE)
        if shape == [0] and content:  # MindSpore's way to write a single number
            shape = []
        arrays[name] = _tensor(name, dtype, shape, content)
    if arrays.pop(CHECKED, None) is not None and not checked:
        raise ValueError("its checksum is missing")
    if not arrays and not texts:
        raise ValueError("it is empty")
    return arrays


def _read_mindir(data: bytes, _: dict[str, str]) -> dict[str, np.ndarray]:
    model = ModelProto()
    model.ParseFromString(data)
    arrays: dict[str, np.ndarray] = {}
    for parameter in model.graph.parameter:
        name = parameter.name.rpartition(":")[2]  # of the network, after that of the graph
        if name in arrays:
            raise ValueError(f"{shown_name(name)} stands twice")
        kind = _MINDIR_TYPES.get(parameter.data_type, f"number {parameter.data_type}")
        dtype = _dtype(name, kind, _OF_MINDIR)
        arrays[name] = _tensor(name, dtype, parameter.dims, parameter.raw_data)
    if not arrays:
        raise ValueError("it holds no parameters")
    return arrays


def _read_npz(data: bytes, _: dict[str, str]) -> dict[str, np.ndarray]:
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        # zipfile takes a damaged directory for a shorter one.
        if data[-22:-18] == b"PK\5\6":
            count, size, start = struct.unpack("<10xHII2x", data[-22:])
            if (count, start + size) != (len(file.infolist()), len(data) - 22):
                raise ValueError("its directory is not whole")
        if sum(member.file_size for member in file.infolist()) > MOST:
            raise ValueError(f"it would unpack to more than {MOST} bytes")
        for member in file.infolist():
            name = member.filename.removesuffix(".npy")
            if name == member.filename or name in arrays:
                raise ValueError(f"{shown_name(name)} is no array, or stands twice")
            content = io.BytesIO(file.read(member))  # which verifies the checksum
            shape, fortran, dtype = _npy_header(content)
            if dtype.hasobject:
                raise ValueError("it holds Python's objects")
            order = shape[::-1] if fortran else shape
            array = _tensor(name, dtype, order, content.read())
            arrays[name] = np.ascontiguousarray(array.T) if fortran else array
    return arrays


def _npy_header(content: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    read: Callable[..., Any] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(content)]
    return read(content, max_header_size=1000)


def _dtype(name: str, given: str, known: Mapping[str, str]) -> np.dtype | str:
    if given not in known:
        raise _UselessError(
            f"is damaged, or holds {shown_name(name)} in the type {shown_name(given)}: give "
            f"weights in one of {', '.join(known)}"
        )
    found = known[given]
    return found if found == "bfloat16" else np.dtype(found)


def _tensor(
    name: str, dtype: np.dtype | str, shape: Iterable[int], content: bytes | bytearray
) -> np.ndarray:
    """Return an array of its own, floating types as float32; ValueError where sizes disagree."""
    shape = tuple(shape)
    brain = dtype == "bfloat16"  # which NumPy does not know: the upper half of a float32
    dtype = np.dtype("<u2" if brain else dtype)
    if dtype.kind not in "fiub":
        raise _UselessError(
            f"holds what is no real number ({shown_name(name)}): give the tensors of a network "
            "alone"
        )
    if any(side < 0 for side in shape) or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"the shape {shown(shape)} of {shown_name(name)} is not that of its data")
    array = np.frombuffer(content, dtype).reshape(shape)
    return as_kept(array, brain)


def as_kept(array: np.ndarray, brain: bool = False) -> np.ndarray:
    """Return a copy as we keep weights: floating types as float32, in rows.

    Args:
        array: of any real type.
        brain: whether its numbers are the bits of bfloat16, the upper half of a float32.
    """
    if brain:
        return (array.astype(np.uint32, order="C") << 16).view(np.float32)
    dtype = np.float32 if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which is seen later
        return np.array(array, dtype, order="C")
