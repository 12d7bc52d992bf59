"""Operators without a rule that ONNX defines by no others: written out in operators that have rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..graph import graphs, reads
from .facts import facts_of
from .old import Old, Rewrite, names_in
from .step import Workshop

if TYPE_CHECKING:
    import onnx


def written_out(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose nodes of some operators, those of `BODIES`, are replaced by several others.

    Parameters
    ----------
    proto : onnx.ModelProto
        A model as `upgraded` gives it; it is left as it is.

    Returns
    -------
    onnx.ModelProto
        Nodes of which too little is known stay as they are.
    """
    import onnx

    if not any(node.op_type in BODIES and not node.domain for g in graphs(proto.graph) for node in g.node):
        return proto
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    workshop = Workshop(facts_of(proto), names_in(proto))
    for graph in graphs(result.graph):
        used = {name for node in graph.node for name in reads(node)} | {value.name for value in graph.output}
        nodes = []
        for node in graph.node:
            body = BODIES.get(node.op_type) if not node.domain else None
            last = [node] if body is None else body(Old(node, workshop, used))
            nodes += [*workshop.nodes, *last]
            workshop.nodes.clear()
        del graph.node[:]
        graph.node.extend(nodes)
    result.graph.initializer.extend(
        onnx.numpy_helper.from_array(values, name) for name, values in workshop.initializers.items()
    )
    return result


def _deform_conv(old: Old) -> Sequence[onnx.NodeProto]:
    """Sample a picture for each place in the kernel, and convolve it with strides of the kernel's size.

    Source: ONNX, DeformConv; X. Zhu et al., Deformable ConvNets v2, CVPR 2019, eq. 1.
    """
    x, weight, offset, bias, mask = [*old.node.input, "", ""][:5]
    shape = old.shape(weight)
    if shape is None or None in shape or len(shape) != 4:
        return [old.node]
    _, per_group, height, width = (size or 0 for size in shape)
    kernel, groups = (height, width), old.attribute("offset_group", 1)
    places = old.add("Shape", offset, start=2)
    sizes = old.add("Mul", places, old.integers(kernel))
    grid = _grid(old, x, offset, kernel, groups, (places, sizes))
    channels = per_group * old.attribute("group", 1)
    apart = _reshaped(old, x, [-1, channels // groups], old.add("Shape", x, start=2)) if groups > 1 else x
    sampled = old.add("GridSample", apart, grid, align_corners=0, mode="linear", padding_mode="zeros")
    if mask:
        shares = _reshaped(old, mask, [0, groups, *kernel], places)
        shares = old.add("Transpose", shares, perm=[0, 1, 4, 2, 5, 3])
        sampled = old.add("Mul", sampled, _reshaped(old, shares, [-1, 1], sizes))
    columns = _reshaped(old, sampled, [-1, channels], sizes) if groups > 1 else sampled
    inputs = [columns, weight, *([bias] if bias else [])]
    return [old.last("Conv", inputs, strides=kernel, group=old.attribute("group", 1))]


def _grid(old: Old, x: str, offset: str, kernel: tuple[int, int], groups: int, sizes: tuple[str, str]) -> str:
    """Return where a DeformConv samples: (images x groups, places x kernel along y, along x, 2)."""
    places, wanted = sizes
    offsets = _reshaped(old, offset, [0, groups, *kernel, 2], places)
    offsets = old.add("Transpose", offsets, perm=[0, 1, 5, 2, 6, 3, 4])
    shape = old.add("Concat", old.integers([-1]), wanted, old.integers([2]), axis=0)
    offsets = old.add("Reshape", offsets, shape)
    one, two = old.number(1, x), old.number(2, x)
    parts = []
    # a grid counts axes from the last
    for axis in (1, 0):
        size = old.add("Gather", old.add("Shape", x), old.integers(axis + 2))
        at = old.add("Add", _starts(old, places, kernel, axis, x), _part(old, offsets, axis))
        # from pixels to [-1, 1]: (2 p + 1) / size - 1
        twice = old.add("Add", old.add("Mul", at, two), one)
        parts.append(old.add("Sub", old.add("Div", twice, old.add("CastLike", size, x)), one))
    return old.add("Concat", *(old.add("Unsqueeze", part, old.integers([3])) for part in parts), axis=3)


def _starts(old: Old, places: str, kernel: tuple[int, int], axis: int, x: str) -> str:
    """Return where each place of the kernel lies without offset, in a shape that broadcasts to the grid's."""
    stride, dilation = (old.attribute(name, [1, 1])[axis] for name in ("strides", "dilations"))
    begin = old.attribute("pads", [0] * 4)[axis]
    count = old.add("Gather", places, old.integers(axis))
    first = old.add("Mul", old.add("Range", old.integers(0), count, old.integers(1)), old.integers(stride))
    within = old.integers(np.arange(kernel[axis]) * dilation - begin)
    rows = old.add("Add", old.add("Unsqueeze", first, old.integers([1])), within)
    return old.add("CastLike", old.add("Reshape", rows, old.integers([[-1, 1], [1, -1]][axis])), x)


def _part(old: Old, offsets: str, axis: int) -> str:
    return old.add("Gather", offsets, old.integers(axis), axis=3)


def _reshaped(old: Old, tensor: str, first: Sequence[int], rest: str) -> str:
    return old.add("Reshape", tensor, old.add("Concat", old.integers(first), rest, axis=0))


def _stft(old: Old) -> Sequence[onnx.NodeProto]:
    """Cut frames out of the signal, weigh them by the window and transform each. Source: ONNX, STFT."""
    signal, step, window, length = [*old.node.input, "", ""][:4]
    if not length:
        length = old.add("Squeeze", old.add("Shape", window))
    step, length = (_scalar(old, tensor) for tensor in (step, length))
    whole = old.add("Gather", old.add("Shape", signal), old.integers(1))
    zero, one = old.integers(0), old.integers(1)
    count = old.add("Add", old.add("Div", old.add("Sub", whole, length), step), one)
    starts = old.add("Mul", old.add("Range", zero, count, one), step)
    within = old.add("Range", zero, length, one)
    places = old.add("Add", old.add("Unsqueeze", starts, old.integers([1])), within)
    frames = old.add("Gather", signal, places, axis=1)
    if window:
        frames = old.add("Mul", frames, old.add("Unsqueeze", window, old.integers([1])))
    onesided = old.attribute("onesided", 1)
    return [old.last("DFT", [frames, "", old.integers(2)], onesided=onesided)]


def _scalar(old: Old, tensor: str) -> str:
    """Return a number as int64 without axes."""
    return old.add("Squeeze", old.add("Cast", tensor, to=7))


BODIES: Mapping[str, Rewrite] = {"DeformConv": _deform_conv, "STFT": _stft}
