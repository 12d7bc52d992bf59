"""Shapes of a graph's tensors, by onnx's shape inference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .errors import ModelError
from .external import SMALL
from .graph import shell, stub

if TYPE_CHECKING:
    import onnx


def infer(proto: onnx.ModelProto, inputs: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int | None, ...]]:
    """Return the shape of each tensor that shape inference finds, None for sizes that stay open.

    Parameters
    ----------
    proto : onnx.ModelProto
        The model; it is left as it is, and its large weights are neither copied nor read.
    inputs : mapping of str to tuple of int
        Shapes that replace those which the graph inputs declare.

    Raises
    ------
    ModelError
        If the graph contradicts itself.
    """
    graph = annotated(proto, inputs).graph
    shapes: dict[str, tuple[int | None, ...]] = {t.name: tuple(t.dims) for t in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        if value.type.HasField("tensor_type") and tensor.HasField("shape"):
            # exporters write free sizes as 0 or -1 too
            shapes[value.name] = tuple(d.dim_value if d.dim_value > 0 else None for d in tensor.shape.dim)
    return shapes


def annotated(
    proto: onnx.ModelProto, inputs: Mapping[str, tuple[int, ...]], *, symbols: bool = False
) -> onnx.ModelProto:
    """Return a model with the types and shapes that shape inference finds, but without its large weights.

    Parameters
    ----------
    proto : onnx.ModelProto
        The model; it is left as it is.
    inputs : mapping of str to tuple of int
        Shapes that replace those which the graph inputs declare.
    symbols : bool
        Give the inputs' open sizes names, so that equal ones can be told where they come out.

    Raises
    ------
    ModelError
        If the graph contradicts itself.
    """
    import onnx

    skeleton = _skeleton(proto)
    for value in skeleton.graph.input:
        if value.name in inputs:
            shape = value.type.tensor_type.shape
            del shape.dim[:]
            for size in inputs[value.name]:
                shape.dim.add().dim_value = size
    for value in skeleton.graph.input if symbols else ():
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.WhichOneof("value") is None:
                dim.dim_param = f"{value.name}.{axis}"
    if inputs:
        # what the file says of later tensors was said for its own input sizes
        del skeleton.graph.value_info[:]
        for value in skeleton.graph.output:
            value.type.tensor_type.ClearField("shape")
    try:
        return onnx.shape_inference.infer_shapes(skeleton, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise ModelError(f"the graph's shapes do not fit together: {' '.join(str(error).split())}") from error


def _skeleton(proto: onnx.ModelProto) -> onnx.ModelProto:
    import onnx

    result = shell(proto)
    graph, source = result.graph, proto.graph
    graph.node.extend(source.node)
    graph.input.extend(source.input)
    graph.output.extend(source.output)
    graph.value_info.extend(source.value_info)
    graph.sparse_initializer.extend(source.sparse_initializer)
    for tensor in source.initializer:
        small = math.prod(tensor.dims) <= SMALL and tensor.data_location != onnx.TensorProto.EXTERNAL
        graph.initializer.append(tensor if small else stub(tensor))
    return result
