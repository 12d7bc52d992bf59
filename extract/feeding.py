"""Networks that are fed in their middle, and which input images are for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import ImageError, ModelError
from .model import Model
from .parts import Input
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


def image_input(model: Model, needed: Sequence[Input], fixed: Mapping[str, Any]) -> Input:
    """Return the input that images are for: the only one that is needed and not fed otherwise.

    Parameters
    ----------
    model : Model
        The network.
    needed : sequence of Input
        Those of its inputs that matter.
    fixed : mapping of str to ndarray
        Values of further inputs.

    Raises
    ------
    ImageError
        If there are several such inputs, or none.
    """
    open_inputs = [value for value in needed if value.name not in fixed]
    if not open_inputs:
        # what does not depend on the images' values, such as the gradient of a sum, still has one for each
        open_inputs = [value for value in model.inputs if value.name not in fixed]
    if len(open_inputs) != 1:
        wanted = ", ".join(value.name for value in open_inputs) or "none"
        raise ImageError(
            f"{model.path}: images feed one input, and {wanted} are left: use --feed NAME=FILE.npy"
        )
    return open_inputs[0]
