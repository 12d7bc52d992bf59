from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from extract.differentiate.double import evaluator, to_double
from extract.differentiate.mended import max_pool
from tests.extract.differentiate.check import node_model

RNG = np.random.default_rng(0)
# Positions in pixels are rounded to some 1e-6 in float32.
ROUNDED = 3e-5


def _model(nodes: list[onnx.NodeProto], kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", kind, [3])],
        [helper.make_tensor_value_info("y", kind, [3])],
        [helper.make_tensor("w", kind, [3], [0.1, 0.2, 0.3])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_weights_inputs_and_outputs(kind: int) -> None:
    old = _model([helper.make_node("Mul", ["x", "w"], ["y"])], kind)
    before = old.SerializeToString()
    new = to_double(old)
    assert old.SerializeToString() == before
    kinds = {value.type.tensor_type.elem_type for value in (*new.graph.input, *new.graph.output)}
    assert kinds == {TensorProto.DOUBLE}
    (y,) = evaluator(new).run(None, {"x": np.full(3, 1 / 3)})
    assert y.dtype == np.float64
    weights = onnx.numpy_helper.to_array(old.graph.initializer[0]).astype(np.float64)
    np.testing.assert_array_equal(y, weights * (1 / 3))


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("Constant", [], ["a"], value_float=1.0),
        helper.make_node("Constant", [], ["a"], value_floats=[1.0, 2.0, 3.0]),
        helper.make_node("Constant", [], ["a"], value=helper.make_tensor("", TensorProto.FLOAT, [], [1])),
        helper.make_node("ConstantOfShape", ["three"], ["a"]),
        helper.make_node("EyeLike", ["square"], ["a"], dtype=TensorProto.FLOAT),
    ],
    ids=lambda node: f"{node.op_type}-{node.attribute[0].name if node.attribute else ''}",
)
def test_constants_and_types_in_attributes(node: onnx.NodeProto) -> None:
    model = _model([node, helper.make_node("Add", ["x", "a"], ["y"])])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([3]), "three"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((3, 3), np.float32), "square"))
    double = to_double(model)
    double.graph.output.append(helper.make_tensor_value_info("a", TensorProto.DOUBLE, None))
    for value in evaluator(double).run(None, {"x": np.full(3, 1 / 3)}):
        assert value.dtype == np.float64


def test_numbers_stay_numbers() -> None:
    """Integers, and casts to them, are left as they are."""
    model = _model([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT64)])
    assert to_double(model).graph.node[0].attribute[0].i == TensorProto.INT64


def test_nodes_in_branches() -> None:
    branches = [
        helper.make_graph(
            [helper.make_node("Constant", [], [name], value_floats=[1.0, 2.0, 3.0])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3])],
        )
        for name in "te"
    ]
    nodes = [
        helper.make_node("If", ["c"], ["b"], then_branch=branches[0], else_branch=branches[1]),
        helper.make_node("Add", ["x", "b"], ["y"]),
    ]
    model = _model(nodes)
    model.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    new = to_double(model)
    new.graph.output.append(helper.make_tensor_value_info("b", TensorProto.DOUBLE, [3]))
    assert all(
        y.dtype == np.float64 for y in evaluator(new).run(None, {"x": np.ones(3), "c": np.array(True)})
    )


def test_external_weights_are_fed() -> None:
    model = _model([helper.make_node("Mul", ["x", "w"], ["y"])])
    weight = model.graph.initializer[0]
    weight.ClearField("float_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="no-such-file")
    new = to_double(model)
    assert [value.name for value in new.graph.input] == ["x", "w"]
    (y,) = evaluator(new).run(None, {"x": np.ones(3), "w": np.arange(3.0)})
    np.testing.assert_array_equal(y, np.arange(3.0))


def _compare(
    operator: str,
    x: np.ndarray,
    *others: np.ndarray | None,
    outputs: int = 1,
    bound: float = 1e-6,
    **attributes: object,
) -> None:
    """Check a mended operator against onnxruntime."""
    given = {"x": x, **{f"x{i}": other for i, other in enumerate(others)}}
    model, feeds = node_model(operator, given, outputs=outputs, opset=20, **attributes)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    wide = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in feeds.items()}
    found = evaluator(to_double(model)).run(None, wide)
    for value, want in zip(found, expected, strict=True):
        assert value.dtype == (np.float64 if want.dtype.kind == "f" else want.dtype)
        np.testing.assert_allclose(value, want, rtol=1e-5, atol=bound)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_lrn(size: int) -> None:
    x = RNG.normal(size=(2, 7, 3, 4)).astype(np.float32)
    _compare("LRN", x, size=size, alpha=0.5, beta=0.6, bias=1.5)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("axis", [-1, 1])
def test_lp_normalization(p: int, axis: int) -> None:
    _compare("LpNormalization", RNG.normal(size=(2, 3, 4)).astype(np.float32), p=p, axis=axis)


def test_erf() -> None:
    x = np.linspace(-3, 3, 31, dtype=np.float32)
    _compare("Erf", x)
    (y,) = evaluator(to_double(node_model("Erf", {"x": x})[0])).run(None, {"x": np.array([1 / 3])})
    assert y[0] == math.erf(1 / 3)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    _compare("Gelu", np.linspace(-3, 3, 31, dtype=np.float32), approximate=approximate)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "window",
    [
        {},
        {"strides": [2, 1, 3], "pads": [1, 0, 1, 0, 1, 1]},
        {"dilations": [2, 1, 2], "ceil_mode": 1, "strides": [2, 2, 3]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 3, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2, 1]},
        {"auto_pad": "VALID", "strides": [1, 2, 1]},
        {"storage_order": 1},
    ],
    ids=lambda window: "-".join(window) or "plain",
)
def test_max_pool(rank: int, window: dict[str, object]) -> None:
    """With whole numbers, of which many are equal: the first one's place counts."""
    cut = {key: _first(value, rank) for key, value in window.items()}
    x = RNG.integers(0, 5, (2, 3, 8, 7, 9)[: rank + 2]).astype(np.float32)
    if rank == 1:
        cut.pop("storage_order", None)
    _compare("MaxPool", x, outputs=2, kernel_shape=[3, 2, 2][:rank], **cut)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("count_include_pad", [0, 1])
@pytest.mark.parametrize(
    "window",
    [
        {},
        {"strides": [2, 1, 3], "pads": [1, 0, 1, 0, 1, 1]},
        {"dilations": [2, 1, 2], "ceil_mode": 1, "strides": [2, 2, 3]},
        {"ceil_mode": 1, "strides": [2, 2, 3], "pads": [2, 1, 1, 1, 0, 0]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 3, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2, 1]},
        {"auto_pad": "VALID", "strides": [1, 2, 1]},
    ],
    ids=lambda window: "-".join(window) or "plain",
)
def test_average_pool(rank: int, count_include_pad: int, window: dict[str, object]) -> None:
    cut = {key: _first(value, rank) for key, value in window.items()}
    x = RNG.normal(size=(2, 3, 8, 7, 9)[: rank + 2]).astype(np.float32)
    kernel = [3, 2, 2][:rank]
    _compare("AveragePool", x, kernel_shape=kernel, count_include_pad=count_include_pad, **cut)


def _first(value: object, rank: int) -> object:
    if not isinstance(value, list):
        return value
    return [*value[:rank], *value[3 : 3 + rank]]


def test_max_pool_where_onnx_itself_is_wrong() -> None:
    """With strides of 1 the second channel's indices go on from the first one's."""
    _, indices = max_pool(np.arange(8.0).reshape(1, 2, 4), kernel_shape=[2])
    assert indices.tolist() == [[[1, 2, 3], [5, 6, 7]]]


def test_mean_variance_normalization() -> None:
    _compare("MeanVarianceNormalization", RNG.normal(size=(2, 3, 5, 7)).astype(np.float32), axes=[1, 3])


def test_gather_elements() -> None:
    x = RNG.normal(size=(2, 100, 3)).astype(np.float32)
    _compare("GatherElements", x, RNG.integers(-100, 100, (2, 7, 3)), axis=1)


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_grid_sample(mode: str, padding: str, align: int) -> None:
    x = RNG.normal(size=(2, 3, 5, 7)).astype(np.float32)
    grid = RNG.uniform(-1.6, 1.6, (2, 4, 3, 2)).astype(np.float32)
    _compare("GridSample", x, grid, bound=ROUNDED, mode=mode, padding_mode=padding, align_corners=align)


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("size", [[2, 3, 5, 7], [2, 3, 4, 5, 2]])
def test_affine_grid(size: list[int], align: int) -> None:
    theta = RNG.normal(size=(2, len(size) - 2, len(size) - 1)).astype(np.float32)
    _compare("AffineGrid", theta, np.array(size), align_corners=align)


@pytest.mark.parametrize("masked", [False, True])
def test_deform_conv(masked: bool) -> None:
    x, weight = (RNG.normal(size=shape).astype(np.float32) for shape in ((2, 4, 5, 7), (6, 2, 3, 2)))
    offset = RNG.normal(size=(2, 2 * 3 * 2 * 2, 3, 7)).astype(np.float32)
    mask = RNG.uniform(size=(2, 2 * 3 * 2, 3, 7)).astype(np.float32) if masked else None
    bias = RNG.normal(size=6).astype(np.float32)
    options = {"strides": [2, 1], "pads": [1, 0, 2, 2], "dilations": [1, 2], "group": 2, "offset_group": 2}
    _compare("DeformConv", x, weight, offset, bias, mask, bound=ROUNDED, **options)
