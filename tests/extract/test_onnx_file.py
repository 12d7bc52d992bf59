"""Model files: what is read, what is refused, and what reading costs."""

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

from extract import ModelError, activations, load_model
from tests.extract.nets import CONV1, NINE, model_of, save, toy
from tests.helpers import require


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
    # once, and what a session takes by itself; parsed, and rearranged by onnxruntime, they would take 4
    assert int(done.stdout) < 2 * sum(weight.nbytes for weight in weights.values())


@pytest.mark.parametrize("target", ["../store/blob", "store/other.onnx", "other.onnx"])
def test_a_link_to_a_model_is_that_model(tmp_path, target):
    place = tmp_path / "use"
    place.mkdir()
    weights = {"w": np.arange(4000, dtype=np.float32).reshape(4, 1000)}
    proto = model_of([helper.make_node("MatMul", ["x", "w"], ["y"], "n")], {"x": ["N", 4]}, ["y"], weights)
    real = place / target
    real.parent.mkdir(exist_ok=True)
    onnx.save(proto, real, format="protobuf")
    (place / "net.onnx").symlink_to(target)
    model = load_model(place / "net.onnx")
    np.testing.assert_array_equal(activations(model, np.eye(4)[[2]], ["n"])["n"], weights["w"][[2]])
    np.testing.assert_array_equal(model.value("w"), weights["w"])
    assert model.source.files == (place / "net.onnx",)


@pytest.mark.parametrize("suffix", ["json", "onnxtxt", "onnxtext", "pbtxt", "textproto", "txtpb"])
@pytest.mark.filterwarnings("ignore:The onnxtxt format is experimental")
def test_text_forms_of_onnx(tmp_path, suffix):
    path = tmp_path / f"net.{suffix}"
    onnx.save(toy(), path)
    np.testing.assert_array_equal(activations(load_model(path), NINE, ["conv1"])["conv1"], CONV1)


def test_a_file_that_shrinks_after_loading_is_an_error(tmp_path):
    weights = {"w": np.ones((3, 999), np.float32)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "n")]
    path = save(model_of(nodes, {"x": ["N", 3]}, ["y"], weights), tmp_path)
    model = load_model(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"net\.onnx: .*no longer holds weight 'w'"):
        model.value("w")
    path.unlink()
    with pytest.raises(ModelError, match=r"net\.onnx: .*no longer holds weight 'w'"):
        model.value("w")


def test_a_name_that_is_no_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.onnx")
    weights = {"w": np.ones((3, 999), np.float32)}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "n")]
    onnx.save(model_of(nodes, {"x": ["N", 3]}, ["y"], weights), path)
    assert activations(load_model(path), np.ones((1, 3)), ["n"])["n"].sum() == 3 * 999
