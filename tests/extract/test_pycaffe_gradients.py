"""Gradients by the pycaffe engine without Caffe: the stand-in of test_pycaffe runs networks of its layers.

tests/caffe/ has the tests with real Caffe.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from extract import Model, ModelError, load_model
from extract.attribution import METHODS
from extract.gradients import Differentiator, gradients
from extract.targets import targets_of
from tests.extract.test_pycaffe import modules  # noqa: F401  (a fixture)

# Add is a layer that no importer knows: only the stand-in has it.
PROTOTXT = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 2 } } }
layer { name: "one" type: "Add" bottom: "x" top: "y" amount: 1 }
layer { name: "two" type: "Add" bottom: "y" top: "y" amount: 10 }
"""
X = np.arange(30, dtype=np.float32).reshape(5, 3, 2)[:, :, ::-1]
FIRST = np.array([[0, 0], [1, 0], [0, 0]])


@pytest.fixture(autouse=True)
def _stand_in(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("PYTHONPATH", str(modules), prepend=os.pathsep)
    monkeypatch.setenv("CNNVIS_CAFFE_PYTHON", sys.executable)


def model_of(folder: Path, text: str = PROTOTXT) -> Model:
    path = folder / "net.prototxt"
    path.write_text(text, encoding="utf-8")
    return load_model(path, engine="pycaffe")


@pytest.mark.parametrize(
    ("target", "gradient"),
    [
        ("two:1,0", FIRST),
        ("two:1@max", FIRST),
        ("top", [[0, 0], [0, 0], [1, 0]]),
        (("blob:y", 1), [[0, 0], [0.5, 0.5], [0, 0]]),
        # one tensor lies on the way to the other
        ([(2, "two:1,0"), (-3, "one:0"), (1, "two:1,0")], [[-1.5, -1.5], [3, 0], [0, 0]]),
    ],
)
def test_each_image_has_its_gradient(tmp_path: Path, target: object, gradient: object) -> None:
    """Five images in pieces of two, which the network fixes, so that one is filled up."""
    model = model_of(tmp_path)
    for reduce in (None, "sum"):
        found = gradients(model, X, target, ["x"], reduce=reduce)["x"]  # type: ignore[arg-type]
        np.testing.assert_array_equal(found, np.tile(np.array(gradient), (5, 1, 1)))
        assert found.dtype == np.float32


def test_layers_and_blobs_on_the_way(tmp_path: Path) -> None:
    wrt = ["x", "one", "two", "blob:y", "y@one"]
    found = gradients(model_of(tmp_path), X[:2], [(1, "two:1,0"), (1, "one:1,0")], wrt)
    factors = {"x": 2, "one": 2, "two": 1, "blob:y": 1, "y@one": 2}
    for name, factor in factors.items():
        np.testing.assert_array_equal(found[name], factor * np.tile(FIRST, (2, 1, 1)), err_msg=name)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("NoReturn", "Caffe stopped on the way back through layer 'one': it ended with status 4"),
        ("Refuse", "Caffe on the way back through layer 'one': not in this direction"),
    ],
)
def test_the_layer_that_has_no_gradient_is_named(tmp_path: Path, kind: str, message: str) -> None:
    model = model_of(tmp_path, PROTOTXT.replace('"Add" bottom: "x"', f'"{kind}" bottom: "x"'))
    with pytest.raises(ModelError, match=rf"net\.prototxt: {message}$"):
        gradients(model, X, "two:0", ["x"])
    # nothing of it is needed here
    assert gradients(model, X, "two:0", ["one"])["one"].shape == X.shape


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("two:3", r"'two:3': index 3 is beyond axis 1, of size 3"),
        ("two:0,0,0", "takes one number for a channel, or 2 for an element"),
        ("one:0", "the target does not depend on 'two'"),
    ],
)
def test_wrong_targets(tmp_path: Path, target: str, message: str) -> None:
    with pytest.raises(ModelError, match=rf"net\.prototxt: .*{message}"):
        gradients(model_of(tmp_path), X, target, ["x", "two"])


def test_what_needs_a_graph(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    with pytest.raises(ModelError, match=r"net\.prototxt: Caffe goes back .* needs the onnxruntime engine$"):
        METHODS["deconvnet"](model, "two:0", ["x"])
    with pytest.raises(ModelError, match=r"net\.prototxt: Caffe computes these gradients without a graph"):
        _ = Differentiator(model, targets_of(model, "two:0"), ["x"]).graph
