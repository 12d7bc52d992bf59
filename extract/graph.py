"""Plain operations on ONNX graphs: what a node reads, what is constant, what an output needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

# Operators that give another value at every run even where all their inputs are constant.
_RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs in a node's attributes: bodies of If, Loop and Scan."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield a graph and all graphs inside its nodes."""
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from graphs(inner)


def reads(node: onnx.NodeProto) -> list[str]:
    """Return the names that a node reads, those that its subgraphs capture from outside included."""
    names = [name for name in node.input if name]
    for inner in subgraphs(node):
        own = {value.name for value in inner.input} | initializer_names(inner)
        for inside in inner.node:
            names += [name for name in reads(inside) if name not in own]
            own.update(inside.output)
        names += [value.name for value in inner.output if value.name not in own]
    return names


def tensors_of(proto: onnx.ModelProto) -> set[str]:
    """Return the names of all tensors of a model's graph: inputs, weights and what nodes make."""
    graph = proto.graph
    made = {name for node in graph.node for name in node.output if name}
    return made | initializer_names(graph) | {value.name for value in graph.input}


def initializer_names(graph: onnx.GraphProto) -> set[str]:
    """Return the names of a graph's stored weights, sparse ones included."""
    sparse = {tensor.values.name for tensor in graph.sparse_initializer}
    return {tensor.name for tensor in graph.initializer} | sparse


def constants(graph: onnx.GraphProto) -> set[str]:
    """Return the names of all tensors that depend on no input: weights, and what nodes make of them alone."""
    known = initializer_names(graph)
    for node in graph.node:
        if node.op_type not in _RANDOM and known.issuperset(reads(node)):
            known.update(name for name in node.output if name)
    return known


def whole_constants(proto: onnx.ModelProto, constant: Collection[str]) -> set[str]:
    """Return those constants that are known to hold no floating-point numbers, such as shapes.

    Parameters
    ----------
    proto : onnx.ModelProto
        The whole model; no weight is read or copied.
    constant : collection of str
        Names of its constant tensors, as `constants` finds them.
    """
    import onnx

    kinds = onnx.TensorProto
    floating = {kinds.FLOAT, kinds.DOUBLE, kinds.FLOAT16, kinds.BFLOAT16}
    types = {tensor.name: tensor.data_type for tensor in proto.graph.initializer}
    types |= {tensor.values.name: tensor.values.data_type for tensor in proto.graph.sparse_initializer}
    part = shell(proto)
    part.graph.initializer.extend(stub(tensor) for tensor in proto.graph.initializer)
    for node in proto.graph.node:
        stored = [a.t for a in node.attribute if node.op_type == "Constant" and a.HasField("t")]
        if stored:
            types[node.output[0]] = stored[0].data_type
            part.graph.initializer.append(stub(stored[0], node.output[0]))
        elif any(name in constant for name in node.output):
            part.graph.node.append(node)
    with suppress(onnx.shape_inference.InferenceError):  # what is broken is reported where it is used
        part = onnx.shape_inference.infer_shapes(part)
    types |= {value.name: value.type.tensor_type.elem_type for value in part.graph.value_info}
    return {name for name in constant if types.get(name, 0) not in {kinds.UNDEFINED, *floating}}


def shell(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model of the same versions and operator sets whose graph is empty."""
    import onnx

    result = onnx.ModelProto(ir_version=proto.ir_version)
    result.opset_import.extend(proto.opset_import)
    result.graph.name = proto.graph.name or "graph"
    return result


def stub(tensor: onnx.TensorProto, name: str | None = None) -> onnx.TensorProto:
    """Return a weight's name, type and shape without its data, as if they lay in another file."""
    import onnx

    result = onnx.TensorProto(name=name or tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    result.data_location = onnx.TensorProto.EXTERNAL
    result.external_data.add(key="location", value="weights")
    return result


def before_reshapes(graph: onnx.GraphProto, tensor: str) -> str:
    """Return the earliest tensor made by a node that has the same values in the same order, in another shape.

    Where a Reshape makes an output of the graph, onnxruntime copies all values: the shape is cheaper changed
    outside.
    """
    makers = {name: node for node in graph.node for name in node.output}
    while makers[tensor].op_type in ("Identity", "Reshape") and makers[tensor].input[0] in makers:
        tensor = makers[tensor].input[0]
    return tensor


def cut(proto: onnx.ModelProto, outputs: Iterable[str]) -> onnx.ModelProto:
    """Return a model of only the nodes, weights and inputs that `outputs` need.

    Parameters
    ----------
    proto : onnx.ModelProto
        The whole model; it is left as it is.
    outputs : iterable of str
        Tensors of its graph, made by nodes. They become the outputs, in this order, by name alone:
        onnxruntime finds their types.

    Notes
    -----
    Weights that are also listed as inputs are no longer inputs of the result, so that onnxruntime may fold
    them; nodes and weights that nothing needs may therefore be of kinds that onnxruntime does not know.
    """
    import onnx

    outputs = list(outputs)
    graph = proto.graph
    needed = set(outputs)
    nodes = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(reads(node))
    weights = initializer_names(graph)
    result = shell(proto)
    result.graph.node.extend(reversed(nodes))
    result.graph.initializer.extend(t for t in graph.initializer if t.name in needed)
    result.graph.sparse_initializer.extend(t for t in graph.sparse_initializer if t.values.name in needed)
    result.graph.input.extend(v for v in graph.input if v.name in needed and v.name not in weights)
    result.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    return result
