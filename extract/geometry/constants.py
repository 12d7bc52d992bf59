"""Values of small tensors that are the same for every picture: initializers, constants, and sums on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

SMALL = 256  # elements; paddings, sizes and axes are far below, so lying headers cost nothing
DEEPEST = 64  # nodes in a row; exporters' chains for one Pad have about ten
FOLDED = {
    "Add",
    "Cast",
    "Ceil",
    "Concat",
    "Div",
    "Floor",
    "Gather",
    "Identity",
    "Mul",
    "Reshape",
    "Slice",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
}
VALUE_ATTRIBUTES = ("value", "value_int", "value_ints", "value_float", "value_floats")


class _TooDeepError(Exception):
    """A chain of nodes is longer than is followed."""


class Constants:
    """The constants of a graph by name.

    Exporters leave chains of small operators (Shape, Concat, Slice, ...) where one array of paddings or
    sizes would do, so these are computed too. Only asked values are, and nothing large is ever read.

    Parameters
    ----------
    graph : onnx.GraphProto
        The graph; external data stay where they are.
    shapes : mapping of str to tuple of int
        The concrete shapes of tensors, as far as they are known.
    opset : int
        Version of ONNX's own operators.
    """

    def __init__(self, graph: onnx.GraphProto, shapes: Mapping[str, tuple[int, ...]], opset: int) -> None:
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._sparse = {tensor.values.name: tuple(tensor.dims) for tensor in graph.sparse_initializer}
        self._makers = {name: node for node in graph.node for name in node.output if name}
        self._shapes = shapes
        self.opset = opset
        self._values: dict[str, NDArray[Any] | None] = {}

    def initializers(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the graph's initializers by name."""
        return {name: tuple(tensor.dims) for name, tensor in self._tensors.items()} | self._sparse

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Return the shape of a tensor, None where it is unknown."""
        if name in self._tensors:
            return tuple(self._tensors[name].dims)
        return self._shapes.get(name)

    def value(self, name: str) -> NDArray[Any] | None:
        """Return the value of a small tensor, None where it is not constant, large or in another file."""
        try:
            return self._value(name, DEEPEST)
        except _TooDeepError:
            return None

    def _value(self, name: str, depth: int) -> NDArray[Any] | None:
        if name not in self._values:
            if depth == 0:
                raise _TooDeepError
            try:
                self._values[name] = self._compute(name, depth)
            except _TooDeepError:  # says nothing of this tensor: a question that starts nearer may reach it
                raise
            except Exception:  # a broken tensor or node raises whatever onnx's reader and evaluator raise
                self._values[name] = None
        return self._values[name]

    def _compute(self, name: str, depth: int) -> NDArray[Any] | None:
        if name in self._tensors:
            return _read(self._tensors[name])
        node = self._makers.get(name)
        if node is None or node.domain not in ("", "ai.onnx"):
            return None
        if node.op_type == "Constant":
            return _constant(node)
        if node.op_type == "Shape":
            return self._shape_value(node)
        if node.op_type == "ConstantOfShape":
            return self._filled(node, depth)
        return self._folded(node, depth) if node.op_type in FOLDED else None

    def _shape_value(self, node: onnx.NodeProto) -> NDArray[Any] | None:
        shape = self.shape(node.input[0])
        if shape is None:
            return None
        ends = {attribute.name: attribute.i for attribute in node.attribute}
        return np.array(shape[ends.get("start", 0) : ends.get("end", len(shape))], dtype=np.int64)

    def _filled(self, node: onnx.NodeProto, depth: int) -> NDArray[Any] | None:
        shape = self._value(node.input[0], depth - 1)
        if shape is None or (shape < 0).any() or np.prod(shape.astype(float)) > SMALL:
            return None
        value = _constant(node) if node.attribute else np.zeros(1, np.float32)
        return None if value is None or value.size != 1 else np.full(shape, value.reshape(()))

    def _folded(self, node: onnx.NodeProto, depth: int) -> NDArray[Any] | None:
        values = {name: self._value(name, depth - 1) for name in node.input if name}
        known = {name: value for name, value in values.items() if value is not None}
        if len(known) < len(values):
            return None
        result = _evaluate(node, known, self.opset)
        return result if result.size <= SMALL else None


def _read(tensor: onnx.TensorProto) -> NDArray[Any] | None:
    from onnx import TensorProto, numpy_helper

    size = np.prod([float(dim) for dim in tensor.dims])
    if tensor.data_location == TensorProto.EXTERNAL or size > SMALL:
        return None
    return numpy_helper.to_array(tensor)


def _constant(node: onnx.NodeProto) -> NDArray[Any] | None:
    from onnx import helper

    for attribute in node.attribute:
        if attribute.name == "value":
            return _read(attribute.t)
        if attribute.name in VALUE_ATTRIBUTES:
            return np.array(helper.get_attribute_value(attribute))
    return None


def _evaluate(node: onnx.NodeProto, values: dict[str, NDArray[Any]], opset: int) -> NDArray[Any]:
    from onnx.reference import ReferenceEvaluator

    (result,) = ReferenceEvaluator(node, opsets={"": opset}).run(None, values)
    return np.asarray(result)
