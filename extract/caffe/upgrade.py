"""Older forms of a network's description, brought to today's: ``layer`` with a type that is a string.

What Caffe's own upgrade does, without what only training needs: so there is nothing about BatchNorm layers
with three ``param``, whose learning rates Caffe sets.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converters.errors import CnnVisWarning

from ..errors import ModelError
from .schema import message
from .upgrade_v0 import v1_layers

# Types of V1 whose name today is not their words in capitals and small letters run together.
_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BN": "BN",
    "BNLL": "BNLL",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "LRN": "LRN",
    "MVN": "MVN",
    "PRELU": "PReLU",
    "RELU": "ReLU",
    "ROI_POOLING": "ROIPooling",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}
# The data layers that once did what now a TransformationParameter says.
_TRANSFORMED = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
_TRANSFORM_FIELDS = ("scale", "mean_file", "crop_size", "mirror")
# Fields of a V1 layer that a layer of today holds otherwise.
_RENAMED = {"type", "param", "blob_share_mode", "blobs_lr", "weight_decay", "layer"}


def upgraded_layers(net: Any, path: Path, types: Mapping[int, str] | None = None) -> list[tuple[int, Any]]:
    """Return the layers of a network in today's form.

    Parameters
    ----------
    net : protobuf message
        A ``NetParameter`` of any generation; it stays as it is.
    path : Path
        Where it is from, for messages.
    types : mapping of int to str, optional
        Types of V1 that the schema does not have, by the layer's place in the file.

    Returns
    -------
    list of (int, protobuf message)
        Each layer's place in the file, from 0, and its ``LayerParameter``. Padding layers of the oldest form
        are gone: the layer that reads one pads by itself.

    Raises
    ------
    ModelError
        If the network mixes forms, or holds what no form of Caffe has.
    """
    if net.layer and net.layers:
        raise ModelError(
            f"{path}: mixes 'layer' (such as {net.layer[0].name!r}) and 'layers' (such as "
            f"{_name(net.layers[0])!r}), which Caffe refuses: write all layers as 'layer'"
        )
    if not net.layers:
        return [(index, _with_dilation(_copy(layer))) for index, layer in enumerate(net.layer)]
    if any(layer.HasField("layer") for layer in net.layers):
        found, ignored = v1_layers(net, path)
        for line in ignored:
            warnings.warn(f"{path}: {line}", CnnVisWarning, stacklevel=2)
    else:
        found = [(index, _copy(layer)) for index, layer in enumerate(net.layers)]
    kinds = types or {}
    return [
        (index, _with_dilation(_from_v1(layer, kinds.get(index) or layer.LayerType.Name(layer.type))))
        for index, layer in found
    ]


def _name(layer: Any) -> str:
    name: str = layer.layer.name if layer.HasField("layer") else layer.name
    return name


def _copy(layer: Any) -> Any:
    copied = type(layer)()
    copied.CopyFrom(layer)
    return copied


def _with_dilation(layer: Any) -> Any:
    """Return a layer, changed, whose holes, as DeepLab v1 calls them, are dilation."""
    given = layer.convolution_param
    if given.hole:
        given.dilation.append(given.hole)
    elif given.hole_h or given.hole_w:
        given.dilation.extend([given.hole_h or 1, given.hole_w or 1])
    return layer


def _from_v1(old: Any, kind: str) -> Any:
    """Return a layer of the second form in today's; the old one may change."""
    _move_transform(old, kind)
    new = message("LayerParameter")
    for field, value in old.ListFields():
        if field.name in _RENAMED:
            continue
        if field.is_repeated:
            getattr(new, field.name).MergeFrom(value)
        elif field.message_type is not None:
            getattr(new, field.name).CopyFrom(value)
        else:
            setattr(new, field.name, value)
    new.type = _TYPES.get(kind, "".join(map(str.capitalize, kind.split("_"))))
    _set_params(new, old)
    return new


def _move_transform(old: Any, kind: str) -> None:
    if kind not in _TRANSFORMED:
        return
    source = getattr(old, _TRANSFORMED[kind])
    for name in _TRANSFORM_FIELDS:
        if source.HasField(name):
            setattr(old.transform_param, name, getattr(source, name))
            source.ClearField(name)


def _set_params(new: Any, old: Any) -> None:
    """Gather what V1 says about the parameters in lists of names, sharing modes and rates."""
    columns = {
        "name": old.param,
        "share_mode": old.blob_share_mode,
        "lr_mult": old.blobs_lr,
        "decay_mult": old.weight_decay,
    }
    for _ in range(max(map(len, columns.values()))):
        new.param.add()
    for field, values in columns.items():
        for spec, value in zip(new.param, values, strict=False):
            setattr(spec, field, value)
