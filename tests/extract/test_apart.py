"""Whether the images of a batch meet in a graph, and which tensors hold a row for each."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from extract.apart import hold_rows, keeps_images_apart
from extract.graph import cut
from tests.extract.nets import model_of


def node(operator: str, inputs: str, output: str, **attributes: object):
    return helper.make_node(operator, inputs.split(), [output], output, **attributes)


# x is N x 3 x 5
LENGTH = [node("Shape", "x", "s"), node("Gather", "s i0", "n", axis=0)]
VIEW = [*LENGTH, node("Unsqueeze", "n zero", "first"), node("Concat", "first rest", "k", axis=0)]
PLACE = [node("Flatten", "x", "f"), node("ArgMax", "f", "place", axis=1)]
WEIGHTS = {
    **{"i0": np.array(0), "i1": np.array(1), "zero": np.array([0]), "one": np.array([1])},
    **{"rest": np.array([-1]), "table": np.ones((15, 2), np.float32)},
}

APART = {
    "images as rows": [node("Flatten", "x", "y")],
    "rows by a shape": [*VIEW, node("Reshape", "x k", "y")],
    "a number for each image, of a table": [*PLACE, node("GatherND", "table place", "y")],
    "values at places": [*PLACE, node("GatherElements", "f place", "y", axis=1)],
    "a part by a shape": [node("Slice", "x zero one one", "y")],
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
}


def graph(nodes):
    return cut(model_of(nodes, {"x": ["N", 3, 5]}, ["y"], WEIGHTS, opset=18), ["y"])


@pytest.mark.parametrize("case", APART)
def test_images_that_are_apart(case: str) -> None:
    assert keeps_images_apart(graph(APART[case]))


@pytest.mark.parametrize("case", MEETING)
def test_images_that_meet(case: str) -> None:
    assert not keeps_images_apart(graph(MEETING[case]))


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
