"""What the geometry says where it does not know."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator

import numpy as np
import onnx
import pytest

from extract.geometry import Place, places
from tests.extract.geometry.cases import AXES, WINDOWS
from tests.extract.geometry.graphs import Shapes, along, network, place_in, shapes_of

UNKNOWN: dict[str, tuple[str, dict[str, object], str]] = {
    "operator": ("y = GridSample (x, g)", {"g": (1, 20, 30, 2)}, "GridSample 'y': no rule"),
    "domain": ("y = my.Relu (x)", {}, "Relu 'y': no rule"),
    "another domain's Conv": ("y = my.Conv (x, w)", {"w": (3, 3, 3, 3)}, "Conv 'y': no rule"),
    "inherited": ("g = my.Odd (x)  r = Relu (g)  y = Conv (r, w)", {"w": (3, 3, 3, 3)}, "Odd 'g': no rule"),
    "inherited by a sum": ("g = my.Odd (x)  y = Add (x, g)", {}, "Odd 'g': no rule"),
    "strides differ": (
        "p = MaxPool <kernel_shape=[1,1], strides=[2,2]> (x)  y = Add (x, p)",
        {},
        "Add 'y'.*1 and 2",
    ),
    "axes differ": ("t = Transpose <perm=[0,1,3,2]> (x)  y = Add (x, t)", {}, "Add 'y'.*axis 2 .*axis 3"),
    "joined rows": ("y = Concat <axis=2> (x, x)", {}, "Concat 'y'.*joins"),
    "repeated rows": ("y = Tile (x, r)", {"r": [1, 1, 2, 1]}, "Tile 'y'.*repeats"),
    "picked rows": ("y = Gather <axis=2> (x, i)", {"i": [1, 5]}, "Gather 'y'.*picks"),
    "crop and resize": (
        "y = Resize <coordinate_transformation_mode='tf_crop_and_resize'> (x, r, , to)",
        {"r": (8,), "to": [1, 3, 9, 9]},
        "Resize 'y'.*tf_crop_and_resize",
    ),
    "amount not constant": ("y = Pad (x, amount)", {}, "Pad 'y'.*'amount' is not constant"),
    "start not constant": (
        "y = Slice (x, amount, amount, amount)",
        {},
        "Slice 'y'.*'amount' is not constant",
    ),
    "kernel of unknown size": ("w = my.Odd (amount)  y = Conv (x, w)", {}, "Conv 'y'.*kernel"),
    "wrong number of strides": (
        "y = MaxPool <kernel_shape=[2,2], strides=[2]> (x)",
        {},
        "MaxPool 'y': strides has 1",
    ),
    "no stride": ("y = MaxPool <kernel_shape=[2,2], strides=[0,1]> (x)", {}, "MaxPool 'y': strides are"),
    "wrong perm": ("y = Transpose <perm=[0,1]> (x)", {}, "Transpose 'y': perm"),
    "wrong axis": ("y = Split <axis=7> (x)", {}, "Split 'y': axis 7"),
    "a tensor from nowhere": ("y = Relu (never)", {}, "'never' is made by no node"),
    "a branch": (
        """c = Constant <value_int=1> ()
        y = If <then_branch = a () => (float[1,3,20,30] r) { r = Relu (x) },
                else_branch = b () => (float[1,3,20,30] s) { s = Abs (x) }> (c)""",
        {},
        "If 'y': no rule",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_unknown_is_said_with_operator_and_node(name: str) -> None:
    body, initializers, reason = UNKNOWN[name]
    model = network(body, "float[1,3,20,30] x, int64[8] amount", **initializers)
    place = places(model, {"x": (1, 3, 20, 30), **tolerant_shapes(model)})["y"]
    assert place.reason is not None
    assert re.match(reason, place.reason)
    assert len([axis for axis in place.axes if axis]) < 2


def tolerant_shapes(model: onnx.ModelProto) -> Shapes:
    try:
        return shapes_of(model)
    except onnx.shape_inference.InferenceError:
        return {}


def test_the_node_is_called_by_its_name() -> None:
    model = network("y = my.Odd (x)")
    model.graph.node[0].name = "layer 7"
    assert place_in(model).reason == "Odd 'layer 7': no rule for this operator"


@pytest.mark.parametrize(
    "end", ["GlobalAveragePool (g)", "ReduceMean <keepdims=0> (g, a)", "Reshape (g, s)", "MatMul (g, t)"]
)
def test_an_unknown_place_is_forgotten_with_its_axes(end: str) -> None:
    model = network(f"t = Transpose <perm=[0,1,3,2]> (x)  g = my.Odd (x)  y = {end}", a=[2, 3], s=[1, 1800])
    place = places(model, shapes_of(model) | {"g": (1, 3, 20, 30), "y": (1, 1800)})["y"]
    assert set(place.axes) == {None}
    assert place.reason is None


def test_an_unknown_operator_on_what_has_no_place_loses_nothing() -> None:
    model = network("g = GlobalAveragePool (x)  h = my.Odd (g)  y = Mul (x, h)")
    assert place_in(model, "h").reason is None
    assert along(place_in(model)) == ["-", "-", "1 0 1", "1 0 1"]


@pytest.mark.parametrize("end", ["Add (x, g)", "Add (g, x)", "Concat <axis=1> (x, g, x)"])
def test_an_unknown_place_stays_unknown_beside_a_known_one(end: str) -> None:
    model = network(f"g = my.Odd (x)  y = {end}")
    place = places(model, {"x": (1, 3, 20, 30), "g": (1, 3, 20, 30)})["y"]
    assert place == Place((None,) * 4, "Odd 'g': no rule for this operator")


def test_a_slice_of_channels_may_start_anywhere() -> None:
    model = network("y = Slice (x, n, n, one)", "float[1,3,20,30] x, int64[1] n", one=[1])
    assert along(place_in(model)) == ["-", "-", "1 0 1", "1 0 1"]


def test_two_inputs_do_not_share_a_grid() -> None:
    place = place_in(network("y = Sub (a, b)", "float[1,3,5,7] a, float[1,3,5,7] b"))
    assert set(place.axes) == {None}
    assert place.reason == "Sub 'y': it merges axis 2 of 'a' with axis 2 of 'b'"


def test_without_shapes_what_needs_none_is_known() -> None:
    model = network(
        """c = Conv <strides=[2,2], pads=[1,1,1,1]> (x, w)
        p = MaxPool <kernel_shape=[2,2], strides=[2,2]> (c)
        r = Relu (p)
        y = Resize <mode='linear'> (r, , , to)""",
        "float[n,3,h,w] x",
        w=(4, 3, 3, 3), to=[1, 4, 9, 9],
    )  # fmt: skip
    found = places(model, {})
    assert along(found["r"]) == ["-", "-", "4 1 5", "4 1 5"]
    assert found["y"] == Place((), "Resize 'y': the shape of its input 'r' is unknown")


@pytest.mark.parametrize("size", [10**15, 10**7, -1])
def test_lying_sizes_cost_nothing(size: int) -> None:
    model = network("p = ConstantOfShape <value = int64[1] {1}> (n)  y = Pad (x, p)", n=[size])
    tracemalloc.start()
    reason = places(model, {"x": (1, 3, 20, 30)})["y"].reason
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**6
    assert reason == "Pad 'y': its input 'p' is not constant"


def test_a_broken_constant_is_none() -> None:
    model = network("y = Pad (x, p)", p=[0] * 8)
    model.graph.initializer[0].raw_data = b"cut"
    assert places(model, {"x": (1, 3, 20, 30)})["y"].reason == "Pad 'y': its input 'p' is not constant"


def broken(model: onnx.ModelProto) -> Iterator[onnx.ModelProto]:
    """Yield a model with one attribute, input or constant of its last node changed."""

    def copy() -> tuple[onnx.ModelProto, onnx.NodeProto]:
        other = onnx.ModelProto.FromString(model.SerializeToString())
        return other, other.graph.node[-1]

    for i, attribute in enumerate(model.graph.node[-1].attribute):
        other, node = copy()
        del node.attribute[i]
        yield other
        for number in (-99, 0, 99):
            other, node = copy()
            node.attribute[i].i = number
            node.attribute[i].s = b"\xff"
            node.attribute[i].ints[:] = [number] * len(attribute.ints)
            yield other
        other, node = copy()
        node.attribute[i].ints[:] = list(attribute.ints)[1:]
        yield other
    for i in range(len(model.graph.node[-1].input)):
        other, node = copy()
        node.input[i] = ""
        yield other
        other, node = copy()
        del node.input[i:]
        yield other
    for i, tensor in enumerate(model.graph.initializer):
        values = onnx.numpy_helper.to_array(tensor)
        if values.size > 20:
            continue
        for wrong in (values * 0, values * 0 - 99, values.ravel()[1:], np.append(values, values.ravel()[:1])):
            other, _ = copy()
            other.graph.initializer[i].CopyFrom(onnx.numpy_helper.from_array(wrong, tensor.name))
            yield other


@pytest.mark.parametrize("name", [*WINDOWS, *AXES])
def test_a_malformed_node_is_no_error(name: str) -> None:
    body, initializers, *_ = (WINDOWS | AXES)[name]
    model = network(body, **initializers)
    shapes = shapes_of(model)
    wrong: list[Shapes] = [
        shapes,
        {},
        {key: (*shape, 2) for key, shape in shapes.items()},
        {key: shape[1:] for key, shape in shapes.items()},
        {key: (0,) * len(shape) for key, shape in shapes.items()},
        {key: (1,) * len(shape) for key, shape in shapes.items()},
        shapes | {"y": shapes.get("y", (1,))[1:]},
        shapes | {"y": (0, *shapes.get("y", ()))},
    ]
    for other in (model, *broken(model)):
        for known in wrong:
            found = places(other, known)["y"]
            assert all(axis is None or axis.stride != 0 for axis in found.axes)
