"""Each operator's rule, against numbers computed by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest

from extract.geometry import Place, places
from tests.extract.geometry.cases import AXES, WINDOWS
from tests.extract.geometry.graphs import along, network, numbers, place_in, shapes_of


@pytest.mark.parametrize("name", WINDOWS)
def test_an_operator_moves_the_grid(name: str) -> None:
    body, initializers, y, x = WINDOWS[name]
    place = place_in(network(body, **initializers))
    assert along(place) == ["-", "-", y, x]
    assert place.reason is None
    assert [(axis.input, axis.axis) for axis in place.axes if axis] == [("x", 2), ("x", 3)]


@pytest.mark.parametrize("name", AXES)
def test_an_operator_keeps_moves_or_drops_axes(name: str) -> None:
    body, initializers, expected = AXES[name]
    model = network(body, **initializers)
    place = place_in(model)
    letters = {None: "-", 2: "p", 3: "q"}
    assert "".join(letters[axis and axis.axis] for axis in place.axes) == expected
    assert {numbers(axis) for axis in place.axes} <= {"-", "1 0 1"}
    assert place.reason is None
    assert len(place.axes) == len(shapes_of(model).get("y", place.axes))


def test_merging_unites_receptive_fields() -> None:
    model = network(
        """a = Conv <pads=[1,1,1,1]> (x, w)
        b = Conv <pads=[0,0,2,2]> (x, w)
        y = Add (a, b)""",
        w=(3, 3, 3, 3),
    )
    # -1 ... 1 and 0 ... 2 make -1 ... 2
    assert along(place_in(model)) == ["-", "-", "1 1/2 4", "1 1/2 4"]


def test_slices_of_every_other_pixel_meet_again() -> None:
    """The first layer of YOLOv5 turns blocks of 2 x 2 pixels into channels."""
    model = network(
        """a = Slice (x, zero, end, two, step)
        b = Slice (x, one, end, two, step)
        y = Concat <axis=1> (a, b)""",
        zero=[0], one=[1], end=[2**63 - 1], two=[2], step=[2],
    )  # fmt: skip
    assert along(place_in(model)) == ["-", "-", "2 1/2 2", "1 0 1"]


def test_reshape_takes_an_axis_of_one_unit_for_nothing() -> None:
    model = network(
        """t = Transpose <perm=[0,2,3,1]> (x)
        y = Reshape (t, s)""",
        "float[1,3,20,1] x",
        s=[1, 60],
    )
    assert along(place_in(model)) == ["-", "1/3 -1/3 5/3"]


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1)])
def test_corners_of_one_unit_cannot_be_aligned(before: int, after: int) -> None:
    model = network(
        "y = Resize <coordinate_transformation_mode='align_corners', nearest_mode='floor'> (x, , , to)",
        f"float[1,3,20,{before}] x",
        to=[1, 3, 20, after],
    )
    axis = place_in(model).axes[3]
    assert axis is not None
    assert axis.stride == Fraction(before, after)


def test_squeeze_and_excitation_keeps_the_grid() -> None:
    model = network(
        """c = Conv <strides=[2,2]> (x, w)
        g = GlobalAveragePool (c)
        h = Conv (g, v)
        s = Sigmoid (h)
        y = Mul (s, c)""",
        w=(3, 3, 3, 3), v=(3, 3, 1, 1),
    )  # fmt: skip
    assert along(place_in(model)) == ["-", "-", "2 1 3", "2 1 3"]


def test_a_map_of_one_unit_gives_way_to_the_map_that_it_is_spread_over() -> None:
    model = network(
        """c = Conv <strides=[2,2]> (x, w)
        g = AveragePool <kernel_shape=[9,14]> (c)
        y = Mul (c, g)""",
        w=(3, 3, 3, 3),
    )
    assert along(place_in(model, "g")) == ["-", "-", "2 9 19", "2 14 29"]
    assert along(place_in(model)) == ["-", "-", "2 1 3", "2 1 3"]


def test_reshape_splits_and_merges_axes() -> None:
    model = network(
        """a = Reshape (x, split)
        b = Transpose <perm=[0,1,3,5,2,4]> (a)
        c = Reshape (b, blocks)
        d = Reshape (a, whole)
        y = Reshape (x, across)""",
        split=[1, 3, 10, 2, 6, 5], blocks=[1, 30, 10, 6], whole=[1, 3, 20, 30], across=[1, 3, 50, 12],
    )  # fmt: skip
    found = places(model, shapes_of(model))
    assert along(found["a"]) == ["-", "-", "2 1/2 2", "-", "5 2 5", "-"]
    assert along(found["c"]) == ["-", "-", "2 1/2 2", "5 2 5"]
    # back again, but nothing tells that each unit sees a single pixel
    assert along(found["d"]) == ["-", "-", "1 0 3", "1 0 9"]
    assert along(found["y"]) == ["-"] * 4


def test_the_picture_may_be_of_any_rank_and_layout() -> None:
    inputs = """float[1,3,7] sound, float[1,3,5,6,7] body, float[1,5,7,3] last, float[4,9] table,
        float[2,3,1,1] weight"""
    model = network("y = Relu (sound)", inputs, weight=(2, 3, 1, 1))
    found = places(model, shapes_of(model), channels_last=frozenset(["last"]))
    axes = {name: [axis and axis.axis for axis in place.axes] for name, place in found.items()}
    none = [None, None]
    assert axes == {
        "sound": [*none, 2],
        "y": [*none, 2],
        "body": [*none, 2, 3, 4],
        "last": [None, 1, 2, None],
        "table": none,
        "weight": [*none, None, None],
    }


def test_each_axis_names_its_own_input() -> None:
    model = network("y = Concat <axis=0> (a, a)", "float[1,1,5,7] a, float[1,1,5,7] b")
    assert {axis.input for axis in place_in(model).axes if axis} == {"a"}


def test_the_axes_of_a_network_with_channels_last_turn_back() -> None:
    model = network(
        """n = Transpose <perm=[0,3,1,2]> (x)
        c = Conv <strides=[2,1]> (n, w)
        y = Transpose <perm=[0,2,3,1]> (c)""",
        "float[1,20,30,3] x",
        w=(8, 3, 3, 5),
    )
    place = places(model, shapes_of(model), channels_last=frozenset(["x"]))["y"]
    assert along(place) == ["-", "2 1 3", "1 2 5", "-"]
    assert [axis.axis for axis in place.axes if axis] == [1, 2]


def test_further_outputs_of_a_normalization_have_no_place() -> None:
    model = network("y, m, v = BatchNormalization <training_mode=1> (x, c, c, c, c)", c=(3,))
    assert place_in(model, "m") == Place((None,), None)


def test_paddings_that_an_exporter_left_to_be_computed() -> None:
    """As torch exports F.pad(x, (3, 4, 1, 2)): last axis first, and then turned round."""
    model = network(
        """none = ConstantOfShape <value = int64[1] {0}> (four)
        given = Constant <value_ints=[3, 4, 1, 2]> ()
        all = Concat <axis=0> (given, none)
        pairs = Reshape (all, by_two)
        turned = Slice (pairs, first, last, axis, step)
        heads = Transpose <perm=[1,0]> (turned)
        flat = Reshape (heads, one)
        pads = Cast <to=7> (flat)
        y = Pad (x, pads)""",
        four=[4], by_two=[-1, 2], first=[-1], last=[-(2**63)], axis=[0], step=[-1], one=[-1],
    )  # fmt: skip
    assert along(place_in(model)) == ["-", "-", "1 -1 1", "1 -3 1"]


def test_starts_that_are_computed_from_shapes() -> None:
    model = network(
        """s = Shape <start=2, end=3> (x)
        h = Div (s, two)
        y = Slice (x, h, s, two)""",
        two=[2],
    )
    assert along(place_in(model)) == ["-", "-", "1 10 1", "1 0 1"]


@pytest.mark.parametrize("attribute", ["starts=[0,5]", "starts=[0,-25]"])
def test_attributes_of_older_opsets(attribute: str) -> None:
    model = network(
        f"""a = Slice <{attribute}, ends=[20,30], axes=[2,3]> (x)
        b = Pad <pads=[0,0,1,1,0,0,1,1]> (a)
        c = Unsqueeze <axes=[0]> (b)
        d = Squeeze <axes=[0]> (c)
        y = ReduceMean <axes=[2]> (d)""",
        opset=9,
    )
    assert along(place_in(model)) == ["-", "-", "-", "1 4 1"]


def test_broadcasting_of_opset_6() -> None:
    model = network("y = Add <broadcast=1, axis=1> (x, b)", opset=6, b=(3,))
    assert along(place_in(model)) == ["-", "-", "1 0 1", "1 0 1"]


def test_a_scale_stands_for_the_simplest_fraction() -> None:
    model = network(
        "s = Constant <value_floats=[1.0, 1.0, 0.33333334, 1.7]> ()  y = Resize <mode='linear'> (x, , s)"
    )
    assert [axis and axis.stride for axis in place_in(model).axes[2:]] == [3, Fraction(10, 17)]


def external(model: onnx.ModelProto, location: str) -> onnx.ModelProto:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return model


def test_external_weights_need_not_be_there() -> None:
    model = external(network("y = Conv (x, w)", w=(4, 3, 3, 5)), "no such file")
    assert along(place_in(model)) == ["-", "-", "1 1 3", "1 2 5"]


def test_no_other_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pads").write_bytes(np.array([0, 0, 3, 3, 0, 0, 3, 3]).tobytes())
    model = external(network("y = Pad (x, p)", p=[0] * 8), "pads")
    assert places(model, {"x": (1, 3, 20, 30)})["y"].reason == "Pad 'y': its input 'p' is not constant"
