"""Operators whose output units see the same unit of each input: element by element, joined, or multiplied."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce

from .call import Call, Rule
from .place import Axes, Axis, AxisPlace, Unknown, united


def elementwise(call: Call) -> list[Axes]:
    """Place the output of an operator that works element by element, with broadcasting."""
    full = call.output_shape() or ()
    stretched = [_stretched(axes, call.shape(i), full) for i, axes in enumerate(call.inputs) if axes]
    return [merged(call, stretched)]


def same(call: Call) -> list[Axes]:
    """Place the output of an operator that keeps the grid of its first input."""
    return [call.input(0)]


def dropout(call: Call) -> list[Axes]:
    """Place Dropout's output and mask."""
    return [call.input(0), call.input(0)]


def concatenate(call: Call) -> list[Axes]:
    """Place several tensors joined along an axis."""
    rank = max(map(len, call.inputs))
    pieces = [axes for axes in call.inputs if len(axes) == rank]
    joined = call.axis(call.number("axis", 1), rank)
    axes = list(merged(call, pieces))
    if isinstance(axes[joined], AxisPlace):
        axes[joined] = call.unknown("it joins pieces along an axis of the picture")
    return [tuple(axes)]


def multiply(call: Call, right: int) -> list[Axes]:
    """Place a matrix product; `right` is the index of its second factor.

    A row depends on that row of the first factor and on the whole second one. So its place stays if the
    second factor has none, as a layer's weights; where both have one, as in attention, it is lost. Columns
    likewise.
    """
    one, other = call.input(0), call.input(right)
    batch = merged(call, [one[:-2], other[:-2]])
    row = one[-2] if len(one) > 1 and not any(other) else None
    column = other[-1] if len(other) > 1 and not any(one) else None
    return [(*batch, *[row] * (len(one) != 1), *[column] * (len(other) != 1))]


def gemm(call: Call) -> list[Axes]:
    """Place the output of a fully connected layer, which lies nowhere in the picture."""
    return [(None, None)]


def merged(call: Call, tensors: Sequence[Axes]) -> Axes:
    """Return the places of units that see one unit of each tensor, axes aligned at the end.

    An axis with no place gives way to another's. Axes along one input with equal strides unite: the
    receptive field holds both, and the unit lies at its centre.
    """
    rank = max(map(len, tensors))
    aligned = ([None] * (rank - len(axes)) + list(axes) for axes in tensors)
    return tuple(reduce(partial(_pair, call), axes) for axes in zip(*aligned, strict=True))


def _stretched(axes: Axes, shape: tuple[int, ...] | None, full: tuple[int, ...]) -> Axes:
    """Return the places of axes without those of size 1 that broadcasting stretches."""
    if shape is None or len(shape) != len(axes) or len(shape) > len(full):
        return axes
    ends = full[len(full) - len(shape) :]
    return tuple(
        None if size == 1 != end else axis for axis, size, end in zip(axes, shape, ends, strict=True)
    )


def _pair(call: Call, one: Axis, other: Axis) -> Axis:
    if one is None or isinstance(other, Unknown):
        return other
    if other is None or isinstance(one, Unknown):
        return one
    if (one.input, one.axis) != (other.input, other.axis):
        return call.unknown(
            f"it merges axis {one.axis} of {one.input!r} with axis {other.axis} of {other.input!r}"
        )
    if one.stride != other.stride:
        return call.unknown(f"it merges strides of {one.stride} and {other.stride}")
    return united(one, other)


ELEMENTWISE = """
Abs Acos Acosh Add And Asin Asinh Atan Atanh Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor
Cast CastLike Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid
HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow
Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh
ThresholdedRelu Where Xor com.microsoft.BiasGelu com.microsoft.FastGelu com.microsoft.Gelu
com.microsoft.QLinearAdd com.microsoft.QLinearMul com.microsoft.QuickGelu
"""

SAME = """
BatchNormalization DequantizeLinear DynamicQuantizeLinear GroupNormalization Hardmax InstanceNormalization
LRN LayerNormalization LogSoftmax LpNormalization MeanVarianceNormalization QuantizeLinear RMSNormalization
Softmax Trilu com.microsoft.DequantizeLinear com.microsoft.QLinearLeakyRelu com.microsoft.QLinearSigmoid
com.microsoft.QLinearSoftmax com.microsoft.QuantizeLinear
"""

RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE.split(), elementwise),
    **dict.fromkeys(SAME.split(), same),
    "Dropout": dropout,
    "Concat": concatenate,
    "com.microsoft.QLinearConcat": concatenate,
    "Gemm": gemm,
    "MatMul": partial(multiply, right=1),
    "MatMulInteger": partial(multiply, right=1),
    "QLinearMatMul": partial(multiply, right=3),
}
