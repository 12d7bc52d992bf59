"""Layers of Caffe's forks, as their published C++ code computes them: loops, value by value.

Nobody packages these forks, so no oracle runs here. The functions follow the CPU code of SSD (PriorBox; as in
its released models, other aspect ratios scale min_size), Fast R-CNN (ROIPooling), SegNet and the YOLO ports
(Upsample), DeepLab and PSPNet (Interp), BVLC/caffe#5665 and yonghenglh6's fork (depthwise convolutions), and
Caffe's own GPU code for stochastic pooling, which has no CPU code. Each gets the layer's message, bottoms and
parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Reference = Callable[[Any, list[Array], list[Array]], list[Array]]

_FLT_MAX = np.finfo(np.float32).max
_FLT_MIN = np.finfo(np.float32).tiny


def depthwise_convolution(layer: Any, bottoms: list[Array], parameters: list[Array]) -> list[Array]:
    """Convolve each channel with its own kernel."""
    (x,) = bottoms
    weight, bias = parameters[0], parameters[1] if len(parameters) > 1 else None
    given = layer.convolution_param
    kernel = (given.kernel_h, given.kernel_w) if given.HasField("kernel_h") else (given.kernel_size[0],) * 2
    stride = (list(given.stride) or [1])[0]
    pad = (list(given.pad) or [0])[0]
    dilation = (list(given.dilation) or [1])[0]
    outputs = weight.shape[0]
    each = outputs // x.shape[1]
    height, width = (
        (n + 2 * pad - (dilation * (k - 1) + 1)) // stride + 1
        for n, k in zip(x.shape[2:], kernel, strict=True)
    )
    y = np.zeros((x.shape[0], outputs, height, width))
    for n, c, h, w in np.ndindex(*y.shape):
        for kh, kw in np.ndindex(*kernel):
            row, column = h * stride - pad + kh * dilation, w * stride - pad + kw * dilation
            if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                y[n, c, h, w] += float(weight[c, 0, kh, kw]) * float(x[n, c // each, row, column])
        y[n, c, h, w] += 0 if bias is None else bias[c]
    return [y]


def pooling(layer: Any, bottoms: list[Array], parameters: list[Array]) -> list[Array]:
    """Pool with equal kernel size, stride and padding along both axes; round as ``ceil_mode`` says."""
    (x,) = bottoms
    given = layer.pooling_param
    kernel, stride, pad = given.kernel_size, given.stride, given.pad
    towards = math.ceil if given.ceil_mode else math.floor
    counts = [towards((n + 2 * pad - kernel) / stride) + 1 for n in x.shape[2:]]
    if pad:
        counts = [
            count - ((count - 1) * stride >= n + pad) for count, n in zip(counts, x.shape[2:], strict=True)
        ]
    y = np.zeros((*x.shape[:2], *counts), np.float32)
    method = given.PoolMethod.Name(given.pool)
    for n, c, ph, pw in np.ndindex(*y.shape):
        starts = ph * stride - pad, pw * stride - pad
        sizes = [min(start + kernel, n + pad) - start for start, n in zip(starts, x.shape[2:], strict=True)]
        rows, columns = (range(max(start, 0), start + kernel) for start in starts)
        values = [x[n, c, h, w] for h in rows for w in columns if h < x.shape[2] and w < x.shape[3]]
        y[n, c, ph, pw] = _POOLED[method](values, sizes[0] * sizes[1])
    return [y]


def _stochastic(values: list[Any], size: int) -> float:
    total, squares = np.float32(_FLT_MIN), np.float32(0)
    for value in values:
        total += value
        squares += value * value
    return float(squares / total)


_POOLED: Mapping[str, Callable[[list[Any], int], float]] = {
    "MAX": lambda values, _: max([-_FLT_MAX, *values]),
    "AVE": lambda values, size: sum(map(float, values)) / size,
    "STOCHASTIC": _stochastic,
}


def upsample(layer: Any, bottoms: list[Array], parameters: list[Array]) -> list[Array]:
    """Repeat values, or put each where the mask says."""
    given = layer.upsample_param
    x = bottoms[0]
    if len(bottoms) == 1:
        y = np.zeros((*x.shape[:2], x.shape[2] * given.scale, x.shape[3] * given.scale), np.float32)
        for n, c, h, w in np.ndindex(*y.shape):
            y[n, c, h, w] = x[n, c, h // given.scale, w // given.scale]
        return [y]
    if given.HasField("upsample_h"):
        size = given.upsample_h, given.upsample_w
    else:
        both = given.HasField("scale_h")
        scale_h, scale_w = (given.scale_h, given.scale_w) if both else (given.scale, given.scale)
        size = x.shape[2] * scale_h - int(given.pad_out_h), x.shape[3] * scale_w - int(given.pad_out_w)
    y = np.zeros((*x.shape[:2], size[0] * size[1]), np.float32)
    for n, c, h, w in np.ndindex(*x.shape):
        y[n, c, int(bottoms[1][n, c, h, w])] = x[n, c, h, w]
    return [y.reshape(*x.shape[:2], *size)]


def interp(layer: Any, bottoms: list[Array], parameters: list[Array]) -> list[Array]:
    """Crop and resize bilinearly."""
    given = layer.interp_param
    begin, end = -given.pad_beg, given.pad_end
    x = bottoms[0][:, :, begin : end or None, begin : end or None]
    height1, width1 = x.shape[2:]
    if given.HasField("shrink_factor") or given.HasField("zoom_factor"):
        height2, width2 = ((n - 1) // given.shrink_factor + 1 for n in (height1, width1))
        height2, width2 = (n + (n - 1) * (given.zoom_factor - 1) for n in (height2, width2))
    elif given.HasField("height"):
        height2, width2 = given.height, given.width
    else:
        height2, width2 = bottoms[1].shape[2:]
    rheight = (height1 - 1) / (height2 - 1) if height2 > 1 else 0.0
    rwidth = (width1 - 1) / (width2 - 1) if width2 > 1 else 0.0
    y = np.zeros((*x.shape[:2], height2, width2))
    for n, c, h2, w2 in np.ndindex(*y.shape):
        h1, w1 = int(rheight * h2), int(rwidth * w2)
        h1p, w1p = int(h1 < height1 - 1), int(w1 < width1 - 1)
        h1lambda, w1lambda = rheight * h2 - h1, rwidth * w2 - w1
        above = (1 - w1lambda) * x[n, c, h1, w1] + w1lambda * x[n, c, h1, w1 + w1p]
        below = (1 - w1lambda) * x[n, c, h1 + h1p, w1] + w1lambda * x[n, c, h1 + h1p, w1 + w1p]
        y[n, c, h2, w2] = (1 - h1lambda) * above + h1lambda * below
    return [y]


def roi_pooling(layer: Any, bottoms: list[Array], parameters: list[Array]) -> list[Array]:
    """Pool each bin of each region."""
    x, regions = bottoms[0], bottoms[1].reshape(-1, 5)
    given = layer.roi_pooling_param
    y = np.full((len(regions), x.shape[1], given.pooled_h, given.pooled_w), -_FLT_MAX, np.float32)
    scale = np.float32(given.spatial_scale)
    for n, region in enumerate(regions):
        left, top, right, bottom = (_rounded(float(corner * scale)) for corner in region[1:])
        high, wide = max(bottom - top + 1, 1), max(right - left + 1, 1)
        bin_h = np.float32(high) / np.float32(given.pooled_h)
        bin_w = np.float32(wide) / np.float32(given.pooled_w)
        for c, ph, pw in np.ndindex(*y.shape[1:]):
            rows = _bin(ph, bin_h, top, x.shape[2])
            columns = _bin(pw, bin_w, left, x.shape[3])
            if not rows or not columns:
                y[n, c, ph, pw] = 0
            for h in rows:
                for w in columns:
                    y[n, c, ph, pw] = max(y[n, c, ph, pw], x[int(region[0]), c, h, w])
    return [y]


def _bin(index: int, size: Any, start: int, limit: int) -> range:
    first = math.floor(np.float32(index) * size) + start
    last = math.ceil(np.float32(index + 1) * size) + start
    return range(min(max(first, 0), limit), min(max(last, 0), limit))


def _rounded(value: float) -> int:
    """Round as C's round: halves away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def prior_box(layer: Any, bottoms: list[Array], parameters: list[Array]) -> list[Array]:
    """Write down the boxes, one after the other."""
    given = layer.prior_box_param
    height, width = bottoms[0].shape[2:]
    image_h, image_w = bottoms[1].shape[2:] if len(bottoms) > 1 else (0, 0)
    if given.HasField("img_size"):
        image_h = image_w = given.img_size
    elif given.HasField("img_h"):
        image_h, image_w = given.img_h, given.img_w
    step_h, step_w = image_h / height, image_w / width
    if given.HasField("step"):
        step_h = step_w = given.step
    elif given.HasField("step_h"):
        step_h, step_w = given.step_h, given.step_w
    values = []
    for h, w in np.ndindex(height, width):
        centre_x, centre_y = (w + given.offset) * step_w, (h + given.offset) * step_h
        for box_w, box_h in _boxes(given):
            values += [(centre_x - box_w / 2) / image_w, (centre_y - box_h / 2) / image_h]
            values += [(centre_x + box_w / 2) / image_w, (centre_y + box_h / 2) / image_h]
    if given.clip:
        values = [min(max(value, 0.0), 1.0) for value in values]
    variances = list(given.variance) or [0.1]
    repeated = variances * (len(values) // len(variances))
    return [np.array([[values, repeated]])]


def _boxes(given: Any) -> Iterator[tuple[float, float]]:
    ratios = [1.0]
    for ratio in given.aspect_ratio:
        if not any(abs(ratio - other) < 1e-6 for other in ratios):
            ratios.append(ratio)
            if given.flip:
                ratios.append(1 / ratio)
    for s in range(len(given.min_size)):
        min_size = int(given.min_size[s])
        yield min_size, min_size
        if given.max_size:
            both = math.sqrt(min_size * int(given.max_size[s]))
            yield both, both
        for ratio in ratios:
            if abs(ratio - 1) >= 1e-6:
                yield min_size * math.sqrt(ratio), min_size / math.sqrt(ratio)


REFERENCES: Mapping[str, Reference] = {
    "ConvolutionDepthwise": depthwise_convolution,
    "DepthwiseConvolution": depthwise_convolution,
    "Interp": interp,
    "Pooling": pooling,
    "PriorBox": prior_box,
    "ROIPooling": roi_pooling,
    "Upsample": upsample,
}
