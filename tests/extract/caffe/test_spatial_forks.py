"""Layers with windows and sizes that only forks of Caffe have, against loops after their published code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from extract import Model
from extract.caffe.prototxt import read_net
from tests.caffe.cases import Case, all_cases, layer
from tests.caffe.harness import Answer, difference, load, of_fork, put_case, run
from tests.extract.caffe.fork_references import REFERENCES


def _stochastic(text: str) -> Case:
    # values as they are behind a ReLU: many windows hold nothing but zeros
    values = np.random.default_rng(0).normal(-0.7, 1, (2, 3, 7, 9)).clip(0).astype(np.float32)
    return Case(
        layer("Pooling", f"pooling_param {{ pool: STOCHASTIC {text} }}"),
        {"data": (2, 3, 7, 9)},
        {"data": values},
    )


# Caffe's CPU code refuses to run these, so they are no cases for it.
STOCHASTIC = {
    "stochastic": _stochastic("kernel_size: 2 stride: 1"),
    "stochastic-rounds-up": _stochastic("kernel_size: 2 stride: 2"),
    "stochastic-empty-last": _stochastic("kernel_size: 1 stride: 4"),
}
CASES = {
    name: case
    for name, case in all_cases().items()
    if of_fork(case) and name.startswith(("convolution-", "pooling-", "spatial-", "detection-"))
} | STOCHASTIC


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def prototxt(case: Case, tmp_path: Path) -> Path:
    put_case(tmp_path, "case", case)
    return tmp_path / "case.prototxt"


@pytest.fixture
def model(prototxt: Path) -> Model:
    return load(prototxt, Answer({}, {}, None))


def _given(case: Case) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(1)
    return {
        blob: case.values.get(blob, random.standard_normal(shape).astype(np.float32))
        for blob, shape in case.inputs.items()
    }


def test_layers_compute_what_their_code_does(case: Case, prototxt: Path, model: Model) -> None:
    given = _given(case)
    blobs: dict[str, Any] = {**given, **run(model, given, sorted(set(model.source.blobs) - set(given)))}
    *_, last = read_net(prototxt).layers
    parameters = [model.value(tensor) for tensor in model.layers[last.name].parameters]
    bottoms = [blobs[bottom] for bottom in last.bottoms]
    (expected,) = REFERENCES[last.type](last.message, bottoms, parameters)
    assert difference(blobs[last.tops[0]], expected) is None


def test_graphs_are_valid_onnx(model: Model) -> None:
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    for tensor in proto.graph.initializer:
        tensor.CopyFrom(onnx.numpy_helper.from_array(model.value(f"tensor:{tensor.name}"), tensor.name))
    onnx.checker.check_model(proto, full_check=True)
