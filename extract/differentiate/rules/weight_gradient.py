"""The gradient of a convolution's weights: ways that give the same, and the choice between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ..step import Step
from .windows import Ints, Windows, known_sizes, padded, shifted, spatial_sizes, stacked


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


# Channels of a group, values of a kernel, places of a map: where one way gets better than another.
_FEW, _SMALL, _LARGE = 4, 9, 784

Way = Callable[[Step, Correlation], str]


def weight_gradient(step: Step, correlation: Correlation) -> str:
    """Return the gradient of a convolution's weights, of their shape; for each image, if these are apart."""
    return WAYS[way(step, correlation)](step, correlation)


def way(step: Step, c: Correlation) -> str:
    """Choose how to compute a weight gradient: a key of `WAYS`.

    Measured with onnxruntime 1.32 on 2 cores, CaffeNet, ResNet-50 and EfficientNet-Lite0 as wholes, batches
    of 1 and 8, summed and apart:

    - Rows take 0.75 to 1.0 of the time of columns for the whole kernel (im2col), which they write once less.
      Of many channels they take 0.9 of that of a product for each position.
    - Depthwise 3 x 3 kernels on large maps: a product for each position takes 0.9 to 1.0 of rows, and less
      memory.
    - Convolution: 0.6 of columns for 11 x 11 / 4, 3 to 96 channels, at batch 8; 0.8 of rows for
      EfficientNet-Lite0's 5 x 5 depthwise ones, summed; 2 to 20 times as slow where there are many channels.
    """
    places = math.prod(known_sizes(step, c.shapes[1]) or (1,))
    size = math.prod(c.windows.kernel)
    outputs, inputs = c.block
    depthwise = outputs * inputs <= _FEW
    if depthwise and size <= _SMALL and places >= _LARGE:
        return "positions"
    can_convolve = (
        size > 1 and isinstance(c.windows.pads, tuple) and not (c.apart and _batch(step, c) is None)
    )
    if can_convolve and (depthwise or (inputs <= _FEW and size > _SMALL)):
        return "convolution"
    return "rows"


def _batch(step: Step, c: Correlation) -> int | None:
    shape = step.shape(c.shapes[0])
    return None if shape is None else shape[0]


def rows(step: Step, c: Correlation) -> str:
    """Lay what the positions in a row of the kernel meet side by side, and multiply once for each row."""
    windows, last = c.windows, c.windows.rank - 1
    data, gradient = _operands(step, c)
    row = stacked(step, shifted(step, data, windows, last), 2 if c.apart else 1)
    parts = _all_shifted(step, row, windows, range(last))
    shape = (*_matrices(c, c.block[0])[:-1], c.block[1], windows.kernel[last])
    products = [_product(step, c, gradient, part, windows.kernel[last]) for part in parts]
    found = [step.add("Reshape", product, step.integers(shape)) for product in products]
    return _reshaped(step, c, stacked(step, found, len(shape) - 1))


def positions(step: Step, c: Correlation) -> str:
    """Multiply once for each position in the kernel."""
    data, gradient = _operands(step, c)
    parts = _all_shifted(step, data, c.windows, range(c.windows.rank))
    products = [_product(step, c, gradient, part, 1) for part in parts]
    return _reshaped(step, c, stacked(step, products, 4 if c.apart else 3))


def _all_shifted(step: Step, data: str, windows: Windows, axes: range) -> list[str]:
    """Return what each position of the kernel along some axes meets, the last axis running fastest."""
    parts = [data]
    for axis in reversed(axes):
        groups = [shifted(step, part, windows, axis) for part in parts]
        parts = [part for group in zip(*groups, strict=True) for part in group]
    return parts


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


WAYS: Mapping[str, Way] = MappingProxyType({"rows": rows, "positions": positions, "convolution": convolution})
