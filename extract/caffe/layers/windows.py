"""The windows of a layer that slides a kernel over its bottom: their sizes, steps and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..call import Blob, Call, UnsupportedError


@dataclass(frozen=True)
class Windows:
    """Windows along each spatial axis, in the order of the axes.

    Parameters
    ----------
    kernel, stride, pad, dilation : tuple of int
        Elements in a window, elements between the starts of two, elements added at either end, and elements
        between two of a window.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def extent(self) -> tuple[int, ...]:
        """How far a window reaches, gaps included."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def counts(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Return how many windows fit, as Caffe counts them: its division rounds towards zero.

        So a padded input that is smaller than a window, but by less than a stride, still has one.
        """
        rooms = [n + 2 * p - e for n, p, e in zip(sizes, self.pad, self.extent, strict=True)]
        return tuple(int(room / s) + 1 for room, s in zip(rooms, self.stride, strict=True))

    def end_pads(self, sizes: Sequence[int], counts: Sequence[int]) -> tuple[int, ...]:
        """Return the padding at the end of each axis: `pad`, or more where the last window needs it."""
        along = zip(sizes, counts, self.extent, self.stride, self.pad, strict=True)
        return tuple(max(p, (count - 1) * s + e - n - p) for n, count, e, s, p in along)


def check_maps(call: Call, *blobs: Blob) -> None:
    """Raise a ModelError unless blobs are (images, channels, height, width)."""
    for blob in blobs:
        if blob.rank != 4:
            raise call.error(f"its bottom must have 4 axes, not {blob.rank}")


def show(sizes: Sequence[int]) -> str:
    """Return sizes as people write them."""
    return "x".join(map(str, sizes))


def read_windows(call: Call, axes: int) -> Windows:
    """Return the windows that a layer's ``convolution_param`` describes.

    Parameters
    ----------
    call : Call
        The layer.
    axes : int
        How many spatial axes it has.
    """
    kernel = _per_axis(call, "kernel_size", ("kernel_h", "kernel_w"), axes)
    stride = _per_axis(call, "stride", ("stride_h", "stride_w"), axes, 1)
    pad = _per_axis(call, "pad", ("pad_h", "pad_w"), axes, 0)
    dilation = _per_axis(call, "dilation", (), axes, 1)
    for name, values in (("kernel", kernel), ("stride", stride)):
        if 0 in values:
            raise call.error(f"its {name} is {show(values)}; 0 is not possible")
    if 0 in dilation:
        raise UnsupportedError("its dilation is 0")
    return Windows(kernel, stride, pad, dilation)


def _per_axis(
    call: Call, field: str, pair: Sequence[str], axes: int, default: int | None = None
) -> tuple[int, ...]:
    """Return a value an axis, of a repeated field or of the two that stand for height and width."""
    given = call.layer.convolution_param
    values = tuple(getattr(given, field))
    if any(given.HasField(name) for name in pair):
        if axes != 2:
            raise call.error(f"{' and '.join(pair)} are for 2 spatial axes, but it has {axes}")
        if values:
            raise call.error(f"has both {field} and {' or '.join(pair)}")
        return tuple(getattr(given, name) for name in pair)
    if not values and default is not None:
        values = (default,)
    if len(values) not in (1, axes):
        raise call.error(f"has {len(values)} values of {field} for {axes} spatial axes")
    return values * axes if len(values) == 1 else values
