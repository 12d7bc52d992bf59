"""Whether the images of a batch meet each other in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .differentiate.facts import Facts, facts_of
from .graph import cut, graphs, initializer_names, reads

if TYPE_CHECKING:
    import onnx

_FLOAT = np.dtype(np.float32)
# Operators that tell sizes, those that take them for a shape or a place, and those that work along the first
# axis if no other is given.
_OF_SHAPES = ("Shape", "Size")
_TAKE_SIZES = ("CenterCropPad", "Expand", "Pad", "Reshape", "Resize", "Slice", "Split", "Tile")
_ALONG_FIRST = ("Gather", "GatherElements", "ScatterElements")


def keeps_images_apart(proto: onnx.ModelProto) -> bool:
    """Return whether each image of a batch goes through a graph by itself, as far as can be told.

    The first axis of the inputs is the batch, and must be the first axis of all that is made of them, but for
    whole numbers that are made of shapes alone, and only tell another shape.

    Parameters
    ----------
    proto : onnx.ModelProto
        A graph that is cut to what is asked for.
    """
    facts = facts_of(proto)
    stored = initializer_names(proto.graph)
    fed = {value.name for value in proto.graph.input} - stored
    batches = {facts.extents.get(name, (None,))[:1] for name in fed}
    if len(batches) != 1 or batches & {(), (None,)}:
        return False
    (batch,) = batches
    sizes: set[str] = set()
    for node in proto.graph.node:
        names = fed.intersection(reads(node))
        if not names:
            continue
        made = {name for name in node.output if name}
        fed |= made
        if node.op_type in _OF_SHAPES or names <= sizes:
            sizes |= {name for name in made if _is_small(name, facts)}
        elif not names.isdisjoint(sizes) and node.op_type not in _TAKE_SIZES:
            return False
        if made <= sizes:
            continue
        if any(facts.extents.get(name, ())[:1] != batch for name in made) or _mixes(node, facts, batch):
            return False
    return True


def _is_small(tensor: str, facts: Facts) -> bool:
    """Return whether a tensor holds whole numbers, as many for any batch: no positions of images."""
    extents = facts.extents.get(tensor, (None,))
    return facts.dtypes.get(tensor, _FLOAT).kind != "f" and all(isinstance(size, int) for size in extents)


def _mixes(node: onnx.NodeProto, facts: Facts, batch: tuple[int | str | None, ...]) -> bool:
    """Return whether a node works along the first axis, or by the statistics of a batch."""
    given = {attribute.name: attribute.i for attribute in node.attribute}
    extents = facts.extents.get(node.input[0], ())
    axis = given.get("axis")
    if node.op_type == "CumSum":
        value = facts.values.get(node.input[1])
        axis = 0 if value is None else int(value.item())
    elif node.op_type in _ALONG_FIRST and extents[:1] == batch:
        axis = given.get("axis", 0)
    if axis is not None and axis in (0, -len(extents)):
        return True
    return node.op_type == "BatchNormalization" and bool(given.get("training_mode"))


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
    counts = any(node.op_type in _OF_SHAPES for node in nodes)
    return not counts and all(facts.extents.get(name, ())[:1] == batch for name in tensors)
