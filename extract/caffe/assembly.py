"""A network's nodes, parameters and shapes put together to an ONNX model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..external import SMALL, refer
from ..weight import Weight
from .parameters import Parameter

if TYPE_CHECKING:
    import onnx

    from .draft import Draft
    from .net import Net
    from .stored import StoredWeights

# Sizes as ONNX describes them: a number, the name of one that is free, or unknown.
_Sizes = list[int | str | None]

OPSET = 17
# The version of the file format that came with that operator set.
IR_VERSION = 8


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
    sizes = dict(_sizes(draft, larger))
    inputs = [given.blob for given in net.inputs]
    graph.input.extend(_described(name, sizes[name]) for name in inputs)
    used = {*inputs, *(name for node in draft.nodes for name in node.input)}
    graph.output.extend(_described(name, sizes[name]) for name in draft.blobs.values() if name not in used)
    graph.node.extend(draft.nodes)
    graph.initializer.extend(draft.constants)
    parameters = draft.table.declared.values()
    graph.initializer.extend(_initializer(parameter, stored) for parameter in parameters)
    weights = {
        parameter.tensor: _reshaped(parameter)
        for parameter in parameters
        if parameter.stored.offset is None and not _is_small(parameter)
    }
    return proto, weights


def _sizes(draft: Draft, larger: Mapping[int, Draft]) -> Iterator[tuple[str, _Sizes | None]]:
    """Yield each tensor's sizes: a symbol for a batch that is free, None for one that a Filter makes."""
    symbols = {size: "N" if len(larger) == 1 else f"N{size}" for size in larger}
    filtered = draft.reached(n for node in draft.nodes if node.op_type == "NonZero" for n in node.output)
    for tensor, shape in draft.shapes.items():
        if shape is None:
            yield tensor, None
            continue
        batch: _Sizes = [symbols[size] for size, other in larger.items() if other.shapes[tensor] != shape]
        if shape and tensor in filtered:
            batch = [None]
        yield tensor, [*batch, *shape[len(batch) :]]


def _initializer(parameter: Parameter, stored: StoredWeights | None) -> onnx.TensorProto:
    """Return a parameter with its values if it is small, else with its place in the file, if it has one."""
    import onnx

    kinds = onnx.TensorProto
    tensor = onnx.TensorProto(name=parameter.tensor, data_type=kinds.FLOAT, dims=parameter.shape)
    offset = parameter.stored.offset
    if _is_small(parameter):
        tensor.raw_data = np.ascontiguousarray(parameter.stored.weight.read(), "<f4").tobytes()
    elif stored is None or offset is None:
        tensor.data_location = kinds.EXTERNAL
        tensor.external_data.add(key="location", value="weights")
    else:
        refer(tensor, stored.path.name, offset, 4 * math.prod(parameter.shape))
    return tensor


def _is_small(parameter: Parameter) -> bool:
    return math.prod(parameter.shape) <= SMALL


def _reshaped(parameter: Parameter) -> Weight:
    read = parameter.stored.weight.read
    return Weight(parameter.shape, lambda: read().reshape(parameter.shape))


def _described(name: str, sizes: _Sizes | None) -> onnx.ValueInfoProto:
    import onnx

    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)
