"""Shapes and types of a graph's tensors, by onnx's shape inference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .errors import ModelError
from .external import SMALL
from .graph import shell, stub

if TYPE_CHECKING:
    import onnx

# Operators whose first output has the type and shape of the first input; onnx 1.23 infers none of it.
_SHAPED_LIKE_THEIR_INPUT = frozenset({"GroupNormalization", "MeanVarianceNormalization"})
# The operator set since which onnx knows that no window of a pool starts behind the padding.
POOLED_RIGHT = 22
_POOLS = frozenset({"AveragePool", "LpPool", "MaxPool"})


def may_miscount(node: onnx.NodeProto, version: int) -> bool:
    """Return whether inference may give a pool one more window than it has: one behind input and padding.

    Parameters
    ----------
    node : onnx.NodeProto
        Any node of ONNX's own operators.
    version : int
        The operator set.
    """
    import onnx

    if node.op_type not in _POOLS or version >= POOLED_RIGHT:
        return False
    given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if not given.get("ceil_mode"):
        return False
    kernel = given["kernel_shape"]
    ones = [1] * len(kernel)
    rows = zip(
        kernel,
        given.get("dilations", ones),
        given.get("strides", ones),
        given.get("pads", [0] * 2 * len(kernel))[len(kernel) :],
        strict=True,
    )
    # the last of the windows that are counted starts at most size + pads - extent + stride - 1
    return any((k - 1) * dilation + 1 < stride + behind for k, dilation, stride, behind in rows)


def forget_shapes(graph: onnx.GraphProto) -> None:
    """Drop what a graph says of the shapes of tensors behind its inputs."""
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")


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


def types(proto: onnx.ModelProto) -> dict[str, onnx.TypeProto]:
    """Return the type of each tensor that nodes make and shape inference knows, its shape left open.

    Parameters
    ----------
    proto : onnx.ModelProto
        The model; it is left as it is, and its large weights are neither copied nor read.

    Raises
    ------
    ModelError
        If the graph contradicts itself.
    """
    graph = annotated(proto, {}).graph
    found = {v.name: v.type for v in (*graph.value_info, *graph.output) if v.type.WhichOneof("value")}
    for kind in found.values():
        if kind.HasField("tensor_type"):
            kind.tensor_type.ClearField("shape")
    return found


def annotated(
    proto: onnx.ModelProto, inputs: Mapping[str, tuple[int, ...]], *, symbols: bool = False
) -> onnx.ModelProto:
    """Return a model with the types and shapes that shape inference finds, but without its large weights.

    Its nodes are for the inference only: some are replaced by others whose outputs onnx infers rightly.

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
    if inputs or skeleton.functions:
        # what the file says of later tensors was said for its own input sizes, or by miscounting
        forget_shapes(skeleton.graph)
    try:
        return onnx.shape_inference.infer_shapes(skeleton, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise ModelError(f"the graph's shapes do not fit together: {' '.join(str(error).split())}") from error


def _skeleton(proto: onnx.ModelProto) -> onnx.ModelProto:
    import onnx

    result = shell(proto)
    graph, source = result.graph, proto.graph
    graph.node.extend(source.node)
    for node in graph.node:
        if node.domain in ("", "ai.onnx"):
            _mend(node, result)
    graph.input.extend(source.input)
    graph.output.extend(source.output)
    graph.value_info.extend(source.value_info)
    graph.sparse_initializer.extend(source.sparse_initializer)
    for tensor in source.initializer:
        small = math.prod(tensor.dims) <= SMALL and tensor.data_location != onnx.TensorProto.EXTERNAL
        graph.initializer.append(tensor if small else stub(tensor))
    return result


def _mend(node: onnx.NodeProto, skeleton: onnx.ModelProto) -> None:
    """Make of a node whose outputs are inferred wrongly, or not at all, one with the right ones."""
    version = next((entry.version for entry in skeleton.opset_import if entry.domain in ("", "ai.onnx")), 1)
    if node.op_type in _SHAPED_LIKE_THEIR_INPUT:
        del node.input[1:], node.output[1:], node.attribute[:]
        node.op_type = "Identity"
    elif may_miscount(node, version):
        _pool_newly(node, skeleton)


def _pool_newly(node: onnx.NodeProto, skeleton: onnx.ModelProto) -> None:
    """Move a pool into a function of its own: a function may be of a newer operator set than the graph."""
    import onnx

    domain = "cnnvis.pools"
    if not any(entry.domain == domain for entry in skeleton.opset_import):
        skeleton.opset_import.append(onnx.helper.make_opsetid(domain, 1))
    newer = [onnx.helper.make_opsetid("", POOLED_RIGHT)]
    name = f"pool{len(skeleton.functions)}"
    outputs = [output for output in node.output if output]
    body = onnx.NodeProto()
    body.CopyFrom(node)
    skeleton.functions.append(
        onnx.helper.make_function(domain, name, list(node.input), outputs, [body], newer)
    )
    del node.attribute[:], node.output[:]
    node.output.extend(outputs)
    node.domain, node.op_type = domain, name
