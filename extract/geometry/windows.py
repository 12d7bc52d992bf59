"""Operators that slide a window: convolutions, pooling, and their transposes."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from .call import Call, Rule, Unplaced
from .merging import merged
from .place import Axes, Axis, Window, moved, window


def convolve(call: Call, weight: int) -> list[Axes]:
    """Place a convolution's output; `weight` is the index of its weight input."""
    return [_through(call.input(0), _sliding(call, _kernel(call, weight)))]


def fused_convolve(call: Call) -> list[Axes]:
    """Place the output of onnxruntime's FusedConv, which may add a tensor."""
    return [merged(call, [*convolve(call, weight=1), *call.inputs[3:4]])]


def pool(call: Call) -> list[Axes]:
    """Place a pooling's output, and the indices of the maxima."""
    axes = call.input(0)
    pooled = _through(axes, _sliding(call, _kernel(call)), channels=axes[1])
    return [pooled, pooled]


def global_pool(call: Call) -> list[Axes]:
    """Place what is left when all axes of the picture are pooled away."""
    axes = call.input(0)
    return [axes[:2] + (None,) * (len(axes) - 2)]


def transposed_convolve(call: Call) -> list[Axes]:
    """Place a transposed convolution's output."""
    spread = _spread(call, _kernel(call, weight=1))
    return [_through(call.input(0), _spreading(call, spread, _transposed_heads(call, spread)))]


def unpool(call: Call) -> list[Axes]:
    """Place the output of MaxUnpool, which depends on the maxima and on where they were."""
    spread = _spread(call, _kernel(call))
    axes = merged(call, list(call.inputs[:2]))
    return [_through(axes, _spreading(call, spread, _pads(call, len(spread))), channels=axes[1])]


def channels_first(rule: Rule) -> Rule:
    """Return a rule for onnxruntime's operators that take either layout and are known in one."""

    def checked(call: Call) -> list[Axes]:
        if call.number("channels_last", 0):
            raise Unplaced("channels_last is set")
        return rule(call)

    return checked


def _through(axes: Axes, windows: list[Window], channels: Axis = None) -> Axes:
    return (axes[0], channels, *map(moved, axes[2:], windows))


def _kernel(call: Call, weight: int | None = None) -> tuple[int, ...]:
    count = len(call.input(0)) - 2
    if count < 1:
        raise Unplaced(f"its input has {count + 2} axes")
    if weight is None or "kernel_shape" in call.attributes:
        return call.positive("kernel_shape", count)
    kernel = (call.shape(weight) or ())[2:]
    if len(kernel) != count:
        raise Unplaced("the size of its kernel is unknown")
    return kernel


def _spread(call: Call, kernel: tuple[int, ...]) -> list[int]:
    """Return the distance from a kernel's first to its last element, along each axis."""
    dilations = call.positive("dilations", len(kernel))
    return [(size - 1) * dilation for size, dilation in zip(kernel, dilations, strict=True)]


def _pads(call: Call, count: int) -> list[int]:
    return list(call.per_axis("pads", 2 * count, 0)[:count])


def _halves(call: Call, totals: list[int]) -> list[int]:
    """Return the part of each total that lies before the first element, as auto_pad says."""
    upper = call.text("auto_pad", "NOTSET") == "SAME_UPPER"
    return [max(0, total) // 2 if upper else -(-max(0, total) // 2) for total in totals]


def _sliding(call: Call, kernel: tuple[int, ...]) -> list[Window]:
    spread, strides = _spread(call, kernel), call.positive("strides", len(kernel))
    heads = _heads(call, spread, strides)
    return [window(step, -head, far - head) for step, head, far in zip(strides, heads, spread, strict=True)]


def _heads(call: Call, spread: list[int], strides: tuple[int, ...]) -> list[int]:
    """Return the padding before the first element, along each axis."""
    auto = call.text("auto_pad", "NOTSET")
    if auto == "NOTSET":
        return _pads(call, len(spread))
    if auto == "VALID":
        return [0] * len(spread)
    sizes = call.known_shape(0)[2:]
    totals = [
        (-(-size // step) - 1) * step + far + 1 - size
        for size, step, far in zip(sizes, strides, spread, strict=True)
    ]
    return _halves(call, totals)


def _spreading(call: Call, spread: list[int], heads: list[int]) -> list[Window]:
    strides = call.positive("strides", len(spread))
    return [
        window(Fraction(1, step), Fraction(head - far, step), Fraction(head, step))
        for step, head, far in zip(strides, heads, spread, strict=True)
    ]


def _transposed_heads(call: Call, spread: list[int]) -> list[int]:
    """Return what a transposed convolution cuts off before the first element, along each axis.

    The formula is that of ONNX's ConvTranspose; a negative amount is 0, as in onnxruntime.
    """
    count, auto = len(spread), call.text("auto_pad", "NOTSET")
    asked = call.numbers("output_shape")
    if not asked and auto == "NOTSET":
        return _pads(call, count)
    if not asked and auto == "VALID":
        return [0] * count
    sizes, strides = call.known_shape(0)[2:], call.positive("strides", count)
    lasts = asked[-count:] if asked else [size * step for size, step in zip(sizes, strides, strict=True)]
    if len(lasts) != count:
        raise Unplaced(f"output_shape has {len(lasts)} numbers, not {count}")
    extra = call.per_axis("output_padding", count, 0)
    totals = [
        step * (size - 1) + more + far + 1 - last
        for size, last, step, far, more in zip(sizes, lasts, strides, spread, extra, strict=True)
    ]
    return _halves(call, totals)


RULES: dict[str, Rule] = {
    "Conv": partial(convolve, weight=1),
    "ConvInteger": partial(convolve, weight=1),
    "QLinearConv": partial(convolve, weight=3),
    "com.microsoft.FusedConv": fused_convolve,
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), pool),
    "com.microsoft.QLinearAveragePool": channels_first(pool),
    **dict.fromkeys(("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"), global_pool),
    "com.microsoft.QLinearGlobalAveragePool": channels_first(global_pool),
    "ConvTranspose": transposed_convolve,
    "MaxUnpool": unpool,
}
