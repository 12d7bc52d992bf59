"""What importance needs of a network: the neuron, and further nodes that reduce maps and gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..activations import Extractor, feeds_of
from ..apart import keeps_images_apart
from ..batching import fixed_batch, in_batches, input_of_images, with_rows
from ..caffe.support import check_supported
from ..channels import Flow
from ..class_scores import check_classes, count_of_classes
from ..differentiate import SharedGradientError, backward
from ..differentiate.upgrade import upgraded
from ..errors import ModelError
from ..filters import Filters
from ..graph import cut, tensors_of
from ..model import Model
from ..objective import with_objective
from ..parts import Input
from ..runner import Runner
from ..targets import Target, scores
from .sketch import Part, Sketch

if TYPE_CHECKING:
    import onnx

    from ..activations import Feed
    from .criteria import OfPictures

_Feeds = Mapping[str, NDArray[Any]]

Neuron = Sequence[Target] | str | None
"""A target, the same for all pictures; or the class of each, in a tensor of scores, by default the network's
own before softmax."""


def parts_of(model: Model, filters: Sequence[Filters], target: Neuron) -> list[Part]:
    """Return layers as the graph has them."""
    shapes = model.shapes()
    flow = Flow(model.proto.graph.node, model.constants, shapes)
    reached = on_the_way(model, target)
    return [_part_of(one, flow, reached) for one in filters]


def _part_of(filters: Filters, flow: Flow, reached: set[str]) -> Part:
    (node,) = flow.readers(filters.weight)
    given = {attribute.name: attribute for attribute in node.attribute}
    alpha, beta = (given[name].f if name in given else 1.0 for name in ("alpha", "beta"))
    is_rows = node.op_type == "Gemm" and not ("transA" in given and given["transA"].i)
    return Part(
        filters,
        node.input[0],
        node.output[0],
        is_rows or (node.op_type == "MatMul" and len(flow.shapes.get(node.input[0], ())) == 2),
        alpha,
        beta,
        node.input[2] if len(node.input) > 2 and node.input[2] else None,
        _maps_of(filters, flow, reached),
    )


def _maps_of(filters: Filters, flow: Flow, reached: set[str]) -> str:
    maps = filters.output
    while (following := flow.behind(maps, filters)) in reached:
        maps = following
    return maps


class Statistics:
    """A network prepared to tell, for each picture and filter, what criteria look at, in one pass.

    Parameters
    ----------
    model : Model
        The network.
    target : Neuron
        What is differentiated.
    parts : sequence of Part
        The layers.
    criteria : sequence of OfPictures
        What is computed of them.
    providers : sequence of str
        Execution providers of onnxruntime, in order of preference.

    Raises
    ------
    ModelError
        If an operator on the way has no gradient, or onnxruntime cannot run the graph.
    """

    def __init__(
        self,
        model: Model,
        target: Neuron,
        parts: Sequence[Part],
        criteria: Sequence[OfPictures],
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        self.model = model
        self._scores = scores_of(model, target)
        with model.named_in_errors():
            proto, output = _with_neuron(model, target)
            self._seed = f"seed:{output}"
            apart = keeps_images_apart(proto)
            parts = [replace(part, product=part.product and apart) for part in parts]
            sketch = Sketch()
            outputs = [criterion.build(sketch, part) for criterion in criteria for part in parts]
            self._layers = [part.filters.layer for _ in criteria for part in parts]
            whole, self._apart = _backward(proto, output, list(sketch.wrt), apart)
            self._runner = Runner(
                _extended(whole, sketch), model.source.folder, outputs, providers, model.source.weights
            )
        self._classes: dict[tuple[int, ...], tuple[int, ...]] = {}

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that are needed."""
        return tuple(value for value in self.model.inputs if value.name in self._runner.inputs)

    def rows(self, x: Feed, classes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return a row of values a picture: for each criterion, each layer, each filter.

        Parameters
        ----------
        x : ndarray or dict of ndarray
            The input, as `activations` takes it. Of arrays by name the first one holds the images; the others
            are the same for all of them.
        classes : ndarray of int
            The class of each picture, shape (N,); no matter where a target was given.
        """
        feeds = feeds_of(self.model, self.inputs, x)
        images = input_of_images(self.model, self.inputs, x)
        fixed = fixed_batch(images)
        if fixed not in (None, 1) and not self._apart:
            raise ModelError(
                f"{self.model.path}: takes {fixed} images at a time, and does not keep them apart"
            )
        size = fixed or (len(classes) if self._apart else 1)
        seeds = self._seeds(feeds, images, classes)
        fed = {**self._fed(feeds, images, size), self._seed: seeds}
        pieces = []
        with self.model.named_in_errors():
            for batch, piece in in_batches(fed, len(classes), size, [images.name, self._seed]):
                values = self._runner.run(piece)
                for layer, value in zip(self._layers, values, strict=True):
                    if len(value) != size:
                        raise ModelError(f"the output of layer {layer!r} has not one row for each image")
                pieces.append(np.concatenate(values, axis=1, dtype=np.float64)[: batch.stop - batch.start])
        return np.concatenate(pieces)

    def _fed(self, feeds: _Feeds, images: Input, size: int) -> dict[str, NDArray[Any]]:
        """Return the inputs that are needed for so many images at a time."""
        needed = {value.name: feeds[value.name] for value in self.inputs}
        return with_rows(self.model, needed, images, size) if self._apart else needed

    def _seeds(self, feeds: _Feeds, images: Input, classes: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the cotangents: for scores a one at the class, spread over its map if that is one."""
        if self._scores is None:
            return np.ones(len(classes), np.float32)
        shape = self._shape_of_scores(feeds, images)
        where = f"{self.model.path}: {self._scores!r}"
        check_classes(classes, count_of_classes(shape, where), where)
        seeds = np.zeros((len(classes), *shape), np.float32)
        seeds[np.arange(len(classes)), classes] = 1 / np.prod(shape[1:])
        return seeds

    def _shape_of_scores(self, feeds: _Feeds, images: Input) -> tuple[int, ...]:
        sizes = tuple(size for values in feeds.values() for size in values.shape[1:])
        if sizes not in self._classes:
            name, count = f"tensor:{self._scores}", fixed_batch(images) or 1
            _, first = next(in_batches(feeds, 1, count, [images.name]))
            found = Extractor(self.model, [name]).run({**first, **self._fed(first, images, count)})[name]
            self._classes = {sizes: found.shape[1:]}
        return self._classes[sizes]


def scores_of(model: Model, target: Neuron) -> str | None:
    """Return the tensor that holds a score for each class; None if one neuron is for all pictures."""
    if target is None:
        return scores(model)
    return target if isinstance(target, str) else None


def _with_neuron(model: Model, target: Neuron) -> tuple[onnx.ModelProto, str]:
    """Return the graph up to the neuron, and the tensor that holds it, or all classes'."""
    if target is None or isinstance(target, str):
        found = scores(model) if target is None else target
        check_supported(model.proto, [found])
        return cut(upgraded(model.proto), [found]), found
    tensors = [*dict.fromkeys(one.tensor for one in target)]
    check_supported(model.proto, tensors)
    return with_objective(cut(upgraded(model.proto), tensors), target)


def _backward(
    proto: onnx.ModelProto, output: str, wrt: Sequence[str], apart: bool
) -> tuple[onnx.ModelProto, bool]:
    """Return the graph of the gradients, and whether it takes several images at a time."""
    if apart:
        with suppress(SharedGradientError):
            return backward(proto, output, wrt, per_image=True), True
    return backward(proto, output, wrt), False


def _extended(proto: onnx.ModelProto, sketch: Sketch) -> onnx.ModelProto:
    """Return a graph with further nodes."""
    import onnx

    proto.graph.node.extend(sketch.nodes)
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(values, name) for name, values in sketch.constants.items()
    )
    return proto


def on_the_way(model: Model, target: Neuron) -> set[str]:
    """Return the tensors that a neuron depends on, or that of each class."""
    if target is None or isinstance(target, str):
        ends = [scores(model) if target is None else target]
    else:
        ends = [one.tensor for one in target]
    return tensors_of(cut(model.proto, ends))
