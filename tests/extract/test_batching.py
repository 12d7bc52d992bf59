"""Batches of images, and which axis runs over them."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from extract import load_model
from extract.batching import batch_axes, fixed_batch, in_batches, input_of_images
from tests.extract.nets import model_of, save


def node(operator: str, inputs: str, output: str, **attributes: object):
    return helper.make_node(operator, inputs.split(), [output], output, **attributes)


@pytest.fixture
def model(tmp_path):
    nodes = [
        node("Conv", "x k", "c"),
        node("Squeeze", "c zero", "squeezed"),
        node("Transpose", "c", "last", perm=[2, 3, 1, 0]),
        node("ReduceMean", "c", "mean", axes=[0], keepdims=0),
        node("Reshape", "c flat", "rows"),
        node("Reshape", "c all", "mixed"),
        node("Add", "b one", "other"),
    ]
    weights = {
        "k": np.ones((4, 1, 2, 2), np.float32),
        "zero": np.array([0]),
        "flat": np.array([0, -1]),
        "all": np.array([-1]),
        "one": np.ones(1, np.float32),
    }
    inputs = {"x": ["N", 1, 5, 7], "b": [3, 2]}
    return load_model(save(model_of(nodes, inputs, ["c"], weights), tmp_path))


def test_the_batch_axis_is_the_one_that_grows_with_the_batch(model):
    axes = batch_axes(model, "x", (1, 1, 5, 7))
    assert {name: axes[name] for name in ("x", "c", "last", "rows")} == {"x": 0, "c": 0, "last": 3, "rows": 0}
    assert axes["mean"] is None
    assert axes["k"] is None
    assert axes["other"] is None


def test_an_axis_that_mixes_images_with_something_else_is_no_batch_axis(model):
    assert "mixed" not in batch_axes(model, "x", (1, 1, 5, 7))


def test_the_last_batch_is_filled_up_with_its_last_image() -> None:
    # what is the same for all images may be as many numbers as there are images
    feeds = {"x": np.arange(5), "same": np.arange(10, 15), "scalar": np.array(9)}
    (first, whole), (last, filled) = in_batches(feeds, 5, 3, ["x"])
    assert (first, last) == (slice(0, 3), slice(3, 5))
    assert [batch["x"].tolist() for batch in (whole, filled)] == [[0, 1, 2], [3, 4, 4]]
    assert all(batch["same"] is feeds["same"] and batch["scalar"] == 9 for batch in (whole, filled))


def test_images_come_first(model):
    x, b = np.ones((2, 1, 5, 7)), np.ones((3, 2))
    found = [input_of_images(model, model.inputs, fed).name for fed in ({"x": x, "b": b}, {"b": b, "x": x})]
    assert found == ["x", "b"]
    assert [fixed_batch(value) for value in model.inputs] == [None, 3]
