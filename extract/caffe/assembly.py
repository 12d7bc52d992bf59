"""A network's nodes, parameters and shapes put together to an ONNX model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..weight import Weight
from .parameters import Parameter

if TYPE_CHECKING:
    import onnx

    from .draft import Draft
    from .net import Net
    from .stored import StoredWeights

OPSET = 17
# The version of the file format that came with that operator set.
IR_VERSION = 8
# Elements. Smaller parameters are written into the graph.
_LARGE = 1024


def assemble(
    net: Net, draft: Draft, larger: Mapping[int, Draft], stored: StoredWeights | None
) -> tuple[onnx.ModelProto, dict[str, Weight]]:
    """Return a network's model, and those of its large weights that no file holds as they are.

    Parameters
    ----------
    net : Net
        The network.
    draft : Draft
        Its graph.
    larger : mapping of int to Draft
        The same graph for one image more, for each batch size that may change.
    stored : StoredWeights or None
        The file that external data refer to, by its name alone.
    """
    import onnx

    proto = onnx.ModelProto(ir_version=IR_VERSION, producer_name="cnnvis")
    proto.opset_import.add(domain="", version=OPSET)
    for domain in sorted({node.domain for node in draft.nodes if node.domain}):
        proto.opset_import.add(domain=domain, version=1)
    graph = proto.graph
    graph.name = net.name or net.path.stem
    symbols = {size: "N" if len(larger) == 1 else f"N{size}" for size in larger}
    for given in net.inputs:
        first = [symbols.get(size, size) for size in given.shape[:1]]
        graph.input.append(_described(given.blob, [*first, *given.shape[1:]]))
    selected = _selected(draft.nodes)
    read = {name for node in draft.nodes for name in node.input}
    for name, value in draft.blobs.values():
        if name not in read and name not in {i.blob for i in net.inputs}:
            shape = None if value is None else _free(name, value.shape, larger, symbols)
            if shape and name in selected:
                shape[0] = None
            graph.output.append(_described(name, shape))
    graph.node.extend(draft.nodes)
    graph.initializer.extend(onnx.numpy_helper.from_array(v, n) for n, v in draft.constants.items())
    weights = {}
    for parameter in draft.table.declared.values():
        tensor = onnx.TensorProto(
            name=parameter.tensor, data_type=onnx.TensorProto.FLOAT, dims=parameter.shape
        )
        if math.prod(parameter.shape) < _LARGE:
            tensor.raw_data = np.ascontiguousarray(parameter.stored.weight.read(), "<f4").tobytes()
        else:
            _refer(tensor, parameter, stored)
            if parameter.stored.offset is None:
                weights[parameter.tensor] = _reshaped(parameter)
        graph.initializer.append(tensor)
    return proto, weights


def _selected(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Return the tensors whose batch depends on values: what a Filter layer lets pass."""
    found: set[str] = set()
    for node in nodes:
        if node.op_type == "NonZero" or not found.isdisjoint(node.input):
            found.update(node.output)
    return found


def _refer(tensor: onnx.TensorProto, parameter: Parameter, stored: StoredWeights | None) -> None:
    """Make a tensor external data, at the parameter's place in the file of weights if it has one there."""
    import onnx

    tensor.data_location = onnx.TensorProto.EXTERNAL
    offset = parameter.stored.offset
    if stored is None or offset is None:
        tensor.external_data.add(key="location", value="weights")
        return
    tensor.external_data.add(key="location", value=stored.path.name)
    tensor.external_data.add(key="offset", value=str(offset))
    tensor.external_data.add(key="length", value=str(4 * math.prod(parameter.shape)))


def _reshaped(parameter: Parameter) -> Weight:
    read = parameter.stored.weight.read
    return Weight(parameter.shape, lambda: read().reshape(parameter.shape))


def _free(
    tensor: str, shape: tuple[int, ...], larger: Mapping[int, Draft], symbols: Mapping[int, str]
) -> list[int | str | None]:
    """Return a shape with symbols for sizes that are the batch's, and None for others that depend on it."""
    result: list[int | str | None] = list(shape)
    for size, draft in larger.items():
        other = next(value for name, value in draft.blobs.values() if name == tensor and value is not None)
        for axis, (one, two) in enumerate(zip(shape, other.shape, strict=True)):
            if one != two:
                result[axis] = symbols[size] if (one, two) == (size, size + 1) else None
    return result


def _described(name: str, shape: list[int | str | None] | None) -> onnx.ValueInfoProto:
    import onnx

    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
