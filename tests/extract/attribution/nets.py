"""Networks so small that their attributions can be written down."""

from __future__ import annotations

import numpy as np
from onnx import helper

from extract import load_model
from tests.extract.nets import model_of, save


def saved(folder, nodes, inputs, outputs, weights, **settings):
    arrays = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    return load_model(save(model_of(nodes, inputs, outputs, arrays, **settings), folder))


def dense(folder, rectifier="Relu", bounds=()):
    """y = 2 f(a) - f(b) + 3 f(a + b), f the rectifier; layers fc1, act, fc2."""
    limits = {f"limit{i}": bound for i, bound in enumerate(bounds)}
    return saved(
        folder,
        [
            helper.make_node("Gemm", ["x", "w1"], ["h"], "fc1"),
            helper.make_node(rectifier, ["h", *limits], ["r"], "act"),
            helper.make_node("Gemm", ["r", "w2"], ["y"], "fc2"),
        ],
        {"x": ["N", 2]},
        ["y"],
        {"w1": [[1, 0, 1], [0, 1, 1]], "w2": [[2], [-1], [3]], **limits},
    )


def power(folder, exponent, skip=False):
    """y = (x0 + 2 x1) ** exponent, of layers `dot` and `power`; with `skip` also + x0, in layer `sum`."""
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["s"], "dot"),
        helper.make_node("Mul", ["s", "s"], ["p2"], "square"),
        helper.make_node("Mul", ["p2", "s"], ["p3"], "cube"),
    ][:exponent]
    weights = {"w": [[1], [2]]}
    if skip:
        nodes.append(helper.make_node("Gemm", ["x", "first", f"p{exponent}"], ["y"], "sum"))
        weights["first"] = [[1], [0]]
    outputs = ["y"] if skip else [f"p{exponent}"]
    return saved(folder, nodes, {"x": ["N", 2]}, outputs, weights)


def rivals(folder, width=1):
    """Scores 2 x and 5 + x of the first of `width` values: the second is the larger one where x < 5."""
    return saved(
        folder,
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["scores"], "fc"),
            helper.make_node("Softmax", ["scores"], ["p"], "soft", axis=1),
        ],
        {"x": ["N", width]},
        ["p"],
        {"w": [[2, 1], *[[0, 0]] * (width - 1)], "b": [0, 5]},
    )


def pooled(folder, axes, head=True):
    """Maps x and -x, layer `maps`; of their means m and n the scores m + 3 n and 3 m + n, layer `fc`.

    Without the head, m and n are the output, as maps of one pixel.
    """
    ones = [1] * axes
    return saved(
        folder,
        [
            helper.make_node("Conv", ["x", "k"], ["c"], "maps"),
            helper.make_node("GlobalAveragePool", ["c"], ["g"], "pool"),
            helper.make_node("Flatten", ["g"], ["f"], "flat"),
            helper.make_node("Gemm", ["f", "w"], ["y"], "fc", transB=1),
        ][: 4 if head else 2],
        {"x": ["N", 1, *[None] * axes]},
        ["y" if head else "g"],
        {"k": np.reshape([1, -1], (2, 1, *ones)), "w": [[1, 3], [3, 1]]},
    )
