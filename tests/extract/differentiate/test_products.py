"""Gradients of products of matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx.parser
import pytest

from extract.differentiate import SharedGradientError, backward

from .check import check, check_node, node_model

_RNG = np.random.default_rng(10)


def _array(*shape: int) -> np.ndarray:
    return _RNG.uniform(-1.0, 1.0, shape).astype(np.float32)


@pytest.mark.parametrize("trans_a", [0, 1])
@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("factors", [{}, {"alpha": 0.5, "beta": 2.0}])
@pytest.mark.parametrize("bias", [None, (), (1,), (4,), (1, 4), (3, 1), (3, 4)])
def test_gemm(trans_a: int, trans_b: int, factors: dict[str, float], bias: tuple[int, ...] | None) -> None:
    inputs = {"a": _array(*((5, 3) if trans_a else (3, 5))), "b": _array(*((4, 5) if trans_b else (5, 4)))}
    c = None if bias is None else _array(*bias)
    settings = {"transA": trans_a, "transB": trans_b, **factors}

    check_node("Gemm", {**inputs, "c": c}, **settings)
    check_node("Gemm", {**inputs, "c": c}, open_axes=(0, 1), **settings)
    if bias is None or bias[:1] != (3,):
        check_node("Gemm", {**inputs, "c": c}, ["b", "c"], per_image=True, open_axes=(trans_a,), **settings)


def test_gemm_of_weights_in_the_place_of_images_is_refused() -> None:
    proto, _ = node_model("Gemm", {"w": _array(3, 5), "x": _array(5, 4)}, ["w"])

    with pytest.raises(SharedGradientError, match="images"):
        backward(proto, "y0", ["w"], per_image=True)


_SHAPES = [
    ((3, 5), (5, 4)),
    ((2, 3, 5), (5, 4)),
    ((2, 6, 3, 5), (5, 4)),
    ((2, 3, 5), (2, 5, 4)),
    ((2, 3, 5), (1, 5, 4)),
    ((2, 1, 3, 5), (6, 5, 4)),
    ((2, 1, 3, 5), (1, 6, 5, 4)),
    ((3, 5), (2, 5, 4)),
    ((1, 3, 5), (2, 5, 4)),
    ((5,), (5, 4)),
    ((5,), (2, 5, 4)),
    ((5,), (2, 6, 5, 4)),
    ((3, 5), (5,)),
    ((2, 3, 5), (5,)),
    ((2, 6, 3, 5), (5,)),
    ((5,), (5,)),
    ((2, 3, 1), (1, 4)),
    ((2, 1, 5), (5, 1)),
]


@pytest.mark.parametrize(("left", "right"), _SHAPES)
def test_matmul(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    inputs = {"a": _array(*left), "b": _array(*right)}

    for open_axes in (None, (0,), (0, 1, 2, 3)):
        check_node("MatMul", inputs, open_axes=open_axes)


@pytest.mark.parametrize(
    ("images", "weights"),
    [
        *(((3, 5), (5, 4)), ((2, 3, 5), (5, 4)), ((2, 6, 3, 5), (5, 4)), ((2, 3, 5), (1, 5, 4))),
        *(((2, 6, 3, 5), (6, 5, 4)), ((2, 1, 3, 5), (6, 5, 4)), ((3, 5), (5,)), ((2, 3, 5), (5,))),
        ((2, 6, 3, 5), (5,)),
    ],
)
@pytest.mark.parametrize("open_axes", [(0,), (0, 1, 2)])
def test_matmul_of_weights_on_the_right_of_each_image(
    images: tuple[int, ...], weights: tuple[int, ...], open_axes: Sequence[int]
) -> None:
    check_node("MatMul", {"x": _array(*images)}, {"w": _array(*weights)}, per_image=True, open_axes=open_axes)


@pytest.mark.parametrize(
    ("weights", "images"),
    [
        *(((3, 5), (2, 5, 4)), ((3, 5), (2, 6, 5, 4)), ((6, 3, 5), (2, 6, 5, 4)), ((1, 3, 5), (2, 5, 4))),
        *(((5,), (2, 5, 4)), ((5,), (2, 6, 5, 4)), ((6, 3, 5), (2, 1, 5, 4))),
    ],
)
def test_matmul_of_weights_on_the_left_of_each_image(
    weights: tuple[int, ...], images: tuple[int, ...]
) -> None:
    check_node("MatMul", {"w": _array(*weights), "x": _array(*images)}, ["w"], per_image=True)


@pytest.mark.parametrize(
    ("left", "right", "weight"),
    [
        *(((3, 5), (5, 4), "a"), ((5,), (5, 4), "a"), ((5,), (5, 4), "b"), ((5,), (5,), "b")),
        *(((2, 3, 5), (2, 5, 4), "b"), ((3, 5), (2, 5, 4), "b"), ((2, 3, 5), (5, 4), "a")),
    ],
)
def test_matmul_without_an_axis_of_images_is_refused(
    left: tuple[int, ...], right: tuple[int, ...], weight: str
) -> None:
    proto, _ = node_model("MatMul", {"a": _array(*left), "b": _array(*right)}, [weight])

    with pytest.raises(SharedGradientError):
        backward(proto, "y0", [weight], per_image=True)


@pytest.mark.parametrize("operator", ["MatMul", "Gemm"])
def test_the_gradient_of_a_weight_is_one_node(operator: str) -> None:
    proto, _ = node_model(operator, {"x": _array(2, 5)}, {"w": _array(5, 4)})

    made = backward(proto, "y0", ["w"]).graph.node[1:]

    assert [node.op_type for node in made] == ["Gemm", "Identity"]


@pytest.mark.parametrize("batch", ["3", "N"])
def test_a_network_of_two_layers(batch: str) -> None:
    proto = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 18]>
        net (float[{batch}, 5] x) => (float[{batch}, 4] y) {{
            axes = Constant<value = int64[1] {{1}}>()
            a = Gemm<transB = 1>(x, w1, b1)
            r = Relu(a)
            m = MatMul(r, w2)
            s = Add(m, b2)
            k = ReduceMean<keepdims = 1>(r, axes)
            t = Mul(s, k)
            y = Softmax(t)
        }}
    """)
    weights = {"w1": (6, 5), "b1": (6,), "w2": (6, 4), "b2": (4,)}
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(_array(*shape), name) for name, shape in weights.items()
    )

    check(proto, {"x": _array(3, 5)}, [*weights, "x", "r", "m"])
    check(proto, {"x": _array(3, 5)}, list(weights), per_image=True)
