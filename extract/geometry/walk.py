"""From the inputs through all nodes: the place of every tensor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..graph import reads
from . import grids, layout, merging, windows
from .call import Call, Rule, Shape, Unplaced
from .constants import Constants
from .place import Axes, AxisPlace, Place, Unknown, whole

if TYPE_CHECKING:
    import onnx

RULES: dict[str, Rule] = {**windows.RULES, **merging.RULES, **grids.RULES, **layout.RULES}
"""The rules by operator; the name of one that is not ONNX's own has its domain before it."""

PLACELESS = {
    "Constant",
    "ConstantOfShape",
    "EyeLike",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Range",
    "Shape",
    "Size",
}
"""Operators whose output lies nowhere, wherever their inputs lie."""


def places(
    proto: onnx.ModelProto,
    shapes: Mapping[str, tuple[int, ...]],
    channels_last: frozenset[str] = frozenset(),
) -> dict[str, Place]:
    """Return where the units of each tensor of a graph lie in its inputs.

    Parameters
    ----------
    proto : onnx.ModelProto
        The model; no weight is read.
    shapes : mapping of str to tuple of int
        The concrete shapes of tensors. What an operator's place needs of a shape that is not here is unknown.
    channels_last : frozenset of str
        Names of graph inputs whose last axis holds the channels, not the second one.

    Returns
    -------
    dict of str to Place
        For each graph input, initializer and node output, by name. The pictures are the graph's inputs of
        3 to 5 axes that are not initializers.
    """
    constants = Constants(proto.graph, shapes, _opset(proto))
    known: dict[str, Axes | Unknown] = {
        name: (None,) * len(dims) for name, dims in constants.initializers().items()
    }
    for value in proto.graph.input:
        known.setdefault(value.name, _picture(value, shapes.get(value.name), value.name in channels_last))
    for node in proto.graph.node:
        known.update(zip(node.output, _outputs(node, known, constants), strict=True))
    return {name: _place(axes) for name, axes in known.items() if name}


def _opset(proto: onnx.ModelProto) -> int:
    return max((it.version for it in proto.opset_import if it.domain in ("", "ai.onnx")), default=1)


def _picture(value: onnx.ValueInfoProto, shape: Shape | None, channels_last: bool) -> Axes | Unknown:
    tensor = value.type.tensor_type
    if shape is None and value.type.HasField("tensor_type") and not tensor.HasField("shape"):
        return Unknown(f"the shape of the input {value.name!r} is unknown")
    rank = len(tensor.shape.dim if shape is None else shape)
    first = 1 if channels_last else 2
    axes = range(first, first + rank - 2) if 3 <= rank <= 5 else ()
    return tuple(whole(value.name, i) if i in axes else None for i in range(rank))


def _outputs(
    node: onnx.NodeProto, known: Mapping[str, Axes | Unknown], constants: Constants
) -> list[Axes | Unknown]:
    inputs = [_read(name, known) for name in node.input]
    seen = [_read(name, known) for name in reads(node)]
    call = Call(node, tuple(() if isinstance(it, Unknown) else it for it in inputs), constants)
    operator = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    if operator in PLACELESS or not any(isinstance(it, Unknown) or any(it) for it in seen):
        return [_nowhere(call, i) for i in range(len(node.output))]
    if any(isinstance(it, Unknown) for it in seen) or operator not in RULES:
        return _lost(call, seen, "no rule for this operator")
    try:
        found = RULES[operator](call)[: len(node.output)]
    except Unplaced as error:
        return _lost(call, seen, str(error))
    return [*found, *(_nowhere(call, i) for i in range(len(found), len(node.output)))]


def _read(name: str, known: Mapping[str, Axes | Unknown]) -> Axes | Unknown:
    if not name:
        return ()
    return known.get(name, Unknown(f"{name!r} is made by no node before it is read"))


def _nowhere(call: Call, output: int) -> Axes:
    return (None,) * len(call.output_shape(output) or ())


def _lost(call: Call, seen: list[Axes | Unknown], why: str) -> list[Axes | Unknown]:
    """Return the outputs of a call that cannot be placed.

    Unknown are the axes that have a place in an input of the same rank, or all if there is no such input.
    The reason is the first one there was.
    """
    unknown = next(_unknowns(seen), call.unknown(why))
    return [_unknown_axes(call.output_shape(i), seen, unknown) for i in range(len(call.node.output))]


def _unknown_axes(shape: Shape | None, seen: list[Axes | Unknown], unknown: Unknown) -> Axes | Unknown:
    if shape is None:
        return unknown
    alike = [it for it in seen if not isinstance(it, Unknown) and len(it) == len(shape) and any(it)]
    return tuple(unknown if not alike or any(it[i] for it in alike) else None for i in range(len(shape)))


def _unknowns(tensors: Iterable[Axes | Unknown]) -> Iterator[Unknown]:
    for tensor in tensors:
        for axis in (tensor,) if isinstance(tensor, Unknown) else tensor:
            if isinstance(axis, Unknown):
                yield axis


def _place(axes: Axes | Unknown) -> Place:
    reason = next((unknown.reason for unknown in _unknowns([axes])), None)
    if isinstance(axes, Unknown):
        return Place((), reason)
    return Place(tuple(axis if isinstance(axis, AxisPlace) else None for axis in axes), reason)
