"""ONNX files that stand for themselves: onnxruntime alone computes the same with them."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from extract import ModelError, activations, load_model
from extract.to_onnx import save_onnx
from tests.extract.nets import CONV1, NINE, model_of, save, toy


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
