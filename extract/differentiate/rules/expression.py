"""Formulas of rules, written as formulas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..step import Gradient, Step


@dataclass(frozen=True)
class Expression:
    """A tensor that formulas are made of: each operation adds the node that computes it.

    Parameters
    ----------
    step : Step
        Where nodes are added.
    name : str
        The tensor.
    like : str
        A tensor of the forward graph; numbers in formulas take its type.
    """

    step: Step
    name: str
    like: str

    def do(self, operator: str, *others: Expression | float, **attributes: Any) -> Expression:
        """Return what an operator makes of this tensor and others."""
        names = [self.name, *(self._tensor(other) for other in others)]
        return Expression(self.step, self.step.add(operator, *names, **attributes), self.like)

    def over(self, operator: str, axes: str | Sequence[int], **attributes: Any) -> Expression:
        """Return what an operator with axes makes of this tensor; reductions keep their axes."""
        named = axes if isinstance(axes, str) else self.step.integers(axes)
        if operator.startswith("Reduce"):
            attributes = {"keepdims": 1, **attributes}
        return Expression(self.step, self.step.add(operator, self.name, named, **attributes), self.like)

    def cast(self, like: str | None = None) -> Expression:
        """Return the tensor in the type of `like`, by default that of its formula; truth becomes 0 and 1."""
        import onnx

        like = like or self.like
        kind = onnx.helper.np_dtype_to_tensor_dtype(self.step.dtype(like))
        return Expression(self.step, self.step.add("Cast", self.name, to=kind), like)

    def expanded(self, tensor: str) -> Expression:
        """Return the tensor repeated to the shape of a tensor of the forward graph."""
        repeated = self.step.add("Expand", self.name, self.step.shape_of(tensor))
        return Expression(self.step, repeated, self.like)

    def equals(self, other: Expression | float) -> Expression:
        """Return where two tensors are equal."""
        return self.do("Equal", other)

    def sigmoid(self) -> Expression:
        """Return 1 / (1 + exp(-x))."""
        return self.do("Sigmoid")

    def __add__(self, other: Expression | float) -> Expression:
        return self.do("Add", other)

    def __radd__(self, other: float) -> Expression:
        return self.do("Add", other)

    def __sub__(self, other: Expression | float) -> Expression:
        return self.do("Sub", other)

    def __rsub__(self, other: float) -> Expression:
        return self._number(other).do("Sub", self)

    def __mul__(self, other: Expression | float) -> Expression:
        return self.do("Mul", other)

    def __rmul__(self, other: float) -> Expression:
        return self.do("Mul", other)

    def __truediv__(self, other: Expression | float) -> Expression:
        return self.do("Div", other)

    def __rtruediv__(self, other: float) -> Expression:
        return self._number(other).do("Div", self)

    def __pow__(self, other: Expression | float) -> Expression:
        return self.do("Pow", other)

    def __neg__(self) -> Expression:
        return self.do("Neg")

    def __abs__(self) -> Expression:
        return self.do("Abs")

    def __gt__(self, other: Expression | float) -> Expression:
        return self.do("Greater", other)

    def __lt__(self, other: Expression | float) -> Expression:
        return self.do("Less", other)

    def __and__(self, other: Expression) -> Expression:
        return self.do("And", other)

    def __or__(self, other: Expression) -> Expression:
        return self.do("Or", other)

    def _number(self, value: float) -> Expression:
        return Expression(self.step, self.step.constant(value, self.like), self.like)

    def _tensor(self, other: Expression | float) -> str:
        return other.name if isinstance(other, Expression) else self._number(other).name


def where(condition: Expression, true: Expression | float, false: Expression | float) -> Expression:
    """Return `true` where the condition holds, else `false`.

    onnxruntime's Where is several times slower than a product with a mask of 0 and 1. It is for formulas
    whose other branch may be infinite.
    """
    return condition.do("Where", true, false)


def tensors(step: Step) -> tuple[Expression, Expression, Expression]:
    """Return the first output's gradient, the first input and the first output of a node."""
    (g, *_), x, y = step.gradients, step.inputs[0], step.outputs[0]
    assert g is not None
    return Expression(step, g, x), Expression(step, x, x), Expression(step, y, x)


def first(step: Step, gradient: Expression) -> list[Gradient]:
    """Return the gradients of a node whose first input alone has one."""
    return [gradient.name, *(None for _ in step.inputs[1:])]
