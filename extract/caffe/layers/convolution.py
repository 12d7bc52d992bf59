"""Layers that slide a kernel over all axes behind the channels: convolutions of each kind, and Im2col."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..call import Blob, Call, UnsupportedError
from ..rules import rule
from .checks import blob_shape, bottoms, canonical_axis
from .windows import Windows, read_windows, show

# Values in the constant kernels of an Im2col.
_LARGEST = 1 << 24


@dataclass(frozen=True)
class _Maps:
    """How a layer sees its bottoms: (..., channels, sizes...), with the channels at `axis`."""

    axis: int
    lead: tuple[int, ...]
    channels: int
    sizes: tuple[int, ...]

    @property
    def direct(self) -> bool:
        """Whether an operator of ONNX sees them so too: one axis before the channels, some behind."""
        return self.axis == 1 and bool(self.sizes)

    def folded(self, call: Call, x: Blob) -> str:
        """Return a bottom with one axis before the channels, and at least one behind."""
        if self.direct:
            return x.tensor
        shape = [-1 if self.lead else 1, self.channels, *(self.sizes or (1,))]
        return call.node("Reshape", [x.tensor, call.constant(shape, np.int64)])

    def unfolded(self, call: Call, y: str, channels: int, sizes: Sequence[int]) -> Blob:
        """Return a top that has the axes of the bottoms again."""
        if not self.direct:
            shape = [*([-1, *self.lead[1:]] if self.lead else []), channels, *sizes]
            y = call.node("Reshape", [y, call.constant(shape, np.int64)])
        return Blob(y, blob_shape(call, (*self.lead, channels, *sizes)))


@rule("Convolution", "DepthwiseConvolution")
def convolution(call: Call) -> list[Blob]:
    """Convolve each bottom with the same weights of shape (outputs, channels / group, kernel...).

    The forks' DepthwiseConvolution is a Convolution that is faster where `group` is the number of channels.
    """
    maps = _maps(call)
    given = call.layer.convolution_param
    _check_groups(call, maps.channels)
    windows = read_windows(call, len(maps.sizes))
    weight = _weight(call, given.num_output, maps.channels // given.group, windows)
    return _convolved(call, maps, windows, weight, given.num_output, given.group)


@rule("ConvolutionDepthwise")
def convolution_depthwise(call: Call) -> list[Blob]:
    """Convolve each channel with a kernel of its own: weights (channels, 1, kernel...).

    It has as many outputs as channels, whatever `num_output` and `group` say, as in the forks.
    """
    maps = _maps(call)
    windows = read_windows(call, len(maps.sizes))
    weight = _weight(call, maps.channels, 1, windows)
    return _convolved(call, maps, windows, weight, maps.channels, maps.channels)


@rule("Deconvolution")
def deconvolution(call: Call) -> list[Blob]:
    """Convolve each bottom, transposed, with the same weights (channels, outputs / group, kernel...).

    Each axis becomes stride * (size - 1) + extent - 2 * pad long.
    """
    maps = _maps(call)
    given = call.layer.convolution_param
    _check_groups(call, maps.channels)
    windows = read_windows(call, len(maps.sizes))
    along = zip(maps.sizes, windows.stride, windows.extent, windows.pad, strict=True)
    sizes = _checked(call, [s * (n - 1) + extent - 2 * pad for n, s, extent, pad in along])
    weight = _weight(call, maps.channels, given.num_output // given.group, windows)
    inputs = _inputs(call, weight, windows, given.num_output)
    attributes = _attributes(windows, given.group, windows.pad)
    tops = [call.node("ConvTranspose", [maps.folded(call, x), *inputs], **attributes) for x in call.bottoms]
    return [maps.unfolded(call, y, given.num_output, sizes) for y in tops]


@rule("Im2col")
def im2col(call: Call) -> list[Blob]:
    """Lay out what each window sees along the channels: (channels * kernel..., windows...).

    It is a convolution with kernels that each pick one element of a window.
    """
    maps = _maps(call)
    if not maps.sizes:
        raise call.error("needs at least one axis behind the channels")
    windows = read_windows(call, len(maps.sizes))
    picks = math.prod(windows.kernel)
    if maps.channels * picks**2 > _LARGEST:
        raise UnsupportedError(f"its kernel {show(windows.kernel)} is too large")
    kernels = np.tile(np.eye(picks, dtype=np.float32), (maps.channels, 1))
    weight = call.constant(kernels.reshape(maps.channels * picks, 1, *windows.kernel))
    counts = _checked(call, windows.counts(maps.sizes))
    attributes = _attributes(windows, maps.channels, windows.end_pads(maps.sizes, counts))
    tops = [call.node("Conv", [maps.folded(call, x), weight], **attributes) for x in call.bottoms]
    return [maps.unfolded(call, y, maps.channels * picks, counts) for y in tops]


def _maps(call: Call) -> _Maps:
    first, *others = bottoms(call, 1, math.inf)
    shape, axis = first.shape, canonical_axis(call, call.layer.convolution_param.axis, first)
    for x in others:
        if x.shape != shape:
            raise call.error(f"its bottoms differ in shape: {show(shape)} and {show(x.shape)}")
    return _Maps(axis, shape[:axis], shape[axis], shape[axis + 1 :])


def _check_groups(call: Call, channels: int) -> None:
    given = call.layer.convolution_param
    if not given.num_output:
        raise call.error("num_output must be above 0")
    if not given.group or channels % given.group or given.num_output % given.group:
        raise call.error(
            f"{channels} channels and {given.num_output} outputs cannot be split in {given.group} groups"
        )


def _convolved(
    call: Call, maps: _Maps, windows: Windows, weight: str, outputs: int, group: int
) -> list[Blob]:
    counts = _checked(call, windows.counts(maps.sizes))
    inputs = _inputs(call, weight, windows, outputs)
    attributes = _attributes(windows, group, windows.end_pads(maps.sizes, counts))
    tops = [call.node("Conv", [maps.folded(call, x), *inputs], **attributes) for x in call.bottoms]
    return [maps.unfolded(call, y, outputs, counts) for y in tops]


def _weight(call: Call, first: int, second: int, windows: Windows) -> str:
    shape = blob_shape(call, (first, second, *windows.kernel))
    return call.parameter(0, shape, call.layer.convolution_param.weight_filler)


def _inputs(call: Call, weight: str, windows: Windows, outputs: int) -> list[str]:
    """Return weight and bias as an operator of ONNX wants them, with at least one spatial axis."""
    given = call.layer.convolution_param
    bias = [call.parameter(1, (outputs,), given.bias_filler)] if given.bias_term else []
    if not windows.kernel:
        weight = call.node("Unsqueeze", [weight, call.constant([2], np.int64)])
    return [weight, *bias]


def _attributes(windows: Windows, group: int, end_pads: Sequence[int]) -> dict[str, object]:
    if not windows.kernel:
        return {"group": group}
    return {
        "kernel_shape": windows.kernel,
        "strides": windows.stride,
        "pads": (*windows.pad, *end_pads),
        "dilations": windows.dilation,
        "group": group,
    }


def _checked(call: Call, sizes: Sequence[int]) -> tuple[int, ...]:
    if any(size < 1 for size in sizes):
        bottom = show(call.bottoms[0].shape)
        raise call.error(
            f"its kernel and padding do not suit a bottom of {bottom}: its maps would be {show(sizes)}"
        )
    return tuple(sizes)
