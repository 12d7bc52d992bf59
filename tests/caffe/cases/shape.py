"""Flatten and Reshape."""

from __future__ import annotations

from . import Case, layer


def _flatten(text: str) -> str:
    return layer("Flatten", f"flatten_param {{ {text} }}")


def _reshape(sizes: list[int], text: str = "") -> str:
    shape = " ".join(f"dim: {size}" for size in sizes)
    return layer("Reshape", f"reshape_param {{ shape {{ {shape} }} {text} }}")


CASES = {
    "flatten": Case(layer("Flatten")),
    "flatten-vectors": Case(layer("Flatten"), {"data": (3, 5)}),
    "flatten-axis": Case(_flatten("axis: 2")),
    "flatten-axis-0": Case(_flatten("axis: 0")),
    "flatten-axes-0-to-1": Case(_flatten("axis: 0 end_axis: 1")),
    "flatten-end-axis": Case(_flatten("end_axis: 2")),
    "flatten-negative": Case(_flatten("axis: -3 end_axis: -2"), {"data": (2, 3, 2, 4, 3)}),
    "flatten-one-axis": Case(_flatten("axis: 2 end_axis: 2")),
    "flatten-none": Case(_flatten("axis: 2 end_axis: 1")),
    "reshape-rows": Case(_reshape([-1, 7])),
    "reshape-copy-and-infer": Case(_reshape([0, -1])),
    "reshape-copies": Case(_reshape([0, 0, -1])),
    "reshape-copy-behind": Case(_reshape([0, 7, -1, 9])),
    "reshape-infer-between": Case(_reshape([0, -1, 1, 9])),
    "reshape-no-infer": Case(_reshape([0, 9, 7, 3])),
    "reshape-all-given": Case(_reshape([2, 3, 63])),
    "reshape-infer-batch": Case(_reshape([-1, 3, 9, 7])),
    "reshape-flat": Case(_reshape([-1])),
    "reshape-axis": Case(_reshape([9, 7], "axis: 2")),
    "reshape-axis-copies": Case(_reshape([0, -1], "axis: 1")),
    "reshape-axis-negative": Case(_reshape([3, 3], "axis: -2")),
    "reshape-one-axis": Case(_reshape([3, -1], "axis: 3 num_axes: 1")),
    "reshape-two-axes": Case(_reshape([-1], "axis: 1 num_axes: 2")),
    "reshape-one-axis-more": Case(_reshape([1], "axis: 1 num_axes: 0")),
    "reshape-axis-in-front": Case(_reshape([1], "axis: 0 num_axes: 0")),
    "reshape-axes-in-front": Case(_reshape([1, -1], "axis: 0 num_axes: 0")),
    "reshape-axis-at-end": Case(_reshape([1, 1], "axis: -1 num_axes: 0")),
    "reshape-copy-while-inserting": Case(_reshape([4, 0], "axis: 1 num_axes: 1"), {"data": (2, 4, 1)}),
    "reshape-scalar": Case(_reshape([]), {"data": (1, 1)}),
    "reshape-and-back": Case(
        layer("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 3 } }", top="r", name="there")
        + layer("Reshape", "reshape_param { shape { dim: 0 dim: 3 dim: 7 dim: 9 } }", "r", name="back")
    ),
}

# Networks that Caffe refuses.
REFUSED = {
    "flatten-axis": Case(_flatten("axis: 4")),
    "flatten-turned": Case(_flatten("axis: 3 end_axis: 1")),
    "flatten-in-place": Case(layer("Flatten", top="data")),
    "flatten-two": Case(layer("Flatten", bottom="data data")),
    "reshape-two-infers": Case(_reshape([-1, -1])),
    "reshape-negative": Case(_reshape([-2, 3])),
    "reshape-count": Case(_reshape([0, 64])),
    "reshape-infer": Case(_reshape([-1, 8])),
    "reshape-copy": Case(_reshape([0, 3, 7, 9, 0])),
    "reshape-axis": Case(_reshape([9], "axis: 5")),
    "reshape-axis-negative": Case(_reshape([9], "axis: -6")),
    "reshape-num-axes": Case(_reshape([63], "axis: 2 num_axes: 3")),
    "reshape-num-axes-negative": Case(_reshape([63], "num_axes: -2")),
    "reshape-in-place": Case(_reshape([0, -1]).replace('"top"', '"data"')),
}
