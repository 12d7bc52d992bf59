"""Parameters: which inputs of which operators they are, and what names lead to them."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from cnnvis.weights import command, find_parameters
from extract import UnknownNameError, load_model
from tests.extract.nets import model_of, save, toy

SCALE, ZERO = np.float32(0.5), np.uint8(3)
BYTES = np.arange(6, dtype=np.int8).reshape(2, 3)


def roles(tmp_path, node, weights, domain="") -> dict[str, str]:
    proto = model_of([node], {"x": [1, 2]}, [node.output[0]], weights)
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return dict(load_model(save(proto, tmp_path)).layers["it"].named_parameters)


QUANTIZED = {
    "QLinearConv": (["x", "s", "z", "w", "s", "z", "s", "z", "b"], {"weight": "w", "bias": "b"}),
    "QLinearMatMul": (["x", "s", "z", "w", "s", "z", "s", "z"], {"weight": "w"}),
    "ConvInteger": (["x", "w", "z", "z"], {"weight": "w"}),
    "MatMulInteger": (["w", "x", "z", "z"], {"weight": "w"}),
    "com.microsoft.QGemm": (["x", "s", "z", "w", "s", "z", "b", "s", "z"], {"weight": "w", "bias": "b"}),
    "com.microsoft.QLinearConcat": (["s", "z", "x", "s", "z"], {}),
}


@pytest.mark.parametrize("operator", QUANTIZED)
def test_quantized_operators(tmp_path, operator):
    inputs, expected = QUANTIZED[operator]
    domain, _, kind = operator.rpartition(".")
    weights = {"s": SCALE, "z": ZERO, "w": BYTES, "b": np.array([1, 2], np.int32)}
    assert roles(tmp_path, helper.make_node(kind, inputs, ["y"], "it", domain=domain), weights) == expected


def test_values_of_quantized_weights_are_as_stored(tmp_path):
    node = helper.make_node("MatMulInteger", ["x", "w"], ["y"], "it")
    proto = model_of([node], {"x": [1, 2]}, ["y"], {"w": BYTES}, kind=TensorProto.INT8)
    value = load_model(save(proto, tmp_path)).value("it.weight")
    assert value.dtype == np.int8
    np.testing.assert_array_equal(value, BYTES)


FLOATS = {name: np.ones(2, np.float32) for name in "abcd"}
ORDINARY = {
    "Mul": (["a", "x"], {"weight": "a"}),
    "Add": (["x", "a"], {"weight": "a"}),
    "Gemm": (["a", "x", "b"], {"weight": "a", "bias": "b"}),
    "BatchNormalization": (
        ["x", "a", "b", "c", "d"],
        {"weight": "a", "bias": "b", "param2": "c", "param3": "d"},
    ),
    "LSTM": (["x", "a", "b", "c"], {"weight": "a", "bias": "c", "param2": "b"}),
}


@pytest.mark.parametrize("operator", ORDINARY)
def test_ordinary_operators(tmp_path, operator):
    inputs, expected = ORDINARY[operator]
    assert roles(tmp_path, helper.make_node(operator, inputs, ["y"], "it"), FLOATS) == expected


def test_a_bias_is_not_called_weight_where_the_weight_is_computed(tmp_path):
    proto = model_of(
        [helper.make_node("Conv", ["x", "kernel", "b"], ["y"], "it")],
        {"x": [1, 1, 5, 7], "kernel": [1, 1, 2, 3]},
        ["y"],
        {"b": np.array([4], np.float32)},
    )
    model = load_model(save(proto, tmp_path))
    assert model.parameters == {"it.bias": "b"}
    with pytest.raises(UnknownNameError):
        model.tensor("it.weight")
    assert find_parameters(model, ("it.bias",)) == ["it.bias"]


def shape_of_two_nodes():
    return [
        helper.make_node("Constant", [], ["two"], value_ints=[2]),
        helper.make_node("Concat", ["two", "rest"], ["shape"], axis=0),
    ], {"rest": np.array([-1])}


def shape_by_cast():
    whole = numpy_helper.from_array(np.array([2.0, -1.0], np.float32), "sizes")
    return [
        helper.make_node("Constant", [], ["sizes"], value=whole),
        helper.make_node("Cast", ["sizes"], ["cast"], to=TensorProto.INT64),
        helper.make_node("Identity", ["cast"], ["shape"]),
    ], {}


def shape_of_a_weight():
    return [helper.make_node("Shape", ["w"], ["shape"])], {"w": np.ones((2, 2), np.float32)}


@pytest.mark.parametrize("made", [shape_of_two_nodes, shape_by_cast, shape_of_a_weight])
def test_computed_shapes_are_no_parameters(tmp_path, made):
    nodes, weights = made()
    reshape = helper.make_node("Reshape", ["x", "shape"], ["y"], "it")
    model = load_model(save(model_of([*nodes, reshape], {"x": [1, 4]}, ["y"], weights), tmp_path))
    assert "shape" in model.constants
    assert model.parameters == {}


def clash():
    """Return the toy net with fc's weight stored as ``conv1.weight``."""
    proto = toy()
    proto.graph.initializer[2].name = proto.graph.node[3].input[1] = "conv1.weight"
    return proto


def test_a_layers_parameter_wins_over_a_tensor_of_its_name(tmp_path):
    model = load_model(save(clash(), tmp_path))
    assert model.parameter("conv1.weight") == ("conv1", "weight", "conv1_w")
    assert model.tensor("conv1.weight") == "conv1_w"
    assert model.value("conv1.weight").shape == (2, 1, 2, 2)
    assert model.parameter("tensor:conv1.weight") == (None, "conv1.weight", "conv1.weight")
    assert model.value("tensor:conv1.weight").shape == (2, 8)
    assert model.parameter("fc_b") == (None, "fc_b", "fc_b")


def test_exported_facts_say_the_tensor_that_was_exported(tmp_path):
    from converters import read

    path = save(clash(), tmp_path)
    arguments = [str(path), "--layer", "conv1.weight", "-o", str(tmp_path / "out"), "--quiet"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (file,) = (tmp_path / "out").glob("*.nrrd")
    volume = read(file)
    assert (volume.facts["layer"], volume.facts["quantity"], volume.facts["tensor"]) == (
        "conv1",
        "weight",
        "conv1_w",
    )
    assert sorted(volume.data.ravel()) == [-1, 0, 0, 1, 1, 1, 1, 1]
