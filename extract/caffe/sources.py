"""Where a network's pictures come from: declared inputs, Input layers, and data layers in place of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .net import NetLayer

# Extents that a file tells; None for an extent, or for all, that it does not.
PartialShape = tuple[int | None, ...] | None
# Layers without bottoms that compute what they make.
_GENERATORS = {"DummyData", "Parameter"}
# All tops of these but the first are labels, or sizes of pictures.
_LABELLED = {"Data", "ImageData", "MemoryData", "WindowData", "AnnotatedData", "ImageSegData"}


@dataclass(frozen=True)
class Source:
    """What feeds a network.

    Parameters
    ----------
    where : str
        What it is, for messages.
    blobs : tuple of str
        The blobs that it makes.
    shapes : tuple of PartialShape
        Their shapes.
    is_data : bool
        Whether it is a data layer; else its blobs are declared as inputs.
    has_label : bool
        Whether all blobs but the first are labels.
    transform : protobuf message or None
        Its ``TransformationParameter``.
    """

    where: str
    blobs: tuple[str, ...]
    shapes: tuple[PartialShape, ...]
    is_data: bool = False
    has_label: bool = False
    transform: Any = None


def is_source(layer: NetLayer) -> bool:
    """Whether a layer brings values from outside: it has no bottoms, and does not compute its tops."""
    return not layer.bottoms and bool(layer.tops) and layer.type not in _GENERATORS


def declared(net: Any, path: Path) -> list[Source]:
    """Return the inputs that a ``NetParameter`` declares itself: ``input``, ``input_shape`` or ``input_dim``.

    Raises
    ------
    ModelError
        If there is not one shape, or four dimensions, for each.
    """
    if not net.input:
        return []
    where, count = "the network", len(net.input)
    if net.input_shape:
        if len(net.input_shape) != count:
            raise ModelError(f"{path}: {count} input, but {len(net.input_shape)} input_shape: each needs one")
        shapes: list[PartialShape] = [tuple(shape.dim) for shape in net.input_shape]
    elif net.input_dim:
        if len(net.input_dim) != 4 * count:
            raise ModelError(f"{path}: {count} input, but {len(net.input_dim)} input_dim: each needs four")
        shapes = [tuple(net.input_dim[4 * i : 4 * i + 4]) for i in range(count)]
    else:
        shapes = [None] * count
    return [Source(where, tuple(net.input), tuple(shapes))]


def source_of(layer: NetLayer, path: Path) -> Source:
    """Return what a layer brings in; `is_source` must hold.

    Raises
    ------
    ModelError
        If it is an Input layer whose shapes do not fit its tops.
    """
    where = f"layer {layer.name!r} ({layer.type})"
    if layer.type == "Input":
        return Source(where, layer.tops, _input_shapes(layer, where, path))
    shape_of = _SHAPES.get(layer.type)
    first = shape_of(layer.message) if shape_of else None
    shapes = (first, *([None] * (len(layer.tops) - 1)))
    transform = layer.message.transform_param if layer.message.HasField("transform_param") else None
    return Source(where, layer.tops, shapes, True, layer.type in _LABELLED, transform)


def _input_shapes(layer: NetLayer, where: str, path: Path) -> tuple[PartialShape, ...]:
    shapes, count = layer.message.input_param.shape, len(layer.tops)
    if len(shapes) not in (0, 1, count):
        raise ModelError(
            f"{path}: {where} has {len(shapes)} shapes for {count} tops: one or {count} are needed"
        )
    if not shapes:
        return (None,) * count
    return tuple(tuple(shapes[i % len(shapes)].dim) for i in range(count))


def _data_shape(layer: Any) -> PartialShape:
    height, width = _picture_size(layer.transform_param)
    return (layer.data_param.batch_size or 1, _channels(layer.transform_param), height, width)


def _image_data_shape(layer: Any) -> PartialShape:
    parameters = layer.image_data_param
    height, width = _picture_size(layer.transform_param)
    height, width = height or parameters.new_height or None, width or parameters.new_width or None
    return (parameters.batch_size or 1, 3 if parameters.is_color else 1, height, width)


def _window_data_shape(layer: Any) -> PartialShape:
    side = layer.transform_param.crop_size or None
    return (layer.window_data_param.batch_size or 1, 3, side, side)


def _memory_data_shape(layer: Any) -> PartialShape:
    parameters = layer.memory_data_param
    return (parameters.batch_size, parameters.channels, parameters.height, parameters.width)


def _picture_size(transform: Any) -> tuple[int | None, int | None]:
    """Return height and width after a transformation, as far as it sets them."""
    if transform.crop_size:
        return transform.crop_size, transform.crop_size
    return transform.resize_param.height or None, transform.resize_param.width or None


def _channels(transform: Any) -> int | None:
    if transform.force_color:
        return 3
    if transform.force_gray:
        return 1
    return len(transform.mean_value) if len(transform.mean_value) > 1 else None


_SHAPES: dict[str, Callable[[Any], PartialShape]] = {
    "Data": _data_shape,
    "AnnotatedData": _data_shape,
    "ImageData": _image_data_shape,
    "ImageSegData": _image_data_shape,
    "WindowData": _window_data_shape,
    "MemoryData": _memory_data_shape,
}
