"""What the layers of a network and their stored weights tell that its description leaves out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from converters.errors import CnnVisWarning

from .net import NetLayer
from .stored import StoredWeights

Shape = tuple[int, ...]
# Layers that keep all extents, as long as they have one bottom. Flatten keeps the number of values.
_SAME_EXTENTS = {
    "AbsVal",
    "BN",
    "BNLL",
    "BatchNorm",
    "Bias",
    "Dropout",
    "ELU",
    "Exp",
    "Flatten",
    "LRN",
    "Log",
    "MVN",
    "Normalize",
    "PReLU",
    "Power",
    "ReLU",
    "ReLU6",
    "Scale",
    "Sigmoid",
    "Split",
    "TanH",
    "Threshold",
}
# Layers that keep the channels.
_SAME_CHANNELS = {"Pooling", "Interp", "Upsample"}
# How many channels a layer with such weights reads. Caffe's older files hold all weights with four axes.
_CHANNELS: Mapping[str, Callable[[Any, Shape], int]] = {
    "Convolution": lambda layer, shape: shape[1] * layer.convolution_param.group,
    "DepthwiseConvolution": lambda layer, shape: shape[1] * layer.convolution_param.group,
    "ConvolutionDepthwise": lambda layer, shape: shape[0],
    "Deconvolution": lambda layer, shape: shape[0],
}
_OF_PICTURES = {*_CHANNELS, *_SAME_CHANNELS, "LRN", "Im2col", "SPP"}


@dataclass(frozen=True)
class Reading:
    """What the layers that read a blob tell about it.

    Parameters
    ----------
    is_picture : bool
        Whether one of them works on channels, height and width.
    channels : int, optional
        How many channels it has, by the weights of a convolution.
    values : int, optional
        How many values an image of it has, by the weights of an inner product.
    """

    is_picture: bool = False
    channels: int | None = None
    values: int | None = None


@dataclass(frozen=True)
class _Trail:
    """A blob made of the one in question, which has `times` the channels of this one, and `more`.

    Where `whole` does not hold, height and width have changed; where `times` is 0, nothing is known.
    """

    times: int = 1
    more: int = 0
    whole: bool = True


def reading_of(blob: str, layers: Iterable[NetLayer], stored: StoredWeights | None) -> Reading:
    """Return what is told about a blob by its readers, also through layers that keep its channels.

    Parameters
    ----------
    blob : str
        An input of a network.
    layers : iterable of NetLayer
        The network's layers, in order.
    stored : StoredWeights or None
        Its weights.
    """
    trails = {blob: _Trail()}
    found = Reading()
    shared: dict[str, Shape] = {}
    for layer in layers:
        shape = _weight_shape(layer, stored, shared)
        bottom = next((b for b in layer.bottoms if b in trails), None)
        if bottom is None:
            continue
        trail = trails[bottom]
        found = _with(found, layer, trail, shape)
        followed = _followed(layer, trail)
        for top in layer.tops:
            trails.pop(top, None)
        trails.update(followed)
    return found


def with_outputs(layers: Iterable[NetLayer], stored: StoredWeights | None, path: Path) -> list[NetLayer]:
    """Return layers, with the ``num_output`` of stored weights in InnerProduct layers that have none.

    DIGITS leaves it out, and puts the number of classes there when it trains.
    """
    return [_with_output(layer, stored, path) for layer in layers]


def _with_output(layer: NetLayer, stored: StoredWeights | None, path: Path) -> NetLayer:
    given = layer.message.inner_product_param
    shape = _weight_shape(layer, stored, {})
    if layer.type != "InnerProduct" or given.num_output or stored is None or shape is None:
        return layer
    outputs = shape[-1] if given.transpose else shape[-2]
    warnings.warn(
        f"{path}: layer {layer.name!r} (InnerProduct) has no num_output; {stored.path} has weights for "
        f"{outputs}",
        CnnVisWarning,
        stacklevel=2,
    )
    message = type(layer.message)()
    message.CopyFrom(layer.message)
    message.inner_product_param.num_output = outputs
    return replace(layer, message=message)


def _with(found: Reading, layer: NetLayer, trail: _Trail, shape: Shape | None) -> Reading:
    """Return what is told so far and by one more reader; the first to tell a number is believed."""
    found = replace(found, is_picture=found.is_picture or layer.type in _OF_PICTURES)
    if shape is None or not trail.times:
        return found
    if layer.type in _CHANNELS and layer.message.convolution_param.axis == 1 and found.channels is None:
        channels = _CHANNELS[layer.type](layer.message, shape)
        return replace(found, channels=trail.times * channels + trail.more)
    given = layer.message.inner_product_param
    plain = layer.type == "InnerProduct" and given.axis == 1 and trail.whole and not trail.more
    if plain and found.values is None:
        return replace(found, values=trail.times * (shape[-2] if given.transpose else shape[-1]))
    return found


def _weight_shape(layer: NetLayer, stored: StoredWeights | None, shared: dict[str, Shape]) -> Shape | None:
    """Return the shape of a layer's stored weight, or of the one of its name in `shared`, which it joins."""
    blobs = () if stored is None else stored.layers.get(layer.name, ())
    first = blobs[0] if blobs else None
    shape = tuple(first.weight.shape) if first is not None else ()
    name = layer.message.param[0].name if layer.message.param else ""
    if len(shape) > 1 and name:
        shared.setdefault(name, shape)
    return shape if len(shape) > 1 else shared.get(name)


def _followed(layer: NetLayer, trail: _Trail) -> dict[str, _Trail]:
    """Return the trails of a layer's tops, as far as it keeps channels."""
    if layer.type == "Slice":
        return _sliced(layer, trail)
    if len(layer.bottoms) > 1 or layer.type not in _SAME_EXTENTS | _SAME_CHANNELS:
        return {}
    return dict.fromkeys(layer.tops, replace(trail, whole=trail.whole and layer.type in _SAME_EXTENTS))


def _sliced(layer: NetLayer, trail: _Trail) -> dict[str, _Trail]:
    """Return the trails of the pieces: of equal ones, each tells; of others, the last does."""
    given = layer.message.slice_param
    axis = given.slice_dim if given.HasField("slice_dim") else given.axis
    if axis != 1 or not layer.tops:
        return {}
    if not given.slice_point:
        return dict.fromkeys(layer.tops, replace(trail, times=trail.times * len(layer.tops)))
    more = trail.more + trail.times * given.slice_point[-1]
    silent = dict.fromkeys(layer.tops, replace(trail, times=0))
    return silent | {layer.tops[-1]: replace(trail, more=more)}
