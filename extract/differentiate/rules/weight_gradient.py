"""The gradient of a convolution's weights: ways that give the same, and the choice between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ..step import Step
from .windows import Ints, Windows, known_sizes, padded, shifted, spatial_sizes, stacked
from .windows import columns as kernel_columns


@dataclass(frozen=True)
class Correlation:
    """What is correlated: weights[k, c, i] = sum over p of gradient[k, p] data[c, stride p + dilation i].

    Parameters
    ----------
    data, gradient : str
        Tensors (N, C, *sizes) and (N, K, *places).
    shapes : tuple of str
        Tensors of the forward graph that have the shapes of both.
    windows : Windows
        Of the convolution that takes the data's sizes to the gradient's places.
    weights : tuple of int
        Shape of the weights: K, C / groups, *kernel.
    groups : int
        Of the convolution.
    apart : bool
        Whether each image gets a gradient of its own; otherwise it is their sum.
    """

    data: str
    gradient: str
    shapes: tuple[str, str]
    windows: Windows
    weights: Ints
    groups: int
    apart: bool

    @property
    def block(self) -> tuple[int, int]:
        """Numbers of output and input channels of a group."""
        return self.weights[0] // self.groups, self.weights[1]


# Values in columns that are still faster than a product for each position.
COLUMNS = 2**23

Way = Callable[[Step, Correlation], str]


def weight_gradient(step: Step, correlation: Correlation) -> str:
    """Return the gradient of a convolution's weights, of their shape; for each image, if these are apart."""
    return WAYS[way(step, correlation)](step, correlation)


def way(step: Step, c: Correlation) -> str:
    """Choose how to compute a weight gradient: a key of `WAYS`.

    Measured with onnxruntime 1.32 on 2 cores, layers of CaffeNet, ResNet-50 and EfficientNet-Lite0, batches
    of 1 and 8, ms at batch 1 (columns, positions, convolution):

    - 5 x 5, 48 to 128 channels, 2 groups, 27 x 27: 3.6, 6.6, 6.9; 3 x 3, 256 to 384, 13 x 13: 1.8, 2.7, 8.4;
      1 x 1, 256 to 1024, 14 x 14: 1.1, 1.0, 24. One large product wins wherever there are many channels.
    - 11 x 11 / 4, 3 to 96, 227 x 227: 2.1, 9.9, 1.7; at batch 8 convolution takes 0.6 of
      columns: few channels leave products little to do. But 3 x 3 / 2, 3 to 32, 224 x 224: 0.6, 1.8, 1.1.
    - Depthwise 5 x 5, 672 channels, 14 x 14: 3.0, 6.2, 1.4; 5 x 5 / 2, 144, 56 x 56: 5.7, 8.5, 1.5; but
      3 x 3, 144, 56 x 56: 3.2, 1.8, 7.0, and 32, 112 x 112: 2.8, 0.9, 5.0.
    - 3 x 3, 64 to 64, 56 x 56: 2.3, 2.4, 6.4 at batch 1, but 31, 20, 44 at batch 8: columns that no cache
      holds lose, and take memory.
    """
    batch = _batch(step, c)
    places = math.prod(known_sizes(step, c.shapes[1]) or (1,))
    size = math.prod(c.windows.kernel)
    outputs, inputs = c.block
    can_convolve = size > 1 and isinstance(c.windows.pads, tuple) and (batch is not None or not c.apart)
    if outputs * inputs <= 4:
        return "convolution" if can_convolve and (size > 9 or places < 784) else "positions"
    if inputs <= 4 and size > 9 and can_convolve:
        return "convolution"
    values = places * size * inputs * c.groups * (batch or 1)
    return "columns" if values <= COLUMNS or size == 1 else "positions"


def _batch(step: Step, c: Correlation) -> int | None:
    shape = step.shape(c.shapes[0])
    return None if shape is None else shape[0]


def columns(step: Step, c: Correlation) -> str:
    """Lay what each position in the kernel meets side by side (im2col), and multiply once."""
    data, gradient = _operands(step, c)
    data = kernel_columns(step, data, c.windows, 2 if c.apart else 1)
    return _reshaped(step, c, _product(step, c, gradient, data, math.prod(c.windows.kernel)))


def positions(step: Step, c: Correlation) -> str:
    """Multiply once for each position in the kernel."""
    data, gradient = _operands(step, c)
    parts = [data]
    for axis in reversed(range(c.windows.rank)):
        rows = [shifted(step, part, c.windows, axis) for part in parts]
        parts = [part for row in zip(*rows, strict=True) for part in row]
    products = [_product(step, c, gradient, part, 1) for part in parts]
    return _reshaped(step, c, stacked(step, products, 4 if c.apart else 3))


def convolution(step: Step, c: Correlation) -> str:
    """Convolve the data, its images taken as channels, with the gradient as kernel.

    Strides become dilations, and the other way round. Where each image gets its own, images are groups.
    """
    windows, axes, inputs = c.windows, c.windows.axes, c.block[1]
    behind = [axis + 1 for axis in axes]
    data = _with_sizes(step, c.data, (-1, c.groups, inputs), c.shapes[0])
    data = step.add("Transpose", data, perm=[2, *((0, 1) if c.apart else (1, 0)), *behind])
    data = _with_sizes(step, data, (inputs, -1), c.shapes[0])
    if c.apart:
        kernel = _with_sizes(step, c.gradient, (-1, 1), c.shapes[1])
    else:
        kernel = _channels_first(step, c, c.gradient)
    found = step.add(
        "Conv",
        data,
        kernel,
        pads=windows.pads,
        strides=windows.dilations,
        dilations=windows.strides,
        group=c.groups * (_batch(step, c) or 1 if c.apart else 1),
    )
    begins, ends = step.integers([0] * windows.rank), step.integers(windows.kernel)
    found = step.add("Slice", found, begins, ends, step.integers(axes))
    return _reshaped(step, c, step.add("Transpose", found, perm=[1, 0, *axes]))


def _with_sizes(step: Step, tensor: str, front: Sequence[int], like: str) -> str:
    """Return a tensor with other first axes, and the spatial ones that it has, which are those of `like`."""
    sizes = known_sizes(step, like)
    if sizes is not None:
        return step.add("Reshape", tensor, step.integers((*front, *sizes)))
    shape = step.add("Concat", step.integers(front), spatial_sizes(step, like), axis=0)
    return step.add("Reshape", tensor, shape)


def _operands(step: Step, c: Correlation) -> tuple[str, str]:
    """Return the data with its padding, and the gradient as matrices, one a group, a row a channel.

    Images lie behind channels where the products are to sum over them.
    """
    data, gradient = padded(step, c.data, c.windows), c.gradient
    if not c.apart:
        data, gradient = (_channels_first(step, c, tensor) for tensor in (data, gradient))
    return data, step.add("Reshape", gradient, step.integers(_matrices(c, c.block[0])))


def _channels_first(step: Step, c: Correlation, tensor: str) -> str:
    return step.add("Transpose", tensor, perm=[1, 0, *c.windows.axes])


def _matrices(c: Correlation, rows: int) -> Ints:
    return (0, c.groups, rows, -1) if c.apart else (c.groups, rows, -1)


def _product(step: Step, c: Correlation, gradient: str, data: str, size: int) -> str:
    """Return gradient data^T; onnxruntime makes one node of it."""
    rows = step.add("Reshape", data, step.integers(_matrices(c, c.block[1] * size)))
    swapped = step.add("Transpose", rows, perm=[0, 1, 3, 2] if c.apart else [0, 2, 1])
    return step.add("MatMul", gradient, swapped)


def _reshaped(step: Step, c: Correlation, gradient: str) -> str:
    return step.add("Reshape", gradient, step.integers((-1, *c.weights) if c.apart else c.weights))


WAYS: Mapping[str, Way] = MappingProxyType(
    {"columns": columns, "positions": positions, "convolution": convolution}
)
