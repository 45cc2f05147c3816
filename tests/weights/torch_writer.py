"""Files as PyTorch writes them, in both of its formats, without PyTorch."""

from __future__ import annotations

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

_STORAGES = {
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "float64": "DoubleStorage",
    "int64": "LongStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def _modules() -> dict[str, types.ModuleType]:
    """Return modules by which functions and types are pickled under PyTorch's names."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        function = types.FunctionType((lambda: None).__code__, {}, name)
        function.__module__, function.__qualname__ = "torch._utils", name
        setattr(utils, name, function)
    for name in (*_STORAGES.values(), "BFloat16Storage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    return {"torch": torch, "torch._utils": utils}


class Part:
    """A tensor that is a part of an array: from an offset, of a shape, with strides in elements.

    Args:
        base: the storage.
        offset, shape, strides: of the part; left out, it is all of ``base``.
        storage: the storage's type; None for that of ``base``.
        parameter: whether it is a parameter of a module.
    """

    def __init__(self, base, offset=0, shape=None, strides=None, storage=None, parameter=False):
        self.base, self.offset = base, offset
        self.shape = base.shape if shape is None else shape
        usual = [int(np.prod(self.shape[i + 1 :])) for i in range(len(self.shape))]
        self.strides = tuple(usual) if strides is None else strides
        self.storage = storage or _STORAGES[base.dtype.name]
        self.parameter = parameter


class _Bits:
    def __init__(self, array, kind):
        self.array, self.kind = array, kind


class _Pickler(pickle.Pickler):
    def __init__(self, file, modules, keys, old):
        super().__init__(file, 2)
        self.modules, self.keys, self.old = modules, keys, old

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            value = Part(value)
        if not isinstance(value, Part):
            return NotImplemented
        utils = self.modules["torch._utils"]
        if value.parameter:
            plain = Part(value.base, value.offset, value.shape, value.strides, value.storage)
            return utils._rebuild_parameter, (plain, True, OrderedDict())
        storage = _Bits(value.base, value.storage)
        arguments = (storage, value.offset, value.shape, value.strides, False, OrderedDict())
        return utils._rebuild_tensor_v2, arguments

    def persistent_id(self, value: Any) -> Any:
        if not isinstance(value, _Bits):
            return None
        key = str(self.keys.setdefault(id(value.array), (len(self.keys), value.array))[0])
        kind = getattr(self.modules["torch"], value.kind)
        more = (None,) if self.old else ()
        return ("storage", kind, key, "cpu", value.array.size, *more)


def write(path: Path, value: Any, old: bool = False) -> Path:
    """Write ``value``, whose arrays and `Part`s are its tensors, as torch.save does.

    Args:
        path: of the file.
        value: what is saved.
        old: as PyTorch before 1.6.
    """
    modules, keys = _modules(), {}
    with mock.patch.dict(sys.modules, modules):
        pickled = io.BytesIO()
        _Pickler(pickled, modules, keys, old).dump(value)
    if old:
        about = {"protocol_version": _PROTOCOL, "little_endian": True, "type_sizes": {}}
        with open(path, "wb") as file:
            for one in (_MAGIC, _PROTOCOL, about):
                pickle.dump(one, file, 2)
            file.write(pickled.getvalue())
            pickle.dump([str(key) for key, _ in keys.values()], file, 2)
            for _, array in keys.values():
                file.write(array.size.to_bytes(8, "little") + array.tobytes())
        return path
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("net/data.pkl", pickled.getvalue())
        file.writestr("net/byteorder", "little")
        for key, array in keys.values():
            file.writestr(f"net/data/{key}", array.tobytes())
        file.writestr("net/version", "3\n")
    return path
