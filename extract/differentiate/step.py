"""A node on the way back: what a rule is given, and what it builds with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import NoGradientError, SharedGradientError
from .facts import Facts, Shape

if TYPE_CHECKING:
    import onnx

Gradient = str | None


@dataclass
class Workshop:
    """Where the nodes and constants of a backward graph are made.

    Parameters
    ----------
    facts : Facts
        What is known of the forward graph.
    taken : set of str
        Names of tensors and nodes that are in use.
    """

    facts: Facts
    taken: set[str]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: dict[str, NDArray[Any]] = field(default_factory=dict)
    _shapes: dict[str, str] = field(default_factory=dict)
    _constants: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)

    def fresh(self, wanted: str) -> str:
        """Return a name like `wanted` that nothing has, and take it."""
        tries: Iterator[str] = itertools.chain((wanted,), (f"{wanted}_{i}" for i in itertools.count(2)))
        name = next(name for name in tries if name not in self.taken)
        self.taken.add(name)
        return name

    def many(
        self, prefix: str, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any
    ) -> list[str]:
        """Add a node and return its outputs; attributes that are None are left out."""
        import onnx

        name = self.fresh(f"{prefix}/{operator}")
        made = [name] + [self.fresh(f"{name}.{i}") for i in range(1, outputs)]
        given = {key: value for key, value in attributes.items() if value is not None}
        domain = given.pop("domain", "")
        self.nodes.append(onnx.helper.make_node(operator, list(inputs), made, name, domain=domain, **given))
        return made

    def constant(self, values: ArrayLike, dtype: Any) -> str:
        """Return a tensor of given values; equal ones are one tensor."""
        array = np.asarray(values, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.fresh("grad/constant")
            self.initializers[self._constants[key]] = array
        return self._constants[key]

    def shape_of(self, tensor: str) -> str:
        """Return the shape of a tensor of the forward graph, as a tensor: a constant where it is known."""
        shape = self.facts.shapes.get(tensor)
        if shape is not None and None not in shape:
            return self.constant([size or 0 for size in shape], np.int64)
        if tensor not in self._shapes:
            (self._shapes[tensor],) = self.many(f"grad/{tensor}", "Shape", [tensor], 1)
        return self._shapes[tensor]


@dataclass(frozen=True)
class Step:
    """One node of the forward graph, and the gradients of its outputs.

    Parameters
    ----------
    node : onnx.NodeProto
        The node, of operator set 18 or later.
    gradients : tuple of (str or None)
        For each output the tensor that holds the target's gradient with respect to it, of its shape; None
        where the target does not depend on it. At least one is there.
    wanted : tuple of bool
        Whether the gradient with respect to each input is asked for.
    shared : tuple of bool
        Whether all images of a batch share the input, and its gradient is asked for each image apart: then
        the gradient has an axis in front, one entry an image. `sum_to` does so by itself.
    workshop : Workshop
        Where nodes are made.
    """

    node: onnx.NodeProto
    gradients: tuple[Gradient, ...]
    wanted: tuple[bool, ...]
    shared: tuple[bool, ...]
    workshop: Workshop

    @property
    def inputs(self) -> list[str]:
        """Names of the node's inputs; empty for those left out."""
        return list(self.node.input)

    @property
    def outputs(self) -> list[str]:
        """Names of the node's outputs; empty for those left out."""
        return list(self.node.output)

    def wants(self, index: int) -> bool:
        """Return whether an input is there and the gradient with respect to it is asked for."""
        return index < len(self.wanted) and self.wanted[index]

    def has(self, index: int) -> bool:
        """Return whether the node has an input."""
        return index < len(self.node.input) and bool(self.node.input[index])

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute as Python and numpy hold it; text as str."""
        import onnx

        for attribute in self.node.attribute:
            if attribute.name == name:
                value = onnx.helper.get_attribute_value(attribute)
                return value.decode() if isinstance(value, bytes) else value
        return default

    def shape(self, tensor: str) -> Shape | None:
        """Return the shape of a tensor of the forward graph; None if the number of its axes is unknown."""
        return self.workshop.facts.shapes.get(tensor)

    def sizes(self, tensor: str) -> tuple[int, ...]:
        """Return a shape of which all is known.

        Raises
        ------
        NoGradientError
            If it is not.
        """
        shape = self.shape(tensor)
        if shape is None or None in shape:
            raise self.unsupported(f"the shape of {tensor!r} must be known")
        return tuple(size for size in shape if size is not None)

    def rank(self, tensor: str) -> int:
        """Return the number of a tensor's axes.

        Raises
        ------
        NoGradientError
            If it is not known.
        """
        shape = self.shape(tensor)
        if shape is None:
            raise self.unsupported(f"the number of axes of {tensor!r} must be known")
        return len(shape)

    def dtype(self, tensor: str) -> np.dtype[Any]:
        """Return the type of a tensor of the forward graph; float32 where it is not known."""
        return self.workshop.facts.dtypes.get(tensor, np.dtype(np.float32))

    def value(self, tensor: str) -> NDArray[Any] | None:
        """Return the value of a constant of the forward graph; None if it is none, or a large weight."""
        return self.workshop.facts.values.get(tensor)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of operator set 18 or later and return its output; None attributes are left out."""
        (output,) = self.many(operator, inputs, 1, **attributes)
        return output

    def many(self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Add a node of several outputs and return them; see `Step.add`."""
        name = self.node.name or self.node.output[0]
        return self.workshop.many(f"grad/{name}", operator, inputs, outputs, **attributes)

    def constant(self, values: ArrayLike, like: str) -> str:
        """Return a tensor of given values, of the type of a tensor of the forward graph."""
        return self.workshop.constant(values, self.dtype(like))

    def integers(self, values: ArrayLike) -> str:
        """Return an int64 tensor of given values: a shape, axes, indices."""
        return self.workshop.constant(values, np.int64)

    def shape_of(self, tensor: str) -> str:
        """Return the shape of a tensor of the forward graph as an int64 tensor."""
        return self.workshop.shape_of(tensor)

    def zeros_like(self, tensor: str) -> str:
        """Return zeros of the shape and type of a tensor of the forward graph."""
        return self.add("Expand", self.constant(0, tensor), self.shape_of(tensor))

    def sum_to(self, gradient: str, tensor: str) -> str:
        """Undo broadcasting: sum a gradient over the axes along which an input was repeated.

        Parameters
        ----------
        gradient : str
            Of the shape of the first output.
        tensor : str
            The input. If the images share it, the sum is taken for each image apart, and the result has an
            axis of images in front.
        """
        return sum_to(self, gradient, tensor, self.outputs[0])

    def is_shared(self, tensor: str) -> bool:
        """Return whether an input is shared; see `Step`."""
        return any(s for s, name in zip(self.shared, self.node.input, strict=True) if name == tensor)

    def unsupported(self, reason: str) -> NoGradientError:
        """Return an error that names the node, to be raised."""
        return NoGradientError(f"{describe(self.node)}: {reason}")

    def apart(self, reason: str) -> SharedGradientError:
        """Return an error to be raised where a gradient cannot be given for each image apart."""
        return SharedGradientError(f"{describe(self.node)}: {reason}")


Rule = Callable[[Step], Sequence[Gradient]]


def describe(node: onnx.NodeProto) -> str:
    """Return the words that name a node in messages."""
    return f"{node.op_type} node {node.name or node.output[0]!r}"


def sum_to(step: Step, gradient: str, tensor: str, output: str) -> str:
    """Sum a gradient of the shape of `output` to the shape of `tensor`, which broadcasting repeated."""
    if step.shape(output) is None or step.shape(tensor) is None:
        return _sum_to_any(step, gradient, tensor)
    rank, own = step.rank(output), step.rank(tensor)
    if step.is_shared(tensor):
        return _sum_apart(step, gradient, tensor, step.shape(output) or ())
    extents = step.workshop.facts.extents
    ours, theirs = (1,) * (rank - own) + extents[tensor], extents[output]
    if any(a is None or (isinstance(a, str) and a != b) for a, b in zip(ours, theirs, strict=True)):
        return _sum_to_open(step, gradient, tensor, rank, own)
    axes = [i for i, size in enumerate(ours) if size == 1 and theirs[i] != 1]
    summed = step.add("ReduceSum", gradient, step.integers(axes), keepdims=1) if axes else gradient
    return step.add("Reshape", summed, step.shape_of(tensor)) if rank != own else summed


def _sum_apart(step: Step, gradient: str, tensor: str, repeated: Shape) -> str:
    """Sum for each image apart; the result has an axis of images in front."""
    sizes = step.sizes(tensor)
    padded = (1,) * (len(repeated) - len(sizes)) + sizes
    if padded[0] != 1:
        raise step.apart(f"{tensor!r} has a batch axis of its own")
    axes = [i for i in range(1, len(padded)) if padded[i] == 1 and repeated[i] != 1]
    summed = step.add("ReduceSum", gradient, step.integers(axes), keepdims=1) if axes else gradient
    return step.add("Reshape", summed, step.integers([-1, *sizes]))


def _sum_to_open(step: Step, gradient: str, tensor: str, rank: int, own: int) -> str:
    """Sum over the axes that turn out to be repeated when the graph runs."""
    shape = step.shape_of(tensor)
    padded = step.add("Concat", step.integers([1] * (rank - own)), shape, axis=0) if rank != own else shape
    summed = _sum_repeated(step, gradient, padded)
    return step.add("Reshape", summed, shape) if rank != own else summed


def _sum_to_any(step: Step, gradient: str, tensor: str) -> str:
    """Sum over axes whose number, too, turns out when the graph runs: behind operators unknown to ONNX."""
    if step.is_shared(tensor):
        raise step.apart(f"the number of axes of {tensor!r} or of its output is unknown")
    shape = step.shape_of(tensor)
    missing = step.add("Sub", step.add("Shape", step.add("Shape", gradient)), step.add("Shape", shape))
    ones = step.add("Expand", step.integers([1]), missing)
    summed = _sum_repeated(step, gradient, step.add("Concat", ones, shape, axis=0))
    return step.add("Reshape", summed, shape)


def _sum_repeated(step: Step, gradient: str, padded: str) -> str:
    """Sum over the axes whose sizes differ from a shape of as many axes."""
    repeated = step.add("Not", step.add("Equal", padded, step.add("Shape", gradient)))
    axes = step.add("Squeeze", step.add("NonZero", repeated), step.integers([0]))
    return step.add("ReduceSum", gradient, axes, keepdims=1, noop_with_empty_axes=1)
