"""Networks that packages carry, made ready for tests: seeded weights, smaller copies, free batch sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
LIGHT = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)
SIDE = 224

Shapes = dict[str, list[int]]


def light(name: str, side: int = SIDE, divisor: int = 1) -> onnx.ModelProto:
    """Return one of the light graphs of package onnx, with seeded random weights.

    Their own weights are all 0.02, most of them made by nodes. All become initializers: filters of variance
    2 / fan-in (He et al., arXiv:1502.01852, eq. 10), small biases, scales about 1, and for batch
    normalizations about the statistics of a random picture. So what goes through them keeps its size.

    Parameters
    ----------
    name : str
        One of `LIGHT`.
    side : int
        Of the picture, a multiple of 32.
    divisor : int
        How many times as narrow all layers become: a power of 2 that divides all widths.
    """
    proto = onnx.load(_LIGHT / f"light_{name}.onnx")
    graph = proto.graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights: Shapes = {name: [*value.shape] for name, value in stored.items() if value.dtype.kind == "f"}
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            weights[node.output[0]] = stored[node.input[0]].tolist()
    targets: Shapes = {n.input[1]: stored[n.input[1]].tolist() for n in graph.node if n.op_type == "Reshape"}
    kept = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    fed = [value for value in graph.input if value.name not in stored]
    del graph.node[:], graph.input[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(kept)
    graph.input.extend(fed)
    if (side, divisor) != (SIDE, 1):
        _shrink(graph, weights, targets, side, divisor)
    rng, factors = np.random.default_rng(0), set(_factors(graph))
    values = {name: _random(rng, shape, name in factors) for name, shape in weights.items()}
    values |= {name: np.array(target, np.int64) for name, target in targets.items()}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    _calibrate(proto, rng.standard_normal((1, 3, side, side), np.float32))
    return proto


def freed(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that takes any number of images where the given one takes a fixed number.

    Reshapes of what is made of the input keep its first axis.
    """
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    graph = result.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    moved = {value.name for value in graph.input if value.name not in stored}
    for value in graph.input:
        if value.name in moved:
            value.type.tensor_type.shape.dim[0].dim_param = "N"
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    del graph.value_info[:]
    for node in graph.node:
        if moved.isdisjoint(node.input):
            continue
        moved.update(node.output)
        if node.op_type == "Reshape":
            target = stored[node.input[1]]
            places = [0, *numpy_helper.to_array(target).tolist()[1:]]
            target.CopyFrom(numpy_helper.from_array(np.array(places), target.name))
    return result


def _shrink(graph: onnx.GraphProto, weights: Shapes, targets: Shapes, side: int, divisor: int) -> None:
    """Fit a light graph, the shapes of its weights and those of its Reshapes to a smaller picture."""

    # kernels, colours and the one channel of depthwise filters are odd
    def narrow(size: int) -> int:
        return size if size % divisor else size // divisor

    depthwise = [n for n in graph.node if n.op_type == "Conv" and weights[n.input[1]][1] == 1]
    for attribute in (attribute for node in depthwise for attribute in node.attribute):
        if attribute.name == "group":
            attribute.i = narrow(attribute.i)
    weights.update({name: [*map(narrow, shape)] for name, shape in weights.items()})
    for name, (*first, deep, high, wide) in [(n, t) for n, t in targets.items() if len(t) > 2]:
        targets[name] = [*first, narrow(deep), high * side // SIDE, wide * side // SIDE]
    targets.update({name: [narrow(t[0]), -1] for name, t in targets.items() if len(t) == 2})
    for size in graph.input[0].type.tensor_type.shape.dim[2:]:
        size.dim_value = side
    for node in graph.node:
        kernel = next((a.ints for a in node.attribute if a.name == "kernel_shape"), [])
        if node.op_type == "AveragePool" and [*kernel] == [7, 7]:
            rest = _shape(graph, node.input[0], weights, targets)[2:]
            pads = next((a.ints for a in node.attribute if a.name == "pads"), [0] * 4)
            kernel[:] = [size + pads[i] + pads[i + 2] for i, size in enumerate(rest)]
    flat = next(
        (n for n in graph.node if n.op_type == "Gemm" and len(weights.get(n.input[1], [])) == 2), None
    )
    if flat is not None:
        before = next(n for n in graph.node if flat.input[0] in n.output)
        weights[flat.input[1]][1] = math.prod(_shape(graph, before.input[0], weights, targets)[1:])


def _shape(graph: onnx.GraphProto, tensor: str, weights: Shapes, targets: Shapes) -> list[int]:
    """Return the shape of a tensor by onnx's shape inference."""
    part = onnx.GraphProto(name="part", node=graph.node, input=graph.input)
    part.input.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in weights.items()
    )
    part.initializer.extend(
        numpy_helper.from_array(np.array(target, np.int64), name) for name, target in targets.items()
    )
    model = helper.make_model(part, opset_imports=[helper.make_opsetid("", 9)], ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    (found,) = (value.type.tensor_type.shape.dim for value in inferred if value.name == tensor)
    return [size.dim_value for size in found]


def _factors(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield the weights that are multiplied by: the scales of normalizations."""
    readers = {name: node for node in graph.node for name in node.input}
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            yield node.input[1]
        elif node.op_type == "Unsqueeze" and readers[node.output[0]].op_type == "Mul":
            yield node.input[0]


def _random(rng: np.random.Generator, shape: list[int], factor: bool) -> NDArray[np.float32]:
    if factor:
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    rows = [size for size in shape if size > 1] if shape[0] == 1 else shape
    scale = math.sqrt(2 / math.prod(rows[1:])) if len(shape) > 1 else 0.1
    return np.float32(scale) * rng.standard_normal(shape, np.float32)


def _calibrate(proto: onnx.ModelProto, x: NDArray[np.float32]) -> None:
    """Write statistics of a picture into the batch normalizations of a model."""
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

    from extract.differentiate import mended

    found: dict[str, NDArray[np.float32]] = {}

    class BatchNormalization(OpRun):
        """Normalizes by what it is given."""

        op_domain = ""

        def _run(self, x, scale, bias, mean, var, **_attributes):  # type: ignore[no-untyped-def]
            # All of the mean taken away would leave next to nothing in deep layers, which random weights
            # make alike in all places: that would be magnified, and the gradients would explode.
            mean = x.mean(axis=(0, 2, 3)) / 2
            own = np.square(x - mean[:, np.newaxis, np.newaxis]).mean(axis=(0, 2, 3))
            # a channel may be 0 everywhere
            var = (own + own.mean()) / 2
            found.update(zip(self.onnx_node.input[3:], (mean, var), strict=True))
            scale, bias, mean, var = (value[:, np.newaxis, np.newaxis] for value in (scale, bias, mean, var))
            return (scale * (x - mean) / np.sqrt(var) + bias,)

    if any(node.op_type == "BatchNormalization" for node in proto.graph.node):
        ReferenceEvaluator(proto, new_ops=[BatchNormalization, *mended.operators()]).run(
            None, {proto.graph.input[0].name: x}
        )
    for tensor in proto.graph.initializer:
        if tensor.name in found:
            tensor.CopyFrom(numpy_helper.from_array(found[tensor.name], tensor.name))
