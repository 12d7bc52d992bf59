"""Scan: written out step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..graph import subgraphs
from .facts import Facts, facts_of
from .old import names_in
from .step import Workshop

if TYPE_CHECKING:
    import onnx


def scans_unrolled(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose Scan nodes are replaced by their steps.

    Parameters
    ----------
    proto : onnx.ModelProto
        A model of operator set 18 or later; it is left as it is.

    Returns
    -------
    onnx.ModelProto
        Nodes whose number of steps is not known, or with bodies inside their bodies, stay as they are.
    """
    import onnx

    if not any(_is_scan(node) for node in proto.graph.node):
        return proto
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    workshop = Workshop(facts_of(proto), names_in(proto))
    del result.graph.node[:]
    for node in proto.graph.node:
        scan = _scan_of(node, workshop.facts) if _is_scan(node) else None
        if scan is None:
            workshop.nodes.append(node)
        else:
            _write(scan, workshop, result.graph)
    result.graph.node.extend(workshop.nodes)
    result.graph.initializer.extend(
        onnx.numpy_helper.from_array(values, name) for name, values in workshop.initializers.items()
    )
    return result


@dataclass(frozen=True)
class _Scan:
    """A Scan node, taken apart.

    Parameters
    ----------
    node, body : onnx.NodeProto, onnx.GraphProto
        The node, and what it does at each step.
    states : int
        How many values go from step to step.
    steps : int
        How many steps there are.
    axes, backwards : mapping of str to sequence of int
        For "input" and "output": along which axes slices lie, and whether they come in reverse.
    """

    node: onnx.NodeProto
    body: onnx.GraphProto
    states: int
    steps: int
    axes: Mapping[str, Sequence[int]]
    backwards: Mapping[str, Sequence[int]]


def _is_scan(node: onnx.NodeProto) -> bool:
    return node.op_type == "Scan" and node.domain in ("", "ai.onnx")


def _scan_of(node: onnx.NodeProto, facts: Facts) -> _Scan | None:
    """Return what is to be written out; None if that cannot be."""
    import onnx

    given: dict[str, Any] = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    body, count = given["body"], given["num_scan_inputs"]
    states = len(node.input) - count
    counts = {"input": count, "output": len(node.output) - states}
    axes = {kind: given.get(f"scan_{kind}_axes", [0] * n) for kind, n in counts.items()}
    backwards = {kind: given.get(f"scan_{kind}_directions", [0] * n) for kind, n in counts.items()}
    shape = facts.shapes.get(node.input[states])
    steps = None if shape is None else shape[axes["input"][0]]
    if not steps or any(any(subgraphs(inner)) for inner in body.node):
        return None
    return _Scan(node, body, states, steps, axes, backwards)


def _write(scan: _Scan, workshop: Workshop, graph: onnx.GraphProto) -> None:
    """Add the nodes of all steps, and those that join their results."""
    import onnx

    node, prefix = scan.node, _prefix(scan)
    stored = {"": ""}
    for tensor in scan.body.initializer:
        stored[tensor.name] = workshop.fresh(f"{prefix}/{tensor.name}")
        graph.initializer.add().CopyFrom(tensor)
        graph.initializer[-1].name = stored[tensor.name]
    states = list(node.input[: scan.states])
    ways = zip(node.input[scan.states :], scan.axes["input"], scan.backwards["input"], strict=True)
    slices = zip(
        *(_slices(workshop, whole, scan.steps, axis, back) for whole, axis, back in ways), strict=True
    )
    made = []
    for i, current in enumerate(slices):
        states, parts = _step(scan, i, [*states, *current], stored, workshop)
        made.append(parts)
    for name, state in zip(node.output, states, strict=False):
        if name:
            workshop.nodes.append(onnx.helper.make_node("Identity", [state], [name], name))
    turns = zip(scan.axes["output"], scan.backwards["output"], strict=True)
    for name, rows, (axis, back) in zip(
        node.output[scan.states :], zip(*made, strict=True), turns, strict=True
    ):
        if name:
            _join(workshop, name, rows[::-1] if back else rows, axis)


def _step(
    scan: _Scan, number: int, given: Sequence[str], stored: Mapping[str, str], workshop: Workshop
) -> tuple[list[str], list[str]]:
    """Add the nodes of one step, and return its new states and its parts of the outputs."""
    import onnx

    prefix = f"{_prefix(scan)}/{number}"
    names = dict(stored)
    names.update(zip((value.name for value in scan.body.input), given, strict=True))
    for inner in scan.body.node:
        inputs = [names.get(name, name) for name in inner.input]
        names.update((name, workshop.fresh(f"{prefix}/{name}")) for name in inner.output if name)
        copy = onnx.NodeProto()
        copy.CopyFrom(inner)
        copy.name = workshop.fresh(f"{prefix}/{inner.name or inner.op_type}")
        del copy.input[:], copy.output[:]
        copy.input.extend(inputs)
        copy.output.extend(names[name] for name in inner.output)
        workshop.nodes.append(copy)
    results = [names.get(value.name, value.name) for value in scan.body.output]
    return results[: scan.states], results[scan.states :]


def _slices(workshop: Workshop, whole: str, steps: int, axis: int, back: int) -> list[str]:
    """Return what each step reads of an input."""
    rows = workshop.many(whole, "Split", [whole], steps, axis=axis, num_outputs=steps)
    where = workshop.constant([axis], "int64")
    parts = [part for row in rows for part in workshop.many(whole, "Squeeze", [row, where], 1)]
    return parts[::-1] if back else parts


def _prefix(scan: _Scan) -> str:
    return scan.node.name or next(filter(None, scan.node.output))


def _join(workshop: Workshop, name: str, parts: Sequence[str], axis: int) -> None:
    """Add the node that lays the results of all steps side by side along a new axis."""
    import onnx

    where = workshop.constant([axis], "int64")
    rows = [row for part in parts for row in workshop.many(name, "Unsqueeze", [part, where], 1)]
    workshop.nodes.append(onnx.helper.make_node("Concat", rows, [name], name, axis=axis))
