"""One operator call as a rule sees it: places of its inputs, attributes, shapes and constant inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .constants import Constants
from .place import Axes, Unknown

if TYPE_CHECKING:
    import onnx

Shape = tuple[int, ...]


class Unplaced(Exception):
    """A rule cannot tell where its operator's outputs lie; the text says why."""


@dataclass(frozen=True)
class Call:
    """A node, with what is known of its inputs and outputs.

    Parameters
    ----------
    node : onnx.NodeProto
        The node.
    inputs : tuple of Axes
        The places of its inputs; () where an input is left out or its rank is unknown.
    constants : Constants
        The graph's constants and shapes.
    """

    node: onnx.NodeProto
    inputs: tuple[Axes, ...]
    constants: Constants

    @property
    def label(self) -> str:
        """Operator and node, for messages."""
        return f"{self.node.op_type} {self.node.name or next(filter(None, self.node.output), '')!r}"

    @cached_property
    def attributes(self) -> Mapping[str, onnx.AttributeProto]:
        """The node's attributes by name."""
        return {attribute.name: attribute for attribute in self.node.attribute}

    @property
    def opset(self) -> int:
        """Version of ONNX's own operators."""
        return self.constants.opset

    def has(self, index: int) -> bool:
        """Return whether an input is given."""
        return index < len(self.node.input) and self.node.input[index] != ""

    def input(self, index: int) -> Axes:
        """Return the place of an input that must be given.

        Raises
        ------
        Unplaced
            If it is not.
        """
        if not self.has(index):
            raise Unplaced(f"its input {index} is missing")
        return self.inputs[index]

    def number(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        return self.attributes[name].i if name in self.attributes else default

    def text(self, name: str, default: str) -> str:
        """Return a string attribute."""
        return self.attributes[name].s.decode(errors="replace") if name in self.attributes else default

    def numbers(self, name: str) -> tuple[int, ...] | None:
        """Return an attribute of several integers, None where it is left out."""
        return tuple(self.attributes[name].ints) if name in self.attributes else None

    def per_axis(self, name: str, count: int, default: int) -> tuple[int, ...]:
        """Return an attribute of `count` integers.

        Raises
        ------
        Unplaced
            If it has another number of them.
        """
        values = self.numbers(name) or (default,) * count
        if len(values) != count:
            raise Unplaced(f"{name} has {len(values)} numbers, not {count}")
        return values

    def positive(self, name: str, count: int) -> tuple[int, ...]:
        """Return an attribute of `count` integers, 1 unless given.

        Raises
        ------
        Unplaced
            If it has another number of them, or one is not positive.
        """
        values = self.per_axis(name, count, 1)
        if min(values, default=1) < 1:
            raise Unplaced(f"{name} are {values}")
        return values

    def shape(self, index: int) -> Shape | None:
        """Return an input's shape, None where it is unknown or the input left out."""
        return self.constants.shape(self.node.input[index]) if self.has(index) else None

    def output_shape(self, index: int = 0) -> Shape | None:
        """Return an output's shape, None where it is unknown."""
        return self.constants.shape(self.node.output[index])

    def known_shape(self, index: int) -> Shape:
        """Return an input's shape.

        Raises
        ------
        Unplaced
            If it is unknown, or has not as many axes as the input's place.
        """
        shape = self.shape(index)
        if shape is None or len(shape) != len(self.input(index)):
            raise Unplaced(f"the shape of its input {self.node.input[index]!r} is unknown")
        return shape

    def known_output_shape(self, rank: int | None = None) -> Shape:
        """Return the first output's shape.

        Raises
        ------
        Unplaced
            If it is unknown, or has not `rank` axes.
        """
        shape = self.output_shape()
        if shape is None or rank not in (None, len(shape)):
            raise Unplaced(f"the shape of its output {self.node.output[0]!r} is unknown")
        return shape

    def constant(self, index: int) -> NDArray[Any]:
        """Return the value of an input.

        Raises
        ------
        Unplaced
            If it is not a small constant.
        """
        self.input(index)
        value = self.constants.value(self.node.input[index])
        if value is None:
            raise Unplaced(f"its input {self.node.input[index]!r} is not constant")
        return value

    def integers(self, name: str, index: int) -> tuple[int, ...] | None:
        """Return integers that are an attribute in older opsets and an input in newer ones, None for neither.

        Raises
        ------
        Unplaced
            If the input is not a small constant.
        """
        if self.has(index):
            return tuple(int(value) for value in self.constant(index).ravel())
        return self.numbers(name)

    def axis(self, axis: int, rank: int) -> int:
        """Return an axis counted from 0.

        Raises
        ------
        Unplaced
            If a tensor of this rank has no such axis.
        """
        if not -rank <= axis < rank:
            raise Unplaced(f"axis {axis} of a tensor of {rank} axes")
        return axis % rank

    def unknown(self, why: str) -> Unknown:
        """Return an axis whose place this call makes unknown."""
        return Unknown(f"{self.label}: {why}")


Rule = Callable[[Call], list[Axes]]
"""The places of a call's outputs, in order; outputs that are not in the list have no place."""
