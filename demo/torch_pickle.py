"""Tensors out of torch's legacy ``.pth`` files, without torch and without running what the file says.

Such a file holds five pickles one after the other (magic number, protocol version, facts on the machine, the
object, the storages' keys), then the storages in the order of the keys: a count (int64) and the raw numbers.
Source: ``_legacy_save`` in ``torch/serialization.py``.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import pickletools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from converters.errors import CnnVisError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class TorchFileError(CnnVisError, ValueError):
    """A ``.pth`` file that is damaged, or that holds other things than plain tensors."""


class _Storage(NamedTuple):
    key: str
    dtype: str
    size: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def load_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read the tensors of a legacy ``.pth`` file that holds a state dict.

    Parameters
    ----------
    path : Path
        The file. It need not be trusted: of all that a pickle can name, only ordered dicts, tensors, and
        storages of float32 and int64 are known.

    Returns
    -------
    dict of str to ndarray
        float32 or int64 arrays in C order, in the file's order.

    Raises
    ------
    TorchFileError
        If the file is damaged, names anything else, or a tensor does not fit into its storage.
    """
    try:
        return _tensors(path.read_bytes())
    except TorchFileError as error:
        raise TorchFileError(f"{path}: {error}") from error
    # a damaged pickle can fail in any way that an interpreter can
    except Exception as error:
        raise TorchFileError(f"{path}: not a legacy torch file, or damaged ({error})") from error


def _tensors(data: bytes) -> dict[str, NDArray[Any]]:
    stream = io.BytesIO(data)
    if _load(stream)[0] != _MAGIC:
        raise TorchFileError("not a legacy torch file: its magic number is wrong")
    if _load(stream)[0] != _PROTOCOL:
        raise TorchFileError(f"its protocol is not {_PROTOCOL}")
    if _load(stream)[0]["little_endian"] is not True:
        raise TorchFileError("its numbers are not little-endian")
    state, storages = _load(stream)
    if not isinstance(state, dict):
        raise TorchFileError(f"holds a {type(state).__name__} where a dict of tensors belongs")
    keys = _load(stream)[0]
    arrays = _read_storages(data, stream.tell(), keys, storages)
    return {name: _array(name, tensor, arrays) for name, tensor in dict.items(state)}


def _load(stream: io.BytesIO) -> tuple[Any, dict[str, _Storage]]:
    """Load the next pickle, and the storages that it refers to."""
    start = stream.tell()
    for operation, argument, _ in pickletools.genops(stream):
        if operation.name not in _OPERATIONS:
            raise TorchFileError(f"uses the pickle operation {operation.name}, which no tensor needs")
        # the unpickler allocates its memo up to the highest index
        if operation.name == "LONG_BINPUT" and int(argument or 0) > len(stream.getbuffer()):
            raise TorchFileError("has more memo entries than bytes")
    unpickler = _Unpickler(io.BytesIO(stream.getbuffer()[start : stream.tell()]))
    return unpickler.load(), unpickler.storages


class _Unpickler(pickle.Unpickler):
    """Knows four names and no other; they become records, never torch objects."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError as error:
            raise TorchFileError(f"asks for {module}.{name}, which no tensor needs") from error

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count, view = pid
        new = _Storage(key, dtype, count)
        plain = (
            kind == "storage" and dtype in _DTYPES and type(key) is str and _is_size(count) and view is None
        )
        if not plain or self.storages.setdefault(key, new) != new:
            raise TorchFileError("describes a storage in a way that is not understood")
        return new


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_ignored: Any) -> _Tensor:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or len(shape) != len(strides) or not all(map(_is_size, numbers)):
        raise TorchFileError("describes a tensor in a way that is not understood")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


# what torch writes, and no more
_OPERATIONS = frozenset((
    "PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "BINPUT", "LONG_BINPUT", "BINGET",
    "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT",
    "SETITEM", "SETITEMS",
))  # fmt: skip
_DTYPES = ("<f4", "<i8")
_KNOWN = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): "<f4",
    ("torch", "LongStorage"): "<i8",
}


def _is_size(value: Any) -> bool:
    return type(value) is int and value >= 0


def _read_storages(
    data: bytes, start: int, keys: list[str], storages: dict[str, _Storage]
) -> dict[str, NDArray[Any]]:
    if sorted(keys) != sorted(storages):
        raise TorchFileError("its list of storages is not the list of those that its tensors use")
    arrays = {}
    for key in keys:
        storage = storages[key]
        dtype = np.dtype(storage.dtype)
        end = start + 8 + storage.size * dtype.itemsize
        if end > len(data):
            raise TorchFileError(f"is cut short: storage {key} ends at byte {end}, the file at {len(data)}")
        stored = int.from_bytes(data[start : start + 8], "little", signed=True)
        if stored != storage.size:
            raise TorchFileError(f"storage {key} has {stored} numbers where {storage.size} were announced")
        arrays[key] = np.frombuffer(data, dtype, storage.size, start + 8)
        start = end
    if start != len(data):
        raise TorchFileError(f"has {len(data) - start} bytes too many at its end")
    return arrays


def _array(name: Any, tensor: Any, arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
    if type(name) is not str or not isinstance(tensor, _Tensor):
        raise TorchFileError(f"entry {name!r} is a {type(tensor).__name__}, not a tensor")
    storage = arrays[tensor.storage.key]
    count = math.prod(tensor.shape)
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.strides, strict=True))
    # overlapping elements (stride 0) could announce more numbers than memory holds
    if count > storage.size or (count and last >= storage.size):
        raise TorchFileError(
            f"tensor {name!r} of shape {tensor.shape}, strides {tensor.strides} and offset {tensor.offset} "
            f"does not fit into its storage of {storage.size} numbers"
        )
    if not count:
        return np.empty(tensor.shape, storage.dtype)
    strides = [step * storage.itemsize for step in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides).copy()
