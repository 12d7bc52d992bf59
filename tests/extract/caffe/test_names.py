"""Whatever layers and blobs are called, the network computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from extract import Model, activations
from extract.caffe.importer import import_net
from extract.caffe.prototxt import read_net
from extract.errors import ModelError
from extract.naming import Names
from tests.caffe.cases import Case, layer
from tests.caffe.harness import Answer, load
from tests.extract.caffe.nets import write_net, write_weights

X = np.array([[1, -2, 3], [0.5, 0, -1]], np.float32)
WEIGHT = np.array([[1, 2, 3], [-4, 5, 6]], np.float32)
BIAS = np.array([0.5, -0.25], np.float32)


def _model(folder: Path, layers: str, weighted: str | None = None, data: str = "data") -> Model:
    """Return a network whose layer `weighted` has the weights above; ONNX's checker has passed its graph."""
    prototxt = write_net(folder, Case(layers, {data: X.shape}).prototxt)
    weights = None if weighted is None else write_weights(folder, {weighted: [WEIGHT, BIAS]})
    model = load(prototxt, Answer({}, {}, weights))
    onnx.checker.check_model(model.proto, full_check=True)
    names = [node.name for node in model.proto.graph.node]
    assert len(set(names)) == len(names)
    return model


def _power(name: str, top: str, scale: int = 2, bottom: str = "data") -> str:
    return layer("Power", f"power_param {{ scale: {scale} shift: 1 }}", bottom, top, name)


def _dense(top: str, text: str = "", name: str = "a") -> str:
    return layer("InnerProduct", f"inner_product_param {{ num_output: 2 {text} }}", top=top, name=name)


def test_a_name_that_is_taken_gets_marks_until_it_is_free() -> None:
    names = Names(["a", "a'", "b"])
    assert [names.fresh(name) for name in ("a", "a", "b", "c", "c")] == ["a''", "a'''", "b'", "c", "c'"]


def test_names_are_plain_where_nothing_collides(tmp_path: Path) -> None:
    layers = _dense("a") + layer("ReLU", bottom="a", top="a", name="relu") + _power("p", "y", bottom="a")
    graph = _model(tmp_path, layers).proto.graph
    made = [("a", "a@a"), ("relu", "a"), ("p/Mul0", "p/Mul0"), ("p", "y")]
    assert [(node.name, *node.output) for node in graph.node] == made
    constants = {tensor.name for tensor in graph.initializer}
    assert constants == {"a.weight", "a.bias", "p/constant0", "p/constant1"}


@pytest.mark.parametrize("top", ["a.weight", "a.bias", "a.weight'", "a", "a/Gemm0"])
def test_blobs_may_be_called_like_parameters(top: str, tmp_path: Path) -> None:
    model = _model(tmp_path, _dense(top), weighted="a")
    assert np.allclose(activations(model, X, [f"blob:{top}"])[f"blob:{top}"], X @ WEIGHT.T + BIAS)
    assert np.array_equal(model.value("a.weight"), WEIGHT)
    assert np.array_equal(model.value("a.bias"), BIAS)


@pytest.mark.parametrize("data", ["a.weight", "a.bias"])
def test_inputs_may_be_called_like_parameters(data: str, tmp_path: Path) -> None:
    text = layer("InnerProduct", "inner_product_param { num_output: 2 }", data, "top", "a")
    model = _model(tmp_path, text, weighted="a", data=data)
    assert np.allclose(activations(model, X, ["a"])["a"], X @ WEIGHT.T + BIAS)
    assert np.array_equal(model.value("a.weight"), WEIGHT)


def test_layers_may_be_called_like_parameters(tmp_path: Path) -> None:
    model = _model(tmp_path, _dense("top") + _power("a.weight", "y"), weighted="a")
    found = activations(model, X, ["a", "a.weight"])
    assert np.allclose(found["a"], X @ WEIGHT.T + BIAS)
    assert np.array_equal(found["a.weight"], 2 * X + 1)
    assert np.array_equal(model.value(f"tensor:{model.parameters['a.weight']}"), WEIGHT)


@pytest.mark.parametrize("name", ["p/Mul0", "p/constant0", "p/constant1", "p/Mul0'", "p/Add1", "p"])
def test_blobs_and_inputs_may_be_called_like_what_a_layer_makes_inside(name: str, tmp_path: Path) -> None:
    top = _model(tmp_path, _power("p", name))
    assert np.array_equal(activations(top, X, ["p"])["p"], 2 * X + 1)
    read = _model(tmp_path, _power("first", name) + _power("p", "y", 3, bottom=name))
    assert np.array_equal(activations(read, X, ["p"])["p"], 3 * (2 * X + 1) + 1)
    fed = _model(tmp_path, _power("p", "y", bottom=name), data=name)
    assert np.array_equal(activations(fed, X, ["p"])["p"], 2 * X + 1)


@pytest.mark.parametrize("other", ["p/Mul0", "p/constant0", "p/Add1", "y@p"])
def test_layers_may_be_called_like_what_a_layer_makes_inside(other: str, tmp_path: Path) -> None:
    model = _model(tmp_path, _power("p", "y") + _power(other, "y", 3, bottom="y"))
    found = activations(model, X, ["p", other, "blob:y"])
    assert np.array_equal(found["p"], 2 * X + 1)
    assert np.array_equal(found[other], 3 * (2 * X + 1) + 1)
    assert np.array_equal(found["blob:y"], found[other])


def test_blobs_may_be_called_like_other_outputs_of_a_node(tmp_path: Path) -> None:
    points = "slice_param { slice_point: 1 slice_point: 2 }"
    parts = layer("Slice", points, top="s/Split0.2 s/Split0.1 z", name="s")
    model = _model(tmp_path, _power("p", "s/Split0") + parts)
    found = activations(model, X, ["p", "blob:s/Split0.2", "blob:s/Split0.1", "blob:z"])
    assert np.array_equal(found.pop("p"), 2 * X + 1)
    assert np.array_equal(np.concatenate(list(found.values()), axis=1), X)


def test_earlier_values_may_be_called_like_other_blobs(tmp_path: Path) -> None:
    layers = _power("p", "y") + _power("q", "y", 3, bottom="y") + _power("r", "y@p", 5)
    found = activations(_model(tmp_path, layers), X, ["p", "q", "r"])
    assert np.array_equal(found["p"], 2 * X + 1)
    assert np.array_equal(found["q"], 3 * (2 * X + 1) + 1)
    assert np.array_equal(found["r"], 5 * X + 1)


def test_shared_parameters_are_found_though_a_blob_has_their_name(tmp_path: Path) -> None:
    text = '} param { name: "w" } param { name: "b" '
    model = _model(tmp_path, _dense("a.weight", text) + _dense("y", text, name="b"), weighted="a")
    assert model.parameters["a.weight"] == model.parameters["b.weight"]
    assert np.array_equal(model.value("b.weight"), WEIGHT)
    assert np.allclose(activations(model, X, ["b"])["b"], X @ WEIGHT.T + BIAS)


def test_fillers_give_the_same_whatever_the_tensor_is_called(tmp_path: Path) -> None:
    text = 'weight_filler { type: "xavier" }'
    plain, marked = (_model(tmp_path, _dense(top, text)).value("a.weight") for top in ("top", "a.weight"))
    assert plain.any()
    assert np.array_equal(plain, marked)


def test_blobs_may_have_an_empty_name(tmp_path: Path) -> None:
    layers = [
        'layer { name: "p" type: "Power" bottom: "data" top: "" power_param { scale: 2 shift: 1 } }',
        'layer { name: "q" type: "Power" bottom: "" top: "" power_param { scale: 3 shift: 1 } }',
        'layer { name: "r" type: "Power" bottom: "" top: "y" power_param { scale: 5 shift: 1 } }',
    ]
    model = _model(tmp_path, "".join(layers))
    assert [made.outputs for made in model.layers.values()] == [("@p",), ("@q",), ("y",)]
    found = activations(model, X, ["p", "q", "r", "blob:"])
    assert np.array_equal(found["p"], 2 * X + 1)
    assert np.array_equal(found["q"], 3 * found["p"] + 1)
    assert np.array_equal(found["r"], 5 * found["q"] + 1)
    assert np.array_equal(found["blob:"], found["q"])


def test_an_input_without_a_name_is_refused(tmp_path: Path) -> None:
    text = 'input: "" input_shape { dim: 1 dim: 3 } layer { name: "p" type: "Power" bottom: "" top: "y" }'
    with pytest.raises(ModelError, match="an input has no name"):
        import_net(read_net(write_net(tmp_path, text)))
