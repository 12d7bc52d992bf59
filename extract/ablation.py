"""What a network puts out without some of a layer's filters, for many choices of filters at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .activations import feeds_of
from .apart import hold_rows, keeps_images_apart
from .batching import fixed_batch, in_batches, input_of_images, with_rows
from .differentiate.upgrade import upgraded
from .errors import ModelError
from .feeding import fed_at
from .filters import Filters
from .graph import cut, tensors_of
from .mixing import ABSENT, Chosen, Summed, summing, without_each
from .model import Model
from .parts import Input
from .splitting import Split, split
from .targets import scores

if TYPE_CHECKING:
    from .activations import Feed
    from .runner import Computer

# Numbers that the rest of a network is fed with at a time, and those of some images' channels: what fits a
# processor's cache, for more takes several times as long.
_TOGETHER = 2**19
_LARGEST = 2**20
# And those of one image for all choices, where these are computed in one go.
_AT_ONCE = 2**24
# Weights that the sessions of several layers may hold together. To make sessions anew takes little time
# beside what a network with more takes for all choices.
_HELD = 2**26

_Feeds = Mapping[str, NDArray[Any]]

Part = tuple[slice, slice, NDArray[np.float32]]
"""Which images, which choices, and the output for each of both, shape (n, v, ...)."""


class Ablation:
    """A network prepared to run without some of a layer's filters, for one batch after the other.

    A filter is removed by zeroing its weights and its bias: its map is 0 before anything else works on it. A
    batch normalization behind the layer is no part of it, and moves that 0 as it moves all values. With
    `maps`, the maps of removed filters become other constants, such as their means.

    The layers up to this one run once for each batch. So does what works on each map by itself behind it, and
    a convolution or matrix product behind that is computed as a sum of one share a filter; only the rest runs
    for each choice of filters, many choices together.

    Parameters
    ----------
    model : Model
        The network.
    filters : Filters
        The layer's.
    output : str, optional
        The layer or tensor that is wanted, the batch axis first; by default the class scores before softmax.
    maps : ndarray of float32, optional
        What each removed filter's map becomes, one number a filter, instead of 0.
    layers : int
        How many layers' such networks are held at a time. If their sessions would be too large together, each
        lets go of its own behind every run, and makes them anew for the next.
    providers : sequence of str
        Execution providers of onnxruntime, in order of preference.

    Raises
    ------
    ModelError
        If the output does not depend on the layer, or Caffe runs the network.
    """

    def __init__(
        self,
        model: Model,
        filters: Filters,
        output: str | None = None,
        *,
        maps: NDArray[np.float32] | None = None,
        layers: int = 1,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        self.model, self.filters = model, filters
        self.output = scores(model) if output is None else model.tensor(output)
        if model.source.runner is not None:
            raise ModelError(f"{model.path}: Caffe runs whole networks; this needs the onnxruntime engine")
        needed = cut(model.proto, [self.output])
        if filters.output not in tensors_of(needed):
            raise ModelError(f"{model.path}: {self.output!r} does not depend on layer {filters.layer!r}")
        fed = {value.name for value in needed.graph.input}
        self.inputs: tuple[Input, ...] = tuple(value for value in model.inputs if value.name in fed)
        self._maps = np.zeros(filters.count, np.float32) if maps is None else np.asarray(maps, np.float32)
        self._providers = providers
        with model.named_in_errors():
            proto = upgraded(model.proto)
            self._needed = cut(proto, [self.output])
            self._apart = keeps_images_apart(self._needed)
        self._graph = Model(proto, replace(model.source, layers=None, blobs={}))
        weights = sum(math.prod(tensor.dims) for tensor in self._needed.graph.initializer)
        self._lean = layers > 1 and layers * weights > _HELD
        self._stages: dict[tuple[tuple[int, ...], ...], _Stages] = {}

    def run(self, x: Feed, kept: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the output for each image and each choice of filters.

        Parameters
        ----------
        x : ndarray or dict of ndarray
            A batch, as `activations` takes it. Of arrays by name the first one holds the images; the others
            are the same for all of them.
        kept : ndarray of bool
            The choices: which filters are there, shape (V, filters), V >= 1.

        Returns
        -------
        ndarray of float32
            Shape (N, V, ...).

        Raises
        ------
        ImageError
            If the input does not fit the model.
        ModelError
            If the output has not one row for each image.
        ValueError
            If the choices have another shape.
        """
        self._check_choices(kept)
        feeds, images, count = self._fed(x)
        result: NDArray[np.float32] | None = None
        for some, choices, values in self._parts(feeds, images, count, kept):
            if result is None:
                result = np.empty((count, len(kept), *values.shape[2:]), np.float32)
            result[some, choices] = values
        assert result is not None
        return result

    def parts(self, x: Feed, kept: NDArray[np.bool_]) -> Iterator[Part]:
        """Yield the output in parts as they are computed, each image and choice once; takes what `run` takes.

        What a part holds is bounded, or is of one image and one choice. Only of a network that has to run for
        each choice by itself it is the whole batch.
        """
        self._check_choices(kept)
        feeds, images, count = self._fed(x)
        yield from self._parts(feeds, images, count, kept)

    def _check_choices(self, kept: NDArray[np.bool_]) -> None:
        count = self.filters.count
        if kept.ndim != 2 or not len(kept) or kept.shape[1] != count:
            raise ValueError(f"choices are of shape (V, {count}), V >= 1, not {kept.shape}")

    def _fed(self, x: Feed) -> tuple[dict[str, NDArray[Any]], Input, int]:
        """Return the inputs, the one that holds the images, and how many images there are."""
        given = feeds_of(self.model, self.inputs, x)
        images = input_of_images(self.model, self.inputs, x)
        return {i.name: given[i.name] for i in self.inputs}, images, len(given[images.name])

    def _parts(self, feeds: _Feeds, images: Input, count: int, kept: NDArray[np.bool_]) -> Iterator[Part]:
        fixed = fixed_batch(images)
        size = fixed or count
        if self._apart:
            feeds = with_rows(self.model, feeds, images, size)
        for batch, fed in in_batches(feeds, count, size, [images.name]):
            stages = self._stages_for(fed, size, self._apart and fixed is None)
            number = batch.stop - batch.start
            with self.model.named_in_errors():
                for some, choices, values in stages.parts(fed, size, kept):
                    end = batch.start + min(some.stop, number)
                    own = values[: number - some.start].astype(np.float32, copy=False)
                    yield slice(batch.start + some.start, end), choices, own
        if self._lean:
            self._stages.clear()

    def _stages_for(self, feeds: _Feeds, size: int, together: bool) -> _Stages:
        """Return the sessions for inputs of these shapes, but for the number of images."""
        key = tuple(values.shape[1:] for values in feeds.values())
        if key not in self._stages:
            # pictures come in many sizes: only the last one's are held
            self._stages.clear()
            shapes = self._graph.shapes({name: values.shape for name, values in feeds.items()})
            parts = split(self._graph, self.filters, self.output, shapes, 1 if together else size)
            if together and not self._hold_rows(parts.sides):
                together = False
                parts = split(self._graph, self.filters, self.output, shapes, size)
            self._stages[key] = _Stages(
                self._graph, parts, self.filters, self.output, self._maps, together, self._providers
            )
        return self._stages[key]

    def _hold_rows(self, tensors: Sequence[str]) -> bool:
        with self.model.named_in_errors():
            return hold_rows(self._needed, tensors)


class _Stages:
    """The parts of a network as sessions: up to the layer, its channels, and the rest.

    Many choices run together only where the rest reads nothing but rows of images: `together` says so.
    """

    def __init__(
        self,
        model: Model,
        parts: Split,
        filters: Filters,
        output: str,
        maps: NDArray[np.float32],
        together: bool,
        providers: Sequence[str],
    ) -> None:
        self._parts, self._filters, self._output = parts, filters, output
        self._maps, self._together = maps, together
        graph = Model(parts.proto, model.source)
        inner = [name for name in parts.sides if all(name != value.name for value in model.inputs)]
        self._first = graph.runner([filters.output, *inner], providers)
        self._channels: Computer | None = None
        if parts.channels != filters.output:
            self._channels = fed_at(graph, [f"tensor:{filters.output}"]).runner([parts.channels], providers)
        fed = fed_at(graph, [f"tensor:{name}" for name in (parts.end, *inner)])
        self._rest: Computer | None = None
        self._each: Computer | None = None
        if parts.shares is not None:
            sums = Model(summing(fed.proto, parts.end, parts.shares), fed.source)
            self._rest = sums.runner([output], providers)
            behind = fed_at(graph, [f"tensor:{name}" for name in (filters.output, *inner)])
            each = Model(without_each(behind.proto, parts, filters.count), behind.source)
            read = {value.name for value in cut(each.proto, [output]).graph.input}
            if together and read <= {filters.output, ABSENT, *parts.sides}:
                self._each = each.runner([output], providers)
        elif parts.end != output:
            self._rest = fed.runner([output], providers)
        self._mix: Chosen | Summed | None = None
        self._largest = 0

    def parts(self, feeds: _Feeds, count: int, kept: NDArray[np.bool_]) -> Iterator[Part]:
        """Yield the output for some images and choices after the other; `count` is the number of images."""
        own, *inner = self._first.run(feeds)
        known = {**feeds, **dict(zip(self._first.outputs[1:], inner, strict=True))}
        sides = {name: known[name] for name in self._parts.sides}
        mix = self._mix = self._mix or self._mixture(own)
        if not self._together:
            yield from self._by_choices(mix, own, sides, count, kept)
            return
        self._largest = self._largest or self._most(mix, own, sides, kept)
        lacking = (~kept).sum(axis=1)
        choices = max(len(kept), 1 + self._filters.count)
        few = lacking.max() > 1 or 2 * len(kept) <= self._filters.count
        if self._each is None or few or choices * self._largest > _AT_ONCE:
            yield from self._variants(mix, own, sides, kept)
            return
        places = np.where(lacking, 1 + kept.argmin(axis=1), 0)
        for images, values in self._one_by_one(mix, own, sides):
            yield images, slice(0, len(kept)), values[:, places]

    def _by_choices(
        self, mix: Chosen | Summed, own: NDArray[Any], sides: _Feeds, count: int, kept: NDArray[np.bool_]
    ) -> Iterator[Part]:
        """Yield the output of all images for each choice."""
        prepared = mix.prepared(self._apart(own))
        for number in range(len(kept)):
            choice = slice(number, number + 1)
            result = self._outcome(mix.fed(prepared, kept[choice]), sides)
            if result.shape[:1] != (count,):
                raise ModelError(f"the output {self._output!r} has not one row for each image")
            yield slice(0, count), choice, result[:, np.newaxis]

    def _variants(
        self, mix: Chosen | Summed, own: NDArray[Any], sides: _Feeds, kept: NDArray[np.bool_]
    ) -> Iterator[Part]:
        """Yield the output of some images for some choices after the other."""
        size = max(1, _LARGEST // max(mix.held, self._largest))
        for start in range(0, len(own), size):
            images = slice(start, min(start + size, len(own)))
            number = images.stop - start
            prepared = mix.prepared(self._apart(own[images]))
            step = max(1, _TOGETHER // (self._largest * number))
            for first in range(0, len(kept), step):
                chosen = kept[first : first + step]
                further = {name: v[images].repeat(len(chosen), axis=0) for name, v in sides.items()}
                result = self._outcome(mix.fed(prepared, chosen), further)
                values = result.reshape(number, len(chosen), *result.shape[1:])
                yield images, slice(first, first + len(chosen)), values

    def _one_by_one(
        self, mix: Chosen | Summed, own: NDArray[Any], sides: _Feeds
    ) -> Iterator[tuple[slice, NDArray[Any]]]:
        """Yield the output of some images with all filters, and behind that without each one by itself."""
        assert self._each is not None
        choices = 1 + self._filters.count
        step = max(1, _TOGETHER // (choices * self._largest))
        for start in range(0, len(own), step):
            images = slice(start, min(start + step, len(own)))
            further = {name: v[images].repeat(choices, axis=0) for name, v in sides.items()}
            fed = {self._filters.output: own[images], ABSENT: mix.absent}
            (result,) = self._each.run({**further, **fed})
            yield images, result.reshape(-1, choices, *result.shape[1:])

    def _outcome(self, fed: _Feeds, sides: _Feeds) -> NDArray[Any]:
        """Return the output for what stands for the layer, and the other tensors that the rest reads."""
        (result,) = fed.values() if self._rest is None else self._rest.run({**sides, **fed})
        return result

    def _most(self, mix: Chosen | Summed, own: NDArray[Any], sides: _Feeds, kept: NDArray[np.bool_]) -> int:
        """Return the most numbers that an image takes for a choice in what feeds the rest, or comes out."""
        one = {name: values[:1] for name, values in sides.items()}
        result = self._outcome(mix.fed(mix.prepared(self._apart(own[:1])), kept[:1]), one)
        return max(mix.made, *(int(values[0].size) for values in (result, *one.values())))

    def _apart(self, own: NDArray[Any]) -> NDArray[Any]:
        return own if self._channels is None else self._channels.run({self._filters.output: own})[0]

    def _mixture(self, own: NDArray[Any]) -> Chosen | Summed:
        """Return how channels that are there and others that are not go together."""
        shape = [1] * own.ndim
        shape[self._filters.channel_axis] = self._filters.count
        maps = self._maps.reshape(shape).astype(own.dtype)
        absent = self._apart(np.ascontiguousarray(np.broadcast_to(maps, own.shape)))[0]
        if self._parts.shares is None:
            return Chosen(absent, self._parts.axis, self._parts.end)
        return Summed(absent.reshape(self._filters.count, -1), self._parts.shares)
