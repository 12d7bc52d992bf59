"""What a network puts out without some of a layer's filters, for many choices of filters at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .activations import feeds_of
from .apart import keeps_images_apart
from .differentiate.upgrade import upgraded
from .errors import ModelError
from .feeding import fed_at
from .filters import Filters
from .graph import cut, tensors_of
from .model import Model
from .parts import Input
from .splitting import Shares, Split, split
from .targets import scores

if TYPE_CHECKING:
    import onnx

    from .activations import Feed
    from .runner import Computer

# Numbers that the rest of a network is fed with at a time, and those of some images' channels: what fits a
# processor's cache, for more takes several times as long.
_TOGETHER = 2**19
_LARGEST = 2**20
# What a graph is fed with that sums shares: which filters are there, and what each adds.
_KEPT, _ADDED = "kept filters", "added shares"
# The shares of filters that are not there.
_ABSENT = "absent shares"

_Feeds = Mapping[str, NDArray[Any]]


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
            self._apart = keeps_images_apart(cut(proto, [self.output]))
        self._graph = Model(proto, replace(model.source, layers=None, blobs={}))
        self._fixed_batch = max((i.shape[0] for i in self.inputs if i.shape and i.shape[0]), default=None)
        self._stages: dict[tuple[tuple[int, ...], ...], _Stages] = {}

    def run(self, x: Feed, kept: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the output for each image and each choice of filters.

        Parameters
        ----------
        x : ndarray or dict of ndarray
            A batch, as `activations` takes it.
        kept : ndarray of bool
            The choices: which filters are there, shape (V, filters).

        Returns
        -------
        ndarray of float32
            Shape (N, V, ...).

        Raises
        ------
        ImageError
            If the input does not fit the model.
        """
        feeds = feeds_of(self.model, self.inputs, x)
        count = len(next(iter(feeds.values())))
        size = self._fixed_batch or count
        results = []
        with self.model.named_in_errors():
            for start in range(0, count, size):
                # the last piece is filled up with its last image
                chosen = np.minimum(np.arange(start, start + size), count - 1)
                # further inputs may be the same for all images
                piece = {name: v[chosen] if len(v) == count else v for name, v in feeds.items()}
                results.append(self._stages_for(piece).run(piece, kept)[: count - start])
        return results[0] if len(results) == 1 else np.concatenate(results)

    def _stages_for(self, feeds: _Feeds) -> _Stages:
        """Return the sessions for inputs of these shapes, but for the number of images."""
        key = tuple(values.shape[1:] for values in feeds.values())
        if key not in self._stages:
            shapes = self._graph.shapes({name: values.shape for name, values in feeds.items()})
            parts = split(self._graph, self.filters, self.output, shapes)
            together = self._apart and self._fixed_batch is None
            self._stages[key] = _Stages(
                self._graph, parts, self.filters, self.output, self._maps, together, self._providers
            )
        return self._stages[key]


class _Stages:
    """The parts of a network as sessions: up to the layer, its channels, and the rest."""

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
        self._parts, self._filters, self._maps, self._together = parts, filters, maps, together
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
            summing = Model(_summing(fed.proto, parts.end, parts.shares), fed.source)
            self._rest = summing.runner([output], providers)
            behind = fed_at(graph, [f"tensor:{name}" for name in (filters.output, *inner)])
            each = Model(_without_each(behind.proto, parts, filters.count), behind.source)
            self._each = each.runner([output], providers) if together else None
        elif parts.end != output:
            self._rest = fed.runner([output], providers)
        self._mix: _Chosen | _Summed | None = None

    def run(self, feeds: _Feeds, kept: NDArray[np.bool_]) -> NDArray[np.float32]:
        own, *inner = self._first.run(feeds)
        sides = {**feeds, **dict(zip(self._first.outputs[1:], inner, strict=True))}
        mix = self._mix = self._mix or self._mixture(own)
        if not self._together:
            return np.concatenate(list(self._variants(mix, self._apart(own), sides, kept, 1)), axis=1)
        lacking = (~kept).sum(axis=1)
        if self._each is not None and lacking.max() <= 1 and 2 * len(kept) > self._filters.count:
            return self._one_by_one(mix, own, sides)[:, np.where(lacking, 1 + kept.argmin(axis=1), 0)]
        images = max(1, _LARGEST // mix.held)
        pieces = []
        for start in range(0, len(own), images):
            piece = slice(start, start + images)
            some = {name: values[piece] for name, values in sides.items()}
            values = self._apart(own[piece])
            step = max(1, _TOGETHER // (mix.made * len(values)))
            pieces.append(np.concatenate(list(self._variants(mix, values, some, kept, step)), axis=1))
        return np.concatenate(pieces)

    def _variants(
        self, mix: _Chosen | _Summed, values: NDArray[Any], sides: _Feeds, kept: NDArray[np.bool_], step: int
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the output of some images for some choices after the other."""
        prepared = mix.prepared(values)
        for start in range(0, len(kept), step):
            chosen = kept[start : start + step]
            further = {
                name: np.repeat(sides[name], len(chosen), axis=0) if self._together else sides[name]
                for name in self._parts.sides
            }
            fed = mix.fed(prepared, chosen)
            (result,) = fed.values() if self._rest is None else self._rest.run({**further, **fed})
            yield result.reshape(len(values), len(chosen), *result.shape[1:])

    def _one_by_one(self, mix: _Chosen | _Summed, own: NDArray[Any], sides: _Feeds) -> NDArray[np.float32]:
        """Return the output with all filters, and behind that without each of them by itself."""
        assert self._each is not None
        choices = 1 + self._filters.count
        step = max(1, _TOGETHER // (choices * mix.made))
        pieces = []
        for start in range(0, len(own), step):
            piece = slice(start, start + step)
            further = {name: np.repeat(sides[name][piece], choices, axis=0) for name in self._parts.sides}
            fed = {self._filters.output: own[piece], _ABSENT: mix.absent}
            (result,) = self._each.run({**further, **fed})
            pieces.append(result.reshape(-1, choices, *result.shape[1:]))
        return np.concatenate(pieces)

    def _apart(self, own: NDArray[Any]) -> NDArray[Any]:
        return own if self._channels is None else self._channels.run({self._filters.output: own})[0]

    def _mixture(self, own: NDArray[Any]) -> _Chosen | _Summed:
        """Return how channels that are there and others that are not go together."""
        shape = [1] * own.ndim
        shape[self._filters.channel_axis] = self._filters.count
        constant = np.ascontiguousarray(np.broadcast_to(self._maps.reshape(shape), own.shape))
        absent = self._apart(constant)[0]
        if self._parts.shares is None:
            return _Chosen(absent, self._parts.axis, self._parts.end)
        return _Summed(absent.reshape(self._filters.count, -1), self._parts.shares)


@dataclass(frozen=True)
class _Chosen:
    """Channels as they are, or what becomes of those of removed filters: of one image, (channels, ...)."""

    absent: NDArray[Any]
    axis: int
    name: str

    @property
    def held(self) -> int:
        """Numbers that an image takes once."""
        return self.absent.size

    @property
    def made(self) -> int:
        """Numbers that it takes for each choice."""
        return self.absent.size

    def prepared(self, values: NDArray[Any]) -> NDArray[Any]:
        return values[:, np.newaxis]

    def fed(self, prepared: NDArray[Any], kept: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        """Return the maps of each image and each choice, (images * choices, channels, ...), by their name."""
        shape = [1] * prepared.ndim
        shape[1], shape[self.axis] = kept.shape
        mixed = np.where(kept.reshape(shape), prepared, self.absent)
        return {self.name: mixed.reshape(-1, *prepared.shape[2:])}


@dataclass(frozen=True)
class _Summed:
    """Shares in a linear layer's output, (channels, outputs...) flat, and what they make together."""

    absent: NDArray[Any]
    shares: Shares

    @property
    def held(self) -> int:
        return self.absent.size

    @property
    def made(self) -> int:
        return int(self.absent[0].size)

    def prepared(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what each channel adds by being there, and behind it what is there without any."""
        count = len(self.absent)
        result = np.empty((len(values), count + 1, self.made), np.float32)
        np.subtract(values.reshape(len(values), count, -1), self.absent, out=result[:, :-1])
        result[:, -1] = self.absent.sum(axis=0) + self.shares.bias
        return result

    def fed(self, prepared: NDArray[Any], kept: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        """Return what a graph is fed with that `_summing` has made."""
        factors = np.pad(kept.astype(np.float32), ((0, 0), (0, 1)), constant_values=1)
        return {_KEPT: factors, _ADDED: prepared}


def _summing(proto: onnx.ModelProto, end: str, shares: Shares) -> onnx.ModelProto:
    """Return a graph that makes one of its inputs itself: sums of the shares that are kept."""
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(proto)
    graph = result.graph
    inputs = [value for value in proto.graph.input if value.name != end]
    del graph.input[:], graph.node[:]
    kind = onnx.TensorProto.FLOAT
    graph.input.extend(
        [
            *inputs,
            onnx.helper.make_tensor_value_info(_KEPT, kind, ["choices", "parts"]),
            onnx.helper.make_tensor_value_info(_ADDED, kind, ["images", "parts", math.prod(shares.shape)]),
        ]
    )
    shape = np.array([-1, *shares.shape], np.int64)
    sums, wanted = f"{end}:sums", f"{end}:shape"
    graph.initializer.append(onnx.numpy_helper.from_array(shape, wanted))
    graph.node.extend(
        [
            onnx.helper.make_node("MatMul", [_KEPT, _ADDED], [sums]),
            onnx.helper.make_node("Reshape", [sums, wanted], [end]),
            *proto.graph.node,
        ]
    )
    return result


def _without_each(proto: onnx.ModelProto, parts: Split, count: int) -> onnx.ModelProto:
    """Return a graph that goes on with all filters, and without each: (images * (1 + filters), ...)."""
    import onnx

    assert parts.shares is not None
    shape = parts.shares.shape
    make = onnx.helper.make_node
    whole, own, lost, added, both = (
        f"{parts.end}:{part}" for part in ("whole", "own", "lost", "added", "both")
    )
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    graph = result.graph
    sizes = {
        f"{whole}:shape": [-1, 1, *shape],
        f"{own}:shape": [-1, count, *shape],
        f"{both}:shape": [-1, *shape],
    }
    for name, values in sizes.items():
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(values, np.int64), name))
    kind = onnx.TensorProto.FLOAT
    graph.input.append(onnx.helper.make_tensor_value_info(_ABSENT, kind, [count, math.prod(shape)]))
    place = next(i for i, node in enumerate(graph.node) if parts.end in node.output)
    outputs = graph.node[place].output
    outputs[list(outputs).index(parts.end)] = f"{whole}:flat"
    made = [
        make("Reshape", [f"{whole}:flat", f"{whole}:shape"], [whole]),
        make("Reshape", [parts.channels, f"{own}:shape"], [own]),
        make("Reshape", [_ABSENT, f"{own}:shape"], [f"{own}:absent"]),
        make("Sub", [own, f"{own}:absent"], [added]),
        make("Sub", [whole, added], [lost]),
        make("Concat", [whole, lost], [both], axis=1),
        make("Reshape", [both, f"{both}:shape"], [parts.end]),
    ]
    for offset, node in enumerate(made, 1):
        graph.node.insert(place + offset, node)
    return result
