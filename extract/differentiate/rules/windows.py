"""Where the windows of a convolution or pooling lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..step import Step

Ints = tuple[int, ...]
END = 2**63 - 1


@dataclass(frozen=True)
class Windows:
    """Windows that slide over the spatial axes, those behind the first two.

    Parameters
    ----------
    kernel, strides, dilations : tuple of int
        One number a spatial axis.
    pads : tuple of int, or str
        Padding in front of every axis, then behind every axis; or the tensor that holds it, where it follows
        from sizes that are open.
    ceil : bool
        Whether a last window may reach behind the padding.
    """

    kernel: Ints
    strides: Ints
    dilations: Ints
    pads: Ints | str
    ceil: bool = False

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.kernel)

    @property
    def extents(self) -> Ints:
        """How far a window reaches, gaps included."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def axes(self) -> list[int]:
        """Numbers of the spatial axes."""
        return list(range(2, 2 + self.rank))

    @property
    def is_padded(self) -> bool:
        """Whether there is, or may be, padding."""
        return isinstance(self.pads, str) or any(self.pads)


def windows_of(step: Step, data: str, kernel: Sequence[int]) -> Windows:
    """Return the windows of a Conv or pooling node, from its attributes.

    Parameters
    ----------
    step : Step
        The node.
    data : str
        What the windows slide over.
    kernel : sequence of int
        Size of a window.
    """
    rank = len(kernel)
    strides = tuple(step.attribute("strides") or (1,) * rank)
    dilations = tuple(step.attribute("dilations") or (1,) * rank)
    pads = tuple(step.attribute("pads") or (0,) * 2 * rank)
    windows = Windows(tuple(kernel), strides, dilations, pads, bool(step.attribute("ceil_mode", 0)))
    auto = step.attribute("auto_pad", "NOTSET")
    if not auto.startswith("SAME"):
        return windows
    return replace(windows, pads=_same(step, data, windows, auto == "SAME_LOWER"))


def _same(step: Step, data: str, windows: Windows, lower: bool) -> Ints | str:
    """Return padding that gives as many windows as the size over the stride, rounded up.

    Source: ONNX, Conv, attribute auto_pad.
    """
    shape = step.shape(data)
    sizes = (None,) * windows.rank if shape is None else shape[2:]
    if None in sizes and set(windows.strides) != {1}:
        return _same_open(step, data, windows, lower)
    totals = [
        extent - 1 if size is None else max((math.ceil(size / stride) - 1) * stride + extent - size, 0)
        for size, stride, extent in zip(sizes, windows.strides, windows.extents, strict=True)
    ]
    less = [total // 2 for total in totals]
    more = [total - half for total, half in zip(totals, less, strict=True)]
    return tuple((*more, *less) if lower else (*less, *more))


def _same_open(step: Step, data: str, windows: Windows, lower: bool) -> str:
    sizes = spatial_sizes(step, data)
    strides = step.integers(windows.strides)
    rounded = step.add(
        "Div", step.add("Add", sizes, step.integers([s - 1 for s in windows.strides])), strides
    )
    starts = step.add("Mul", step.add("Sub", rounded, step.integers([1])), strides)
    wanted = step.add("Add", starts, step.integers(windows.extents))
    total = step.add("Max", step.add("Sub", wanted, sizes), step.integers([0]))
    less = step.add("Div", total, step.integers([2]))
    more = step.add("Sub", total, less)
    return step.add("Concat", *((more, less) if lower else (less, more)), axis=0)


def spatial_sizes(step: Step, tensor: str) -> str:
    """Return the sizes of a tensor's spatial axes, as a tensor."""
    return step.add("Slice", step.shape_of(tensor), step.integers([2]), step.integers([END]))


def padded(step: Step, tensor: str, windows: Windows, value: str | None = None) -> str:
    """Return a tensor with the windows' padding around it, of zeros unless a value is given."""
    if not windows.is_padded:
        return tensor
    axes = step.integers(windows.axes)
    pads = windows.pads if isinstance(windows.pads, str) else step.integers(windows.pads)
    return step.add("Pad", tensor, pads, value or "", axes)


def shifted(step: Step, tensor: str, windows: Windows, axis: int) -> list[str]:
    """Return what each position of the kernel meets along a spatial axis, over all windows.

    Ends count from behind: what lies behind the last window is less than a stride.

    Parameters
    ----------
    step : Step
        The node.
    tensor : str
        With its padding. The spatial axes are the last ones.
    windows : Windows
        What slides over it.
    axis : int
        Number of the spatial axis, from 0.
    """
    kernel, stride, dilation = windows.kernel[axis], windows.strides[axis], windows.dilations[axis]
    if kernel == stride == 1:
        return [tensor]
    where, steps = step.integers([axis - windows.rank]), step.integers([stride])
    ends = [(i + 1 - kernel) * dilation or END for i in range(kernel)]
    return [
        step.add("Slice", tensor, step.integers([i * dilation]), step.integers([end]), where, steps)
        for i, end in enumerate(ends)
    ]


def stacked(step: Step, parts: Sequence[str], axis: int) -> str:
    """Return tensors side by side along a new axis."""
    rows = [step.add("Unsqueeze", part, step.integers([axis])) for part in parts]
    return rows[0] if len(rows) == 1 else step.add("Concat", *rows, axis=axis)


def columns(step: Step, tensor: str, windows: Windows, axis: int) -> str:
    """Lay what each position of the kernel meets side by side (im2col).

    Parameters
    ----------
    step : Step
        The node.
    tensor : str
        With its padding.
    windows : Windows
        What slides over it.
    axis : int
        Where the new axes are put: a spatial axis has one for positions in the kernel, and keeps one for
        windows.
    """
    for spatial in reversed(range(windows.rank)):
        tensor = stacked(step, shifted(step, tensor, windows, spatial), axis)
    return tensor


def spread(step: Step, gradient: str, weights: str, windows: Windows, groups: int = 1) -> str:
    """Return a gradient with respect to what windows slide over: a ConvTranspose of the size of the input.

    Parameters
    ----------
    step : Step
        The node; its first input is what the windows slide over.
    gradient : str
        (N, K, *places).
    weights : str
        (K, C / groups, *kernel).
    windows : Windows
        Of the node.
    groups : int
        Of the channels.
    """
    x, attributes = (
        step.inputs[0],
        {"group": groups, "strides": windows.strides, "dilations": windows.dilations},
    )
    over = _over(step, windows)
    if over is not None:
        begins = windows.pads[: windows.rank]
        pads = [*begins, *(max(size, 0) for size in over)]
        left = [max(-size, 0) for size in over]
        return step.add(
            "ConvTranspose",
            gradient,
            weights,
            pads=pads,
            output_padding=left if any(left) else None,
            **attributes,
        )
    left = [stride - 1 for stride in windows.strides]
    found = step.add("ConvTranspose", gradient, weights, output_padding=left, **attributes)
    begins, sizes = _begins(step, windows), spatial_sizes(step, x)
    return step.add("Slice", found, begins, step.add("Add", begins, sizes), step.integers(windows.axes))


def _over(step: Step, windows: Windows) -> list[int] | None:
    """Return how far the last window reaches behind the input, for each axis; None if it is not known."""
    if isinstance(windows.pads, str):
        return None
    if set(windows.strides) == {1}:
        return list(windows.pads[windows.rank :])
    places = known_places(step, windows)
    if places is None:
        return None
    sizes, begins = known_sizes(step, step.inputs[0]) or (), windows.pads[: windows.rank]
    rows = zip(sizes, places, windows.strides, windows.extents, begins, strict=True)
    return [(count - 1) * stride + extent - begin - size for size, count, stride, extent, begin in rows]


def known_places(step: Step, windows: Windows) -> Ints | None:
    """Return how many windows lie along each axis of a node's first input; None if it is not known.

    Source: ONNX 22, MaxPool: a last window that would begin behind the input and its padding in front is
    left out. onnxruntime does so for all operator sets, but onnx's shape inference of older ones does not.
    """
    sizes = known_sizes(step, step.inputs[0])
    if sizes is None or isinstance(windows.pads, str):
        return None
    pads = zip(windows.pads[: windows.rank], windows.pads[windows.rank :], strict=True)
    found = []
    for size, (begin, end), stride, extent in zip(sizes, pads, windows.strides, windows.extents, strict=True):
        spare = size + begin + end - extent
        count = (math.ceil(spare / stride) if windows.ceil else spare // stride) + 1
        found.append(count - 1 if windows.ceil and (count - 1) * stride >= size + begin else count)
    return tuple(found)


def _begins(step: Step, windows: Windows) -> str:
    """Return the padding in front of every spatial axis, as a tensor."""
    if isinstance(windows.pads, str):
        return step.add("Slice", windows.pads, step.integers([0]), step.integers([windows.rank]))
    return step.integers(windows.pads[: windows.rank])


def known_sizes(step: Step, tensor: str) -> Ints | None:
    """Return the sizes of a tensor's spatial axes; None if any is open."""
    shape = step.shape(tensor)
    sizes = [] if shape is None else [size for size in shape[2:] if size is not None]
    return tuple(sizes) if shape is not None and len(sizes) == len(shape) - 2 else None
