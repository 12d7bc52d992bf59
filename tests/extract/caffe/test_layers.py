"""Every case against what real Caffe made of it, as stored in tests/caffe/goldens; needs no Caffe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from extract import Model
from tests.caffe.cases import all_cases
from tests.caffe.harness import Answer, compare, difference, differences, load, of_fork, put_case
from tests.caffe.make_goldens import golden_names, read_golden

CASES = all_cases()
NAN, MOST = np.nan, np.finfo(np.float32).max
COMPARED = [name for name in golden_names() if name in CASES]


@pytest.fixture
def golden(name: str, tmp_path: Path) -> Answer:
    put_case(tmp_path, name, CASES[name])
    return read_golden(name, tmp_path)


@pytest.fixture
def model(name: str, golden: Answer, tmp_path: Path) -> Model:
    return load(tmp_path / f"{name}.prototxt", golden)


@pytest.mark.parametrize(
    ("ours", "caffes", "same"),
    [
        ([1, 2], [1, 2], True),
        ([1, 2.00001], [1, 2], True),
        ([1, 2.00003], [1, 2], False),
        ([0.00001, 2], [0, 2], True),
        ([1e-9], [0], False),
        ([[1], [2]], [1, 2], False),
        ([NAN, 1], [NAN, 1], True),
        ([NAN, 1], [1, NAN], False),
        ([1, NAN], [1, 1], False),
        ([np.inf, 1], [np.inf, 1], True),
        ([-np.inf, 1], [np.inf, 1], False),
        ([-MOST, 1], [-MOST, 1], True),
        ([-np.inf, 1], [-MOST, 1], False),
        ([-MOST, 1.1], [-MOST, 1], False),
        ([], [], True),
    ],
)
def test_what_counts_as_the_same(ours: list[float], caffes: list[float], same: bool) -> None:
    assert (difference(np.array(ours, np.float32), np.array(caffes, np.float32)) is None) == same


def test_a_blob_that_is_missing_on_either_side_is_a_difference() -> None:
    one = {"a": np.ones(1), "b": np.ones(1)}
    assert differences(one, {"a": np.ones(1)}) == ["b: only we have it"]
    assert differences({"a": np.ones(1)}, one) == ["b: only Caffe has it"]
    assert differences({"a": np.ones(1)}, one, skip=["b"]) == []


def test_every_case_that_caffe_knows_has_a_golden() -> None:
    assert sorted(name for name, case in CASES.items() if not of_fork(case)) == golden_names()


@pytest.mark.parametrize("name", COMPARED)
def test_every_blob_is_what_caffe_computes(name: str, golden: Answer, tmp_path: Path) -> None:
    assert compare(tmp_path / f"{name}.prototxt", golden, CASES[name].skip) == []


@pytest.mark.parametrize("name", COMPARED)
def test_the_graph_is_valid_onnx(name: str, model: Model) -> None:
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    for tensor in proto.graph.initializer:
        tensor.CopyFrom(onnx.numpy_helper.from_array(model.value(f"tensor:{tensor.name}"), tensor.name))
    onnx.checker.check_model(proto, full_check=True)
