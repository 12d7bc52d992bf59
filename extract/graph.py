"""Plain operations on ONNX graphs: what a node reads, what is constant, what an output needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def whole_constants(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the constants that are known to hold no floating-point numbers, such as shapes."""
    import onnx

    floating = {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.DOUBLE,
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.BFLOAT16,
    }
    whole = {tensor.name for tensor in graph.initializer if tensor.data_type not in floating}
    for node in graph.node:
        for attribute in node.attribute:
            by_tensor = node.op_type == "Constant" and attribute.HasField("t")
            if (
                attribute.name in ("value_int", "value_ints", "value_string", "value_strings")
                or (by_tensor and attribute.t.data_type not in floating)
                or (node.op_type == "Cast" and attribute.name == "to" and attribute.i not in floating)
            ):
                whole.update(node.output)
    return whole


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
    result = onnx.ModelProto(ir_version=proto.ir_version)
    result.opset_import.extend(proto.opset_import)
    result.graph.name = graph.name or "graph"
    result.graph.node.extend(reversed(nodes))
    result.graph.initializer.extend(t for t in graph.initializer if t.name in needed)
    result.graph.sparse_initializer.extend(t for t in graph.sparse_initializer if t.values.name in needed)
    result.graph.input.extend(v for v in graph.input if v.name in needed and v.name not in weights)
    result.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    return result
