"""How far the channels of a layer stay apart behind it, each value by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .graph import reads
from .parts import Shape

if TYPE_CHECKING:
    import onnx

    from .filters import Filters

# Operators that make each value of one value alone, or of one of each of their inputs, and of numbers make
# numbers.
_FINITE = frozenset(
    {
        *("Abs", "Add", "Celu", "Clip", "Div", "Dropout", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish"),
        *("Identity", "LeakyRelu", "Max", "Min", "Mish", "Mul", "Neg", "PRelu", "Relu", "Selu", "Sigmoid"),
        *("Softplus", "Softsign", "Sub", "Swish", "Tanh", "ThresholdedRelu"),
    }
)
# These may make of numbers what is none. So does a Div by what is not constant.
_NOT_FINITE = frozenset({"Exp", "Log", "Pow", "Reciprocal", "Sqrt"})


@dataclass(frozen=True)
class Flow:
    """A graph as it is read.

    Parameters
    ----------
    nodes : sequence of onnx.NodeProto
        Its nodes, each behind those that it reads.
    constants : frozenset of str
        The tensors that depend on no input.
    shapes : mapping of str to tuple of int or None
        Shapes of the tensors, as far as they are known.
    """

    nodes: Sequence[onnx.NodeProto]
    constants: frozenset[str]
    shapes: Mapping[str, Shape]

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for place, node in enumerate(self.nodes):
            for name in set(reads(node)):
                places.setdefault(name, []).append(place)
        return places

    def readers(self, tensor: str) -> list[onnx.NodeProto]:
        """Return the nodes that read a tensor."""
        return [self.nodes[place] for place in self._places.get(tensor, ())]

    def behind(self, tensor: str, filters: Filters, *, finite: bool = False) -> str | None:
        """Return the nearest tensor of a layer's maps that is made of a tensor of such, value by value.

        All that reads the one goes into the other, and only by operators that work on each value by itself,
        or by a batch normalization. What they read besides are constants of one number, or of one a channel.
        So a Relu is passed, and a Sigmoid with the Mul that reads its input too; but not a sum with another
        branch, a gate that is computed, or a pool.

        Parameters
        ----------
        tensor : str
            What the filters make, or what `behind` returned.
        filters : Filters
            The layer.
        finite : bool
            Pass only what makes of numbers nothing but numbers.

        Returns
        -------
        str or None
            None if there is no such tensor.
        """
        passed, ahead = {tensor}, set(self._places.get(tensor, ()))
        rank = len(self.shapes.get(tensor, ())) or 1 - filters.channel_axis
        while ahead:
            place = min(ahead)
            ahead.remove(place)
            node = self.nodes[place]
            if not self._keeps_apart(node, passed, filters, rank, finite):
                return None
            made = node.output[0]
            if not ahead:
                return made
            if made not in self._places:
                return None
            passed.add(made)
            ahead.update(self._places[made])
        return None

    def _keeps_apart(
        self, node: onnx.NodeProto, passed: set[str], filters: Filters, rank: int, finite: bool
    ) -> bool:
        names = reads(node)
        is_known = node.domain in ("", "ai.onnx") and self._places.keys().isdisjoint(node.output[1:])
        if node.op_type == "BatchNormalization":
            by_batch = any(a.name == "training_mode" and a.i for a in node.attribute)
            on_second = rank + filters.channel_axis == 1
            return is_known and on_second and not by_batch and self.constants.issuperset(names[1:])
        if node.op_type not in (_FINITE if finite else _FINITE | _NOT_FINITE):
            return False
        if finite and node.op_type == "Div" and names[1] in passed:
            return False
        return is_known and all(name in passed or self._is_of_channels(name, filters, rank) for name in names)

    def _is_of_channels(self, tensor: str, filters: Filters, rank: int) -> bool:
        """Return whether a tensor is a constant of one number, or of one for each channel."""
        shape = self.shapes.get(tensor)
        if tensor not in self.constants or shape is None or len(shape) > rank:
            return False
        places = range(-len(shape), 0)
        return all(
            size == 1 or (place == filters.channel_axis and size == filters.count)
            for place, size in zip(places, shape, strict=True)
        )
