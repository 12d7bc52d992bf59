"""What our ONNX files say besides their graph, in ``metadata_props``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

# A JSON object: the tensors of those Caffe blobs that have other names than their tensors.
BLOBS = "cnnvis.blobs"


def write_blobs(proto: onnx.ModelProto, blobs: Mapping[str, str]) -> None:
    """Write into a model which tensors hold the final values of Caffe's blobs, where their names differ.

    Parameters
    ----------
    proto : onnx.ModelProto
        The model; it is changed.
    blobs : mapping of str to str
        Tensors by blob; those that the graph does not have are left out.
    """
    tensors = _tensors(proto.graph)
    renamed = {blob: tensor for blob, tensor in blobs.items() if tensor != blob and tensor in tensors}
    if renamed:
        proto.metadata_props.add(key=BLOBS, value=json.dumps(renamed, ensure_ascii=False))


def blobs_of(proto: onnx.ModelProto) -> dict[str, str]:
    """Return the tensors of those Caffe blobs whose names differ from their tensors', as `write_blobs` wrote.

    Parameters
    ----------
    proto : onnx.ModelProto
        Any model. Where it says nothing of blobs, or nothing that can be understood, there are none; tensors
        that its graph does not have, as another tool may have changed it since, are left out.
    """
    (text,) = [entry.value for entry in proto.metadata_props if entry.key == BLOBS][:1] or ["{}"]
    try:
        blobs = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(blobs, dict):
        return {}
    tensors = _tensors(proto.graph)
    return {blob: tensor for blob, tensor in blobs.items() if isinstance(tensor, str) and tensor in tensors}


def _tensors(graph: onnx.GraphProto) -> set[str]:
    made = {name for node in graph.node for name in node.output if name}
    return made | {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
