"""Layers of networks that detect objects, from the forks Fast R-CNN and SSD."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..call import Blob, Call, UnsupportedError
from ..rules import rule
from .checks import blob_shape, bottoms
from .windows import check_maps, show

Pair = tuple[int, int]

# Aspect ratios that differ by less are one.
_SAME = 1e-6
# Numbers in a constant.
_LARGEST = 1 << 24


@rule("ROIPooling")
def roi_pooling(call: Call) -> list[Blob]:
    """Return the largest values of pooled_h x pooled_w bins of each region (image, x1, y1, x2, y2).

    ONNX leaves open how MaxRoiPool rounds; onnxruntime does it as Fast R-CNN: corners to the nearest element,
    bins outwards, and 0 for an empty one.
    """
    x, regions = bottoms(call, 2)
    given = call.layer.roi_pooling_param
    size = given.pooled_h, given.pooled_w
    if 0 in size:
        raise call.error("pooled_h and pooled_w must be above 0")
    check_maps(call, x)
    if math.prod(regions.shape[1:]) != 5:
        raise call.error(f"its regions must have 5 numbers each, but are {show(regions.shape)}")
    call.mixes_images(x)
    rows = regions.tensor if regions.rank == 2 else call.node("Flatten", [regions.tensor], axis=1)
    y = call.node("MaxRoiPool", [x.tensor, rows], pooled_shape=size, spatial_scale=given.spatial_scale)
    return [Blob(y, blob_shape(call, (regions.shape[0], x.shape[1], *size)))]


@rule("PriorBox")
def prior_box(call: Call) -> list[Blob]:
    """Return SSD's boxes (1, 2, 4 * boxes): x1, y1, x2, y2 in parts of the image's size, and their variances.

    This is a constant: of the bottoms, maps and image, only the sizes count.
    """
    given = call.layer.prior_box_param
    check_maps(call, *bottoms(call, 1, 2))
    maps, *images = (blob.shape[2:] for blob in call.bottoms)
    image = _image(call, images)
    sizes = np.array(_box_sizes(call), np.float32).astype(np.float64)
    if 4 * math.prod(maps) * len(sizes) > _LARGEST:
        raise UnsupportedError(f"it makes {len(sizes)} boxes at each of {show(maps)} places")
    steps = _steps(call, maps, image)
    boxes = _boxes(
        [_centres(given.offset, n, step) for n, step in zip(maps, steps, strict=True)], sizes, image
    )
    if given.clip:
        boxes = boxes.clip(0, 1)
    values = np.stack([boxes, np.broadcast_to(_variances(call), boxes.shape)])
    return [Blob(call.constant(values.reshape(1, 2, -1)), (1, 2, boxes.size))]


def _boxes(
    centres: Sequence[NDArray[np.float32]], sizes: NDArray[np.float64], image: Pair
) -> NDArray[np.float32]:
    """Return the boxes (rows, columns, sizes, 4) of some sizes (width, height) around each place."""
    y, x = np.meshgrid(*centres, indexing="ij")
    places = np.stack([x, y, x, y], axis=-1)[:, :, np.newaxis].astype(np.float64)
    reach = np.concatenate([-sizes, sizes], axis=1) / 2
    return ((places + reach) / (image[::-1] * 2)).astype(np.float32)


def _image(call: Call, images: Sequence[tuple[int, ...]]) -> Pair:
    """Return height and width of the image: as given, else the second bottom's."""
    size = _either(call, "img_size", "img_h", "img_w")
    if size is not None:
        return int(size[0]), int(size[1])
    if not images:
        raise call.error("needs img_size, or the image as its second bottom")
    return images[0][0], images[0][1]


def _steps(call: Call, maps: Sequence[int], image: Pair) -> list[np.float32]:
    """Return the pixels from centre to centre, down and across: as given, else to fill the image."""
    steps = _either(call, "step", "step_h", "step_w")
    if steps is None:
        return [np.float32(size) / np.float32(n) for size, n in zip(image, maps, strict=True)]
    return [np.float32(step) for step in steps]


def _either(call: Call, both: str, height: str, width: str) -> tuple[float, float] | None:
    """Return two numbers above 0, of one field for both or of one for each, or None if there are none."""
    given = call.layer.prior_box_param
    separate = given.HasField(height) or given.HasField(width)
    if not separate and not given.HasField(both):
        return None
    if separate and given.HasField(both):
        raise call.error(f"has both {both} and {height} or {width}")
    numbers = (getattr(given, height), getattr(given, width)) if separate else (getattr(given, both),) * 2
    if min(numbers) <= 0:
        raise call.error(f"needs {both}, or {height} and {width}, above 0")
    return numbers


def _centres(offset: float, count: int, step: np.float32) -> NDArray[np.float32]:
    return (np.arange(count, dtype=np.float32) + np.float32(offset)) * step


def _box_sizes(call: Call) -> list[tuple[float, float]]:
    """Return width and height of the boxes at each place, in SSD's order; it cuts sizes to integers."""
    given = call.layer.prior_box_param
    smallest, largest = list(given.min_size), list(given.max_size)
    if not smallest or min(smallest) <= 0:
        raise call.error("needs min_size, above 0")
    if largest and (len(largest) != len(smallest) or any(map(operator.ge, smallest, largest))):
        raise call.error("needs as many max_size as min_size, each larger")
    roots = [math.sqrt(ratio) for ratio in _ratios(call)]
    sizes = []
    for i, low in enumerate(map(int, smallest)):
        sizes.append((float(low), float(low)))
        if largest:
            between = math.sqrt(low * int(largest[i]))
            sizes.append((between, between))
        sizes += [(low * root, low / root) for root in roots]
    return sizes


def _ratios(call: Call) -> list[float]:
    """Return the aspect ratios other than 1, each with its inverse if the layer flips, none twice."""
    given = call.layer.prior_box_param
    ratios = [1.0]
    for ratio in given.aspect_ratio:
        if ratio <= 0:
            raise call.error("its aspect ratios must be above 0")
        if all(abs(ratio - other) >= _SAME for other in ratios):
            ratios += [ratio, 1 / ratio] if given.flip else [ratio]
    return [ratio for ratio in ratios if abs(ratio - 1) >= _SAME]


def _variances(call: Call) -> list[float]:
    variances = list(call.layer.prior_box_param.variance) or [0.1]
    if len(variances) not in (1, 4) or min(variances) <= 0:
        raise call.error("needs one variance or four, above 0")
    return variances
