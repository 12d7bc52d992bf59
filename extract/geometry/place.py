"""Places on the axes of a picture, and the two things that operators do to them: move and unite."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class AxisPlace:
    """One tensor axis that runs along one axis of an input.

    Unit i of the axis sees the pixels from ``start + i * stride - (extent - 1) / 2`` to
    ``start + i * stride + (extent - 1) / 2``.

    Parameters
    ----------
    input : str
        Name of the graph input.
    axis : int
        That input's axis, counted from 0.
    stride : Fraction
        Input pixels between neighbours; negative where the axis runs backwards, never 0.
    start : Fraction
        Centre of the first unit's receptive field, in input pixels; 0 is the centre of the first pixel.
    extent : Fraction
        Size of the receptive field, in input pixels.
    """

    input: str
    axis: int
    stride: Fraction
    start: Fraction
    extent: Fraction


@dataclass(frozen=True)
class Place:
    """Where the units of a tensor lie.

    Parameters
    ----------
    axes : tuple of AxisPlace or None
        One for each axis of the tensor; None for an axis that runs along no input axis (batch, channel,
        pooled away, flattened) or whose place is unknown. Empty where the tensor's rank is unknown too.
    reason : str or None
        Why the place of an axis is unknown, with operator and node; None if all is known.
    """

    axes: tuple[AxisPlace | None, ...]
    reason: str | None


@dataclass(frozen=True)
class Unknown:
    """An axis, or a tensor of unknown rank, that may run along the picture in a way that no one knows."""

    reason: str


Axis = AxisPlace | Unknown | None
Axes = tuple[Axis, ...]


@dataclass(frozen=True)
class Window:
    """What an operator's output units see of its input axis: unit i sees step * i + low ... step * i + high.

    Where the window's true width changes from unit to unit, as in upsampling, low and high are as near as
    can be and still hold every unit's.
    """

    step: Fraction
    low: Fraction
    high: Fraction


def whole(name: str, axis: int) -> AxisPlace:
    """Return the place of an input's own axis."""
    return AxisPlace(name, axis, stride=Fraction(1), start=Fraction(0), extent=Fraction(1))


def window(step: Fraction | int, low: Fraction | int, high: Fraction | int) -> Window:
    """Return a `Window`, all numbers made exact fractions."""
    return Window(Fraction(step), Fraction(low), Fraction(high))


def moved(axis: Axis, by: Window) -> Axis:
    """Return the place of an axis whose units see `axis` through a window.

    Parameters
    ----------
    axis : AxisPlace, Unknown or None
        The operator's input axis.
    by : Window
        In units of `axis`.

    Returns
    -------
    AxisPlace, Unknown or None
        The operator's output axis: AxisPlace if `axis` is one, else `axis`.
    """
    if not isinstance(axis, AxisPlace):
        return axis
    return AxisPlace(
        axis.input,
        axis.axis,
        stride=axis.stride * by.step,
        start=axis.start + axis.stride * (by.low + by.high) / 2,
        extent=axis.extent + abs(axis.stride) * (by.high - by.low),
    )


def united(one: AxisPlace, other: AxisPlace) -> AxisPlace:
    """Return the place of an axis whose units see what both axes' units see; their strides must be equal."""
    if one == other:
        return one
    low = min(a.start - a.extent / 2 for a in (one, other))
    high = max(a.start + a.extent / 2 for a in (one, other))
    return AxisPlace(one.input, one.axis, one.stride, start=(low + high) / 2, extent=high - low)
