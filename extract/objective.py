"""Targets as nodes: one number an image at the end of a graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .targets import Target

if TYPE_CHECKING:
    import onnx

OBJECTIVE = "objective"


def with_objective(proto: onnx.ModelProto, targets: Sequence[Target]) -> tuple[onnx.ModelProto, str]:
    """Add the weighted sum of targets to a model.

    Parameters
    ----------
    proto : onnx.ModelProto
        A model of operator set 18 or later; it is left as it is.
    targets : sequence of Target
        What is summed; tensors of float32.

    Returns
    -------
    proto : onnx.ModelProto
        The model with further nodes.
    name : str
        The tensor of the sums, of shape (N,).
    """
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(proto)
    taken = {name for node in proto.graph.node for name in (node.name, *node.input, *node.output)}
    name = OBJECTIVE
    while any(other.startswith(name) for other in taken):
        name += "'"
    nodes: list[onnx.NodeProto] = []

    def add(operator: str, inputs: Iterable[str], output: str, **attributes: Any) -> str:
        nodes.append(onnx.helper.make_node(operator, list(inputs), [output], output, **attributes))
        return output

    def constant(values: object, dtype: type, output: str) -> str:
        result.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(values, dtype), output))
        return output

    parts = []
    for number, target in enumerate(targets):
        prefix = f"{name}/{number}"
        value = target.tensor
        for axis, index in enumerate(target.index or ()):
            place = constant(index, np.int64, f"{prefix}/index{axis}")
            value = add("Gather", [value, place], f"{prefix}/gather{axis}", axis=1)
        flat = constant([0, -1], np.int64, f"{prefix}/flat")
        rows = add("Reshape", [value, flat], f"{prefix}/rows")
        # shape inference may know nothing of what the target is
        result.graph.value_info.append(
            onnx.helper.make_tensor_value_info(rows, onnx.TensorProto.FLOAT, [None, None])
        )
        axes = constant([1], np.int64, f"{prefix}/axes")
        largest = target.index is None or target.how == "max"
        one = add("ReduceMax" if largest else "ReduceMean", [rows, axes], f"{prefix}/value", keepdims=0)
        factor = constant(target.weight, np.float32, f"{prefix}/weight")
        parts.append(add("Mul", [one, factor], f"{prefix}/part"))
    add("Sum", parts, name)
    result.graph.node.extend(nodes)
    return result, name
