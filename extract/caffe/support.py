"""Layers that could not be imported: an error only for those who need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..graph import cut

if TYPE_CHECKING:
    import onnx

# Nodes of this domain stand for layers that cannot be expressed; their doc_string says why.
UNSUPPORTED = "cnnvis.caffe"


def check_supported(proto: onnx.ModelProto, tensors: Sequence[str]) -> None:
    """Raise a ModelError if a graph's tensors need a layer that stands there by name alone.

    Parameters
    ----------
    proto : onnx.ModelProto
        The graph of a Caffe network.
    tensors : sequence of str
        Tensors that its nodes make.
    """
    for node in cut(proto, tensors).graph.node:
        if node.domain == UNSUPPORTED:
            raise ModelError(
                f"layer {node.name!r} ({node.op_type}): {node.doc_string}; a Caffe that has this layer "
                "runs it with --engine pycaffe"
            )
