"""Gradients of pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

from extract.differentiate import backward

from .check import check_node, node_model
from .gradient_of import gradient_of


def distinct(*shape: int) -> np.ndarray:
    """Return numbers no two of which are near each other, and none near 0."""
    count = int(np.prod(shape))
    values = np.random.default_rng(0).permutation(count) - count / 2 + 0.25
    return (4 * values / count).reshape(shape).astype(np.float32)


SIZES = ["sizes", "open batch", "open sizes"]
OPEN = [None, (0,), (0, 2, 3, 4)]

WINDOWS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "1-D": ((2, 3, 9), {"kernel_shape": [2], "strides": [2]}),
    "overlap": ((2, 3, 9, 8), {"kernel_shape": [3, 3], "strides": [2, 2]}),
    "stride 1": ((2, 3, 6, 7), {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1]}),
    "apart": ((2, 3, 9, 11), {"kernel_shape": [2, 1], "strides": [3, 3]}),
    "pads": ((2, 3, 9, 8), {"kernel_shape": [3, 4], "strides": [2, 3], "pads": [1, 2, 0, 1]}),
    "ceil": ((2, 3, 8, 8), {"kernel_shape": [3, 2], "strides": [2, 3], "ceil_mode": 1}),
    "ceil, pads": (
        (2, 3, 8, 9),
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 1], "ceil_mode": 1},
    ),
    "valid": ((2, 3, 8, 9), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "VALID"}),
    "same upper": ((2, 3, 8, 9), {"kernel_shape": [4, 3], "strides": [3, 2], "auto_pad": "SAME_UPPER"}),
    "same lower": ((2, 3, 8, 9), {"kernel_shape": [4, 3], "strides": [3, 2], "auto_pad": "SAME_LOWER"}),
    "3-D": ((2, 2, 5, 6, 7), {"kernel_shape": [2, 3, 3], "strides": [1, 2, 2], "pads": [0, 1, 0, 1, 1, 0]}),
    "3-D ceil": ((1, 2, 5, 6, 6), {"kernel_shape": [2, 3, 2], "strides": [2, 2, 3], "ceil_mode": 1}),
}
DILATED: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "dilations": ((2, 3, 9, 8), {"kernel_shape": [3, 2], "dilations": [2, 3], "pads": [1, 0, 2, 1]}),
    "dilations, strides, ceil": (
        (2, 3, 10, 9),
        {
            "kernel_shape": [3, 2],
            "dilations": [2, 3],
            "strides": [2, 2],
            "pads": [1, 1, 0, 0],
            "ceil_mode": 1,
        },
    ),
}


@pytest.mark.parametrize("open_axes", OPEN, ids=SIZES)
@pytest.mark.parametrize("case", [*WINDOWS, *DILATED])
def test_max_pool(case: str, open_axes: tuple[int, ...] | None) -> None:
    shape, attributes = {**WINDOWS, **DILATED}[case]

    # shape inference is wrong before set 22 if a last window would begin behind the input
    check_node("MaxPool", {"x": distinct(*shape)}, open_axes=open_axes, opset=22, **attributes)


@pytest.mark.parametrize("storage_order", [0, 1])
def test_max_pool_with_indices(storage_order: int) -> None:
    x = distinct(2, 3, 7, 6)

    check_node(
        "MaxPool", {"x": x}, outputs=2, kernel_shape=[3, 2], strides=[2, 1], storage_order=storage_order
    )


def test_max_pool_gives_all_to_the_first_of_equal_values() -> None:
    x = np.array([[1, 5, 5, 5, 0]], np.float32)[None]

    found = gradient_of("MaxPool", {"x": x}, wrt="x", seed=[1, 2, 4], kernel_shape=[3])

    assert found.tolist() == [[[0, 3, 4, 0, 0]]]


@pytest.mark.parametrize(
    ("attributes", "taken"),
    [
        ({"strides": [1, 2]}, [[1, 0, 2, 0, 0], [3, 0, 4, 0, 0], [0] * 5, [0] * 5]),
        ({"strides": [2, 3], "pads": [1, 1, 1, 1]}, [[1, 0, 2, 0, 0], [3, 0, 4, 0, 0], [0] * 5, [0] * 5]),
    ],
)
def test_onnxruntime_takes_the_first_of_equal_values_too(
    attributes: dict[str, Any], taken: list[list[int]]
) -> None:
    proto, feeds = node_model(
        "MaxPool", {"x": np.ones((1, 1, 4, 5), np.float32)}, kernel_shape=[3, 3], **attributes
    )
    session = onnxruntime.InferenceSession(backward(proto, "y0", ["x"]).SerializeToString())
    cotangent = np.arange(1, 5, dtype=np.float32).reshape(1, 1, 2, 2)

    (found,) = session.run(["grad:x"], {**feeds, "seed:y0": cotangent})

    assert found[0, 0].tolist() == taken


@pytest.mark.parametrize("with_pads", [0, 1])
@pytest.mark.parametrize("open_axes", OPEN, ids=SIZES)
@pytest.mark.parametrize("case", [*WINDOWS, *DILATED])
def test_average_pool(case: str, open_axes: tuple[int, ...] | None, with_pads: int) -> None:
    shape, attributes = {**WINDOWS, **DILATED}[case]

    check_node(
        "AveragePool",
        {"x": distinct(*shape)},
        open_axes=open_axes,
        opset=22,
        count_include_pad=with_pads,
        **attributes,
    )


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("open_axes", OPEN, ids=SIZES)
@pytest.mark.parametrize("case", [*WINDOWS, *DILATED])
def test_lp_pool(case: str, open_axes: tuple[int, ...] | None, order: int) -> None:
    shape, attributes = {**WINDOWS, **DILATED}[case]

    check_node("LpPool", {"x": distinct(*shape)}, open_axes=open_axes, opset=22, p=order, **attributes)


def test_the_norm_of_zeros_has_slope_0() -> None:
    x = np.array([[0, 0, 3, -4]], np.float32)[None]

    found = gradient_of("LpPool", {"x": x}, wrt="x", kernel_shape=[2], strides=[2])

    assert found == pytest.approx(np.array([[[0, 0, 0.6, -0.8]]]))


@pytest.mark.parametrize(("order", "slopes"), [(1, [0, 1, -1]), (2, [0, 0.6, -0.8])])
def test_global_norms_of_zeros_have_slope_0(order: int, slopes: list[float]) -> None:
    x = np.array([[[0, 3, -4], [0, 0, 0]]], np.float32)

    found = gradient_of("GlobalLpPool", {"x": x}, wrt="x", p=order)

    assert found == pytest.approx(np.array([[slopes, [0, 0, 0]]]))


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
@pytest.mark.parametrize("open_axes", OPEN, ids=SIZES)
@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 4, 5), (2, 3, 2, 3, 4)])
def test_global_pooling(operator: str, open_axes: tuple[int, ...] | None, shape: tuple[int, ...]) -> None:
    check_node(operator, {"x": distinct(*shape)}, open_axes=open_axes)


@pytest.mark.parametrize("order", [1, 3])
def test_global_norms(order: int) -> None:
    check_node("GlobalLpPool", {"x": distinct(2, 3, 4, 5)}, p=order)


def test_global_max_pool_gives_all_to_the_first_of_equal_values() -> None:
    x = np.array([[[[1, 5], [5, 0]]]], np.float32)

    assert gradient_of("GlobalMaxPool", {"x": x}, wrt="x", seed=3.0).tolist() == [[[[0, 3], [0, 0]]]]


def test_max_unpool() -> None:
    x = distinct(2, 1, 2, 3)
    places = np.array([0, 3, 4, 14, 19, 12, 24, 27, 28, 36, 43, 47]).reshape(x.shape)

    check_node("MaxUnpool", {"x": x}, {"places": places}, wrt=["x"], kernel_shape=[2, 2], strides=[2, 2])


@pytest.mark.parametrize(
    ("image", "block", "attributes"),
    [
        ([5, 6], [2, 3], {}),
        ([7, 6], [2, 3], {"strides": [2, 1], "dilations": [2, 1], "pads": [1, 0, 0, 2]}),
        ([4, 5, 3], [2, 1, 3], {"strides": [2, 1, 1], "pads": [0, 0, 0, 1, 1, 0]}),
        ([8], [3], {"strides": [2]}),
    ],
)
def test_col2im(image: list[int], block: list[int], attributes: dict[str, Any]) -> None:
    rank = len(image)
    strides, dilations = (attributes.get(name, [1] * rank) for name in ("strides", "dilations"))
    pads = attributes.get("pads", [0] * 2 * rank)
    places = [
        (n + pads[i] + pads[rank + i] - dilations[i] * (block[i] - 1) - 1) // strides[i] + 1
        for i, n in enumerate(image)
    ]
    x = distinct(2, 3 * int(np.prod(block)), int(np.prod(places)))

    check_node(
        "Col2Im", {"x": x}, {"!image": np.array(image), "!block": np.array(block)}, wrt=["x"], **attributes
    )
