"""The oldest form of a network's description (2013): ``layers { layer { ... } }``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ModelError
from .schema import message

_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}
_PARAMETERS = {
    "concat": "concat_param",
    "conv": "convolution_param",
    "data": "data_param",
    "dropout": "dropout_param",
    "hdf5_data": "hdf5_data_param",
    "hdf5_output": "hdf5_output_param",
    "images": "image_data_param",
    "infogain_loss": "infogain_loss_param",
    "innerproduct": "inner_product_param",
    "lrn": "lrn_param",
    "pool": "pooling_param",
    "window_data": "window_data_param",
}
# Fields of the layer's own parameters: what they are called now, and of which types.
_FIELDS = {
    "num_output": ("num_output", "conv innerproduct"),
    "biasterm": ("bias_term", "conv innerproduct"),
    "weight_filler": ("weight_filler", "conv innerproduct"),
    "bias_filler": ("bias_filler", "conv innerproduct"),
    "pad": ("pad", "conv pool"),
    "kernelsize": ("kernel_size", "conv pool"),
    "group": ("group", "conv"),
    "stride": ("stride", "conv pool"),
    "pool": ("pool", "pool"),
    "dropout_ratio": ("dropout_ratio", "dropout"),
    "local_size": ("local_size", "lrn"),
    "alpha": ("alpha", "lrn"),
    "beta": ("beta", "lrn"),
    "k": ("k", "lrn"),
    "source": ("source", "data hdf5_data images window_data infogain_loss"),
    "batchsize": ("batch_size", "data hdf5_data images window_data"),
    "rand_skip": ("rand_skip", "data images"),
    "shuffle_images": ("shuffle", "images"),
    "new_height": ("new_height", "images"),
    "new_width": ("new_width", "images"),
    "concat_dim": ("concat_dim", "concat"),
    "det_fg_threshold": ("fg_threshold", "window_data"),
    "det_bg_threshold": ("bg_threshold", "window_data"),
    "det_fg_fraction": ("fg_fraction", "window_data"),
    "det_context_pad": ("context_pad", "window_data"),
    "det_crop_mode": ("crop_mode", "window_data"),
}
_TRANSFORM_FIELDS = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
# Fields that any layer of the second form has too.
_COMMON = {"blobs", "blobs_lr", "weight_decay"}


def v1_layers(net: Any, path: Path) -> tuple[list[tuple[int, Any]], list[str]]:
    """Return the layers of a network of the oldest form in the second one.

    Parameters
    ----------
    net : protobuf message
        A ``NetParameter`` whose ``layers`` hold a ``layer``.
    path : Path
        Where it is from, for messages.

    Returns
    -------
    layers : list of (int, protobuf message)
        Each layer's place in the file, from 0, and its ``V1LayerParameter``; padding layers are gone, and so
        are rules of phases, as in Caffe: they came with the second form.
    ignored : list of str
        A line about each field that its layer's type does not have, and that has no effect.

    Raises
    ------
    ModelError
        If a layer is of another form or of no known type, or if what reads a padding layer cannot pad.
    """
    layers, ignored = [], []
    for index, layer in _padded(net, path):
        if not layer.HasField("layer"):
            raise ModelError(
                f"{path}: layer {layer.name!r} has no 'layer' inside, but others have: these forms do not mix"
            )
        upgraded, fields = _upgraded(layer, path)
        layers.append((index, upgraded))
        ignored += [f"layer {upgraded.name!r} ({layer.layer.type}) takes no {field!r}" for field in fields]
    return layers, ignored


def _padded(net: Any, path: Path) -> list[tuple[int, Any]]:
    """Fold padding layers into the layers that read them; each layer with its place in the file."""
    makers = dict.fromkeys(net.input)
    kept = []
    for index, layer in enumerate(net.layers):
        copied = type(layer)()
        copied.CopyFrom(layer)
        for i, bottom in enumerate(layer.bottom):
            maker = makers.get(bottom)
            if maker is not None and maker.layer.type == "padding":
                _check_padding(maker, layer, path)
                copied.layer.pad = maker.layer.pad
                copied.bottom[i] = maker.bottom[0]
        makers.update(dict.fromkeys(layer.top, layer))
        if layer.layer.type != "padding":
            kept.append((index, copied))
    return kept


def _check_padding(padding: Any, reader: Any, path: Path) -> None:
    name = padding.layer.name
    if reader.layer.type not in ("conv", "pool") or len(reader.bottom) != 1:
        raise ModelError(
            f"{path}: layer {reader.layer.name!r} ({reader.layer.type}) cannot read the padding layer "
            f"{name!r}; only a conv or pool layer with one bottom can"
        )
    if len(padding.bottom) != 1 or len(padding.top) != 1:
        raise ModelError(f"{path}: the padding layer {name!r} must have one bottom and one top")


def _upgraded(old: Any, path: Path) -> tuple[Any, list[str]]:
    """Return a layer in the second form, and the fields that its type does not have."""
    inner = old.layer
    if inner.type not in _TYPES:
        raise ModelError(f"{path}: layer {inner.name!r}: {inner.type!r} is no type of Caffe's oldest form")
    new = message("V1LayerParameter")
    new.name = inner.name
    new.type = new.LayerType.Value(_TYPES[inner.type])
    new.bottom.extend(old.bottom)
    new.top.extend(old.top)
    ignored = [
        field.name for field, value in inner.ListFields() if not _take(new, inner.type, field.name, value)
    ]
    return new, ignored


def _take(new: Any, kind: str, field: str, value: Any) -> bool:
    """Set what a field says, and return whether the type has it."""
    name, kinds = _FIELDS.get(field, ("", ""))
    if field in ("name", "type"):
        return True
    if field in _COMMON:
        getattr(new, field).MergeFrom(value)
    elif field in _TRANSFORM_FIELDS:
        setattr(new.transform_param, _TRANSFORM_FIELDS[field], value)
    elif field == "hdf5_output_param" and kind == "hdf5_output":
        new.hdf5_output_param.CopyFrom(value)
    elif kind in kinds.split():
        _set(getattr(new, _PARAMETERS[kind]), name, value)
    else:
        return False
    return True


def _set(parameters: Any, name: str, value: Any) -> None:
    field = parameters.DESCRIPTOR.fields_by_name[name]
    if field.is_repeated:
        getattr(parameters, name).append(value)
    elif field.message_type is not None:
        getattr(parameters, name).CopyFrom(value)
    else:
        setattr(parameters, name, value)
