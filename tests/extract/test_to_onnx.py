"""ONNX files that stand for themselves: onnxruntime alone computes the same with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from converters.errors import CnnVisWarning
from extract import ModelError, activations, load_model, onnx_output
from extract.to_onnx import save_onnx
from tests.extract.nets import CONV1, NINE, model_of, save, toy
from tests.helpers import require


def run(path, feeds, outputs=None):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(outputs, feeds)


def test_a_copy_computes_the_same_and_keeps_names(tmp_path):
    model = load_model(save(toy(), tmp_path))
    (path,) = save_onnx(model, tmp_path / "copy.onnx")
    np.testing.assert_array_equal(run(path, {"x": NINE})[0], activations(model, NINE, ["fc"])["fc"])
    copy = load_model(path)
    assert list(copy.layers) == list(model.layers)
    np.testing.assert_array_equal(activations(copy, NINE, ["conv1"])["conv1"], CONV1)
    assert onnx.load(path).metadata_props[0].key == "sha256 of net.onnx"


def test_weights_from_elsewhere_lie_inside(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    weights = {"w": np.arange(3000, dtype=np.float32).reshape(3, 1000)}
    proto = model_of([helper.make_node("MatMul", ["x", "w"], ["y"], "n")], {"x": ["N", 3]}, ["y"], weights)
    onnx.save(proto, folder / "net.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    (path,) = save_onnx(load_model(folder / "net.onnx"), tmp_path / "alone.onnx")
    (folder / "w.bin").unlink()
    x = np.array([[1, 10, 100]], np.float32)
    np.testing.assert_array_equal(run(path, {"x": x})[0], x @ weights["w"])


def test_what_is_constant_is_computed_and_what_is_unused_goes(tmp_path):
    proto = model_of(
        [
            helper.make_node("Mul", ["a", "b"], ["ab"], "constant"),
            helper.make_node("Add", ["x", "ab"], ["y"], "n"),
        ],
        {"x": ["N", 3]},
        ["y"],
        {"a": np.float32([1, 2, 3]), "b": np.float32([2, 2, 2]), "unused": np.zeros(9, np.float32)},
    )
    (path,) = save_onnx(load_model(save(proto, tmp_path)), tmp_path / "tidy.onnx")
    graph = onnx.load(path).graph
    assert [node.op_type for node in graph.node] == ["Add"]
    assert [tensor.name for tensor in graph.initializer] == ["ab"]
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(graph.initializer[0]), [2, 4, 6])


def test_all_tensors_have_their_shapes(tmp_path):
    (path,) = save_onnx(load_model(save(toy(), tmp_path)), tmp_path / "copy.onnx")
    graph = onnx.load(path).graph
    shapes = {
        v.name: [d.dim_value or d.dim_param for d in v.type.tensor_type.shape.dim] for v in graph.value_info
    }
    assert shapes["c"] == ["N", 2, 2, 2]
    assert [d.dim_value for d in graph.output[0].type.tensor_type.shape.dim][1] == 2


def test_what_the_checker_refuses_is_not_written(tmp_path):
    proto = toy()
    proto.graph.node[1].attribute.append(helper.make_attribute("nope", 1))
    model = load_model(save(proto, tmp_path))
    with pytest.raises(ModelError, match=r"net\.onnx: ONNX's checker refuses it: .*nope"):
        save_onnx(model, tmp_path / "copy.onnx")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.onnx"]


WIDE = np.arange(4 * 2000, dtype=np.float32).reshape(4, 2000) / 1000
FOUR = np.array([[1, -2, 3, -4], [0.5, 2, -1, 8]], np.float32)


def wide(weights=WIDE, nodes=(), **more):
    """Return y = x w, with a weight that does not stay in the graph when it is read."""
    product = helper.make_node("MatMul", ["x", "w"], ["y"], "n")
    return model_of(
        [*nodes, product], {"x": ["N", 4]}, ["y"], {} if weights is None else {"w": weights}, **more
    )


def branch(name, factor, operator):
    nodes = [
        helper.make_node("MatMul", ["x", "inner_w"], [f"{name}_product"]),
        helper.make_node(operator[1], [f"{name}_product"], [name], domain=operator[0]),
    ]
    output = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2000])
    return helper.make_graph(nodes, name, [], [output], [numpy_helper.from_array(WIDE * factor, "inner_w")])


def branches(operator=("", "Relu")):
    """Return x times one weight or another, by the sign of the sum of x, then an operator."""
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], "sum", keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"], "greater"),
        helper.make_node(
            *("If", ["positive"], ["y"], "if"),
            then_branch=branch("yes", 1, operator),
            else_branch=branch("no", 2, operator),
        ),
    ]
    return model_of(nodes, {"x": ["N", 4]}, ["y"], {"zero": np.float32(0)})


def save_apart(proto, folder, name="net.onnx"):
    """Write a model whose weights all lie in another file, those inside branches too."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    return path


@pytest.mark.parametrize("limit", [onnx_output.LARGEST, 0])
def test_weights_inside_branches_are_kept(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(onnx_output, "LARGEST", limit)
    source = save_apart(branches(), tmp_path / "source")
    path, *others = save_onnx(load_model(source), tmp_path / "alone.onnx")
    assert [other.name for other in others] == ([] if limit else ["alone.onnx.data"])
    (source.parent / "w.bin").unlink()
    for x, factor in ((FOUR[1:], 1), (-FOUR[1:], 2)):
        np.testing.assert_array_equal(run(path, {"x": x})[0], np.maximum(x @ (WIDE * factor), 0))


def test_operator_sets_that_only_branches_use_are_kept(tmp_path):
    proto = branches(("com.microsoft", "Gelu"))
    proto.opset_import.add(domain="com.microsoft", version=1)
    proto.opset_import.add(domain="nobody.uses", version=1)
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2000]))
    source = save(proto, tmp_path)
    (path,) = save_onnx(load_model(source), tmp_path / "copy.onnx")
    assert [entry.domain for entry in onnx.load(path).opset_import] == ["", "com.microsoft"]
    np.testing.assert_array_equal(run(path, {"x": FOUR})[0], run(source, {"x": FOUR})[0])


def test_an_operator_set_may_go_by_its_long_name(tmp_path):
    proto = toy()
    proto.opset_import[0].domain = "ai.onnx"
    (path,) = save_onnx(load_model(save(proto, tmp_path)), tmp_path / "copy.onnx")
    assert run(path, {"x": NINE})[0].shape == (1, 2)


@pytest.mark.parametrize("indices", [[1, 7], [[0, 1], [3, 1]]])
def test_sparse_weights_become_dense(tmp_path, indices):
    proto = wide(None)
    sparse = proto.graph.sparse_initializer.add(dims=[4, 2])
    sparse.values.CopyFrom(numpy_helper.from_array(np.float32([5, -6]), "w"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.int64(indices), "w_indices"))
    dense = np.float32([[0, 5], [0, 0], [0, 0], [0, -6]])
    model = load_model(save(proto, tmp_path))
    np.testing.assert_array_equal(model.value("w"), dense)
    (path,) = save_onnx(model, tmp_path / "copy.onnx")
    np.testing.assert_array_equal(run(path, {"x": FOUR})[0], FOUR @ dense)
    (weight,) = onnx.load(path).graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(weight), dense)


@pytest.mark.parametrize("indices", [[0, 8], [-1, 3], [[0, 0], [4, 0]], [0, 1, 2]])
def test_sparse_weights_with_wrong_places_are_one_line(tmp_path, indices):
    proto = wide(None)
    sparse = proto.graph.sparse_initializer.add(dims=[4, 2])
    sparse.values.CopyFrom(numpy_helper.from_array(np.float32([5, -6]), "w"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.int64(indices), "w_indices"))
    with pytest.raises(ModelError, match="sparse weight 'w' cannot be read"):
        load_model(save(proto, tmp_path)).value("w")


def sequences(index):
    """Return x + w, with w out of a sequence; by an index that is constant, or one that is an input."""
    nodes = [
        helper.make_node("SequenceConstruct", ["a", "b"], ["s"], "sequence"),
        helper.make_node("SequenceAt", ["s", "i"], ["w"], "at"),
        helper.make_node("Add", ["x", "w"], ["y"], "n"),
    ]
    weights = {"a": np.float32([1, 2, 3]), "b": np.float32([10, 20, 30])}
    proto = model_of(
        nodes, {"x": ["N", 3]}, ["y"], weights if index is None else weights | {"i": np.int64(index)}
    )
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3]))
    if index is None:
        proto.graph.input.append(helper.make_tensor_value_info("i", TensorProto.INT64, []))
    return proto


@pytest.mark.parametrize("index", [1, None])
def test_a_constant_sequence_keeps_the_nodes_that_make_it(tmp_path, index):
    model = load_model(save(sequences(index), tmp_path))
    (path,) = save_onnx(model, tmp_path / "copy.onnx")
    x = np.ones((2, 3), np.float32)
    feeds = {"x": x} if index is not None else {"x": x, "i": np.array(1)}
    np.testing.assert_array_equal(run(path, feeds)[0], x + np.float32([10, 20, 30]))
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds == (["Add"] if index is not None else ["SequenceConstruct", "SequenceAt", "Add"])


def test_a_sequence_has_no_value(tmp_path):
    model = load_model(save(sequences(None), tmp_path))
    with pytest.raises(ModelError, match=r"net\.onnx: 's' is no tensor: onnxruntime gives a list for it"):
        model.value("s")


@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4])
def test_values_that_share_bytes_are_read_from_other_files(tmp_path, kind):
    numbers = np.arange(8000).reshape(4, 2000) % 8
    packed = numpy_helper.from_array(
        numpy_helper.to_array(helper.make_tensor("q", kind, [4, 2000], numbers.ravel())), "q"
    )
    unpack = helper.make_node("DequantizeLinear", ["q", "scale"], ["w"], "unpack")
    proto = wide(None, [unpack], opset=21)
    proto.ir_version = 10
    proto.graph.initializer.extend([packed, numpy_helper.from_array(np.float32(0.5), "scale")])
    source = save_apart(proto, tmp_path / "source")
    assert (source.parent / "w.bin").stat().st_size < 8000
    model = load_model(source)
    np.testing.assert_array_equal(model.value("q").astype(int), numbers)
    (path,) = save_onnx(model, tmp_path / "alone.onnx")
    np.testing.assert_array_equal(
        run(path, {"x": FOUR})[0], FOUR @ (np.float32(0.5) * numbers.astype(np.float32))
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.uint16, np.bool_, np.float16])
def test_weights_of_all_types_are_written(tmp_path, dtype):
    weights = (np.arange(8000).reshape(4, 2000) % 100).astype(dtype)
    cast = helper.make_node("Cast", ["w8"], ["w"], "cast", to=TensorProto.FLOAT)
    # the product with x keeps the weight as it is from being folded away
    pick = helper.make_node("Gather", ["stored", "rows"], ["w8"], "pick", axis=0)
    proto = wide(None, [pick, cast])
    proto.graph.input.append(helper.make_tensor_value_info("rows", TensorProto.INT64, [4]))
    proto.graph.initializer.append(numpy_helper.from_array(weights, "stored"))
    (path,) = save_onnx(load_model(save(proto, tmp_path)), tmp_path / "copy.onnx")
    feeds = {"x": FOUR, "rows": np.arange(4)}
    np.testing.assert_allclose(run(path, feeds)[0], FOUR @ weights.astype(np.float32), rtol=1e-6)


def test_weights_too_large_for_one_file_lie_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_output, "LARGEST", 20_000)
    nodes = [helper.make_node("Add", ["y", "b"], ["z"], "bias")]
    proto = model_of(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "n"), *nodes],
        {"x": ["N", 4]},
        ["z"],
        {"w": WIDE, "b": np.ones(2000, np.float32)},
    )
    model = load_model(save(proto, tmp_path))
    paths = save_onnx(model, tmp_path / "large.onnx")
    assert [path.name for path in paths] == ["large.onnx", "large.onnx.data"]
    assert paths[0].stat().st_size < 2000
    np.testing.assert_array_equal(run(paths[0], {"x": FOUR})[0], FOUR @ WIDE + 1)
    onnx.checker.check_model(paths[0], full_check=True)
    stored = onnx.load(paths[0], load_external_data=False).graph.initializer
    places = [{entry.key: entry.value for entry in tensor.external_data} for tensor in stored]
    assert {place["location"] for place in places} == {"large.onnx.data"}
    assert all(int(place["offset"]) % 4096 == 0 for place in places)
    other = paths[0].rename(tmp_path / "other.onnx")
    with pytest.raises(ModelError, match=r"large\.onnx\.data: is a file of the network that is read"):
        save_onnx(load_model(other), tmp_path / "large.onnx")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["large.onnx.data", "net.onnx", "other.onnx"]


MEASURE = """
import re, sys
import numpy, onnx.checker, onnx.shape_inference, onnxruntime
from pathlib import Path
from extract import load_model
from extract.to_onnx import save_onnx
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
before = peak()
save_onnx(load_model(sys.argv[1]), Path(sys.argv[2]))
print(peak() - before)
"""


def test_one_weight_at_a_time_is_in_memory(tmp_path):
    require(Path("/proc/self/status").exists(), "Linux's /proc, for a process's peak memory")
    weights = {f"w{i}": np.full((2048, 2048), i, np.float32) for i in range(6)}
    nodes = [helper.make_node("MatMul", [f"y{i}", f"w{i}"], [f"y{i + 1}"], f"fc{i}") for i in range(6)]
    source = save(model_of(nodes, {"y0": [1, 2048]}, ["y6"], weights), tmp_path)
    copy = tmp_path / "copy.onnx"
    try:
        words = [sys.executable, "-c", MEASURE, str(source), str(copy)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert copy.stat().st_size > sum(weight.nbytes for weight in weights.values())
    finally:
        source.unlink()
        copy.unlink(missing_ok=True)
    # one, and what the graph and the checker take; the whole model would be six
    assert int(done.stdout) < 3 * weights["w0"].nbytes


def test_the_networks_own_files_are_not_replaced(tmp_path):
    source = save_apart(wide(), tmp_path / "source")
    model = load_model(source)
    data = source.parent / "w.onnx"
    linked = tmp_path / "linked.onnx"
    linked.symlink_to(source)
    before = {file.name: file.read_bytes() for file in source.parent.iterdir()}
    for target in (source, linked, Path(os.path.relpath(source))):
        with pytest.raises(
            ModelError, match=r"\.onnx: is a file of the network that is read; write to another one$"
        ):
            save_onnx(model, target)
    data.hardlink_to(source.parent / "w.bin")
    with pytest.raises(ModelError, match=r"w\.onnx: is a file of the network"):
        save_onnx(model, data)
    data.unlink()
    assert {file.name: file.read_bytes() for file in source.parent.iterdir()} == before
    np.testing.assert_array_equal(activations(load_model(source), FOUR, ["n"])["n"], FOUR @ WIDE)


@pytest.mark.parametrize("name", ["net.json", "net.onnxtxt", "net.pbtxt", "net.prototxt", "net"])
def test_other_suffixes_are_refused(tmp_path, name):
    model = load_model(save(wide(), tmp_path, "source.onnx"))
    with pytest.raises(
        ModelError, match=rf"{name}: an ONNX file is written in its binary form, under a name"
    ):
        save_onnx(model, tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["source.onnx"]


def test_a_folder_is_no_file_to_write(tmp_path):
    (tmp_path / "out.onnx").mkdir()
    with pytest.raises(ModelError, match=r"out\.onnx: is a folder; the ONNX file needs a name of its own$"):
        save_onnx(load_model(save(wide(), tmp_path)), tmp_path / "out.onnx")


def test_constants_and_inputs_may_be_outputs(tmp_path):
    nodes = [
        helper.make_node("Relu", ["x"], ["y"], "n"),
        helper.make_node("Mul", ["a", "a"], ["k"], "square"),
    ]
    proto = model_of(nodes, {"x": ["N", 3]}, ["y", "k", "a", "x"], {"a": np.float32([1, 2, 3])})
    (path,) = save_onnx(load_model(save(proto, tmp_path)), tmp_path / "copy.onnx")
    x = np.float32([[-1, 0, 5]])
    values = run(path, {"x": x})
    for value, expected in zip(values, (np.maximum(x, 0), [1, 4, 9], [1, 2, 3], x), strict=True):
        np.testing.assert_array_equal(value, expected)
    copy = load_model(path)
    np.testing.assert_array_equal(copy.value("k"), [1, 4, 9])
    assert [node.name for node in copy.proto.graph.node] == ["square", "a", "n"]


def test_a_network_of_constants_alone_can_be_read_again(tmp_path):
    proto = model_of(
        [helper.make_node("Mul", ["a", "a"], ["k"], "square")], {}, ["k"], {"a": np.float32([1, 2])}
    )
    (path,) = save_onnx(load_model(save(proto, tmp_path)), tmp_path / "copy.onnx")
    model = load_model(path)
    np.testing.assert_array_equal(model.value("tensor:k"), [1, 4])
    assert list(model.layers) == ["square"]


def test_an_output_of_unknown_shape_is_named(tmp_path):
    fused = helper.make_node(
        "FusedConv", ["x", "w"], ["y"], "fused", domain="com.microsoft", kernel_shape=[2, 2]
    )
    proto = model_of([fused], {"x": ["N", 1, 3, 3]}, ["y"], {"w": np.ones((2, 1, 2, 2), np.float32)})
    proto.opset_import.add(domain="com.microsoft", version=1)
    model = load_model(save(proto, tmp_path))
    with pytest.raises(
        ModelError, match=r"net\.onnx: the shape of output 'y' is not known: neither does the"
    ):
        save_onnx(model, tmp_path / "copy.onnx")
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2, 2, 2]))
    (path,) = save_onnx(load_model(save(proto, tmp_path)), tmp_path / "copy.onnx")
    assert run(path, {"x": NINE})[0].shape == (1, 2, 2, 2)


def test_what_the_model_says_of_shapes_that_nobody_can_infer_is_kept(tmp_path):
    fused = helper.make_node(
        "FusedConv", ["x", "w"], ["c"], "fused", domain="com.microsoft", kernel_shape=[2, 2]
    )
    relu = helper.make_node("Relu", ["c"], ["y"], "relu")
    proto = model_of([fused, relu], {"x": ["N", 1, 3, 3]}, ["y"], {"w": np.ones((2, 1, 2, 2), np.float32)})
    proto.opset_import.add(domain="com.microsoft", version=1)
    proto.graph.value_info.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, ["N", 2, 2, 2]))
    (path,) = save_onnx(load_model(save(proto, tmp_path)), tmp_path / "copy.onnx")
    assert load_model(path).shapes()["y"] == (None, 2, 2, 2)


def test_no_two_nodes_share_a_name_and_layers_keep_theirs(tmp_path):
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], "same"),
        helper.make_node("Neg", ["a"], ["b"], "same"),
        helper.make_node("Abs", ["b"], ["c"]),
        helper.make_node("Neg", ["c"], ["y"], "b"),
    ]
    model = load_model(save(model_of(nodes, {"x": ["N", 3]}, ["y"], {}), tmp_path))
    assert list(model.layers) == ["a", "b:Neg", "c", "b"]
    (path,) = save_onnx(model, tmp_path / "copy.onnx")
    assert [node.name for node in onnx.load(path).graph.node] == ["a", "b:Neg", "c", "b"]
    assert list(load_model(path).layers) == list(model.layers)


def test_inputs_that_no_output_needs_are_told(tmp_path):
    proto = wide()
    proto.graph.input.append(helper.make_tensor_value_info("spare", TensorProto.FLOAT, ["N", 3]))
    with pytest.warns(
        CnnVisWarning, match=r"net\.onnx: left out, as no output needs them: inputs spare$"
    ) as told:
        (path,) = save_onnx(load_model(save(proto, tmp_path)), tmp_path / "copy.onnx")
    assert told[0].filename == __file__
    assert [value.name for value in onnx.load(path).graph.input] == ["x"]


def test_a_file_that_is_gone_is_one_line_and_leaves_nothing(tmp_path):
    source = save_apart(wide(), tmp_path / "source")
    model = load_model(source)
    (source.parent / "w.bin").unlink()
    with pytest.raises(ModelError, match=r"w\.bin no longer holds weight 'w'"):
        save_onnx(model, tmp_path / "copy.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["source"]
