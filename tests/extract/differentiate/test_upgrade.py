"""Upgraded models give what the old ones give, in onnxruntime."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.case.test_case import TestCase
from onnxruntime.capi import onnxruntime_pybind11_state as states

from extract.differentiate.upgrade import OLDEST, OPSET, upgraded
from extract.errors import ModelError
from tests.models import trained

Array = NDArray[Any]
RNG = np.random.default_rng(0)
# Whole networks are summed in another order where onnxruntime fuses other nodes.
TOLERANCE = 1e-5

X = RNG.normal(size=(2, 3, 8, 6)).astype(np.float32)
MATRIX = RNG.normal(size=(2, 3)).astype(np.float32)
CHANNELS = RNG.uniform(0.5, 2, (4, 3)).astype(np.float32)
PLACES = RNG.uniform(0.5, 2, (4, 3, 8, 6)).astype(np.float32)
GRID = RNG.uniform(-1.2, 1.2, (2, 3, 4, 2)).astype(np.float32)
BEHIND = {"kernel_shape": [2, 3], "strides": [3, 2], "pads": [0, 0, 1, 2], "ceil_mode": 1}
INDICES = RNG.integers(0, 2, X.shape)
# What onnxruntime raises of models that it does not take.
_REFUSALS = (states.Fail, states.InvalidGraph, states.NotImplemented, states.InvalidArgument)
# Random, or (Scan of set 8) not to be upgraded.
APART = ("Bernoulli", "Dropout", "Scan")
NETWORKS = ("efficientnet-lite0", "mnist-conv", "open-nsfw", "age", "pnet", "rnet", "onet", "centerface")
# Size of axes that a network leaves open, but for the first.
OPEN = 96
# (model's set, operator, inputs, attributes): forms that later sets no longer have
OLD: list[tuple[int, str, Sequence[Any], dict[str, Any]]] = [
    (7, "BatchNormalization", [X, *CHANNELS], {"epsilon": 0.1}),
    (8, "BatchNormalization", [X, *CHANNELS], {"momentum": 0.5, "spatial": 1}),
    (7, "BatchNormalization", [X, *PLACES], {"epsilon": 0.1, "spatial": 0}),
    (9, "BatchNormalization", [X, *CHANNELS], {}),
    (7, "Clip", [X], {"min": -0.5, "max": 0.5}),
    (7, "Clip", [X], {"max": 0.5}),
    (10, "Clip", [X], {"min": 0.0}),
    (7, "Clip", [X], {}),
    (17, "DFT", [X[..., :2]], {}),
    (19, "DFT", [X[..., :1], np.array(5)], {"axis": 2, "onesided": 1}),
    (7, "Dropout", [X], {"ratio": 0.3}),
    (10, "Dropout", [X], {}),
    (7, "Pad", [X], {"pads": [0, 1, 2, 0, 0, 0, 1, 3], "value": 1.5}),
    (7, "Pad", [X], {"pads": [0, 0, 2, 1, 0, 0, -1, 3], "mode": "reflect"}),
    (9, "Pad", [X], {"pads": [0, 0, 2, 1, 0, 0, 1, 3], "mode": "edge"}),
    *((7, f"Reduce{kind}", [np.abs(X)], {"axes": [1, 3]}) for kind in ("L1", "L2", "LogSum", "Mean", "Prod")),
    *((11, f"Reduce{kind}", [X], {"axes": [-1], "keepdims": 0}) for kind in ("Max", "Min", "Sum")),
    (13, "ReduceLogSumExp", [X], {"axes": [2]}),
    (17, "ReduceSumSquare", [X], {}),
    (7, "ReduceSum", [X], {"keepdims": 0}),
    (13, "ReduceSum", [X, np.array([1])], {}),
    (7, "Slice", [X], {"starts": [1, -3], "ends": [1000, -1], "axes": [2, 3]}),
    (9, "Slice", [X], {"starts": [0, 1], "ends": [1, 3]}),
    *((v, f, [X], {}) for f in ("Softmax", "LogSoftmax", "Hardmax") for v in (7, 11, 12)),
    *((11, f, [X], {"axis": axis}) for f in ("Softmax", "LogSoftmax", "Hardmax") for axis in (-2, 0, 3)),
    (7, "Softmax", [MATRIX], {}),
    (7, "Squeeze", [X[:1]], {"axes": [0]}),
    (11, "Squeeze", [X[:1]], {}),
    (7, "Unsqueeze", [X], {"axes": [0, 3]}),
    (7, "TopK", [X], {"k": 2, "axis": 2}),
    (7, "Upsample", [X], {"scales": [1.0, 1.0, 2.0, 3.0]}),
    (7, "Upsample", [X], {"scales": [1.0, 1.0, 1.7, 2.3], "mode": "linear"}),
    (9, "Upsample", [X, np.array([1, 1, 2.5, 2], np.float32)], {"mode": "nearest"}),
    (9, "Upsample", [X, np.array([1, 1, 1.3, 2], np.float32)], {"mode": "linear"}),
    *(
        (10, "Resize", [X, np.array(scales, np.float32)], {"mode": mode})
        for scales in ([1, 1, 1.5, 2.3], [1, 1, 0.6, 0.7], [1, 1, 0.6, 1.7])
        for mode in ("nearest", "linear")
    ),
    (11, "Resize", [X, np.zeros(0, np.float32), np.array([1, 1, 2, 3], np.float32)], {"mode": "linear"}),
    (
        11,
        "Resize",
        [X, np.zeros(0, np.float32), np.zeros(0, np.float32), np.array([2, 3, 11, 5])],
        {"mode": "cubic"},
    ),
    (
        11,
        "Resize",
        [X, np.zeros(0, np.float32), np.array([1, 1, 1.7, 0.6], np.float32)],
        {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor"},
    ),
    (9, "Scatter", [X, INDICES, X[::-1].copy()], {"axis": 0}),
    (
        10,
        "RoiAlign",
        [X, np.array([[0, 0, 5, 4], [1, 2, 4, 5]], np.float32), np.array([1, 0])],
        {"output_height": 3, "output_width": 2, "sampling_ratio": 2},
    ),
    (7, "ImageScaler", [X], {"bias": [1.0, 2.0, 3.0], "scale": 0.5}),
    *((16, "GridSample", [X, GRID], {"mode": mode}) for mode in ("bilinear", "bicubic", "nearest")),
    (18, "GridSample", [X, GRID], {}),
    # a pool whose last window would start behind the padding is brought to a later set: see extract.shapes
    *(
        (opset, "AveragePool", [X], {**BEHIND, "count_include_pad": with_pads})
        for opset in (10, 11, 18)
        for with_pads in (0, 1)
    ),
    *((opset, "MaxPool", [X], BEHIND) for opset in (10, 12, 18)),
    (18, "LpPool", [X], BEHIND),
    (18, "GroupNormalization", [np.tile(X, (1, 2, 1, 1)), *CHANNELS[:2]], {"num_groups": 3}),
]


@pytest.mark.parametrize(
    ("opset", "operator", "inputs", "attributes"), OLD, ids=[f"{o[1]}-{o[0]}" for o in OLD]
)
@pytest.mark.parametrize("stored", [True, False], ids=["stored", "fed"])
def test_old_forms(
    opset: int, operator: str, inputs: Sequence[Array], attributes: dict[str, Any], stored: bool
) -> None:
    outputs = ["y", "indices"] if operator == "TopK" else ["y"]
    _check_same(_model(opset, operator, inputs, outputs, attributes, stored), _feeds(inputs, stored))


@pytest.mark.parametrize("sizes", [None, [1, 5, 2]])
@pytest.mark.parametrize("opset", [7, 11, 13])
def test_split(sizes: list[int] | None, opset: int) -> None:
    attributes = {"axis": 2} | ({"split": sizes} if sizes and opset < 13 else {})
    inputs = [X] if opset < 13 or sizes is None else [X, np.array(sizes)]
    outputs = ["a", "b", "c"] if sizes else ["a", "b"]
    _check_same(_model(opset, "Split", inputs, outputs, attributes, True), {"x0": X})


def test_masks_of_numbers_stay_numbers() -> None:
    """onnxruntime's own mask of sets before 12 is of truth values, against the standard."""
    new = upgraded(_model(7, "Dropout", [X], ["y", "mask"], {}, False))
    types = {
        v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(new).graph.output
    }
    assert types == {"y": TensorProto.FLOAT, "mask": TensorProto.FLOAT}
    _, mask = _run(new, {"x0": X})
    assert (mask == 1).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_constants_have_the_type_of_the_data(dtype: type) -> None:
    old = _model(9, "Clip", [X.astype(dtype)], ["y"], {"min": -0.25}, False)
    (y,) = _run(upgraded(old), {"x0": X.astype(dtype)})
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.maximum(X.astype(dtype), dtype(-0.25)))


def test_constants_of_tensors_of_unknown_type() -> None:
    """What comes out of a node of another domain may be of any type."""
    old = _model(9, "Clip", [X], ["y"], {"min": -0.25}, False)
    old.graph.node.insert(0, helper.make_node("Unknown", ["x0"], ["z"], domain="other"))
    old.graph.node[1].input[0] = "z"
    old.opset_import.append(helper.make_opsetid("other", 1))
    new = upgraded(old)
    assert [node.op_type for node in new.graph.node] == ["Unknown", "CastLike", "Clip"]
    assert [(entry.domain, entry.version) for entry in new.opset_import] == [("", OPSET), ("other", 1)]


def test_nodes_of_other_domains_stay() -> None:
    old = _model(9, "Clip", [X], ["y"], {"min": -0.25}, False)
    old.graph.node[0].domain = "other"
    old.opset_import.append(helper.make_opsetid("other", 1))
    assert upgraded(old).graph.node[0] == old.graph.node[0]


@pytest.mark.parametrize("truth", [True, False])
def test_bodies(truth: bool) -> None:
    bodies = [
        helper.make_graph(
            [helper.make_node("Clip", ["x"], ["t"], min=0.0), helper.make_node("Softmax", ["t"], ["u"])],
            "then",
            [],
            [helper.make_tensor_value_info("u", TensorProto.FLOAT, None)],
        ),
        helper.make_graph(
            [
                helper.make_node("Pad", ["x"], ["s"], pads=[0, 0, 1, 0, 0, 0, 0, 0], value=2.0),
                helper.make_node("Slice", ["s"], ["t"], axes=[2], starts=[0], ends=[-1]),
            ],
            "else",
            [],
            [helper.make_tensor_value_info("t", TensorProto.FLOAT, None)],
        ),
    ]
    node = helper.make_node("If", ["c"], ["y"], then_branch=bodies[0], else_branch=bodies[1])
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, list(X.shape)),
        helper.make_tensor_value_info("c", TensorProto.BOOL, []),
    ]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["a", "b", "c", "d"])
    graph = helper.make_graph([node], "if", inputs, [output])
    old = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 7)], ir_version=4)
    _check_same(old, {"x": X, "c": np.array(truth)})


def test_the_model_stays_as_it_is_and_names_are_kept() -> None:
    old = _model(7, "Softmax", [X], ["y"], {}, False)
    old.graph.node[0].name = "soft"
    before = old.SerializeToString()
    new = upgraded(old)
    assert old.SerializeToString() == before
    assert new.graph.node[-1].name == "soft"
    assert [value.name for value in new.graph.output] == ["y"]


def test_a_new_model_is_left_alone() -> None:
    proto = _model(OPSET, "Relu", [X], ["y"], {}, False)
    assert upgraded(proto) is proto


def test_weights_of_old_files_are_no_inputs() -> None:
    """Up to version 3 of the format each weight had to be an input too, but was constant all the same."""
    old = _model(7, "Add", [X, X], ["y"], {}, True)
    old.ir_version = 3
    old.graph.input.append(helper.make_tensor_value_info("x1", TensorProto.FLOAT, list(X.shape)))
    new = upgraded(old)
    assert [value.name for value in new.graph.input] == ["x0"]
    assert new.ir_version >= 8
    _check_same(old, {"x0": X})


def test_external_weights_are_only_named() -> None:
    old = _model(7, "MatMul", [np.ones((2, 1000), np.float32)], ["y"], {}, False)
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1000, 1000])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "no-such-file"), ("offset", "64"), ("length", "4000000")):
        weight.external_data.add(key=key, value=value)
    old.graph.initializer.append(weight)
    old.graph.node[0].input.append("w")
    old.graph.node.append(helper.make_node("Clip", ["y"], ["z"], min=0.0))
    assert upgraded(old).graph.initializer[0] == weight


def _training() -> onnx.ModelProto:
    outputs = ["y", "m", "v", "sm", "sv"]
    proto = _model(7, "BatchNormalization", [X, *CHANNELS], outputs, {}, True)
    proto.graph.node.append(helper.make_node("Neg", ["m"], ["z"]))
    del proto.graph.output[1:]
    return proto


def _scan() -> onnx.ModelProto:
    step = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "ab"]
    body = helper.make_graph([helper.make_node("Neg", ["a"], ["b"])], "body", step[:1], step[1:])
    return _model(8, "Scan", [X], ["y"], {"body": body, "num_scan_inputs": 1}, False)


@pytest.mark.parametrize(
    ("old", "message"),
    [
        (lambda: _model(6, "Clip", [X], ["y"], {}, False), "operator set 6 is too old"),
        (lambda: _training(), "BatchNormalization node 'y': statistics made in training"),
        (lambda: _scan(), "Scan node 'y': Scan of operator set 8"),
    ],
    ids=["set", "training", "scan"],
)
def test_what_cannot_be_upgraded(old: Callable[[], onnx.ModelProto], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        upgraded(old())


def test_statistics_that_nothing_reads_are_dropped() -> None:
    old = _training()
    del old.graph.node[1:]
    assert upgraded(old).graph.node[0].output == ["y"]


@functools.cache
def _cases() -> dict[str, list[TestCase]]:
    """Return onnx's own operator cases by operator."""
    cases: dict[str, list[TestCase]] = {}
    with warnings.catch_warnings():
        # some cases overflow on purpose
        warnings.simplefilter("ignore")
        found = collect_testcases()
    for case in found:
        if len(case.model.graph.node) == 1 and "_expanded" not in case.name:
            node = case.model.graph.node[0]
            if node.domain == "" and all(_is_numeric(x) for xs in case.data_sets[0] for x in xs):
                cases.setdefault(node.op_type, []).append(case)
    return cases


def _is_numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiub"


def _older_sets(operator: str) -> list[int]:
    """Return the sets from 7 to 17 that changed an operator, or 7 itself."""
    since = {
        schema.since_version
        for schema in onnx.defs.get_all_schemas_with_history()
        if schema.name == operator and not schema.domain and not schema.deprecated
    }
    first = [OLDEST] if min(since) <= OLDEST else []
    return first + sorted(version for version in since if OLDEST < version < OPSET)


@pytest.mark.parametrize("operator", sorted(operator for operator in _cases() if _older_sets(operator)))
def test_onnx_cases_in_older_sets(operator: str) -> None:
    """Each operator case in each set that had another version of the operator, where it is valid there."""
    for case in _cases()[operator] if operator not in APART else ():
        for version in _older_sets(operator):
            old = onnx.ModelProto()
            old.CopyFrom(case.model)
            old.ir_version = 4
            next(entry for entry in old.opset_import if not entry.domain).version = version
            feeds = {v.name: x for v, x in zip(old.graph.input, case.data_sets[0][0], strict=True)}
            if _runs(old, feeds):
                _check_same(old, feeds)


def _runs(old: onnx.ModelProto, feeds: dict[str, Array]) -> bool:
    """Return whether a model is valid, and onnxruntime can run it."""
    try:
        onnx.checker.check_model(old)
        _run(old, feeds)
    except (onnx.checker.ValidationError, *_REFUSALS):
        return False
    return True


LIGHT = sorted((Path(onnx.__file__).parent / "backend" / "test" / "data" / "light").glob("light_*.onnx"))


@pytest.mark.parametrize("file", LIGHT, ids=lambda file: file.stem)
def test_light_networks(file: Path) -> None:
    old = onnx.load(file)
    stored = {tensor.name for tensor in old.graph.initializer}
    (data,) = (value for value in old.graph.input if value.name not in stored)
    shape = [d.dim_value for d in data.type.tensor_type.shape.dim]
    _check_same(old, {data.name: RNG.normal(size=shape).astype(np.float32)}, TOLERANCE)


@pytest.mark.parametrize("name", NETWORKS)
def test_trained_networks(name: str) -> None:
    old = onnx.load(trained(name))
    stored = {tensor.name for tensor in old.graph.initializer}
    feeds = {}
    for value in old.graph.input:
        if value.name not in stored:
            shape = [
                d.dim_value or (OPEN if i else 2) for i, d in enumerate(value.type.tensor_type.shape.dim)
            ]
            feeds[value.name] = RNG.normal(size=shape).astype(np.float32)
    _check_same(old, feeds, TOLERANCE)


def _model(
    opset: int,
    operator: str,
    inputs: Sequence[Array],
    outputs: Sequence[str],
    attributes: dict[str, Any],
    stored: bool,
) -> onnx.ModelProto:
    """Return a model of one node; `stored`: inputs after the first are initializers."""
    names = [f"x{i}" for i in range(len(inputs))]
    kept = 1 if stored else len(inputs)
    graph = helper.make_graph(
        [helper.make_node(operator, names, outputs, **attributes)],
        operator,
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in list(zip(names, inputs, strict=True))[:kept]
        ],
        [helper.make_tensor_value_info(name, _kind(name, inputs), None) for name in outputs],
        [
            onnx.numpy_helper.from_array(value, name)
            for name, value in list(zip(names, inputs, strict=True))[kept:]
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)


def _kind(output: str, inputs: Sequence[Array]) -> int:
    return TensorProto.INT64 if output == "indices" else helper.np_dtype_to_tensor_dtype(inputs[0].dtype)


def _feeds(inputs: Sequence[Array], stored: bool) -> dict[str, Array]:
    return {f"x{i}": value for i, value in enumerate(inputs[: 1 if stored else None])}


def _check_same(old: onnx.ModelProto, feeds: dict[str, Array], tolerance: float = 1e-6) -> None:
    new = upgraded(old)
    assert next(entry.version for entry in new.opset_import if not entry.domain) >= OPSET
    for before, after in zip(_run(old, feeds), _run(new, feeds), strict=True):
        assert before.dtype == after.dtype
        assert before.shape == after.shape
        size = float(np.abs(before).max(initial=0))
        np.testing.assert_allclose(after, before, rtol=0, atol=tolerance * size)


def _run(proto: onnx.ModelProto, feeds: dict[str, Array]) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [np.asarray(value) for value in session.run(None, feeds)]
