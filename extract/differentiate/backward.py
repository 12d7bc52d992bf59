"""A graph that computes the gradients of another one: reverse-mode differentiation, graph to graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelError
from ..graph import cut, reads, tensors_of
from .errors import NoGradientError, SharedGradientError
from .facts import Facts, facts_of
from .prepare import prepared
from .registry import Entry, entries
from .step import Gradient, Rule, Step, Workshop, describe

if TYPE_CHECKING:
    import onnx

# Operators whose outputs do not change with small changes of their inputs.
CONSTANT = frozenset(
    {
        *(
            "And",
            "ArgMax",
            "ArgMin",
            "Ceil",
            "Equal",
            "EyeLike",
            "Floor",
            "Greater",
            "GreaterOrEqual",
            "Hardmax",
        ),
        *("IsInf", "IsNaN", "Less", "LessOrEqual", "NonMaxSuppression", "NonZero", "Not", "OneHot", "Or"),
        *("RandomNormalLike", "RandomUniformLike", "Round", "Shape", "Sign", "Size", "Unique", "Xor"),
        *("BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Bernoulli", "Multinomial"),
    }
)


def backward(
    proto: onnx.ModelProto,
    output: str,
    wrt: Sequence[str],
    *,
    per_image: bool = False,
    rules: Mapping[str, Rule] | None = None,
) -> onnx.ModelProto:
    """Return a model that also computes a vector-Jacobian product.

    Parameters
    ----------
    proto : onnx.ModelProto
        Any model, of operator set 7 or later; it is left as it is. Weights may be external data.
    output : str
        The tensor that is differentiated.
    wrt : sequence of str
        What it is differentiated by: any floating-point tensors, initializers or inputs of the graph.
    per_image : bool
        Give the gradients of weights for each image apart: one more axis in front, as long as the first axis
        of `output`. Otherwise they are summed over the images, as in torch and Caffe.
    rules : mapping of str to callable, optional
        Rules that hold here instead of the registered ones, by operator, or for operators that have none.
        They mind `Step.shared` if those that they stand for do.

    Returns
    -------
    onnx.ModelProto
        With the original outputs; one more input ``seed:OUTPUT``, the cotangent, of the shape of `output`;
        and for each name in `wrt` one more output ``grad:NAME``. It is of operator set 18 or later.

    Raises
    ------
    ModelError
        If a name is no floating-point tensor of the graph.
    NoGradientError
        If an operator between `wrt` and `output` has no rule.
    SharedGradientError
        If a weight's gradient cannot be given for each image apart.

    Notes
    -----
    Reverse-mode accumulation: A. Griewank, A. Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, ch. 3.
    """
    table = _table(rules or {})
    proto = prepared(proto, {*table, *CONSTANT})
    facts = facts_of(proto)
    _check_names(proto, facts, output, wrt)
    workshop = Workshop(facts, _names(proto))
    seed = f"seed:{output}"
    found = _walk_back(proto, workshop, output, seed, wrt, per_image, table)
    apart = set(wrt) - _dependent(proto) if per_image else set()
    return _assembled(proto, workshop, output, seed, dict(zip(wrt, found, strict=True)), apart)


def _table(rules: Mapping[str, Rule]) -> Mapping[str, Entry]:
    """Return what is known of each operator, with rules of the caller's own."""
    known = entries()
    own = {name: Entry(rule, name in known and known[name].per_image) for name, rule in rules.items()}
    return {**known, **own}


def _walk_back(
    proto: onnx.ModelProto,
    workshop: Workshop,
    output: str,
    seed: str,
    wrt: Sequence[str],
    per_image: bool,
    table: Mapping[str, Entry],
) -> list[Gradient]:
    """Add the nodes of all gradients, and return each name's; None where `output` does not depend on it."""
    active = _active(proto, workshop.facts, wrt)
    batched = _dependent(proto) if per_image else None
    nodes = list(cut(proto, [output]).graph.node) if _is_made(proto, output) else []
    _check_rules(nodes, active, table, wrt)
    collected: dict[str, list[str]] = {output: [seed]}
    for node in reversed(nodes):
        given = tuple(_summed(workshop, collected, name) for name in node.output)
        wanted = tuple(name in active for name in node.input)
        if not any(wanted) or all(gradient is None for gradient in given):
            continue
        shared = tuple(
            batched is not None and w and name not in batched
            for name, w in zip(node.input, wanted, strict=True)
        )
        step = Step(node, given, wanted, shared, workshop)
        for name, gradient in zip(node.input, _apply(step, batched, table), strict=False):
            if gradient is not None and name in active:
                collected.setdefault(name, []).append(gradient)
    return [_summed(workshop, collected, name) for name in wrt]


def _check_rules(
    nodes: Sequence[onnx.NodeProto], active: set[str], table: Mapping[str, Entry], wrt: Sequence[str]
) -> None:
    """Raise a NoGradientError for the last node on the way that has no rule."""
    blocked = [
        node
        for node in nodes
        if not active.isdisjoint(reads(node))
        and not active.isdisjoint(node.output)
        and _operator(node) not in table
    ]
    if not blocked:
        return
    read = {name for node in nodes for name in reads(node)}
    made = [name for name in blocked[-1].output if name in active]
    earliest = next((name for name in made if name in read), made[0])
    free = [name for name in wrt if not any(_leads_to(nodes, active, name, node) for node in blocked)]
    others = f", and with respect to {', '.join(map(repr, free))}" if free else ""
    raise NoGradientError(
        f"{describe(blocked[-1])}: no gradient is known of this operator; gradients with respect to "
        f"{earliest!r} and later tensors can be had{others}"
    )


def _leads_to(nodes: Sequence[onnx.NodeProto], active: set[str], name: str, target: onnx.NodeProto) -> bool:
    """Return whether a node changes with a tensor."""
    reached = {name}
    for node in nodes:
        if not reached.isdisjoint(reads(node)):
            if node is target:
                return True
            reached.update(active.intersection(node.output))
    return False


def _operator(node: onnx.NodeProto) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type


def _apply(step: Step, batched: set[str] | None, table: Mapping[str, Entry]) -> Sequence[Gradient]:
    """Return what a node's rule makes of its outputs' gradients."""
    node, entry = step.node, table[_operator(step.node)]
    if any(step.shared):
        if batched is not None and not any(name in batched for name in node.output):
            raise SharedGradientError(f"{describe(node)}: works on weights alone")
        if not entry.per_image:
            raise step.apart("its rule sums over the images")
    return entry.rule(step)


def _summed(workshop: Workshop, collected: dict[str, list[str]], name: str) -> Gradient:
    """Return the sum of the gradients that came together at a tensor."""
    parts = collected.get(name, [])
    if len(parts) > 1:
        collected[name] = parts = workshop.many(f"grad/{name}", "Sum", parts, 1)
    return parts[0] if parts else None


def _active(proto: onnx.ModelProto, facts: Facts, wrt: Iterable[str]) -> set[str]:
    """Return the floating-point tensors that change with those of `wrt`."""
    active = set(wrt)
    for node in proto.graph.node:
        if node.op_type not in CONSTANT and not active.isdisjoint(reads(node)):
            active.update(name for name in node.output if name and _is_floating(facts, name))
    return active


def _dependent(proto: onnx.ModelProto) -> set[str]:
    """Return the tensors that depend on an input of the graph."""
    stored = {tensor.name for tensor in proto.graph.initializer}
    found = {value.name for value in proto.graph.input if value.name not in stored}
    for node in proto.graph.node:
        if not found.isdisjoint(reads(node)):
            found.update(node.output)
    return found


def _is_floating(facts: Facts, name: str) -> bool:
    return facts.dtypes.get(name, np.dtype(np.float32)).kind == "f"


def _is_made(proto: onnx.ModelProto, name: str) -> bool:
    return any(name in node.output for node in proto.graph.node)


def _names(proto: onnx.ModelProto) -> set[str]:
    graph = proto.graph
    tensors = {name for node in graph.node for name in (*node.input, *node.output)}
    stored = {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}
    return tensors | stored | {node.name for node in graph.node}


def _check_names(proto: onnx.ModelProto, facts: Facts, output: str, wrt: Sequence[str]) -> None:
    known = tensors_of(proto)
    for name in (output, *wrt):
        if name not in known:
            raise ModelError(f"no tensor {name!r} to be differentiated")
        if not _is_floating(facts, name):
            raise ModelError(f"{name!r} holds {facts.dtypes[name]} values, which have no gradient")


def _assembled(
    proto: onnx.ModelProto,
    workshop: Workshop,
    output: str,
    seed: str,
    found: dict[str, Gradient],
    apart: set[str],
) -> onnx.ModelProto:
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(proto)
    graph = result.graph
    for value in graph.output:
        if not value.type.tensor_type.HasField("shape"):
            value.CopyFrom(_described(workshop.facts, value.name, value.name))
    graph.input.append(_described(workshop.facts, output, seed))
    for name, gradient in found.items():
        if gradient is None:
            zero = workshop.constant(0, workshop.facts.dtypes.get(name, np.dtype(np.float32)))
            shape = workshop.shape_of(name)
            if name in apart:
                images = workshop.many("grad/images", "Shape", [output], 1, start=0, end=1)
                (shape,) = workshop.many(f"grad/{name}", "Concat", [*images, shape], 1, axis=0)
            (gradient,) = workshop.many(f"grad/{name}", "Expand", [zero, shape], 1)
        workshop.nodes.append(onnx.helper.make_node("Identity", [gradient], [f"grad:{name}"], f"grad:{name}"))
        graph.output.append(_described(workshop.facts, name, f"grad:{name}", apart=name in apart))
    graph.node.extend(workshop.nodes)
    graph.initializer.extend(
        onnx.numpy_helper.from_array(values, name) for name, values in workshop.initializers.items()
    )
    return result


def _described(facts: Facts, tensor: str, name: str, apart: bool = False) -> onnx.ValueInfoProto:
    """Return what describes a tensor like another one; `apart` puts an axis of images in front."""
    import onnx

    kind = onnx.helper.np_dtype_to_tensor_dtype(facts.dtypes.get(tensor, np.dtype(np.float32)))
    shape = facts.shapes.get(tensor)
    return onnx.helper.make_tensor_value_info(
        name, kind, (None, *shape) if apart and shape is not None else shape
    )
