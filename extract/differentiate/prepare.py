"""Bringing a model into the form that rules are written for."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ..graph import graphs, subgraphs
from ..shapes import annotated
from .bodies import written_out
from .rules.recurrent import unrolled
from .scan import scans_unrolled
from .upgrade import upgraded

if TYPE_CHECKING:
    import onnx

_STANDARD = ("", "ai.onnx")


def prepared(proto: onnx.ModelProto, known: Collection[str]) -> onnx.ModelProto:
    """Return a model of operator set 18 or later, of operators that have rules as far as can be.

    Parameters
    ----------
    proto : onnx.ModelProto
        The model; it is left as it is. Its weights may be external data.
    known : collection of str
        Operators that have rules, or need none. Others, and local functions, are replaced by the nodes that
        ONNX or the model defines them by, if it does; and what those consist of likewise; so are some that
        this package defines by others. Recurrent nodes and Scan are replaced by their steps.

    Raises
    ------
    ModelError
        If its operator set is older than 7, or a node means something that no later operator does.
    """
    import onnx.inliner

    if proto.functions:
        proto = onnx.inliner.inline_local_functions(proto, convert_version=True)
    proto = unrolled(written_out(upgraded(proto)))
    whole = set(known)
    while composite := sorted(name for name in _used(proto) - whole if _has_body(proto, name)):
        expanded = _expanded(proto, composite[0])
        if composite[0] in _used(expanded):
            # its body depends on types that cannot be known
            whole.add(composite[0])
        proto = expanded
    return scans_unrolled(proto)


def _used(proto: onnx.ModelProto) -> set[str]:
    """Return the standard operators of a model, bodies included, that have no bodies themselves."""
    return {
        node.op_type
        for graph in graphs(proto.graph)
        for node in graph.node
        if node.domain in _STANDARD and not any(subgraphs(node))
    }


def _has_body(proto: onnx.ModelProto, operator: str) -> bool:
    """Return whether ONNX defines an operator by others, in the model's operator set."""
    import onnx

    try:
        schema = _schema(proto, operator)
    except onnx.defs.SchemaError:
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)


def _expanded(proto: onnx.ModelProto, operator: str) -> onnx.ModelProto:
    """Return a model with all nodes of an operator replaced by their bodies; as it is if that cannot be."""
    import onnx.inliner

    try:
        expanded = onnx.inliner.inline_selected_functions(
            _explicit(proto, operator), [("", operator)], inline_schema_functions=True
        )
    except RuntimeError:
        return proto
    # what was said of weights and of inputs left out was said for the inliner
    stored = {"", *(tensor.name for tensor in proto.graph.initializer)}
    values = [value for value in expanded.graph.value_info if value.name not in stored]
    del expanded.graph.value_info[:]
    expanded.graph.value_info.extend(values)
    return expanded


def _explicit(proto: onnx.ModelProto, operator: str) -> onnx.ModelProto:
    """Return a model that says all that bodies of an operator may depend on.

    That is the types of all tensors, weights too, and the attributes that an operator has by default, which
    the inliner of onnx 1.23 leaves out.
    """
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(proto)
    known = annotated(proto, {}).graph
    del result.graph.value_info[:]
    result.graph.value_info.extend(known.value_info)
    result.graph.value_info.extend(
        onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in known.initializer
    )
    # inputs left out have a type too, which is none
    result.graph.value_info.add()
    defaults = [a.default_value for a in _schema(proto, operator).attributes.values() if a.default_value.name]
    for graph in graphs(result.graph):
        for node in graph.node:
            if node.op_type == operator and node.domain in _STANDARD:
                given = {attribute.name for attribute in node.attribute}
                node.attribute.extend(default for default in defaults if default.name not in given)
    return result


def _schema(proto: onnx.ModelProto, operator: str) -> Any:
    """Return what ONNX says of an operator in the model's operator set."""
    import onnx

    version = next(entry.version for entry in proto.opset_import if entry.domain in _STANDARD)
    return onnx.defs.get_schema(operator, version)
