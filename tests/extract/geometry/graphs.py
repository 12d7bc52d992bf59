"""Graphs in onnx's text form, and places as short text."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx.shape_inference

from extract.geometry import AxisPlace, Place, places

Shapes = dict[str, tuple[int, ...]]


def network(
    body: str, inputs: str = "float[1,3,20,30] x", opset: int = 19, **initializers: object
) -> onnx.ModelProto:
    """Return a graph in onnx's text form, with the output y.

    An initializer is given as a number or list of integers, or as the shape of a weight.
    """
    text = f"""<ir_version: 9, opset_import: ["" : {opset}, "com.microsoft" : 1, "my" : 1]>
    net ({inputs}) => (float y) {{ {body} }}"""
    model = onnx.parser.parse_model(text.replace("'", '"'))
    model.graph.output[0].ClearField("type")
    for name, value in initializers.items():
        array = np.zeros(value, np.float32) if isinstance(value, tuple) else np.array(value, np.int64)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return model


def shapes_of(model: onnx.ModelProto) -> Shapes:
    """Return the shapes that onnx infers completely."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    found = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            found[value.name] = tuple(dim.dim_value for dim in tensor.shape.dim)
    return found


def place_in(model: onnx.ModelProto, name: str = "y") -> Place:
    return places(model, shapes_of(model))[name]


def numbers(axis: AxisPlace | None) -> str:
    """Return stride, start and extent, as the tables below write them."""
    return "-" if axis is None else f"{axis.stride} {axis.start} {axis.extent}"


def along(place: Place) -> list[str]:
    return [numbers(axis) for axis in place.axes]
