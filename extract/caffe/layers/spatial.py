"""Layers that cut maps out or make them larger."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..call import Blob, Call
from ..rules import rule
from .checks import blob_shape, bottoms, canonical_axis
from .windows import check_maps, show

Pair = tuple[int, int]


@rule("Crop")
def crop(call: Call) -> list[Blob]:
    """Cut the first bottom to the size of the second, from `axis` on, beginning at the offsets."""
    x, like = bottoms(call, 2)
    given = call.layer.crop_param
    first = canonical_axis(call, given.axis, x)
    axes = range(first, x.rank)
    offsets = tuple(given.offset) or (0,)
    if len(offsets) not in (1, len(axes)):
        raise call.error(f"has {len(offsets)} offsets for {len(axes)} axes")
    if like.rank < x.rank:
        raise call.error(f"its bottoms have {x.rank} and {like.rank} axes")
    if len(offsets) == 1:
        offsets *= len(axes)
    shape = (*x.shape[:first], *like.shape[first : x.rank])
    for axis, offset in zip(axes, offsets, strict=True):
        if offset + shape[axis] > x.shape[axis]:
            raise call.error(
                f"cannot cut {shape[axis]} from {offset} on out of {x.shape[axis]} along axis {axis}"
            )
    cut = [(axis, offset) for axis, offset in zip(axes, offsets, strict=True) if shape[axis] != x.shape[axis]]
    return [Blob(_sliced(call, x.tensor, cut, shape), shape)]


@rule("Upsample")
def upsample(call: Call) -> list[Blob]:
    """Repeat each value `scale` times along height and width, or put it where a pooling layer found it.

    The former is that of YOLO ports, with one bottom; the latter SegNet's, with that layer's mask as the
    second bottom.
    """
    x, *mask = bottoms(call, 1, 2)
    return _unpool(call, x, *mask) if mask else _repeat(call, x)


@rule("Interp")
def interp(call: Call) -> list[Blob]:
    """Crop, and resize bilinearly so that the corners of bottom and top coincide, as DeepLab does.

    The top's size is that of a second bottom where there is one, as in some forks.
    """
    x, *like = bottoms(call, 1, 2)
    given = call.layer.interp_param
    check_maps(call, x, *like)
    if given.pad_beg > 0 or given.pad_end > 0:
        raise call.error("its padding must be 0 or below, which crops")
    room = x.shape[2] + given.pad_beg + given.pad_end, x.shape[3] + given.pad_beg + given.pad_end
    if min(room) < 1:
        raise call.error("it crops all of its bottom")
    size = _interp_size(call, room, like)
    if min(size) < 1:
        raise call.error(f"its top would be {show(size)}")
    y = x.tensor
    if given.pad_beg or given.pad_end:
        y = _sliced(call, y, [(2, -given.pad_beg), (3, -given.pad_beg)], (*x.shape[:2], *room))
    if size != room:
        scales = call.constant([1.0, 1.0, *map(_scale, room, size)])
        y = call.node(
            "Resize", [y, "", scales], mode="linear", coordinate_transformation_mode="align_corners"
        )
    return [Blob(y, blob_shape(call, (*x.shape[:2], *size)))]


def _interp_size(call: Call, room: Pair, like: Sequence[Blob]) -> Pair:
    given = call.layer.interp_param
    explicit = given.HasField("height") and given.HasField("width")
    factors = given.HasField("zoom_factor") or given.HasField("shrink_factor")
    if explicit + factors + len(like) != 1:
        raise call.error("needs one of height and width, zoom_factor or shrink_factor, or a second bottom")
    if explicit:
        return given.height, given.width
    if like:
        return like[0].shape[2], like[0].shape[3]
    if min(given.zoom_factor, given.shrink_factor) < 1:
        raise call.error("zoom_factor and shrink_factor must be above 0")
    height, width = (((n - 1) // given.shrink_factor) * given.zoom_factor + 1 for n in room)
    return height, width


def _scale(size: int, wanted: int) -> float:
    """Return a float32 scale by which ONNX's Resize comes to a size, whatever the precision it counts in.

    It rounds the product down.
    """
    scale = np.float32(wanted / size)
    if float(scale) * size < wanted:
        scale = np.nextafter(scale, np.float32(np.inf))
    return float(scale)


def _sliced(call: Call, x: str, cut: list[tuple[int, int]], shape: tuple[int, ...]) -> str:
    """Return what lies behind an offset along some axes, in the size that `shape` says."""
    if not cut:
        return x
    starts = [offset for _, offset in cut]
    ends = [offset + shape[axis] for axis, offset in cut]
    axes = [axis for axis, _ in cut]
    return call.node("Slice", [x, *(call.constant(numbers, np.int64) for numbers in (starts, ends, axes))])


def _repeat(call: Call, x: Blob) -> list[Blob]:
    given = call.layer.upsample_param
    scale = given.scale if given.HasField("scale") else 1
    check_maps(call, x)
    if scale < 1:
        raise call.error("its scale must be above 0")
    y = call.node(
        "Resize",
        [x.tensor, "", call.constant([1, 1, scale, scale])],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return [Blob(y, blob_shape(call, (*x.shape[:2], x.shape[2] * scale, x.shape[3] * scale)))]


def _unpool(call: Call, x: Blob, mask: Blob) -> list[Blob]:
    """Return zeros, and each value at its index in the map; of several at one index the last counts."""
    import onnx

    check_maps(call, x)
    if mask.shape != x.shape:
        raise call.error(f"its mask is {show(mask.shape)}, but its bottom {show(x.shape)}")
    height, width = _unpooled_size(call, (x.shape[2], x.shape[3]))
    channels = x.shape[1]
    flat = call.constant([0, channels, -1], np.int64)
    batch = call.node("Shape", [x.tensor], end=1)
    area = call.constant([channels, height * width], np.int64)
    zeros = call.node("ConstantOfShape", [call.node("Concat", [batch, area], axis=0)])
    index = call.node("Cast", [call.node("Reshape", [mask.tensor, flat])], to=onnx.TensorProto.INT64)
    put = call.node("ScatterElements", [zeros, index, call.node("Reshape", [x.tensor, flat])], axis=2)
    top = call.node("Reshape", [put, call.constant([0, channels, height, width], np.int64)])
    return [Blob(top, blob_shape(call, (*x.shape[:2], height, width)))]


def _unpooled_size(call: Call, size: Pair) -> Pair:
    """Return SegNet's size: as given, or a multiple, one less where the pooled maps were odd."""
    given = call.layer.upsample_param
    if given.HasField("upsample_h") and given.HasField("upsample_w"):
        return given.upsample_h, given.upsample_w
    separate = given.HasField("scale_h"), given.HasField("scale_w")
    if any(separate) and (given.HasField("scale") or not all(separate)):
        raise call.error("needs upsample_h and upsample_w, or scale, or scale_h and scale_w")
    scales = (given.scale_h, given.scale_w) if any(separate) else (given.scale, given.scale)
    odd = given.pad_out_h, given.pad_out_w
    if min(scales) < 2 or any(one and scale != 2 for one, scale in zip(odd, scales, strict=True)):
        raise call.error("its scales must be above 1, and 2 along an axis with pad_out")
    return size[0] * scales[0] - odd[0], size[1] * scales[1] - odd[1]
