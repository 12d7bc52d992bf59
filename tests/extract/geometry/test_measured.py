"""The geometry's arithmetic against networks that onnxruntime runs: which pixels does a unit really see?"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from extract.geometry import AxisPlace, places

MORE = 100.0  # added to a line of pixels: the largest value then, so that a maximum follows it


@dataclass(frozen=True)
class Layer:
    """One operator; its further inputs are `tensors`, or random weights of a kernel size and channels."""

    op: str
    attributes: dict[str, Any] = field(default_factory=dict)
    tensors: tuple[Any, ...] = ()
    weight: tuple[int, ...] = ()
    channels: int = 2


def network(layers: list[Layer], shape: tuple[int, ...], opset: int = 19) -> onnx.ModelProto:
    """Return a chain of layers over one picture of `shape`, its batch free."""
    rng = np.random.default_rng(7)
    nodes, initializers, channels, last = [], [], shape[1], "picture"
    for number, layer in enumerate(layers):
        tensors = [None if it is None else np.asarray(it) for it in layer.tensors]
        if layer.weight:
            pair = (layer.channels, channels) if layer.op == "Conv" else (channels, layer.channels)
            tensors = [rng.uniform(0.5, 1.5, (*pair, *layer.weight)).astype(np.float32)]
            channels = layer.channels
        if layer.op in ("DepthToSpace", "SpaceToDepth"):
            block = layer.attributes["blocksize"] ** 2
            channels = channels // block if layer.op == "DepthToSpace" else channels * block
        names = ["" if it is None else f"{number}.{i}" for i, it in enumerate(tensors)]
        initializers += [numpy_helper.from_array(it, n) for n, it in zip(names, tensors, strict=True) if n]
        nodes.append(
            helper.make_node(layer.op, [last, *names], [f"out{number}"], f"n{number}", **layer.attributes)
        )
        last = f"out{number}"
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["N", *shape[1:]])
    result = helper.make_tensor_value_info(last, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [picture], [result], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def shapes_of(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return all shapes that onnx infers, for a batch of 1."""
    fixed = onnx.ModelProto.FromString(model.SerializeToString())
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(fixed, strict_mode=True, data_prop=True).graph
    return {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }


def run(model: onnx.ModelProto, pictures: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"picture": pictures})[0])


def reference(model: onnx.ModelProto, pictures: np.ndarray) -> np.ndarray:
    return np.asarray(ReferenceEvaluator(model).run(None, {"picture": pictures})[0])


def seen(model: onnx.ModelProto, shape: tuple[int, ...], axis: int, engine: Any = run) -> list[list[int]]:
    """Return the pixels that each unit sees along an axis: those whose change changes the unit."""
    picture = np.random.default_rng(3).uniform(1, 2, shape).astype(np.float32)
    pictures = np.repeat(picture, shape[axis] + 1, axis=0)
    for pixel in range(shape[axis]):
        line: list[Any] = [pixel + 1] + [slice(None)] * (len(shape) - 1)
        line[axis] = pixel
        pictures[tuple(line)] += MORE
    out = engine(model, pictures)
    change = np.abs(out[1:] - out[0]).max(axis=tuple(i for i in range(1, out.ndim) if i != axis))
    # a weight that is 0 but for float32's rounding of a position is below 1e-6 of the others
    return [np.flatnonzero(unit > 1e-5 * change.max()).tolist() for unit in change.T]


def bounds(place: AxisPlace, unit: int) -> tuple[Fraction, Fraction]:
    centre = place.start + unit * place.stride
    return centre - (place.extent - 1) / 2, centre + (place.extent - 1) / 2


def middle(place: AxisPlace, units: int, pixels: int, margin: int) -> list[int]:
    """Return the units that see only pixels farther than `margin` from the border."""
    inner = range(margin, pixels - margin)
    return [
        u for u in range(units) if inner.start <= bounds(place, u)[0] and bounds(place, u)[1] < inner.stop
    ]


def placed(model: onnx.ModelProto, axis: int) -> AxisPlace:
    found = places(model, shapes_of(model))[model.graph.output[0].name]
    assert found.reason is None
    place = found.axes[axis]
    assert place is not None
    assert (place.input, place.axis) == ("picture", axis)
    return place


def assert_every_unit(model: onnx.ModelProto, shape: tuple[int, ...], axis: int, margin: int = 0) -> None:
    """The first and the last pixel that each unit sees are those of its place."""
    place, pixels = placed(model, axis), seen(model, shape, axis)
    units = middle(place, len(pixels), shape[axis], margin)
    assert len(units) > 1
    assert [(min(pixels[u]), max(pixels[u])) for u in units] == [bounds(place, u) for u in units]


def assert_smallest(model: onnx.ModelProto, shape: tuple[int, ...], axis: int, engine: Any = run) -> None:
    """Each unit sees pixels of its place only, and no smaller place would do.

    Where the fractions of the grid are finer than 1/16 pixel, the extreme one may occur at the border only.
    """
    place, pixels = placed(model, axis), seen(model, shape, axis, engine)
    units = [u for u in middle(place, len(pixels), shape[axis], 0) if pixels[u]]
    below = [min(pixels[u]) - bounds(place, u)[0] for u in units]
    above = [bounds(place, u)[1] - max(pixels[u]) for u in units]
    assert len(units) > 1
    assert 0 <= min(below) <= Fraction(1, 16)
    assert 0 <= min(above) <= Fraction(1, 16)


def pads(heads: tuple[int, ...], tails: tuple[int, ...]) -> list[int]:
    return [*heads, *tails]


def each(low: int, high: int, axes: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.integers(low, high)] * axes)


@st.composite
def convolutions(draw: st.DrawFn, axes: int) -> Layer:
    auto = draw(st.sampled_from(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    attributes: dict[str, Any] = {"strides": draw(each(1, 2, axes)), "auto_pad": auto}
    if not auto.startswith("SAME"):  # with which onnxruntime takes no dilation
        attributes["dilations"] = draw(each(1, 2, axes))
    if auto == "NOTSET":
        attributes["pads"] = pads(draw(each(0, 2, axes)), draw(each(0, 2, axes)))
    return Layer("Conv", attributes, weight=draw(each(1, 3, axes)), channels=draw(st.integers(1, 3)))


@st.composite
def poolings(draw: st.DrawFn, axes: int) -> Layer:
    kernel = draw(each(2, 3, axes))
    attributes = {
        "kernel_shape": kernel,
        "strides": draw(each(1, 2, axes)),
        "dilations": draw(each(1, 2, axes)),
        "pads": pads(draw(each(0, 1, axes)), draw(each(0, 1, axes))),
        "ceil_mode": draw(st.integers(0, 1)),
    }
    return Layer(draw(st.sampled_from(["MaxPool", "AveragePool", "LpPool"])), attributes)


@st.composite
def paddings(draw: st.DrawFn, axes: int) -> Layer:
    mode = draw(st.sampled_from(["constant", "reflect", "edge"]))
    amounts = [0, 0, *draw(each(-1, 2, axes)), 0, 0, *draw(each(-1, 2, axes))]
    return Layer("Pad", {"mode": mode}, (np.array(amounts),))


@st.composite
def slices(draw: st.DrawFn, axes: int) -> Layer:
    numbers = list(range(2, 2 + axes))
    starts, steps = draw(each(0, 2, axes)), draw(each(1, 2, axes))
    ends = [np.iinfo(np.int64).max] * axes
    return Layer("Slice", tensors=tuple(map(np.array, (starts, ends, numbers, steps))))


def downward(axes: int) -> st.SearchStrategy[Layer]:
    return st.one_of(convolutions(axes), poolings(axes), paddings(axes), slices(axes))


@st.composite
def upsamplings(draw: st.DrawFn) -> Layer:
    if draw(st.booleans()):
        stride = draw(st.integers(1, 3))
        attributes = {
            "strides": [stride],
            "dilations": [draw(st.integers(1, 2))],
            "pads": draw(each(0, 2, 2)),
            "output_padding": [draw(st.integers(0, stride - 1))],
        }
        return Layer("ConvTranspose", attributes, weight=(draw(st.integers(stride, 4)),))
    return draw(resizings(scales=st.sampled_from([1.0, 1.5, 2.0, 3.0])))


@st.composite
def resizings(draw: st.DrawFn, scales: st.SearchStrategy[float]) -> Layer:
    mode = draw(st.sampled_from(["nearest", "linear"]))
    attributes = {
        "mode": mode,
        "coordinate_transformation_mode": draw(
            st.sampled_from(["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"])
        ),
    }
    if mode == "nearest":
        attributes["nearest_mode"] = draw(
            st.sampled_from(["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
        )
    return Layer("Resize", attributes, (None, np.array([1, 1, draw(scales)], np.float32)))


def tries(count: int) -> settings:
    return settings(max_examples=count, derandomize=True, deadline=None, database=None)


@tries(80)
@given(st.lists(downward(axes=1), min_size=1, max_size=4))
def test_units_of_a_signal_see_what_their_place_says(layers: list[Layer]) -> None:
    shape = (1, 1, 240)
    # what a cut or a padding does to the border reaches at most 4 layers' pads and cuts of 2, at stride 8
    assert_every_unit(network(layers, shape), shape, axis=2, margin=60)


@tries(15)
@given(st.lists(downward(axes=2), min_size=1, max_size=3))
def test_units_of_a_picture_see_what_their_place_says(layers: list[Layer]) -> None:
    shape = (1, 1, 97, 88)
    model = network(layers, shape)
    assert_every_unit(model, shape, axis=2, margin=24)
    assert_every_unit(model, shape, axis=3, margin=24)


@tries(60)
@given(st.lists(downward(axes=1), max_size=2), upsamplings(), st.lists(downward(axes=1), max_size=2))
def test_upsampling_in_a_chain(before: list[Layer], up: Layer, after: list[Layer]) -> None:
    shape = (1, 1, 240)
    model = network([*before, up, *after], shape)
    place, pixels = placed(model, axis=2), seen(model, shape, axis=2)
    units = [u for u in middle(place, len(pixels), shape[2], margin=60) if pixels[u]]
    assert units
    # neighbours on the fine grid see different numbers of coarse units; later layers may skip the widest
    coarse = placed(network(before, shape), axis=2).stride if before else Fraction(1)
    for unit in units:
        low, high = bounds(place, unit)
        assert low <= min(pixels[unit]) < low + 2 * coarse
        assert high - 2 * coarse < max(pixels[unit]) <= high


COORDINATES = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners"]
KERNELS = [
    {"mode": "linear"},
    {"mode": "cubic"},
    {"mode": "linear", "antialias": 1},
    {"mode": "cubic", "antialias": 1},
    *(
        {"mode": "nearest", "nearest_mode": it}
        for it in ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]
    ),
]


def name_of(attributes: dict[str, Any]) -> str:
    return " ".join(map(str, attributes.values()))


@pytest.mark.parametrize("length", [120, 21])
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("kernel", KERNELS, ids=name_of)
def test_resize_to_a_size(kernel: dict[str, Any], coordinates: str, length: int) -> None:
    shape = (1, 1, 2, 90)
    attributes = {"coordinate_transformation_mode": coordinates, "axes": [3], **kernel}
    layer = Layer("Resize", attributes, (None, None, [length]))
    assert_smallest(network([layer], shape), shape, axis=3, engine=reference)


@pytest.mark.parametrize("scale", [2, 1.5, 0.75, 0.25])
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("kernel", KERNELS, ids=name_of)
def test_resize_by_a_scale(kernel: dict[str, Any], coordinates: str, scale: float) -> None:
    shape = (1, 1, 2, 90)
    scales = np.array([1, 1, 1, scale], np.float32)
    layer = Layer("Resize", {"coordinate_transformation_mode": coordinates, **kernel}, (None, scales))
    assert_smallest(network([layer], shape), shape, axis=3)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(("opset", "scale"), [(7, 2), (7, 3), (9, 2), (9, 3), (10, 2), (10, 3), (10, 0.75)])
def test_resize_of_older_opsets(opset: int, scale: float, mode: str) -> None:
    shape = (1, 1, 2, 60)
    scales = np.array([1, 1, 1, scale], np.float32)
    if opset == 7:
        layer = Layer("Upsample", {"mode": mode, "scales": scales})
    else:
        layer = Layer("Upsample" if opset == 9 else "Resize", {"mode": mode}, (scales,))
    assert_smallest(network([layer], shape, opset), shape, axis=3)


def test_resize_of_opset_11_for_nearest() -> None:
    shape = (1, 1, 2, 60)
    attributes = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor"}
    layer = Layer("Resize", attributes, (np.zeros(0, np.float32), np.array([1, 1, 1, 3], np.float32)))
    assert_smallest(network([layer], shape, opset=11), shape, axis=3)


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_resize_that_keeps_the_aspect_ratio(policy: str) -> None:
    shape = (1, 1, 30, 40)
    attributes = {"mode": "linear", "axes": [2, 3], "keep_aspect_ratio_policy": policy}
    model = network([Layer("Resize", attributes, (None, None, [45, 80]))], shape)
    assert_smallest(model, shape, axis=2)
    assert_smallest(model, shape, axis=3)


TRANSPOSED: list[dict[str, Any]] = [
    {"strides": [2], "pads": [1, 1]},
    {"strides": [3], "pads": [0, 2], "output_padding": [2]},
    {"strides": [2], "dilations": [2], "pads": [2, 1]},
    {"strides": [2], "auto_pad": "SAME_UPPER"},
    {"strides": [2], "auto_pad": "SAME_LOWER"},
    {"strides": [3], "auto_pad": "SAME_LOWER", "output_padding": [2]},
    {"strides": [2], "auto_pad": "VALID"},
    {"strides": [2], "output_shape": [60]},
    {"strides": [2], "output_shape": [59], "auto_pad": "SAME_UPPER"},
]


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("attributes", TRANSPOSED, ids=str)
def test_transposed_convolution(attributes: dict[str, Any], kernel: int) -> None:
    shape = (1, 1, 30)
    assert_smallest(network([Layer("ConvTranspose", attributes, weight=(kernel,))], shape), shape, axis=2)


def test_transposed_convolution_to_more_than_its_kernels_reach() -> None:
    shape = (1, 1, 30)
    layer = Layer("ConvTranspose", {"strides": [2], "output_shape": [62]}, weight=(3,))
    assert_smallest(network([layer], shape), shape, axis=2)


def through(*layers: tuple[str, dict[str, Any], tuple[Any, ...]]) -> list[Layer]:
    """Return layers between two convolutions, the first of which makes 8 channels."""
    first = Layer("Conv", {"pads": [1, 0, 1, 2]}, weight=(3, 3), channels=8)
    return [first, *(Layer(op, attributes, tensors) for op, attributes, tensors in layers)]


SHUFFLES: dict[str, list[Layer]] = {
    "DepthToSpace DCR": through(("DepthToSpace", {"blocksize": 2}, ())),
    "DepthToSpace CRD": through(("DepthToSpace", {"blocksize": 2, "mode": "CRD"}, ())),
    "SpaceToDepth": through(("SpaceToDepth", {"blocksize": 2}, ())),
    "out by Reshape": through(
        ("Reshape", {}, ([0, 2, 2, 2, 40, 36],)),
        ("Transpose", {"perm": [0, 1, 4, 2, 5, 3]}, ()),
        ("Reshape", {}, ([0, 2, 80, 72],)),
    ),
    "in by Reshape": through(
        ("Reshape", {}, ([0, 8, 20, 2, 18, 2],)),
        ("Transpose", {"perm": [0, 1, 3, 5, 2, 4]}, ()),
        ("Reshape", {}, ([0, 32, 20, 18],)),
    ),
    "repeated by Reshape": through(
        ("Reshape", {}, ([0, 8, 40, 1, 36, 1],)),
        ("Tile", {}, ([1, 1, 1, 3, 1, 2],)),
        ("Reshape", {}, ([0, 8, 120, 72],)),
    ),
    "cropped": through(("CenterCropPad", {"axes": [2, 3]}, ([33, 43],))),
}


@pytest.mark.parametrize("name", SHUFFLES)
def test_shuffles(name: str) -> None:
    shape = (1, 1, 40, 36)
    model = network(SHUFFLES[name], shape)
    assert_smallest(model, shape, axis=2, engine=reference)
    assert_smallest(model, shape, axis=3, engine=reference)


def test_a_network_that_ends_in_pixel_shuffling_and_goes_on() -> None:
    shape = (1, 1, 40, 36)
    model = network([*SHUFFLES["DepthToSpace DCR"], Layer("Conv", weight=(5, 2))], shape)
    for axis in (2, 3):
        place, pixels = placed(model, axis), seen(model, shape, axis)
        units = middle(place, len(pixels), shape[axis], 0)
        assert len(units) > 20
        assert all(bounds(place, u)[0] <= min(pixels[u]) for u in units)
        assert all(max(pixels[u]) <= bounds(place, u)[1] for u in units)


def test_convolution_of_a_body() -> None:
    shape = (1, 1, 11, 13, 17)
    attributes = {"strides": [1, 2, 3], "dilations": [2, 1, 1], "pads": [0, 1, 2, 1, 0, 0]}
    model = network(
        [Layer("Conv", attributes, weight=(3, 2, 4)), Layer("MaxPool", {"kernel_shape": [1, 2, 2]})], shape
    )
    for axis in (2, 3, 4):
        assert_every_unit(model, shape, axis)


@pytest.mark.parametrize("start", [-1, -3, np.iinfo(np.int64).max])
def test_a_slice_that_runs_backwards(start: int) -> None:
    shape = (1, 1, 31)
    ends = [np.iinfo(np.int64).min]
    cut = Layer("Slice", tensors=([start], ends, [2], [-2]))
    layers = [Layer("Conv", {"pads": [2, 0]}, weight=(4,)), cut, Layer("Conv", weight=(3,))]
    model = network(layers, shape)
    assert placed(model, axis=2).stride == -2
    assert_every_unit(model, shape, axis=2)
