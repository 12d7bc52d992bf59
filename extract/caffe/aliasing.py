"""Networks of which Caffe makes other values than their layers say, since blobs share memory there.

Split, Reshape and Flatten, a Concat of one bottom and a Slice of one top hand on the memory of their bottom,
so that a layer behind them that works in place changes all blobs that share it. And some layers write their
top before they have read their bottom, so that they lose it where they work in place. Neither happens here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .net import Net, NetLayer


def aliased(net: Net) -> list[str]:
    """Tell which layers work in place where that spoils values in Caffe.

    Parameters
    ----------
    net : Net
        The network.

    Returns
    -------
    list of str
        A line for each such layer, with the blobs that Caffe spoils.
    """
    lost = [
        f"{_named(layer)}: Caffe overwrites it before it has read it; here it is read first"
        for layer in net.layers
        if _in_place(layer) and _LOSES_BOTTOM.get(layer.type, _never)(layer)
    ]
    shared = [
        f"{_named(net.layers[writer])}: in Caffe that also changes what shares its memory, "
        f"{' and '.join(spoiled)}; here it does not"
        for writer, spoiled in _spoiled(net).items()
    ]
    return lost + shared


@dataclass
class _Memory:
    """The memory of one or more blobs.

    Parameters
    ----------
    writers : list of int
        The layers that wrote to it in place, by their place in the network.
    """

    writers: list[int]


@dataclass(frozen=True)
class _Value:
    """A blob's value, which is there until a further layer writes to its memory.

    Parameters
    ----------
    memory : _Memory
        Where it is.
    writes : int
        How many layers had written there when it was made.
    """

    memory: _Memory
    writes: int

    @classmethod
    def new(cls) -> _Value:
        """Return a value in memory of its own."""
        return cls(_Memory([]), 0)

    def handed_on(self) -> _Value:
        """Return what its memory holds now."""
        return _Value(self.memory, len(self.memory.writers))

    def written(self, layer: int) -> _Value:
        """Return the value that a layer writes in its place."""
        self.memory.writers.append(layer)
        return self.handed_on()

    @property
    def spoiler(self) -> int | None:
        """The layer that has put another value in its place."""
        return next(iter(self.memory.writers[self.writes :]), None)


def _spoiled(net: Net) -> dict[int, list[str]]:
    """Return what layers that work in place spoil besides, by their place in the network."""
    values = {given.blob: _Value.new() for given in net.inputs}
    read: dict[str, int] = {}
    spoiled: dict[int, list[str]] = {}
    for place, layer in enumerate(net.layers):
        for blob in layer.bottoms:
            spoiler = values[blob].spoiler
            if spoiler is not None:
                spoiled.setdefault(spoiler, []).append(f"{blob!r} before layer {layer.name!r} reads it")
                read[blob] = spoiler
        for blob, value in _made(layer, place, values):
            values[blob] = value
    for blob, value in values.items():
        spoiler = value.spoiler
        if spoiler is not None and read.get(blob) != spoiler:
            spoiled.setdefault(spoiler, []).append(repr(blob))
    return spoiled


def _made(layer: NetLayer, place: int, values: Mapping[str, _Value]) -> Iterator[tuple[str, _Value]]:
    """Yield the values of a layer's tops."""
    in_place = _in_place(layer)
    for top in layer.tops:
        if top not in in_place:
            hands_on = _HANDS_ON.get(layer.type, _never)(layer)
            yield top, values[layer.bottoms[0]].handed_on() if hands_on else _Value.new()
        elif not _DOES_NOTHING.get(layer.type, _never)(layer):
            yield top, values[top].written(place)


def _in_place(layer: NetLayer) -> list[str]:
    """Return the blobs on which a layer works in place: a bottom and a top of the same position."""
    return [top for top, bottom in zip(layer.tops, layer.bottoms, strict=False) if top == bottom]


def _named(layer: NetLayer) -> str:
    blobs = " and ".join(map(repr, _in_place(layer)))
    return f"layer {layer.name!r} ({layer.type}) works in place on {blobs}"


def _always(layer: NetLayer) -> bool:
    return True


def _never(layer: NetLayer) -> bool:
    return False


def _has_one_bottom(layer: NetLayer) -> bool:
    return len(layer.bottoms) == 1


def _has_one_top(layer: NetLayer) -> bool:
    return len(layer.tops) == 1


def _scales_in_training(layer: NetLayer) -> bool:
    return bool(layer.message.dropout_param.scale_train)


def _keeps_order(layer: NetLayer) -> bool:
    order = list(layer.message.permute_param.order)
    return order == list(range(len(order)))


def _is_across_channels(layer: NetLayer) -> bool:
    param = layer.message.lrn_param
    return bool(param.norm_region == param.ACROSS_CHANNELS)


def _is_no_product(layer: NetLayer) -> bool:
    param = layer.message.eltwise_param
    return bool(param.operation != param.PROD)


def _is_pointwise(layer: NetLayer) -> bool:
    """Whether a convolution's windows are its bottom's values as they are: Caffe makes no copy of them."""
    param = layer.message.convolution_param
    kernel = [*param.kernel_size, *_given(param, "kernel_h", "kernel_w")]
    stride = [*param.stride, *_given(param, "stride_h", "stride_w")]
    pad = [*param.pad, *_given(param, "pad_h", "pad_w")]
    return set(kernel + stride) <= {1} and not any(pad)


def _given(param: Any, *names: str) -> list[int]:
    return [getattr(param, name) for name in names if param.HasField(name)]


_Predicate = Callable[[NetLayer], bool]

# Layers whose tops have the memory of their bottom. Permute is SSD's.
_HANDS_ON: Mapping[str, _Predicate] = {
    "Concat": _has_one_bottom,
    "Flatten": _always,
    "Permute": _keeps_order,
    "Reshape": _always,
    "Slice": _has_one_top,
    "Split": _always,
}
# Layers that do nothing where they work in place.
_DOES_NOTHING: Mapping[str, _Predicate] = {
    "Concat": _has_one_bottom,
    "Dropout": _scales_in_training,
    "Slice": _has_one_top,
}
# Layers that write their top before they have read all of their bottom.
_LOSES_BOTTOM: Mapping[str, _Predicate] = {
    "ArgMax": _always,
    "BatchReindex": _always,
    "Convolution": _is_pointwise,
    "Crop": _always,
    "Deconvolution": _is_pointwise,
    "Eltwise": _is_no_product,
    "InnerProduct": _always,
    "LRN": _is_across_channels,
    "Pooling": _always,
    "Reduction": _always,
    "SPP": _always,
}
