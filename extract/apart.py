"""Whether the images of a batch meet each other in a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .differentiate.facts import Facts, facts_of
from .graph import initializer_names, reads

if TYPE_CHECKING:
    import onnx

_FLOAT = np.dtype(np.float32)


def keeps_images_apart(proto: onnx.ModelProto) -> bool:
    """Return whether each image of a batch goes through a graph by itself, as far as can be told.

    The first axis of the inputs is the batch, and must be the first axis of all that is made of them.

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
    for node in proto.graph.node:
        if fed.isdisjoint(reads(node)):
            continue
        fed.update(node.output)
        made = [name for name in node.output if name and facts.dtypes.get(name, _FLOAT).kind == "f"]
        if any(facts.extents.get(name, ())[:1] != batch for name in made) or _mixes(node, facts):
            return False
    return True


def _mixes(node: onnx.NodeProto, facts: Facts) -> bool:
    """Return whether a node works along the first axis, or by the statistics of a batch."""
    rank = len(facts.extents.get(node.input[0], ()))
    for attribute in node.attribute:
        if attribute.name == "axis" and attribute.i in (0, -rank):
            return True
        if attribute.name == "training_mode" and attribute.i and node.op_type == "BatchNormalization":
            return True
    return False
