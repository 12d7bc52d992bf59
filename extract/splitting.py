"""Where a network can be taken apart behind a layer, so that each of its channels is computed once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .channels import Flow
from .graph import cut, reads
from .model import Model
from .naming import Names
from .parts import Shape

if TYPE_CHECKING:
    import onnx

    from .filters import Filters

# Operators that work on each map by itself, of pictures with channels on their second axis.
_OF_EACH_MAP = frozenset({"AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool", "MaxPool"})
# Numbers of an image, and of images that run together. Above, all channels' shares of the next layer take
# more memory than they save time.
_LARGEST = 2**24
_LARGEST_BATCH = 2**26


@dataclass(frozen=True)
class Shares:
    """What the channels' shares of a linear layer's output make together.

    Parameters
    ----------
    shape : tuple of int
        Shape of that output, of one image.
    bias : ndarray
        What is added to their sum, flat.
    """

    shape: tuple[int, ...]
    bias: NDArray[np.float32]


@dataclass(frozen=True)
class Split:
    """A network in three parts: up to a layer, its channels one by one, and the rest.

    Parameters
    ----------
    proto : onnx.ModelProto
        The network, perhaps with one more node.
    channels : str
        The last tensor in which the channels are apart.
    axis : int
        Its axis of channels, from the end.
    shares : Shares or None
        Where it holds the channels' shares of a linear layer's output, (N, channels * outputs, ...): what
        their sum is; else None.
    end : str
        The tensor that the rest is made of: `channels` itself, or that sum.
    sides : tuple of str
        Further tensors that the rest reads and that depend on the input.
    """

    proto: onnx.ModelProto
    channels: str
    axis: int
    shares: Shares | None
    end: str
    sides: tuple[str, ...]


def split(model: Model, filters: Filters, output: str, shapes: Mapping[str, Shape], images: int = 1) -> Split:
    """Take a network apart behind a layer.

    The channels stay apart through what works on each value or map by itself. A convolution behind that, or a
    matrix product of flattened maps, is linear: its output is the sum of one share a channel, plus its bias,
    which are computed by a convolution of as many groups as there are channels.

    Parameters
    ----------
    model : Model
        The network, of operator set 18 or later.
    filters : Filters
        The layer.
    output : str
        The tensor that is wanted in the end.
    shapes : mapping of str to tuple of int or None
        Shapes of all tensors, for the size of the input that is used.
    images : int
        How many images at least go through the channels at a time.
    """
    import onnx

    nodes = cut(model.proto, [output]).graph.node
    flow = Flow(nodes, model.constants, shapes)
    channels = filters.output
    axis = filters.channel_axis
    # what is no number in one share could not be taken away again from their sum
    while following := flow.behind(channels, filters, finite=True) or _pooled(flow, channels, axis):
        channels = following
    behind = flow.readers(channels)
    linear = None
    if len(behind) == 1:
        linear = _linear(behind[0], flow, channels, axis, model, images)
    if linear is None:
        return Split(model.proto, channels, axis, None, channels, _sides(nodes, channels, model.constants))
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    parts = Names(model.tensors).fresh(f"{linear.end}:shares")
    linear.add(proto, channels, parts)
    return Split(proto, parts, axis, linear.shares, linear.end, _sides(nodes, linear.end, model.constants))


def _pooled(flow: Flow, channels: str, axis: int) -> str | None:
    """Return what a pool makes of maps that it alone reads; None if there is none."""
    behind = flow.readers(channels)
    if len(behind) != 1 or behind[0].op_type not in _OF_EACH_MAP or behind[0].domain not in ("", "ai.onnx"):
        return None
    has_one_output = not any(flow.readers(name) for name in behind[0].output[1:])
    on_second = len(flow.shapes.get(channels, ())) + axis == 1
    return behind[0].output[0] if has_one_output and on_second else None


def _sides(nodes: Sequence[onnx.NodeProto], end: str, constant: frozenset[str]) -> tuple[str, ...]:
    reached, sides = {end}, {}
    for node in nodes:
        names = reads(node)
        if reached.isdisjoint(names):
            continue
        reached.update(node.output)
        sides.update(dict.fromkeys(n for n in names if n not in reached and n not in constant))
    return tuple(sides)


@dataclass(frozen=True)
class _Linear:
    """A convolution: its output, kernels (outputs, channels, ...), further attributes, and bias."""

    end: str
    kernels: NDArray[np.float32]
    attributes: Mapping[str, Any]
    shares: Shares

    def add(self, proto: onnx.ModelProto, channels: str, output: str) -> None:
        """Add to a graph the node that computes the shares, (N, channels * outputs, ...)."""
        import onnx

        outputs, count, *rest = self.kernels.shape
        weight = np.ascontiguousarray(self.kernels.swapaxes(0, 1)).reshape(count * outputs, 1, *rest)
        stored = f"{output}:weight"
        proto.graph.initializer.append(onnx.numpy_helper.from_array(weight, stored))
        shares = onnx.helper.make_node("Conv", [channels, stored], [output], group=count, **self.attributes)
        place = next(i for i, node in enumerate(proto.graph.node) if self.end in node.output)
        proto.graph.node.insert(place, shares)


def _linear(
    node: onnx.NodeProto,
    flow: Flow,
    channels: str,
    axis: int,
    model: Model,
    images: int,
) -> _Linear | None:
    """Return the linear layer that reads maps, if sums of its channels' shares save time."""
    shapes = flow.shapes
    maps = _sizes(shapes, channels)
    if maps is None or len(maps) < 2 or len(maps) + axis:
        return None
    product = None if node.op_type == "Conv" else _product(node, flow, maps)
    worker = product or node
    shape = _sizes(shapes, worker.output[0])
    if shape is None or not model.constants.issuperset(filter(None, worker.input[1:])):
        return None
    numbers = maps[0] * math.prod(shape)
    if numbers > _LARGEST or images * numbers > _LARGEST_BATCH:
        return None
    attributes = _attributes(worker)
    if node.op_type == "Conv":
        if attributes.pop("group", 1) != 1 or math.prod(_kernel(worker, shapes)) == 1:
            return None
    elif product is None:
        return None
    weight, *bias = [np.asarray(model.values([n])[n], np.float32) for n in worker.input[1:] if n]
    added = bias[0].reshape(-1, *(1,) * (len(shape) - 1)) if bias else np.zeros(1, np.float32)
    shares = Shares(shape, np.broadcast_to(added, shape).ravel())
    if product is None:
        return _Linear(worker.output[0], weight, attributes, shares)
    matrix = weight if attributes.get("transB") else weight.T
    return _Linear(worker.output[0], matrix.reshape(len(matrix), *maps), {}, shares)


def _product(node: onnx.NodeProto, flow: Flow, maps: tuple[int, ...]) -> onnx.NodeProto | None:
    """Return the matrix product of flattened maps of more than one value each; None if there is none."""
    flattens = node.op_type in ("Flatten", "Reshape") and math.prod(maps[1:]) > 1
    if not flattens or _sizes(flow.shapes, node.output[0]) != (math.prod(maps),):
        return None
    behind = flow.readers(node.output[0])
    if (
        len(behind) != 1
        or behind[0].op_type not in ("Gemm", "MatMul")
        or behind[0].input[0] != node.output[0]
    ):
        return None
    given = _attributes(behind[0])
    plain = not given.get("transA", 0) and given.get("alpha", 1) == given.get("beta", 1) == 1
    return behind[0] if plain else None


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    import onnx

    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def _kernel(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> tuple[int, ...]:
    return tuple(size or 0 for size in shapes.get(node.input[1], ())[2:])


def _sizes(shapes: Mapping[str, Shape], tensor: str) -> tuple[int, ...] | None:
    """Return the shape of one image of a tensor, if it is known."""
    sizes = tuple(size for size in shapes.get(tensor, (None, None))[1:] if size is not None)
    return sizes if len(sizes) == len(shapes.get(tensor, ())) - 1 else None
