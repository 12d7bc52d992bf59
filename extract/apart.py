"""Whether the images of a batch meet each other in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .apart_rules import RULES, Step
from .differentiate.facts import Facts, facts_of
from .graph import cut, graphs, initializer_names, reads

if TYPE_CHECKING:
    import onnx

_FLOAT = np.dtype(np.float32)
# Operators that tell sizes, and those that take them for a shape or a place.
_OF_SHAPES = ("Shape", "Size")
_TAKE_SIZES = (
    *("CenterCropPad", "ConstantOfShape", "Expand", "Pad", "Reshape", "Resize", "Slice", "Split", "Tile"),
)


def keeps_images_apart(proto: onnx.ModelProto) -> bool:
    """Return whether each image of a batch is known to go through a graph by itself.

    The first axis of the inputs is the batch, and must be the first axis of all that is made of them, by
    operators that are known to keep rows apart; but for whole numbers that are made of shapes alone, and only
    tell another shape.

    Parameters
    ----------
    proto : onnx.ModelProto
        A graph that is cut to what is asked for, of an operator set that `upgraded` makes.
    """
    facts = facts_of(proto)
    stored = initializer_names(proto.graph)
    rows = {value.name for value in proto.graph.input} - stored
    batches = {facts.extents.get(name, (None,))[:1] for name in rows}
    if len(batches) != 1 or batches & {(), (None,)}:
        return False
    (batch,) = batches
    sizes: set[str] = set()
    places: set[str] = set()
    for node in proto.graph.node:
        names = (rows | sizes).intersection(reads(node))
        if not names:
            continue
        made = {name for name in node.output if name}
        if (node.op_type in _OF_SHAPES or names <= sizes) and all(_is_small(name, facts) for name in made):
            sizes |= made
            continue
        if not names.isdisjoint(sizes) and node.op_type not in _TAKE_SIZES:
            return False
        if any(facts.extents.get(name, ())[:1] != batch for name in made):
            return False
        if not (_is_of_each(node, rows, facts) and _knows_places(node, places)):
            return False
        rows |= made
        places.update(_places_of(node))
    return True


def _is_of_each(node: onnx.NodeProto, rows: set[str], facts: Facts) -> bool:
    """Return whether a node works on each row by itself."""
    rule = RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    fed = frozenset(place for place, name in enumerate(node.input) if name in rows)
    return rule is not None and rule(Step(node, fed, facts))


def _places_of(node: onnx.NodeProto) -> list[str]:
    """Return the tensors in which a pool tells where in the whole batch its maxima are."""
    return [name for name in node.output[1:] if name] if node.op_type == "MaxPool" else []


def _knows_places(node: onnx.NodeProto, places: set[str]) -> bool:
    """Return whether a node reads no such tensor, or as what it is."""
    return all(
        name not in places or (node.op_type == "MaxUnpool" and number == 1)
        for number, name in enumerate(node.input)
    )


def _is_small(tensor: str, facts: Facts) -> bool:
    """Return whether a tensor holds whole numbers, as many for any batch: no positions of images."""
    extents = facts.extents.get(tensor, (None,))
    return facts.dtypes.get(tensor, _FLOAT).kind != "f" and all(isinstance(size, int) for size in extents)


def hold_rows(proto: onnx.ModelProto, tensors: Sequence[str]) -> bool:
    """Return whether tensors hold one row for each image, whatever images and how many are in a batch.

    What a graph knows of the number of images, such as a shape or the positions of rows, is of one batch.

    Parameters
    ----------
    proto : onnx.ModelProto
        A graph that keeps images apart.
    tensors : sequence of str
        Tensors that depend on its inputs.
    """
    facts = facts_of(proto)
    fed = {value.name for value in proto.graph.input} - initializer_names(proto.graph)
    (batch,) = {facts.extents[name][:1] for name in fed}
    made = [name for name in tensors if name not in fed]
    nodes = (node for graph in graphs(cut(proto, made).graph) for node in graph.node)
    counts = any(node.op_type in _OF_SHAPES or _places_of(node) for node in nodes)
    return not counts and all(facts.extents.get(name, ())[:1] == batch for name in tensors)
