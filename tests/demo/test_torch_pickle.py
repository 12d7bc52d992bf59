from __future__ import annotations

import collections
import io
import math
import os
import pickle
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo.torch_pickle import TorchFileError, load_tensors
from tests.models import fetched

MAGIC = 0x1950A86A20F9469CFC6C
FACTS = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


class FloatStorage:
    pass


class LongStorage:
    pass


class HalfStorage:
    pass


def _rebuild_tensor_v2(*arguments: Any) -> None:
    pass


@dataclass
class Storage:
    """What a pickle of torch refers to by ("storage", kind, key, place, count, view)."""

    kind: type
    key: str
    count: Any
    view: Any = None


@dataclass
class Tensor:
    storage: Any
    offset: Any
    shape: Any
    strides: Any

    def __reduce__(self) -> tuple[Any, ...]:
        hooks: collections.OrderedDict[str, Any] = collections.OrderedDict()
        return _rebuild_tensor_v2, (self.storage, self.offset, self.shape, self.strides, False, hooks)


class Call:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


class Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, Storage):
            return ("storage", value.kind, value.key, "cpu", value.count, value.view)
        return None


@pytest.fixture(autouse=True)
def torch_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pickles of this test name what torch's own files name."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    for storage in (FloatStorage, LongStorage, HalfStorage):
        monkeypatch.setattr(storage, "__module__", "torch")
        setattr(torch, storage.__name__, storage)
    monkeypatch.setattr(_rebuild_tensor_v2, "__module__", "torch._utils")
    monkeypatch.setattr(utils, "_rebuild_tensor_v2", _rebuild_tensor_v2, raising=False)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def legacy(
    state: Any, storages: dict[str, bytes], magic: Any = MAGIC, protocol: Any = 1001, facts: Any = FACTS
) -> bytes:
    """Return a file as torch's legacy format has it; a storage is its count (int64) and its numbers."""
    stream = io.BytesIO()
    for part in (magic, protocol, facts, state, list(storages)):
        Pickler(stream, protocol=2).dump(part)
    return stream.getvalue() + b"".join(storages.values())


def stored(values: Any, dtype: str = "<f4") -> bytes:
    array = np.asarray(values, dtype)
    return struct.pack("<q", array.size) + array.tobytes()


def one(tensor: Tensor, storage: bytes | None = None) -> bytes:
    """Return a file of one tensor, by default in a storage of 0, 1, ..., 34."""
    return legacy(collections.OrderedDict(w=tensor), {"7": stored(range(35)) if storage is None else storage})


FLOATS = Storage(FloatStorage, "7", 35)


def load(tmp_path: Path, data: bytes) -> dict[str, Any]:
    file = tmp_path / "w.pth"
    file.write_bytes(data)
    return load_tensors(file)


def test_views_and_shared_storages_become_arrays(tmp_path: Path) -> None:
    shared, counts = Storage(FloatStorage, "a", 60), Storage(LongStorage, "b", 3)
    state = collections.OrderedDict(
        whole=Tensor(shared, 0, (3, 4, 5), (20, 5, 1)),
        transposed=Tensor(shared, 20, (5, 4), (1, 5)),
        steps=Tensor(counts, 2, (), ()),
        empty=Tensor(counts, 3, (0, 7), (7, 1)),
    )
    state._metadata = {"version": 1}  # type: ignore[attr-defined]
    values = np.arange(60, dtype=np.float32).reshape(3, 4, 5) / 7
    arrays = load(tmp_path, legacy(state, {"b": stored([5, 6, -(2**40)], "<i8"), "a": stored(values)}))
    assert list(arrays) == ["whole", "transposed", "steps", "empty"]
    np.testing.assert_array_equal(arrays["whole"], values)
    np.testing.assert_array_equal(arrays["transposed"], values[1].T)
    assert arrays["transposed"].flags.c_contiguous
    assert arrays["steps"].shape == ()
    assert arrays["steps"] == -(2**40)
    assert (arrays["empty"].shape, arrays["empty"].dtype) == ((0, 7), np.int64)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ["echo > called"]),
        (eval, ["open('called', 'w')"]),
        (open, ["called", "w"]),
        (getattr, [1, "real"]),
    ],
)
@pytest.mark.parametrize("part", ["magic", "protocol", "facts", "state", "keys"])
def test_calls_of_other_functions_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: Any, arguments: list[Any], part: str
) -> None:
    monkeypatch.chdir(tmp_path)
    call = Call(function, *arguments)
    parts = {"magic": MAGIC, "protocol": 1001, "facts": FACTS, "state": {}, "keys": []} | {part: call}
    stream = io.BytesIO()
    for value in parts.values():
        Pickler(stream, protocol=2).dump(value)
    with pytest.raises(
        TorchFileError, match=rf"w\.pth: asks for .*\.{function.__name__}, which no tensor needs"
    ):
        load(tmp_path, stream.getvalue())
    assert not Path("called").exists()


def test_other_storages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TorchFileError, match=r"asks for torch\.HalfStorage"):
        load(tmp_path, one(Tensor(Storage(HalfStorage, "7", 35), 0, (5, 7), (7, 1))))


def test_other_operations_are_refused(tmp_path: Path) -> None:
    # BINBYTES8 announces 2**62 bytes
    data = b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"."
    with pytest.raises(TorchFileError, match=r"w\.pth"):
        load(tmp_path, data)
    with pytest.raises(TorchFileError, match="operation NEWOBJ"):
        load(tmp_path, b"\x80\x02ccollections\nOrderedDict\n)\x81.")


def test_a_memo_index_beyond_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TorchFileError, match="more memo entries than bytes"):
        load(tmp_path, b"\x80\x02}r" + struct.pack("<I", 2**32 - 1) + b".")


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor(FLOATS, 1, (5, 7), (7, 1)),
        Tensor(FLOATS, 0, (5, 8), (7, 1)),
        Tensor(FLOATS, 0, (6, 7), (7, 1)),
        Tensor(FLOATS, 0, (5, 7), (8, 1)),
        Tensor(FLOATS, 0, (5, 7), (7, 2)),
        Tensor(FLOATS, 35, (), ()),
        Tensor(FLOATS, 2**62, (2, 2), (2**62, 2**62)),
        # repeats one number over more than the memory of any machine
        Tensor(FLOATS, 0, (2**40, 2**20), (0, 0)),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(tmp_path: Path, tensor: Tensor) -> None:
    with pytest.raises(TorchFileError, match=r"'w' of shape .* does not fit into its storage of 35 numbers"):
        load(tmp_path, one(tensor))


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor(FLOATS, -1, (5, 7), (7, 1)),
        Tensor(FLOATS, 0, (-5, 7), (7, 1)),
        Tensor(FLOATS, 34, (5, 7), (-7, 1)),
        Tensor(FLOATS, 0, (5, 7), (7,)),
        Tensor(FLOATS, None, (5, 7), (7, 1)),
        Tensor(FLOATS, 0, (True, 7), (7, 1)),
        Tensor((FloatStorage, "7", 35), 0, (5, 7), (7, 1)),
        Tensor(Storage(FloatStorage, "7", -35), 0, (5, 7), (7, 1)),
        Tensor(Storage(FloatStorage, "7", "35"), 0, (5, 7), (7, 1)),
        Tensor(Storage(FloatStorage, "7", 35, ("6", 0, 35)), 0, (5, 7), (7, 1)),
    ],
)
def test_a_tensor_of_other_things_is_refused(tmp_path: Path, tensor: Tensor) -> None:
    with pytest.raises(TorchFileError, match="in a way that is not understood"):
        load(tmp_path, one(tensor))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: one(Tensor(FLOATS, 0, (5,), (1,)), stored(range(34))), "is cut short"),
        (lambda: one(Tensor(FLOATS, 0, (5,), (1,)), stored(range(36))), "has 36 numbers where 35"),
        (lambda: one(Tensor(FLOATS, 0, (5,), (1,)), stored(range(35)) + b"abc"), "3 bytes too many"),
        (lambda: one(Tensor(Storage(FloatStorage, "7", 2**60), 0, (5,), (1,))), "is cut short"),
        (lambda: legacy({"w": Tensor(FLOATS, 0, (5,), (1,))}, {"8": stored(range(35))}), "list of storages"),
        (lambda: legacy({"w": [1, 2]}, {}), "'w' is a list, not a tensor"),
        (
            lambda: legacy({3: Tensor(FLOATS, 0, (5,), (1,))}, {"7": stored(range(35))}),
            "not a tensor|entry 3",
        ),
        (lambda: legacy([1], {}), "holds a list where a dict"),
        (lambda: legacy({}, {}, magic=5), "magic number is wrong"),
        (lambda: legacy({}, {}, protocol=1000), "protocol is not 1001"),
        (lambda: legacy({}, {}, facts={"little_endian": False}), "not little-endian"),
        (lambda: legacy({}, {}, facts=[]), "damaged"),
        (lambda: b"", "damaged"),
        (lambda: b"PK\x03\x04", "damaged"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(TorchFileError, match=message) as caught:
        load(tmp_path, data())
    assert str(caught.value).startswith(str(tmp_path / "w.pth"))


def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    whole = one(Tensor(FLOATS, 0, (5, 7), (7, 1)))
    assert load(tmp_path, whole)["w"].shape == (5, 7)
    for length in range(len(whole)):
        with pytest.raises(TorchFileError):
            load(tmp_path, whole[:length])


# pickletools warns of escapes in damaged strings
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_give_tensors_within_the_storage_or_an_error(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(one(Tensor(FLOATS, 0, (5, 7), (7, 1))))
    for position, value in changes:
        data[position % len(data)] = value
    try:
        arrays = load(tmp_path, bytes(data))
    except TorchFileError:
        return
    assert all(math.prod(array.shape) <= 35 for array in arrays.values())


def test_a_published_file_reads_whole() -> None:
    arrays = load_tensors(fetched("efficientnet-lite0.pth"))
    steps = [name for name in arrays if name.endswith("num_batches_tracked")]
    assert (len(arrays), len(steps)) == (296, 49)
    assert arrays["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert all((array >= 0).all() for name, array in arrays.items() if name.endswith("running_var"))
