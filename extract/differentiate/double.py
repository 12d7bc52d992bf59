"""Models in double precision, and onnx's reference evaluator to run them: for central differences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..external import is_external
from ..graph import graphs, subgraphs

if TYPE_CHECKING:
    import onnx
    from onnx.reference import ReferenceEvaluator

# Attributes that name the type of an output, or of the steps between.
_TYPES = frozenset({"to", "dtype", "output_datatype", "output_dtype", "softmax_precision"})


def to_double(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that computes with float64 where the given one does with any other floating type.

    Parameters
    ----------
    proto : onnx.ModelProto
        The model; it is left as it is.

    Returns
    -------
    onnx.ModelProto
        With inputs, outputs, weights and constants in float64. Weights that are external data are inputs of
        it, to be fed. It is for the reference evaluator: ONNX does not allow float64 everywhere.
    """
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(proto)
    _feed_external(result.graph)
    for graph in graphs(result.graph):
        for tensor in graph.initializer:
            _widen(tensor)
        for value in (*graph.input, *graph.value_info, *graph.output):
            _widen_type(value.type)
    for node in _nodes(result):
        _widen_constant(node)
        for attribute in node.attribute:
            _widen_attribute(attribute)
    return result


def evaluator(proto: onnx.ModelProto) -> ReferenceEvaluator:
    """Return onnx's reference evaluator of a model, with the operators mended that it gets wrong."""
    from onnx.reference import ReferenceEvaluator

    from . import mended, mended_sampling, mended_windows

    modules = (mended, mended_sampling, mended_windows)
    return ReferenceEvaluator(proto, new_ops=[new for module in modules for new in module.operators()])


def _nodes(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield all nodes, those in bodies and functions included."""
    for graph in graphs(proto.graph):
        yield from graph.node
    for function in proto.functions:
        for node in function.node:
            yield node
            for body in subgraphs(node):
                for graph in graphs(body):
                    yield from graph.node


def _feed_external(graph: onnx.GraphProto) -> None:
    """Make inputs of the weights that lie in files."""
    import onnx

    given = {value.name for value in graph.input}
    stored = list(graph.initializer)
    del graph.initializer[:]
    for tensor in stored:
        if not is_external(tensor):
            graph.initializer.append(tensor)
        elif tensor.name not in given:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))


def _widen(tensor: onnx.TensorProto) -> None:
    import onnx

    if tensor.data_type in _floating():
        values = onnx.numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def _widen_type(kind: onnx.TypeProto) -> None:
    import onnx

    if kind.HasField("sequence_type"):
        _widen_type(kind.sequence_type.elem_type)
    elif kind.HasField("optional_type"):
        _widen_type(kind.optional_type.elem_type)
    elif kind.tensor_type.elem_type in _floating():
        kind.tensor_type.elem_type = onnx.TensorProto.DOUBLE


def _widen_attribute(attribute: onnx.AttributeProto) -> None:
    import onnx

    if attribute.name in _TYPES and attribute.i in _floating():
        attribute.i = onnx.TensorProto.DOUBLE
    for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
        _widen(tensor)


def _widen_constant(node: onnx.NodeProto) -> None:
    """Write numbers that are float32 by the form of a constant as a float64 tensor."""
    import onnx

    if node.op_type == "GroupNormalization":
        # in float32 by default, whatever comes in
        node.attribute.append(onnx.helper.make_attribute("stash_type", onnx.TensorProto.DOUBLE))
    if node.op_type == "ConstantOfShape" and not node.attribute:
        node.attribute.append(onnx.helper.make_attribute("value", _double([0.0])))
    if node.op_type == "Constant" and node.attribute[0].name in ("value_float", "value_floats"):
        values = onnx.helper.get_attribute_value(node.attribute[0])
        node.attribute[0].CopyFrom(onnx.helper.make_attribute("value", _double(values)))


def _double(values: float | list[float]) -> onnx.TensorProto:
    import onnx

    return onnx.numpy_helper.from_array(np.asarray(values, np.float64))


def _floating() -> tuple[int, ...]:
    import onnx

    return (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
