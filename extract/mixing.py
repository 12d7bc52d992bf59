"""What goes into the rest of a network in place of a layer, without some of its filters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .splitting import Shares, Split

if TYPE_CHECKING:
    import onnx

# What a graph is fed with that sums shares: which filters are there, and what each adds.
_KEPT, _ADDED = "kept filters", "added shares"
# The shares of filters that are not there.
ABSENT = "absent shares"


@dataclass(frozen=True)
class Chosen:
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
        """Return some images' channels as `fed` takes them."""
        return values[:, np.newaxis]

    def fed(self, prepared: NDArray[Any], kept: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        """Return the maps of each image and each choice, (images * choices, channels, ...), by their name."""
        shape = [1] * prepared.ndim
        shape[1], shape[self.axis] = kept.shape
        mixed = np.where(kept.reshape(shape), prepared, self.absent)
        return {self.name: mixed.reshape(-1, *prepared.shape[2:])}


@dataclass(frozen=True)
class Summed:
    """Shares in a linear layer's output, (channels, outputs...) flat, and what they make together."""

    absent: NDArray[Any]
    shares: Shares

    @property
    def held(self) -> int:
        """Numbers that an image takes once."""
        return self.absent.size

    @property
    def made(self) -> int:
        """Numbers that it takes for each choice."""
        return int(self.absent[0].size)

    def prepared(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return what each channel adds by being there, and behind it what is there without any."""
        count = len(self.absent)
        result = np.empty((len(values), count + 1, self.made), np.float32)
        np.subtract(values.reshape(len(values), count, -1), self.absent, out=result[:, :-1])
        result[:, -1] = self.absent.sum(axis=0) + self.shares.bias
        return result

    def fed(self, prepared: NDArray[Any], kept: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        """Return what a graph is fed with that `summing` makes."""
        factors = np.pad(kept.astype(np.float32), ((0, 0), (0, 1)), constant_values=1)
        return {_KEPT: factors, _ADDED: prepared}


def summing(proto: onnx.ModelProto, end: str, shares: Shares) -> onnx.ModelProto:
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


def without_each(proto: onnx.ModelProto, parts: Split, count: int) -> onnx.ModelProto:
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
    graph.input.append(onnx.helper.make_tensor_value_info(ABSENT, kind, [count, math.prod(shape)]))
    place = next(i for i, node in enumerate(graph.node) if parts.end in node.output)
    outputs = graph.node[place].output
    outputs[list(outputs).index(parts.end)] = f"{whole}:flat"
    made = [
        make("Reshape", [f"{whole}:flat", f"{whole}:shape"], [whole]),
        make("Reshape", [parts.channels, f"{own}:shape"], [own]),
        make("Reshape", [ABSENT, f"{own}:shape"], [f"{own}:absent"]),
        make("Sub", [own, f"{own}:absent"], [added]),
        make("Sub", [whole, added], [lost]),
        make("Concat", [whole, lost], [both], axis=1),
        make("Reshape", [both, f"{both}:shape"], [parts.end]),
    ]
    for offset, node in enumerate(made, 1):
        graph.node.insert(place + offset, node)
    return result
