"""Models: what is loaded, what is refused, and what names mean."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from extract import ImageError, ModelError, UnknownNameError, activations, load_model
from tests.extract.nets import CONV1, NINE, model_of, save, toy
from tests.helpers import require

LIGHT = sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx"))


def newest_opset() -> int:
    """Return the newest operator set that the installed onnxruntime takes without complaint."""
    for opset in range(onnx.defs.onnx_opset_version(), 7, -1):
        try:
            onnxruntime.InferenceSession(toy(opset).SerializeToString())
        except Exception:
            continue
        return opset
    return 7


@pytest.mark.parametrize("opset", range(7, newest_opset() + 1))
def test_every_operator_set(tmp_path, opset):
    model = load_model(save(toy(opset), tmp_path))
    np.testing.assert_array_equal(activations(model, NINE, ["conv1"])["conv1"], CONV1)


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


def test_weights_listed_as_inputs(tmp_path):
    proto = toy()
    for tensor in proto.graph.initializer:
        proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    model = load_model(save(proto, tmp_path))
    assert [i.name for i in model.inputs] == ["x"]
    np.testing.assert_array_equal(activations(model, NINE, ["c"])["c"], CONV1)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("external", [False, True])
def test_half_weights_are_widened(tmp_path, dtype, external):
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    two = numpy_helper.from_array(np.array(2, dtype), "two")
    proto = model_of(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
            helper.make_node("Constant", [], ["two"], value=two),
            helper.make_node("Mul", ["c", "two"], ["m"], "mul"),
            helper.make_node("Cast", ["m"], ["y"], "out", to=TensorProto.FLOAT),
        ],
        {"x": [1, 1, 3, 3]},
        ["y"],
        {"w": np.array([[[[1, 2], [3, 4]]]], dtype)},
        kind=kind,
    )
    proto.graph.input.append(helper.make_tensor_value_info("w", kind, [1, 1, 2, 2]))
    path = tmp_path / "net.onnx"
    onnx.save(proto, path, save_as_external_data=external, location="weights.bin", size_threshold=0)
    model = load_model(path)
    got = activations(model, NINE, ["conv", "out"])
    # 1 * 0 + 2 * 1 + 3 * 3 + 4 * 4, one more to the right adds 10, one row down adds 30
    np.testing.assert_array_equal(got["conv"], [[[[27, 37], [57, 67]]]])
    np.testing.assert_array_equal(got["out"], [[[[54, 74], [114, 134]]]])
    assert model.value("conv.weight").dtype == np.float32
    np.testing.assert_array_equal(model.value("conv.weight"), [[[[1, 2], [3, 4]]]])


def test_external_weights_of_over_two_gigabytes(tmp_path):
    columns, rows = 1024, (2**31 + 2**28) // 4096
    with (tmp_path / "big.bin").open("wb") as file:
        file.seek(rows * columns * 4 - 12)
        file.write(np.array([1, 2, 3], np.float32).tobytes())
    table = TensorProto(name="table", data_type=TensorProto.FLOAT, dims=[rows, columns])
    table.data_location = TensorProto.EXTERNAL
    table.external_data.add(key="location", value="big.bin")
    proto = model_of(
        [helper.make_node("Gather", ["table", "i"], ["row"], "look")],
        {"i": ["N"]},
        ["row"],
        {},
        kind=TensorProto.INT64,
    )
    proto.graph.initializer.append(table)
    try:
        model = load_model(save(proto, tmp_path))
        row = activations(model, np.array([rows - 1]), ["look"])["look"]
        np.testing.assert_array_equal(row[0, -4:], [0, 1, 2, 3])
        assert model.value("look.weight")[-1, -1] == 3
    finally:
        (tmp_path / "big.bin").unlink()


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


def external(location: str, **entries: str) -> onnx.ModelProto:
    proto = toy()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    return proto


def negative_size() -> onnx.ModelProto:
    proto = toy()
    proto.graph.initializer[0].dims[0] = -2
    return proto


def short_weight() -> onnx.ModelProto:
    proto = toy()
    proto.graph.initializer[0].raw_data = b"abcd"
    return proto


BAD_FILES = {
    "missing": (None, "no such file"),
    "folder": ("folder", "is a folder, not a model"),
    "empty": (b"", "holds no graph of nodes"),
    "text": (b"hello, world", "not an ONNX model"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(64), "not an ONNX model"),
    "truncated": (toy().SerializeToString()[:200], "not an ONNX model, or damaged"),
    "opset 6": (toy(6).SerializeToString(), "uses operator set 6; 7 to"),
    "opset 999": (toy(999).SerializeToString(), "uses operator set 999; 7 to"),
    "outside": (external("../w.bin").SerializeToString(), "'conv1_w' lies outside the model's folder"),
    "absolute": (external("/etc/hostname").SerializeToString(), "'conv1_w' lies outside the model's folder"),
    "no weights file": (
        external("w.bin").SerializeToString(),
        "its file 'w.bin' is missing beside the model",
    ),
    "short weights file": (
        external("short.bin").SerializeToString(),
        "needs 32 bytes at 0 of 'short.bin', which has 3",
    ),
    "bad offset": (
        external("short.bin", offset="x").SerializeToString(),
        "offset and length must be whole numbers",
    ),
    "negative size": (negative_size().SerializeToString(), "'conv1_w' has a negative size"),
    "short weight": (short_weight().SerializeToString(), "holds 4 bytes where 32 belong"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files(tmp_path, case):
    content, message = BAD_FILES[case]
    (tmp_path / "short.bin").write_bytes(b"abc")
    (tmp_path.parent / "w.bin").write_bytes(bytes(64))
    path = tmp_path / "net.onnx"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_model(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert message in text
    assert "\n" not in text


def test_a_symbolic_link_does_not_lead_out_of_the_folder(tmp_path):
    outside = tmp_path / "outside.bin"
    outside.write_bytes(bytes(32))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w.bin").symlink_to(os.path.relpath(outside, folder))
    with pytest.raises(ModelError, match="lies outside the model's folder"):
        load_model(save(external("w.bin"), folder))


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


def constant_elsewhere(kind: int, sparse: bool = False) -> onnx.ModelProto:
    tensor = TensorProto(name="k", data_type=kind, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="k.bin")
    indices = numpy_helper.from_array(np.array([0]), "i")
    value = {"sparse_value": helper.make_sparse_tensor(tensor, indices, [1])} if sparse else {"value": tensor}
    return model_of(
        [
            helper.make_node("Constant", [], ["k"], "konst", **value),
            helper.make_node("Mul", ["x", "k"], ["y"]),
        ],
        {"x": [1]},
        ["y"],
        {},
        kind=kind,
    )


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16])
@pytest.mark.parametrize("sparse", [False, True])
def test_attributes_do_not_lie_in_other_files(tmp_path, monkeypatch, kind, sparse):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for folder in (tmp_path, elsewhere):
        (folder / "k.bin").write_bytes(bytes(4))
    monkeypatch.chdir(elsewhere)
    path = tmp_path / "net.onnx"
    path.write_bytes(constant_elsewhere(kind, sparse).SerializeToString())
    with pytest.raises(ModelError, match=r"net\.onnx: Constant node 'konst' keeps its attribute's values"):
        load_model(path)


def function_of(node: onnx.NodeProto) -> onnx.ModelProto:
    proto = model_of([helper.make_node("F", ["x"], ["y"], "call", domain="lab")], {"x": [1]}, ["y"], {})
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("lab", 1)]
    body = [node, helper.make_node("Mul", ["t", "k"], ["u"])]
    proto.functions.append(helper.make_function("lab", "F", ["t"], ["u"], body, opsets))
    proto.opset_import.append(opsets[1])
    return proto


def test_tensors_inside_functions_are_checked(tmp_path):
    short = TensorProto(name="k", data_type=TensorProto.FLOAT, dims=[5], raw_data=b"abcd")
    node = helper.make_node("Constant", [], ["k"], "konst", value=short)
    with pytest.raises(ModelError, match=r"net\.onnx: weight 'k' .* holds 4 bytes where 20 belong"):
        load_model(save(function_of(node), tmp_path))


def test_a_function_that_calls_itself(tmp_path):
    path = save(function_of(helper.make_node("F", ["t"], ["k"], domain="lab")), tmp_path)
    with pytest.raises(ModelError, match=r"net\.onnx: its local functions are broken .*[Cc]ycle"):
        load_model(path)


TYPED = {
    "float_data": (TensorProto.FLOAT, [1.0, 2.0]),
    "double_data": (TensorProto.DOUBLE, [1.0, 2.0]),
    "int32_data": (TensorProto.FLOAT16, [15360, 16384]),
    "int64_data": (TensorProto.INT64, [1, 2]),
    "uint64_data": (TensorProto.UINT32, [1, 2]),
    "string_data": (TensorProto.STRING, [b"a", b"b"]),
}


@pytest.mark.parametrize("field", TYPED)
@pytest.mark.parametrize(("dims", "needed"), [([3], 3), ([2**40, 2**20], 2**60), ([1], 1)])
def test_typed_fields_hold_what_the_shape_says(tmp_path, field, dims, needed):
    kind, values = TYPED[field]
    proto = toy()
    tensor = TensorProto(name="odd", data_type=kind, dims=dims)
    getattr(tensor, field).extend(values)
    proto.graph.initializer.append(tensor)
    path = save(proto, tmp_path)
    with pytest.raises(ModelError, match=rf"net\.onnx: weight 'odd' .* holds 2 values where {needed} belong"):
        load_model(path)
    proto.graph.initializer[-1].ClearField("dims")
    proto.graph.initializer[-1].dims.append(2)
    load_model(save(proto, tmp_path))


def test_four_bit_values_share_entries(tmp_path):
    proto = toy()
    proto.graph.initializer.append(helper.make_tensor("odd", TensorProto.INT4, [3], [1, -2, 3]))
    assert len(proto.graph.initializer[-1].int32_data) == 2
    load_model(save(proto, tmp_path))


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


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, np.float64])
@pytest.mark.parametrize("external", [False, True])
def test_large_weights_inside_and_outside_the_file(tmp_path, dtype, external):
    table = np.arange(5 * 700, dtype=np.float32).reshape(5, 700) % 251  # whole, so each type holds them
    proto = model_of(
        [
            helper.make_node("Cast", ["w"], ["w32"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["x", "w32"], ["a"], "first"),
            helper.make_node("Add", ["a", "beside"], ["y"], "second"),
        ],
        {"x": [1, 5]},
        ["y"],
        {"w": table.astype(dtype), "unused": np.ones(5000, np.float32)},
    )
    path = tmp_path / "net.onnx"
    beside = numpy_helper.from_array(np.arange(700, dtype=np.float32), "beside")
    proto.graph.initializer.append(beside)
    if external:
        onnx.external_data_helper.set_external_data(proto.graph.initializer[-1], "beside.bin")
    onnx.save(proto, path)
    got = activations(load_model(path), np.eye(5)[[3]], ["second"])["second"]
    np.testing.assert_array_equal(got, table[[3]] + np.arange(700))


MEASURE = """
import re, sys
import numpy, onnx.shape_inference, onnxruntime
from extract import Extractor, load_model
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
before = peak()
Extractor(load_model(sys.argv[1]), ["fc5"]).run(numpy.ones((1, 2048), numpy.float32))
print(peak() - before)
"""


def test_weights_are_not_copied_over_and_over(tmp_path):
    require(Path("/proc/self/status").exists(), "Linux's /proc, for a process's peak memory")
    weights = {f"w{i}": np.ones((2048, 2048), np.float32) for i in range(6)}
    nodes = [helper.make_node("MatMul", [f"y{i}", f"w{i}"], [f"y{i + 1}"], f"fc{i}") for i in range(6)]
    path = save(model_of(nodes, {"y0": [1, 2048]}, ["y6"], weights), tmp_path)
    try:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
        )
    finally:
        path.unlink()
    # in the model, as arrays, and as onnxruntime packs them; written and parsed once more they would take 5
    assert int(done.stdout) < 4 * sum(weight.nbytes for weight in weights.values())
