"""Every case against what real Caffe made of it, as stored in tests/caffe/goldens; needs no Caffe."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from extract import Model
from tests.caffe.cases import all_cases
from tests.caffe.harness import Answer, compare, difference, differences, feeds, load, of_fork, put_case, run
from tests.caffe.make_goldens import golden_names, read_golden

CASES = all_cases()
NAN, MOST = np.nan, np.finfo(np.float32).max
COMPARED = [name for name in golden_names() if name in CASES]

# Patterns of cases whose graph is for one batch size, each for a reason.
FIXED_BATCH = (
    # parameters, numbers in the file, or other constants are as long as the batch
    *("affine-scale-axis-0*", "affine-scale-bottom-bias", "affine-scale-bottom-in-place"),
    *("convolution-axis-0", "inner_product-axis-0", "inner_product-vector", "reduction-argmax-axis-0"),
    *("movement-slice-axis-0*", "shape-reshape-all-given", "shape-reshape-axes-in-front"),
    *("sources-dummy-and-data", "sources-parameter"),
    # no input has a batch
    *("shape-reshape-scalar", "sources-dummy*", "sources-parameter-alone", "sources-parameter-large"),
    "sources-parameter-scalar",
    # steps of time come first
    *("networks-captioning", "recurrent-*"),
)

# Patterns of cases in which an image's values depend on the other images, in Caffe too.
MIXED = (
    # the batch is moved, summed, or normalized over
    *("movement-concat-axis-0", "movement-filter", "movement-filter-and-layers-behind"),
    *("movement-filter-several", "movement-tile-axis-0", "shape-reshape-axis-in-front"),
    *("affine-scale-bottom-one", "reduction-mean-all", "reduction-mean-vector", "reduction-sum"),
    *("reduction-sumsq-all", "normalization-batch-norm-batch*", "normalization-batch-norm-in-training"),
    "normalization-softmax-axis-0",
)


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


@pytest.mark.parametrize("name", COMPARED)
def test_images_do_not_depend_on_those_beside_them(name: str, golden: Answer, model: Model) -> None:
    given = feeds(model, golden)
    free = {len(given[value.name]) for value in model.inputs if value.shape[:1] == (None,)}
    assert bool(free) == (not _is_one_of(name, FIXED_BATCH))
    alone = run(model, given)
    changed: list[str] = []
    for size in free:
        more = {key: _one_more(x, size) if x.shape[:1] == (size,) else x for key, x in given.items()}
        found = run(model, more)
        expected = {
            blob: value if value.shape == found[blob].shape else _one_more(value, size)
            for blob, value in alone.items()
        }
        changed += differences(found, expected)
    assert bool(changed) == _is_one_of(name, MIXED), changed


def _is_one_of(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _one_more(values: NDArray[Any], size: int) -> NDArray[Any]:
    """Return the values of `size` images, and behind them the first again."""
    if len(values) % size:
        return values
    rows = len(values) // size
    return np.concatenate([values, values[:rows]])
