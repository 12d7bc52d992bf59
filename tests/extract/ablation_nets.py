"""Networks in which the layer ``c``, of six filters, or ``y``, is ablated: what lies behind and around it."""

from __future__ import annotations

import numpy as np
from onnx import helper

from extract import load_model
from tests.extract.nets import model_of, save

RNG = np.random.default_rng(11)


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs, [output], output, **attributes)


W = {"w": values(6, 3, 2, 3), "b": values(6)}
CONV = node("Conv", ["x", "w", "b"], "c", strides=[1, 2])
# of 3 x 7 x 11 maps, c is 6 x 6 x 5
HEAD = [node("Flatten", ["p"], "f"), node("Gemm", ["f", "fw", "fb"], "y", transB=1)]
FULL = {**W, "fw": values(4, 180), "fb": values(4)}
NORM = {name: np.abs(values(6)) + 0.5 for name in ("scale", "mean", "var")} | {"shift": values(6)}
SECOND = {"w2": values(5, 6, 3, 2), "b2": values(5), "v": values(7, 5, 1, 1)}
RELU = node("Relu", ["c"], "r")

# the shape (N, -1), as torch exports x.view(x.size(0), -1)
VIEW = [
    node("Shape", ["x"], "s"),
    node("Gather", ["s", "i0"], "n"),
    node("Unsqueeze", ["n", "zero"], "first"),
    node("Concat", ["first", "rest"], "k", axis=0),
]
# a number from 0 to 3 for each image
PLACE = [
    node("Flatten", ["x"], "xf"),
    node("ArgMax", ["xf"], "most", axis=1),
    node("Mod", ["most", "four"], "place"),
]
INTS = {
    **{"i0": np.array(0), "i1": np.array(1), "zero": np.array([0]), "one": np.array([1])},
    **{"rest": np.array([-1]), "four": np.array([4])},
}
SUM = node("Add", ["q", "t"], "y")
SCORES = [RELU, node("Flatten", ["r"], "f"), node("Gemm", ["f", "fw", "fb"], "q", transB=1)]

# nodes, weights, shape of one x
CASES = {
    "flattened maps": ([CONV, node("Relu", ["c"], "p"), *HEAD], FULL, (3, 7, 11)),
    "matrix product": (
        [CONV, node("Relu", ["c"], "p"), HEAD[0], node("MatMul", ["f", "m"], "y")],
        {**W, "m": values(180, 4)},
        (3, 7, 11),
    ),
    "convolution": (
        [
            CONV,
            RELU,
            node("MaxPool", ["r"], "p", kernel_shape=[2, 2], pads=[1, 0, 0, 1]),
            node("Conv", ["p", "w2", "b2"], "q", pads=[1, 0, 2, 1], dilations=[1, 2]),
            node("Tanh", ["q"], "t"),
            node("Conv", ["t", "v"], "y"),
        ],
        {**W, **SECOND},
        (3, 7, 11),
    ),
    "pointwise convolution": (
        [CONV, RELU, node("Conv", ["r", "v6"], "y")],
        {**W, "v6": values(4, 6, 1, 1)},
        (3, 7, 11),
    ),
    "batch normalization, which moves zeros": (
        [
            CONV,
            node("BatchNormalization", ["c", "scale", "shift", "mean", "var"], "n"),
            node("Sigmoid", ["n"], "p"),
            *HEAD,
        ],
        {**FULL, **NORM},
        (3, 7, 11),
    ),
    "pools that count their padding": (
        [
            CONV,
            node("Sigmoid", ["c"], "s"),
            node("AveragePool", ["s"], "p", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1),
            *HEAD,
        ],
        FULL,
        (3, 7, 11),
    ),
    "local response, which mixes channels": (
        [CONV, RELU, node("LRN", ["r"], "p", size=3, alpha=0.9), *HEAD],
        FULL,
        (3, 7, 11),
    ),
    "a way around": (
        [
            node("Conv", ["x", "w"], "a"),
            node("Conv", ["a", "w2", "b2"], "c", pads=[1, 1, 1, 0]),
            node("Relu", ["c"], "p"),
            node("Conv", ["p", "u"], "q", pads=[1, 0, 1, 0]),
            node("Add", ["q", "a"], "y"),
        ],
        {"w": W["w"], **SECOND, "u": values(6, 5, 3, 1)},
        (3, 7, 11),
    ),
    "GELU of several nodes": (
        [
            *(
                CONV,
                node("Div", ["c", "root"], "d"),
                node("Erf", ["d"], "e"),
                node("Add", ["e", "half"], "g"),
            ),
            *(node("Mul", ["c", "g"], "p"), *HEAD),
        ],
        {**FULL, "root": np.array(1.5, np.float32), "half": values(6, 1, 1)},
        (3, 7, 11),
    ),
    "constants of places": (
        [CONV, node("Mul", ["c", "places"], "p"), *HEAD],
        {**FULL, "places": values(6, 6, 5)},
        (3, 7, 11),
    ),
    "a gate that goes around": (
        [
            *(CONV, node("Sigmoid", ["c"], "s"), node("Mul", ["c", "s"], "r")),
            *(node("GlobalAveragePool", ["r"], "g"), node("Conv", ["g", "v6"], "e")),
            *(node("Mul", ["r", "e"], "p"), *HEAD),
        ],
        {**FULL, "v6": values(6, 6, 1, 1)},
        (3, 7, 11),
    ),
    "two readers": ([CONV, node("Tanh", ["c"], "t"), node("Mul", ["c", "t"], "p"), *HEAD], FULL, (3, 7, 11)),
    "grouped convolution behind": (
        [CONV, RELU, node("Conv", ["r", "g"], "y", group=2)],
        {**W, "g": values(4, 3, 2, 2)},
        (3, 7, 11),
    ),
    "the output itself": ([node("Conv", ["x", "w", "b"], "y")], W, (3, 7, 11)),
    "rows": (
        [
            node("MatMul", ["x", "w"], "c"),
            node("Add", ["c", "b"], "d"),
            node("Relu", ["d"], "r"),
            node("MatMul", ["r", "m"], "y"),
        ],
        {"w": values(9, 6), "b": values(6), "m": values(6, 4)},
        (5, 9),
    ),
    "a shape from before the layer": (
        [
            CONV,
            node("Shape", ["x"], "s"),
            node("Slice", ["s", "zero", "one"], "n"),
            node("Concat", ["n", "rest"], "k", axis=0),
            node("Reshape", ["c", "k"], "f"),
            node("Gemm", ["f", "fw", "fb"], "y", transB=1),
        ],
        {**FULL, "zero": np.array([0]), "one": np.array([1]), "rest": np.array([-1])},
        (3, 7, 11),
    ),
    "a shape behind the layer": (
        [
            *(CONV, RELU, node("Shape", ["r"], "s"), *VIEW[1:], node("Reshape", ["r", "k"], "f")),
            node("Gemm", ["f", "fw", "fb"], "y", transB=1),
        ],
        {**FULL, **INTS},
        (3, 7, 11),
    ),
    "a shape that goes around": (
        [
            *(*VIEW, CONV, RELU, node("GlobalAveragePool", ["r"], "g"), node("Reshape", ["g", "k"], "f")),
            node("Gemm", ["f", "small"], "y"),
        ],
        {**W, **INTS, "small": values(6, 4)},
        (3, 7, 11),
    ),
    # images are apart here, and yet the shape is right for one batch alone
    "a shape of a batch that is not the rest's": (
        [
            node("ReduceMean", ["x"], "means", axes=[2, 3], keepdims=0),
            node("Shape", ["means"], "s"),
            *(CONV, RELU, node("Flatten", ["r"], "f"), node("Gemm", ["f", "column"], "q")),
            node("Expand", ["q", "s"], "y"),
        ],
        {**W, "column": values(180, 1)},
        (3, 7, 11),
    ),
    "whole numbers, one for each image": (
        [*PLACE, CONV, *SCORES, node("GatherElements", ["q", "place"], "t", axis=1), SUM],
        {**FULL, **INTS},
        (3, 7, 11),
    ),
    "positions of images in the batch": (
        [
            *(
                *VIEW[:2],
                node("Range", ["i0", "n", "i1"], "rows"),
                node("Unsqueeze", ["rows", "one"], "column"),
            ),
            *(*PLACE, node("Concat", ["column", "place"], "both", axis=1), CONV, *SCORES),
            *(node("GatherND", ["q", "both"], "chosen"), node("Unsqueeze", ["chosen", "one"], "t"), SUM),
        ],
        {**FULL, **INTS},
        (3, 7, 11),
    ),
    "how many numbers a batch holds": (
        [
            *(node("Size", ["x"], "s"), node("Cast", ["s"], "size", to=1), node("Div", ["size", "m"], "t")),
            *(CONV, *SCORES, SUM),
        ],
        {**FULL, "m": np.array(50, np.float32)},
        (3, 7, 11),
    ),
    "sums along the batch": (
        [CONV, *SCORES, node("CumSum", ["q", "i0"], "y")],
        {**FULL, **INTS},
        (3, 7, 11),
    ),
    "whole numbers of all images": (
        [
            *(CONV, *SCORES, node("Cast", ["q"], "whole", to=7)),
            node("ReduceMax", ["whole"], "most", axes=[0], keepdims=0),
            *(node("Less", ["whole", "most"], "less"), node("Neg", ["q"], "minus")),
            node("Where", ["less", "minus", "q"], "y"),
        ],
        FULL,
        (3, 7, 11),
    ),
    "statistics of the whole batch": (
        [
            *(CONV, node("GlobalAveragePool", ["c"], "p"), node("Conv", ["p", "v5"], "q")),
            *(node("GlobalAveragePool", ["x"], "px"), node("Conv", ["px", "w5"], "t")),
            *(node("Add", ["q", "t"], "sums"), node("MeanVarianceNormalization", ["sums"], "y")),
        ],
        {**W, "v5": values(5, 6, 1, 1), "w5": values(5, 3, 1, 1)},
        (3, 7, 11),
    ),
    "products of images": (
        [
            *(CONV, *SCORES, node("Gemm", ["q", "q"], "gram", transB=1)),
            *(node("ReduceSum", ["gram", "one"], "t"), SUM),
        ],
        {**FULL, **INTS},
        (3, 7, 11),
    ),
    "several rows for each image": (
        [
            node("Reshape", ["x", "by_channel"], "rows"),
            node("Gemm", ["rows", "w", "b"], "c"),
            node("Relu", ["c"], "r"),
            node("Reshape", ["r", "by_image"], "f"),
            node("Gemm", ["f", "m"], "y"),
        ],
        {
            **{"w": values(77, 6), "b": values(6), "m": values(18, 4)},
            **{"by_channel": np.array([-1, 77]), "by_image": np.array([-1, 18])},
        },
        (3, 7, 11),
    ),
}


def network(folder, case, batch="N"):
    nodes, weights, shape = CASES[case]
    proto = model_of(nodes, {"x": [batch, *shape]}, ["y"], weights)
    return proto, load_model(save(proto, folder)), values(4, *shape)
