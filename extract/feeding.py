"""Networks that are fed in their middle."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from .errors import ModelError
from .model import Model
from .shapes import types

if TYPE_CHECKING:
    import onnx


def fed_at(model: Model, names: Iterable[str]) -> Model:
    """Return a network that takes some of its tensors as inputs; what made them is not needed then.

    Parameters
    ----------
    model : Model
        The network; it is left as it is.
    names : iterable of str
        Layers or tensors, as `Model.tensor` takes them. The inputs are called by their tensors.

    Raises
    ------
    UnknownNameError
        If the model has no such name.
    ModelError
        If a tensor is a constant, or Caffe runs the network.
    """
    import onnx

    tensors = {model.tensor(name): name for name in names}
    for tensor, name in tensors.items():
        if tensor in model.constants:
            raise ModelError(
                f"{model.path}: {name!r} is a constant; only what depends on an input can be fed"
            )
    if model.source.runner is not None:
        raise ModelError(f"{model.path}: Caffe runs whole networks: only their inputs can be fed")
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    for node in proto.graph.node:
        for place, output in enumerate(node.output):
            if output in tensors:
                node.output[place] = f"{output}:computed"
    kinds = _kinds(model, tensors)
    for tensor in tensors:
        kind = onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, None)
        proto.graph.input.append(onnx.helper.make_value_info(tensor, kinds.get(tensor, kind)))
    return Model(proto, model.source)


def _kinds(model: Model, tensors: Collection[str]) -> Mapping[str, onnx.TypeProto]:
    """Return the types of tensors, as the file says them, else as far as inference finds them."""
    graph = model.proto.graph
    said = {v.name: v.type for v in (*graph.value_info, *graph.output) if v.type.WhichOneof("value")}
    if said.keys() >= set(tensors):
        return said
    with model.named_in_errors():
        return {**types(model.proto), **said}
