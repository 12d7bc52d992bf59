"""What the filters of a layer are: where their weights lie, and which channels of its output they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError
from .graph import reads
from .model import Model
from .parts import Layer

if TYPE_CHECKING:
    import onnx

# Rules of Caffe fold axes around the operator that does the work.
_FOLDS = ("Flatten", "Identity", "Reshape")
# What says in an operator's name that its weights are whole numbers.
_QUANTIZED = ("QLinear", "Integer", "QGemm", "MatMulNBits")


class NoFiltersError(ModelError):
    """A layer has no filters at all; other errors are of layers whose filters cannot be taken apart."""


@dataclass(frozen=True)
class Filters:
    """The filters of a layer: the parts of its weight that make one channel of its output each.

    Parameters
    ----------
    layer : str
        The layer's name.
    weight : str
        The tensor of its weight.
    shape : tuple of int
        The weight's shape, as the source model has it.
    axis : int
        The axis of the weight that runs over the filters.
    groups : int
        Of a grouped transposed convolution its groups: the weight (inputs, filters of a group, kernel...)
        holds those of the first group in its first rows; 1 for all other layers.
    bias : str or None
        The tensor of the bias, of one value a filter; None if there is none.
    output : str
        The tensor of what the filters make, bias included, before anything else works on it.
    """

    layer: str
    weight: str
    shape: tuple[int, ...]
    axis: int
    groups: int
    bias: str | None
    output: str

    @property
    def count(self) -> int:
        """How many filters there are."""
        return self.groups * self.shape[self.axis]

    @property
    def channel_axis(self) -> int:
        """The axis of the output that runs over the filters, counted from the end: -3 of (N, C, H, W)."""
        return 1 - len(self.shape)

    def rows(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return weights, or gradients of such, filter by filter.

        Parameters
        ----------
        values : ndarray
            Of shape (..., *shape), such as (N, *shape) for gradients of N images.

        Returns
        -------
        ndarray
            Of shape (..., count, size), a row a filter.
        """
        lead = values.shape[: values.ndim - len(self.shape)]
        if self.axis == 0:
            return values.reshape(*lead, self.count, -1)
        first, *rest = self.shape
        split = values.reshape(*lead, self.groups, first // self.groups, *rest)
        return np.moveaxis(split, len(lead) + 2, len(lead) + 1).reshape(*lead, self.count, -1)

    def without(self, values: NDArray[Any], removed: Sequence[int] | NDArray[Any]) -> NDArray[Any]:
        """Return a copy of the weight, or of the bias, in which some filters are zero.

        Parameters
        ----------
        values : ndarray
            The weight, of `shape`, or the bias, of `count` values.
        removed : sequence of int
            The filters.
        """
        result = np.array(values)
        chosen = np.asarray(removed, np.intp)
        if values.shape != self.shape:
            result.reshape(-1)[chosen] = 0
        elif self.axis == 0:
            result[chosen] = 0
        else:
            first, *rest = self.shape
            group, place = np.divmod(chosen, self.shape[1])
            result.reshape(self.groups, first // self.groups, *rest)[group, :, place] = 0
        return result


def filters_of(model: Model, layer: str) -> Filters:
    """Return the filters of a layer.

    They are the outputs of a convolution, grouped and transposed ones included, of a fully connected layer
    and of a product with a constant matrix. An Add of one constant a channel to what nothing else reads
    counts as the bias of an ONNX layer that has none of its own.

    Parameters
    ----------
    model : Model
        The network.
    layer : str
        The layer's name.

    Raises
    ------
    UnknownNameError
        If the model has no such name.
    NoFiltersError
        If that is no layer, or one without filters.
    ModelError
        If the layer has quantized weights, a weight or bias that another layer reads too, or a bias that is
        not one constant for each filter.
    """
    model.tensor(layer)
    if layer not in model.layers:
        raise NoFiltersError(f"{model.path}: {layer!r} is no layer; only layers have filters")
    return _found(model, model.layers[layer])


@dataclass(frozen=True)
class FilterSearch:
    """What patterns of layers find.

    Parameters
    ----------
    filters : list of Filters
        A layer each, in the order in which they are found first.
    refused : dict of str to str
        The reasons of what gives no filters: by layer, where there are some, but such as cannot be taken
        apart, as they are quantized, or shared with another layer; by pattern, where it matches layers
        without any alone. Other layers without filters are passed over.
    in_vain : str or None
        Why the first pattern that finds no filters finds none; None if all find some.
    """

    filters: list[Filters]
    refused: dict[str, str]
    in_vain: str | None

    def check(self) -> None:
        """Raise a ModelError if a pattern found no filters."""
        if self.in_vain is not None:
            raise ModelError(self.in_vain)


def search_filters(model: Model, patterns: Iterable[str]) -> FilterSearch:
    """Return the filters of the layers that patterns stand for, and why others have none.

    Parameters
    ----------
    model : Model
        The network.
    patterns : iterable of str
        Layers, or patterns such as ``conv*``, as `Model.find` takes them.

    Raises
    ------
    UnknownNameError
        If a pattern matches nothing.
    """
    found: dict[str, Filters] = {}
    refused: dict[str, str] = {}
    in_vain = None
    for pattern in patterns:
        # of this pattern alone: it may find what another one found
        own: dict[str, Filters] = {}
        reasons: dict[str, str] = {}
        without: list[str] = []
        for name in model.find([pattern]):
            try:
                own[name] = filters_of(model, name)
            except NoFiltersError as error:
                without.append(str(error))
            except ModelError as error:
                reasons[name] = str(error)
        if not own and not reasons:
            reasons[pattern] = without[0]
        if not own:
            in_vain = in_vain or next(iter(reasons.values()))
        found |= own
        refused |= reasons
    return FilterSearch(list(found.values()), refused, in_vain)


def find_filters(model: Model, patterns: Iterable[str]) -> list[Filters]:
    """Return the filters of the layers that patterns stand for, as `search_filters` finds them.

    Raises
    ------
    UnknownNameError
        If a pattern matches nothing.
    ModelError
        If a pattern, or a layer that is named outright, gives no filters that can be taken apart.
    """
    search = search_filters(model, patterns)
    search.check()
    return search.filters


def _found(model: Model, layer: Layer) -> Filters:
    where = f"{model.path}: layer {layer.name!r} ({layer.operator})"
    weight = layer.named_parameters.get("weight")
    if any(word in layer.operator for word in _QUANTIZED) or (weight and _is_quantized(model, weight)):
        raise ModelError(f"{where} has quantized weights: its filters cannot be taken apart")
    node = _worker(model, layer.outputs[0])
    if node is None or node.op_type not in _PLACES or node.domain not in ("", "ai.onnx"):
        raise NoFiltersError(f"{where} has no filters; {', '.join(_PLACES)} have")
    if weight is None:
        raise NoFiltersError(f"{where} has no filters of its own: what it multiplies with is not constant")
    shape = _shape(model, weight)
    if node.op_type in ("Gemm", "MatMul") and (len(shape) != 2 or weight != node.input[1]):
        raise NoFiltersError(f"{where} has no filters: its constant is no matrix, or the left factor")
    axis, groups = _PLACES[node.op_type]({attribute.name: attribute.i for attribute in node.attribute})
    filters = Filters(layer.name, weight, shape, axis, groups, None, layer.outputs[0])
    if len(node.input) > 2 and node.input[2]:
        bias = layer.named_parameters.get("bias")
        if bias is None or _channels(_shape(model, bias), 0) != filters.count:
            raise ModelError(f"{where} adds what is not one constant for each filter")
        filters = replace(filters, bias=bias)
    elif model.source.layers is None:
        filters = _with_added_bias(model, filters)
    for tensor in filter(None, (weight, filters.bias)):
        readers = [other for other in model.proto.graph.node if tensor in reads(other)]
        if len(readers) > 1:
            names = ", ".join(repr(other.name or other.output[0]) for other in readers)
            raise ModelError(f"{where} shares its {tensor!r}, which {names} read")
    return filters


def _worker(model: Model, tensor: str) -> onnx.NodeProto | None:
    """Return the node that makes a layer's output, but for another shape."""
    makers = {name: node for node in model.proto.graph.node for name in node.output}
    node = makers.get(tensor)
    # in an ONNX model a Reshape is a layer of its own
    while node is not None and model.source.layers is not None and node.op_type in _FOLDS:
        node = makers.get(node.input[0])
    return node


# Where operators have their filters, by their attributes: the axis of the weight, and the groups.
_PLACES: Mapping[str, Callable[[Mapping[str, int]], tuple[int, int]]] = {
    "Conv": lambda attributes: (0, 1),
    "ConvTranspose": lambda attributes: (1, attributes.get("group", 1)),
    "Gemm": lambda attributes: (0 if attributes.get("transB") else 1, 1),
    "MatMul": lambda attributes: (1, 1),
}


def _is_quantized(model: Model, weight: str) -> bool:
    """Whether a constant is made, on whatever way, of whole numbers and their scale."""
    makers = {name: node for node in model.proto.graph.node for name in node.output}
    open_ends = [weight]
    while open_ends:
        node = makers.get(open_ends.pop())
        if node is not None:
            if node.op_type == "DequantizeLinear":
                return True
            open_ends += node.input
    return False


def _shape(model: Model, tensor: str) -> tuple[int, ...]:
    for stored in model.proto.graph.initializer:
        if stored.name == tensor:
            return tuple(stored.dims)
    return tuple(model.values([tensor])[tensor].shape)


def _with_added_bias(model: Model, filters: Filters) -> Filters:
    """Return filters with the constants for bias that an Add behind them adds, if there is one."""
    graph = model.proto.graph
    readers = [node for node in graph.node if filters.output in reads(node)]
    is_output = any(value.name == filters.output for value in graph.output)
    if is_output or len(readers) != 1 or readers[0].op_type != "Add":
        return filters
    other = next((name for name in readers[0].input if name != filters.output), "")
    behind = -1 - filters.channel_axis
    if other not in model.constants or _channels(_shape(model, other), behind) != filters.count:
        return filters
    return replace(filters, bias=other, output=readers[0].output[0])


def _channels(shape: tuple[int, ...], behind: int) -> int | None:
    """Return the size of the axis before the last `behind`, if all others are of size 1; else None."""
    place = len(shape) - behind - 1
    if place < 0 or any(size != 1 for axis, size in enumerate(shape) if axis != place):
        return None
    return shape[place]
