"""Models: what layers, names and parameters they have, and where tensors lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from extract import ImageError, ModelError, UnknownNameError, activations, load_model
from tests.extract.nets import CONV1, NINE, model_of, save, toy

LIGHT = sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx"))


def test_layers_say_type_outputs_and_parameters(tmp_path):
    model = load_model(save(toy(), tmp_path))
    assert list(model.layers) == ["conv1", "relu1", "flat", "fc"]
    conv1 = model.layers["conv1"]
    assert (conv1.operator, conv1.outputs, conv1.parameters) == ("Conv", ("c",), ("conv1_w", "conv1_b"))
    assert model.parameters["fc.bias"] == "fc_b"
    assert [(i.name, i.shape, i.channels_last) for i in model.inputs] == [("x", (None, 1, 3, 3), False)]


def test_unnamed_and_equally_named_nodes_go_by_their_output(tmp_path):
    proto = toy()
    proto.graph.node[0].name = ""
    proto.graph.node[1].name = proto.graph.node[2].name = "twin"
    assert list(load_model(save(proto, tmp_path)).layers) == ["c", "r", "f", "fc"]


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("conv1", "c"),
        ("c", "c"),
        ("tensor:c", "c"),
        ("x", "x"),
        ("conv1.weight", "conv1_w"),
        ("fc.bias", "fc_b"),
        ("fc_b", "fc_b"),
    ],
)
def test_names(tmp_path, name, tensor):
    assert load_model(save(toy(), tmp_path)).tensor(name) == tensor


def test_a_layer_wins_over_a_tensor_of_its_name(tmp_path):
    proto = toy()
    proto.graph.node[1].name = "c"
    model = load_model(save(proto, tmp_path))
    assert model.tensor("c") == "r"
    assert model.tensor("tensor:c") == "c"


def test_names_with_colons_stars_and_slashes(tmp_path):
    proto = toy()
    proto.graph.node[0].name = "tensor:a/b[*]"
    proto.graph.node[1].name = "tensor:a/bc"
    model = load_model(save(proto, tmp_path))
    assert model.find(["tensor:a/b[*]"]) == ["tensor:a/b[*]"]
    assert model.find(["tensor:a/b*"]) == ["tensor:a/b[*]", "tensor:a/bc"]


def test_a_wrong_name_gets_the_nearest(tmp_path):
    model = load_model(save(toy(), tmp_path))
    with pytest.raises(UnknownNameError, match=r"net\.onnx: no layer or tensor 'conv2'; nearest: conv1"):
        model.tensor("conv2")
    with pytest.raises(UnknownNameError, match="no layer or tensor 'zz"):
        model.find(["zz*"])
    assert issubclass(UnknownNameError, KeyError)


def test_nhwc_inputs_are_recognized_and_fed_channels_first(tmp_path):
    proto = toy()
    inner = proto.graph.node[0].input
    inner[0] = "x_nchw"
    proto.graph.node.insert(0, helper.make_node("Transpose", ["x"], ["x_nchw"], "swap", perm=[0, 3, 1, 2]))
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 3, 1]))
    # three channels of 3 x 1 pixels, as far as one can tell
    assert not load_model(save(proto, tmp_path)).inputs[0].channels_last
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "H", "W", 1]))
    model = load_model(save(proto, tmp_path))
    assert model.inputs[0].channels_last
    assert model.inputs[0].channels_first == (None, 1, None, None)
    np.testing.assert_array_equal(activations(model, NINE, ["conv1"])["conv1"], CONV1)
    as_declared = {"x": np.moveaxis(NINE, 1, -1)}
    np.testing.assert_array_equal(activations(model, as_declared, ["conv1"])["conv1"], CONV1)


def test_an_input_that_feeds_a_convolution_is_channels_first(tmp_path):
    model = load_model(save(toy(x=["N", 8, 6, 3]), tmp_path))
    assert not model.inputs[0].channels_last


def test_several_inputs(tmp_path):
    proto = model_of(
        [helper.make_node("Sub", ["a", "b"], ["d"], "sub"), helper.make_node("Neg", ["a"], ["n"], "neg")],
        {"a": [1, 2], "b": [1, 2]},
        ["d"],
        {},
    )
    model = load_model(save(proto, tmp_path))
    a, b = np.array([[3.0, 4.0]]), np.array([[1.0, 1.0]])
    np.testing.assert_array_equal(activations(model, {"a": a, "b": b}, ["sub"])["sub"], [[2, 3]])
    # neg needs one of the inputs only
    np.testing.assert_array_equal(activations(model, {"a": a}, ["neg"])["neg"], [[-3, -4]])
    np.testing.assert_array_equal(activations(model, a, ["neg"])["neg"], [[-3, -4]])
    with pytest.raises(ImageError, match=r"has 2 inputs \(a, b\)"):
        activations(model, a, ["sub"])
    with pytest.raises(ImageError, match="no value for input 'b'"):
        activations(model, {"a": a}, ["sub"])


def test_subgraphs_keep_what_they_capture(tmp_path):
    def branch(op: str) -> onnx.GraphProto:
        node = helper.make_node(op, ["c", "w"], [f"{op}_out"])
        return helper.make_graph(
            [node], op, [], [helper.make_tensor_value_info(f"{op}_out", TensorProto.FLOAT, None)]
        )

    proto = model_of(
        [
            helper.make_node("Relu", ["x"], ["c"], "relu"),
            helper.make_node("ReduceSum", ["x"], ["s"], "sum", keepdims=0),
            helper.make_node("Greater", ["s", "zero"], ["positive"], "test"),
            helper.make_node(
                "If", ["positive"], ["y"], "if", then_branch=branch("Add"), else_branch=branch("Mul")
            ),
        ],
        {"x": [3]},
        ["y"],
        {"w": np.array([10, 10, 10], np.float32), "zero": np.array(0, np.float32)},
    )
    model = load_model(save(proto, tmp_path))
    np.testing.assert_array_equal(activations(model, np.array([1, -2, 3.0]), ["if"])["if"], [11, 10, 13])
    np.testing.assert_array_equal(activations(model, np.array([1, -2, -3.0]), ["if"])["if"], [10, 0, 0])


def test_nodes_of_local_functions_are_layers(tmp_path):
    proto = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17, "lab" : 1]>
        net (float[3] x) => (float[3] y) { [one] a = lab.Block (x)  [two] y = lab.Block (a) }
        <domain: "lab", opset_import: ["" : 17]>
        Block (t) => (u) { [relu] r = Relu (t)  [minus] u = Neg (r) }
    """)
    model = load_model(save(proto, tmp_path))
    assert [layer.operator for layer in model.layers.values()] == ["Relu", "Neg", "Relu", "Neg"]
    assert len(model.layers) == 4
    np.testing.assert_array_equal(
        activations(model, np.array([1, -2, 3.0]), ["tensor:a"])["tensor:a"], [-1, 0, -3]
    )


def test_constants_made_by_nodes_are_parameters(tmp_path):
    weight = numpy_helper.from_array(np.array([[2, 0], [0, 3]], np.float32), "k")
    proto = model_of(
        [
            helper.make_node("Constant", [], ["k"], value=weight),
            helper.make_node("Neg", ["k"], ["minus"], "negated"),
            helper.make_node("MatMul", ["x", "minus"], ["y"], "fc"),
        ],
        {"x": [1, 2]},
        ["y"],
        {},
    )
    model = load_model(save(proto, tmp_path))
    assert list(model.layers) == ["fc"]
    np.testing.assert_array_equal(model.value("fc.weight"), [[-2, 0], [0, -3]])


def test_settings_are_no_parameters(tmp_path):
    proto = model_of(
        [
            helper.make_node("Clip", ["x", "low", "high"], ["c"], "relu6"),
            helper.make_node("Reshape", ["c", "shape"], ["y"], "reshape"),
        ],
        {"x": [1, 4]},
        ["y"],
        {"low": np.float32(0), "high": np.float32(6), "shape": np.array([2, 2])},
    )
    assert load_model(save(proto, tmp_path)).parameters == {}


def test_unknown_operators_matter_only_where_they_are_needed(tmp_path):
    proto = toy()
    proto.graph.node.append(helper.make_node("Warp", ["c"], ["w"], "warp", domain="my.lab"))
    proto.opset_import.append(helper.make_opsetid("my.lab", 1))
    model = load_model(save(proto, tmp_path))
    assert model.layers["warp"].operator == "my.lab.Warp"
    np.testing.assert_array_equal(activations(model, NINE, ["conv1"])["conv1"], CONV1)
    with pytest.raises(ModelError, match=r"net\.onnx: onnxruntime cannot run this: .*my\.lab:Warp"):
        activations(model, NINE, ["warp"])


def test_value_of_what_is_no_constant(tmp_path):
    with pytest.raises(ModelError, match="'conv1' is not a constant"):
        load_model(save(toy(), tmp_path)).value("conv1")


def test_shapes_with_free_and_given_sizes(tmp_path):
    model = load_model(save(toy(x=["N", 1, "H", "W"]), tmp_path))
    assert model.shapes()["c"][:2] == (None, 2)
    assert model.shapes({"x": (1, 1, 5, 7)})["c"] == (1, 2, 4, 6)
    assert model.shapes()["conv1_w"] == (2, 1, 2, 2)


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_light_graphs_list_and_extract(path):
    model = load_model(path)
    convolutions = [layer for layer in model.layers.values() if layer.operator == "Conv"]
    shapes = model.shapes()
    assert all(layer.outputs[0] in shapes for layer in model.layers.values())
    first, last = convolutions[0], convolutions[-1]
    shape = model.inputs[0].shape
    x = np.random.default_rng(5).random([size or 1 for size in shape], dtype=np.float32)
    got = activations(model, x, [first.name, last.name])
    for layer in (first, last):
        assert got[layer.name].shape == shapes[layer.outputs[0]]
    # the first convolution by numpy-based reference, its weights as the file has them
    node = model.proto.graph.node[[n.output[0] for n in model.proto.graph.node].index(first.outputs[0])]
    weights = {name: model.value(name) for name in first.parameters}
    reference = ReferenceEvaluator(
        helper.make_model(
            helper.make_graph(
                [node],
                "one",
                [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in node.input],
                [helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)],
            ),
            opset_imports=model.proto.opset_import,
        )
    )
    expected = reference.run(None, {node.input[0]: x, **weights})[0]
    np.testing.assert_allclose(got[first.name], expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_the_light_graphs_are_all_there():
    assert len(LIGHT) == 9


def test_no_layer_is_lost_to_another_of_its_name(tmp_path):
    proto = model_of(
        [
            helper.make_node("Relu", ["x"], ["b"]),
            helper.make_node("Neg", ["b"], ["n"], "b"),
            helper.make_node("Abs", ["n"], ["y"], "b:Relu"),
        ],
        {"x": [2]},
        ["y"],
        {},
    )
    model = load_model(save(proto, tmp_path))
    assert {name: layer.operator for name, layer in model.layers.items()} == {
        "b:Relu:2": "Relu",
        "b": "Neg",
        "b:Relu": "Abs",
    }
    assert model.tensor("b:Relu:2") == "b"


def test_an_input_of_unknown_type(tmp_path):
    proto = toy()
    proto.graph.input[0].type.tensor_type.elem_type = 99
    with pytest.raises(ModelError, match=r"net\.onnx: input 'x' has unknown data type 99"):
        load_model(save(proto, tmp_path))


def test_errors_of_values_and_shapes_start_with_the_path(tmp_path):
    proto = toy()
    proto.graph.node.insert(0, helper.make_node("Warp", ["conv1_w"], ["made"], "warp", domain="my.lab"))
    proto.graph.node.append(helper.make_node("Add", ["c", "made"], ["sum"], "sum"))
    proto.opset_import.append(helper.make_opsetid("my.lab", 1))
    proto.graph.input.append(helper.make_tensor_value_info("fc_b", TensorProto.FLOAT, [7, 7]))
    path = save(proto, tmp_path)
    with pytest.raises(ModelError) as caught:
        load_model(path).value("made")
    assert str(caught.value).startswith(f"{path}: onnxruntime cannot run this")
    with pytest.raises(ModelError) as caught:
        load_model(path).shapes()
    assert str(caught.value).startswith(f"{path}: the graph's shapes do not fit")


def test_inputs_of_unknown_rank_are_told_from_single_values(tmp_path):
    proto = model_of(
        [helper.make_node("Add", ["any", "one"], ["y"], "add")], {"any": None, "one": []}, ["y"], {}
    )
    model = load_model(save(proto, tmp_path))
    assert [(i.name, i.shape, i.ranked) for i in model.inputs] == [("any", (), False), ("one", (), True)]


def test_inputs_that_are_no_tensors_of_numbers_matter_only_where_they_are_fed(tmp_path):
    proto = model_of(
        [
            helper.make_node("Relu", ["x"], ["r"], "relu"),
            helper.make_node("SequenceLength", ["many"], ["l"], "length"),
            helper.make_node("Identity", ["text"], ["t"], "same"),
        ],
        {"x": [2]},
        ["r"],
        {},
    )
    proto.graph.input.append(helper.make_tensor_sequence_value_info("many", TensorProto.FLOAT, None))
    proto.graph.input.append(helper.make_tensor_value_info("text", TensorProto.STRING, [2]))
    model = load_model(save(proto, tmp_path))
    assert [i.dtype for i in model.inputs] == ["float32", "object", "object"]
    x = np.array([-1.0, 2.0])
    np.testing.assert_array_equal(activations(model, {"x": x}, ["relu"])["relu"], [0, 2])
    for layer, name in (("length", "many"), ("same", "text")):
        with pytest.raises(ModelError, match=rf"net\.onnx: input '{name}' is a .*only tensors of numbers"):
            activations(model, {name: x}, [layer])


@pytest.mark.parametrize("size", [0, -1])
def test_sizes_below_one_are_unknown(tmp_path, size):
    proto = toy()
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = size
    assert load_model(save(proto, tmp_path)).shapes()["x"] == (None, 1, 3, 3)


def test_a_small_constant_is_found_after_a_question_that_starts_too_far_away():
    from extract.geometry.constants import DEEPEST, Constants

    length = DEEPEST + 20
    nodes = [helper.make_node("Identity", [f"i{n}"], [f"i{n + 1}"]) for n in range(length)]
    constants = Constants(model_of(nodes, {}, [], {"i0": np.array([5, 7])}).graph, {}, 17)
    assert constants.value(f"i{length}") is None
    np.testing.assert_array_equal(constants.value("i30"), [5, 7])
