"""Whether the images of a batch meet in a graph, and which tensors hold a row for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import helper

from extract.apart import hold_rows, keeps_images_apart
from extract.graph import cut
from tests.extract.nets import model_of


def node(operator: str, inputs: str, output: str, **attributes: object):
    return helper.make_node(operator, inputs.split(), [output], output, **attributes)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


# x is N x 3 x 5
LENGTH = [node("Shape", "x", "s"), node("Gather", "s i0", "n", axis=0)]
VIEW = [*LENGTH, node("Unsqueeze", "n zero", "first"), node("Concat", "first rest", "k", axis=0)]
PLACE = [node("Flatten", "x", "f"), node("ArgMax", "f", "place", axis=1)]
WEIGHTS = {
    **{"i0": np.array(0), "i1": np.array(1), "zero": np.array([0]), "one": np.array([1])},
    **{"rest": np.array([-1]), "table": np.ones((15, 2), np.float32)},
    **{
        "last": np.array([-1]),
        "before": np.array([-100]),
        "both": np.array([1, 2]),
        "ones": np.array([1, 5]),
    },
    **{"m53": ones(5, 3), "m33": ones(3, 3), "heads": np.array([0, 3, 3]), "token": ones(1, 1, 5)},
    **{"shift": ones(1, 4, 5), "scale": ones(5), "other": ones(1, 3, 5), "by_three": ones(3, 3, 5)},
    **{"twos": np.array([2, 2, 2]), "moved": np.array([1, 0, 0, -1, 0, 0]), "first_row": np.array([[0]])},
    **{f"{name}_w": ones(1, 2 * gates, 5) for name, gates in (("lstm", 4), ("gru", 3), ("rnn", 1))},
    **{f"{name}_r": ones(1, 2 * gates, 2) for name, gates in (("lstm", 4), ("gru", 3), ("rnn", 1))},
}

APART = {
    "images as rows": [node("Flatten", "x", "y")],
    "rows by a shape": [*VIEW, node("Reshape", "x k", "y")],
    "a number for each image, of a table": [*PLACE, node("GatherND", "table place", "y")],
    "values at places": [*PLACE, node("GatherElements", "f place", "y", axis=1)],
    "a part by a shape": [node("Slice", "x zero one one", "y")],
    "what is behind the first axis turned round": [node("Slice", "x last before one last", "y")],
    "heads of attention": [
        *(
            node("MatMul", "x m53", "q"),
            node("Reshape", "q heads", "h"),
            node("Transpose", "h", "t", perm=[0, 2, 1]),
        ),
        *(node("MatMul", "h t", "scores"), node("Softmax", "scores", "a"), node("MatMul", "a h", "y")),
    ],
    "a token before the others": [
        *(*LENGTH, node("Unsqueeze", "n zero", "first"), node("Concat", "first ones", "k", axis=0)),
        *(node("Expand", "token k", "t"), node("Concat", "t x", "tokens", axis=1)),
        *(node("Add", "tokens shift", "z"), node("LayerNormalization", "z scale", "y")),
    ],
    "one letter for the images": [
        node("Einsum", "x m53", "q", equation="nct,td->ncd"),
        node("Einsum", "q x", "y", equation="ncd,nct->nd"),
    ],
    "dots for the images": [node("Einsum", "x m53", "y", equation="...t,td->...d")],
    "normalized maps": [node("MeanVarianceNormalization", "x", "y", axes=[1, 2])],
    "sequences behind the images": [
        helper.make_node("LSTM", ["x", "lstm_w", "lstm_r"], ["", "y"], hidden_size=2, layout=1)
    ],
    "sequences turned round": [
        node("ArgMax", "x", "m", axis=2, keepdims=0),
        *(node("ReduceMax", "m one", "l", keepdims=0), node("Cast", "l", "w", to=7)),
        node("ReverseSequence", "x w", "y", batch_axis=0, time_axis=1),
    ],
    "an affine map with a row for each image": [
        *(node("Flatten", "x", "f"), node("Gemm", "f table", "g"), node("Gemm", "f table g", "y"))
    ],
}
MEETING = {
    "sums along the batch": [node("CumSum", "x i0", "y")],
    "images at places": [*PLACE, node("Squeeze", "place one", "p"), node("Gather", "x p", "y")],
    "the mean of images": [node("ReduceMean", "x zero", "m"), node("Add", "x m", "y")],
    "whole numbers of all images": [
        *(node("Cast", "x", "w", to=7), node("ReduceMax", "w zero", "m"), node("Less", "w m", "l")),
        node("Where", "l x x", "y"),
    ],
    "positions of images": [
        *(*PLACE, *LENGTH, node("Range", "i0 n i1", "r"), node("Unsqueeze", "r one", "u")),
        *(node("Min", "place u", "p"), node("GatherElements", "f p", "y", axis=1)),
    ],
    "numbers moved by how many images there are": [
        *(*PLACE, *LENGTH, node("Min", "place n", "p"), node("GatherElements", "f p", "y", axis=1)),
    ],
    "statistics of the batch": [node("MeanVarianceNormalization", "x", "y")],
    "products of images": [node("Flatten", "x", "f"), node("Gemm", "f f", "y", transB=1)],
    "products of images by letters": [
        node("Flatten", "x", "f"),
        node("Einsum", "f f", "y", equation="nd,md->nm"),
    ],
    "a batch for a sequence": [helper.make_node("LSTM", ["x", "lstm_w", "lstm_r"], ["y"], hidden_size=2)],
    "a batch for a sequence, by GRU": [
        helper.make_node("GRU", ["x", "gru_w", "gru_r"], ["y"], hidden_size=2)
    ],
    "a batch for a sequence, by RNN": [
        helper.make_node("RNN", ["x", "rnn_w", "rnn_r"], ["y"], hidden_size=2)
    ],
    "rows turned round, by lengths": [node("ReverseSequence", "x twos", "y")],
    "rows turned round": [node("Slice", "x last before zero last", "y")],
    "rows moved by a pad": [node("Pad", "x moved", "y")],
    "shares of one among all images": [
        node("ReduceSum", "x both", "s", keepdims=0),
        node("Softmax", "s", "y"),
    ],
    "another row for the first": [node("ScatterND", "x first_row other", "y")],
    "a table of images": [
        *(node("ReduceSum", "x both", "s", keepdims=0), node("Unsqueeze", "s one", "u")),
        node("Add", "s u", "y"),
    ],
    "one scale for all images": [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale_of_all", "z"]),
        node("Cast", "q", "y", to=1),
    ],
    "places in the batch": [
        helper.make_node("MaxPool", ["x"], ["p", "places"], kernel_shape=[2]),
        node("Cast", "places", "y", to=1),
    ],
}
# of three images at a time, with three channels
MEETING_BY_THREE = {
    "channels for images": [node("Transpose", "x", "y", perm=[1, 0, 2])],
    "another constant for each": [node("Add", "x by_three", "y")],
    "a product across images": [node("MatMul", "m33 f", "y")],
}


def graph(nodes: Sequence[onnx.NodeProto], batch: int | str = "N") -> onnx.ModelProto:
    return cut(model_of(nodes, {"x": [batch, 3, 5]}, ["y"], WEIGHTS, opset=18), ["y"])


@pytest.mark.parametrize("case", APART)
def test_images_that_are_apart(case: str) -> None:
    assert keeps_images_apart(graph(APART[case]))


@pytest.mark.parametrize("case", MEETING)
def test_images_that_meet(case: str) -> None:
    assert not keeps_images_apart(graph(MEETING[case]))


@pytest.mark.parametrize("case", MEETING_BY_THREE)
def test_images_that_meet_in_a_batch_of_three(case: str) -> None:
    nodes = [node("Flatten", "x", "f"), *MEETING_BY_THREE[case]]
    assert not keeps_images_apart(graph(nodes, 3))


@pytest.mark.parametrize("case", APART)
def test_images_that_are_apart_three_at_a_time(case: str) -> None:
    assert keeps_images_apart(graph(APART[case], 3))


@pytest.mark.parametrize(
    ("case", "tensor", "holds"),
    [
        ("images as rows", "x", True),
        ("values at places", "place", True),
        ("rows by a shape", "k", False),
        ("rows by a shape", "s", False),
    ],
)
def test_what_holds_a_row_for_each_image(case: str, tensor: str, holds: bool) -> None:
    assert hold_rows(graph(APART[case]), [tensor]) == holds
