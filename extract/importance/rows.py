"""A row of values for each picture: a column a criterion, layer and filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ..ablation import Ablation
from ..class_scores import by_class, check_classes
from ..differentiate.upgrade import upgraded
from ..filters import Filters
from ..graph import cut
from ..model import Model
from ..objective import with_objective
from ..parts import Input
from ..targets import Target
from .criteria import CRITERIA, ByRemoval, OfPictures
from .graph import Neuron, Statistics, parts_of, scores_of

if TYPE_CHECKING:
    from ..activations import Feed

Columns = Mapping[tuple[str, str], slice]


class Source(Protocol):
    """What makes some of the columns."""

    @property
    def inputs(self) -> Sequence[Input]:
        """The inputs of the model that are needed."""

    def rows(self, x: Feed, classes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return a row a picture, given the input and the class of each."""


class Table:
    """A network prepared to make rows.

    Parameters
    ----------
    model : Model
        The network.
    target : Neuron
        What the neuron is.
    filters : sequence of Filters
        The layers.
    criteria : sequence of str
        Names in `CRITERIA`; those that look at no picture have no columns.

    Attributes
    ----------
    columns : dict of (str, str) to slice
        Which columns belong to a criterion and a layer.
    maps : dict of str to str
        For each layer the tensor that holds its maps, behind normalization and activation function; empty if
        no criterion looks at them.

    Raises
    ------
    ModelError
        If an operator on the way has no gradient, or onnxruntime cannot run the graph.
    """

    def __init__(
        self,
        model: Model,
        target: Neuron,
        filters: Sequence[Filters],
        criteria: Sequence[str],
    ) -> None:
        in_one_pass = [name for name in criteria if isinstance(CRITERIA[name], OfPictures)]
        by_removal = [name for name in criteria if isinstance(CRITERIA[name], ByRemoval)]
        self.columns = _columns([*in_one_pass, *by_removal], filters)
        self.maps: Mapping[str, str] = {}
        self._sources: list[Source] = []
        if in_one_pass:
            parts = parts_of(model, filters, target)
            chosen = [c for c in (CRITERIA[name] for name in in_one_pass) if isinstance(c, OfPictures)]
            if any(criterion.of_maps for criterion in chosen):
                self.maps = {part.filters.layer: part.maps for part in parts}
            self._sources.append(Statistics(model, target, parts, chosen))
        if by_removal:
            self._sources.append(Drops(model, target, filters))

    @property
    def width(self) -> int:
        """How many columns there are."""
        return max((place.stop for place in self.columns.values()), default=0)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that are needed."""
        return tuple(dict.fromkeys(value for source in self._sources for value in source.inputs))

    def rows(self, x: Feed, classes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return a row a picture.

        Parameters
        ----------
        x : ndarray or dict of ndarray
            The input, as `activations` takes it. Of arrays by name the first one holds the images; the others
            are the same for all of them.
        classes : ndarray of int
            The class of each picture, shape (N,); no matter where a target was given.
        """
        return np.concatenate([source.rows(x, classes) for source in self._sources], axis=1)


def _columns(criteria: Sequence[str], filters: Sequence[Filters]) -> dict[tuple[str, str], slice]:
    columns, end = {}, 0
    for name in criteria:
        for one in filters:
            columns[name, one.layer] = slice(end, end := end + one.count)
    return columns


class Drops:
    """By how much the neuron falls as each filter is removed by itself; parameters as for `Table`."""

    def __init__(self, model: Model, target: Neuron, filters: Sequence[Filters]) -> None:
        self._by_class = target is None or isinstance(target, str)
        if target is None or isinstance(target, str):
            output = f"tensor:{scores_of(model, target)}"
        else:
            model, output = _ending_in(model, target)
        self._layers = [Ablation(model, one, output, layers=len(filters)) for one in filters]

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that are needed."""
        return tuple(dict.fromkeys(value for one in self._layers for value in one.inputs))

    def rows(self, x: Feed, classes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return a row a picture: for each layer, each filter."""
        return np.concatenate([self._drops(one, x, classes) for one in self._layers], axis=1)

    def _drops(self, ablation: Ablation, x: Feed, classes: NDArray[np.intp]) -> NDArray[np.float64]:
        count = ablation.filters.count
        kept = np.concatenate([np.ones((1, count), bool), ~np.eye(count, dtype=bool)])
        neurons = np.empty((len(classes), len(kept)))
        for images, choices, values in ablation.parts(x, kept):
            neurons[images, choices] = self._neurons(ablation, values, classes[images])
        return np.subtract(neurons[:, :1], neurons[:, 1:])

    def _neurons(
        self, ablation: Ablation, values: NDArray[np.float32], classes: NDArray[np.intp]
    ) -> NDArray[np.floating]:
        """Return the neuron of each image and choice, (n, v), of what the network puts out for them."""
        if not self._by_class:
            return values
        where = f"{ablation.model.path}: {ablation.output!r}"
        scores = by_class(values, where)
        check_classes(classes, scores.shape[2], where)
        return np.asarray(scores[np.arange(len(values)), :, classes])


def _ending_in(model: Model, target: Sequence[Target]) -> tuple[Model, str]:
    """Return the part of a network that makes a target, as one number an image, and the name of that."""
    import onnx

    tensors = [*dict.fromkeys(one.tensor for one in target)]
    proto, output = with_objective(cut(upgraded(model.proto), tensors), target)
    del proto.graph.output[:]
    proto.graph.output.append(onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, [None]))
    return Model(proto, replace(model.source, layers=None, blobs={})), output
