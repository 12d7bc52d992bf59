"""Gradients of operators that move values about."""

from __future__ import annotations

import numpy as np
import pytest

from .check import check_node
from .numbers import values, whole

OPEN = pytest.mark.parametrize("open_axes", [(0,), (0, 1, 2), None])


@OPEN
@pytest.mark.parametrize(
    ("operator", "shape", "second", "attributes"),
    [
        ("Reshape", (3, 4, 5), whole(0, -1), {}),
        ("Reshape", (3, 4, 5), whole(-1, 4), {}),
        ("Flatten", (3, 4, 5), None, {"axis": 2}),
        ("Flatten", (3, 4, 5), None, {"axis": 0}),
        ("Squeeze", (3, 1, 5), whole(1), {}),
        ("Unsqueeze", (3, 1, 5), whole(1, -1), {}),
        ("Transpose", (3, 2, 5), None, {"perm": [1, 2, 0]}),
        ("Transpose", (3, 2, 5), None, {}),
        ("Tile", (3, 4, 5), whole(1, 2, 3), {}),
        ("Trilu", (3, 4, 5), None, {}),
        ("Trilu", (3, 4, 5), np.int64(1), {"upper": 0}),
    ],
)
def test_one_input(
    operator: str,
    shape: tuple[int, ...],
    second: np.ndarray | None,
    attributes: dict[str, object],
    open_axes: tuple[int, ...] | None,
) -> None:
    stored = {} if second is None else {"!second": second}
    check_node(operator, {"x": values(*shape)}, stored, open_axes=open_axes, **attributes)


def test_reshape_of_nothing() -> None:
    check_node("Reshape", {"x": values(0, 3, 4)}, {"!shape": whole(3, 4, 0)}, open_axes=None, allowzero=1)


@OPEN
@pytest.mark.parametrize("axis", [1, -2, 0])
def test_concat(axis: int, open_axes: tuple[int, ...] | None) -> None:
    sizes = [2, 1, 3]
    shapes = [(n, 3, 5) if axis == 0 else (3, n, 5) for n in sizes]
    parts = {f"x{i}": values(*shape) for i, shape in enumerate(shapes)}
    check_node("Concat", parts, axis=axis, open_axes=open_axes)


def test_concat_of_one() -> None:
    check_node("Concat", {"x": values(3, 2)}, axis=1)


def test_split() -> None:
    check_node("Split", {"x": values(3, 5)}, outputs=3, num_outputs=3, axis=1)
    check_node("Split", {"x": values(3, 5)}, {"!sizes": whole(4, 1)}, outputs=2, axis=-1)
    check_node("Split", {"x": values(3, 5)}, {"!sizes": whole(1, 2)}, outputs=2)


@OPEN
@pytest.mark.parametrize("shape", [(2, 1, 4, 1), (5,), (3, 1, 1)])
def test_expand(shape: tuple[int, ...], open_axes: tuple[int, ...] | None) -> None:
    check_node("Expand", {"x": values(3, 1, 5)}, {"!shape": whole(*shape)}, open_axes=open_axes)


def test_where() -> None:
    picks = np.random.default_rng(0).random((3, 4)) > 0.5
    check_node("Where", {"!condition": picks, "x": values(3, 1), "z": values(2, 3, 4)})
    inputs = {"!condition": picks[:, None], "x": values(3, 1, 1)}
    check_node("Where", inputs, {"z": values(4)}, per_image=True)


def test_images_share_an_input() -> None:
    check_node("Concat", {"x": values(1, 2, 3)}, {"token": values(1, 1, 3)}, axis=1, per_image=True)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
@pytest.mark.parametrize("open_axes", [(0,), (0, 2, 3), None])
def test_depth_to_space(mode: str, open_axes: tuple[int, ...] | None) -> None:
    check_node("DepthToSpace", {"x": values(2, 12, 3, 5)}, blocksize=2, mode=mode, open_axes=open_axes)


def test_space_to_depth() -> None:
    check_node("SpaceToDepth", {"x": values(2, 3, 6, 4)}, blocksize=2)
    # onnxruntime has no operator set 28 yet
    check_node("SpaceToDepth", {"x": values(2, 3, 6, 4)}, blocksize=2, mode="CRD", opset=28, runtime=False)
