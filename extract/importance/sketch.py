"""A layer as the graph of its gradients has it, and nodes that are to be added to that graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..filters import Filters

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Part:
    """A layer as the graph has it.

    Parameters
    ----------
    filters : Filters
        Its filters.
    x, y : str
        What the node reads that works with the weight, and what that makes.
    product : bool
        Whether each image is one row of a matrix that the weight multiplies.
    alpha, beta : float
        Factors on weight and bias of such a product.
    bias : str or None
        The bias that this very node adds.
    maps : str
        What its filters make of an image, behind normalization and activation function: the last tensor that
        `Flow.behind` leads to from what they make, of those that the neuron depends on. Behind a convolution,
        a Relu and a batch normalization, in this order, it is what comes out of the latter.
    """

    filters: Filters
    x: str
    y: str
    product: bool
    alpha: float
    beta: float
    bias: str | None
    maps: str


@dataclass
class Sketch:
    """Nodes that are to be added to a graph of gradients, of operator set 18 or later."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    wrt: dict[str, None] = field(default_factory=dict)

    def gradient(self, tensor: str) -> str:
        """Return the gradient of the neuron with respect to a tensor, for each image."""
        self.wrt[tensor] = None
        return f"grad:{tensor}"

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node and return its output."""
        import onnx

        name = f"importance/{operator}{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operator, list(inputs), [name], name, **attributes))
        return name

    def integers(self, values: Sequence[int]) -> str:
        """Return a tensor of whole numbers: a shape, or axes."""
        name = "importance/" + ",".join(map(str, values))
        self.constants[name] = np.array(values, np.int64)
        return name

    def number(self, values: float) -> str:
        """Return a tensor of a number."""
        name = f"importance/{values!r}"
        self.constants[name] = np.array(values, np.float32)
        return name

    def over_maps(self, operator: str, tensor: str, part: Part) -> str:
        """Reduce a tensor of the layer's output's axes to a value for each image and filter."""
        last = part.filters.channel_axis == -1
        shape = [0, -1, part.filters.count] if last else [0, part.filters.count, -1]
        flat = self.add("Reshape", tensor, self.integers(shape))
        return self.add(operator, flat, self.integers([1 if last else 2]), keepdims=0)

    def over_weights(self, operator: str, tensor: str, part: Part) -> str:
        """Reduce a tensor of the weight's axes, behind that of images, to a value an image and filter."""
        own = part.filters
        if own.axis == 0:
            split = self.add("Reshape", tensor, self.integers([-1, own.count, int(np.prod(own.shape[1:]))]))
            return self.add(operator, split, self.integers([2]), keepdims=0)
        rows = own.shape[0] // own.groups
        size = int(np.prod(own.shape[2:], dtype=int))
        split = self.add("Reshape", tensor, self.integers([-1, own.groups, rows, own.shape[1], size]))
        reduced = self.add(operator, split, self.integers([2, 4]), keepdims=0)
        return self.add("Reshape", reduced, self.integers([-1, own.count]))
