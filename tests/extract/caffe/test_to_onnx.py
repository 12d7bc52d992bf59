"""Caffe networks as ONNX files: others compute the same with them, and names mean the same."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest

from converters.errors import CnnVisWarning
from extract import ModelError, activations, load_model
from extract.metadata import BLOBS, blobs_of, write_blobs
from extract.model import Model
from extract.to_onnx import save_onnx
from tests.caffe.cases import all_cases
from tests.caffe.harness import Answer, differences, feeds, load
from tests.caffe.make_goldens import golden_names, read_golden
from tests.extract.caffe.nets import NINE, TOY, write_net, write_weights

CASES = all_cases()
# A case or two of each kind that onnx's evaluator computes. It has no MaxRoiPool, reshapes wrongly in grouped
# ConvTranspose, and its LRN differs from onnxruntime's and Caffe's.
IN_REFERENCE = [
    *("activation-elu", "activation-in-place-many", "affine-scale-bias", "convolution-dilation"),
    *("elementwise-product-in-place", "inner_product-transpose", "movement-slice-points"),
    *("normalization-batch-norm", "pooling-max-rounds-up", "recurrent-lstm", "reduction-sum-axis"),
    *("shape-flatten", "sources-dummy-several", "spatial-crop"),
]


def saved(model: Model, path: Path) -> Path:
    """Write a model; inputs that are left out are looked at elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CnnVisWarning)
        (written,) = save_onnx(model, path)
    return written


def of_case(name: str, folder: Path) -> tuple[Model, Answer]:
    prototxt = folder / "deploy.prototxt"
    prototxt.write_text(CASES[name].prototxt, encoding="utf-8")
    answer = read_golden(name, folder)
    return load(prototxt, answer), answer


def computed(path: Path, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    wanted = {value.name for value in session.get_inputs()}
    return dict(zip(names, session.run(names, {n: v for n, v in given.items() if n in wanted}), strict=True))


@pytest.mark.parametrize("name", golden_names())
def test_the_file_computes_what_caffe_does_and_keeps_names(name: str, tmp_path: Path) -> None:
    model, answer = of_case(name, tmp_path)
    given = feeds(model, answer)
    path = saved(model, tmp_path / "net.onnx")

    outputs = computed(path, given)
    caffes = {tensor: answer.blobs[blob] for blob, tensor in model.source.blobs.items() if tensor in outputs}
    assert set(outputs) == set(caffes)
    skipped = {model.source.blobs[blob] for blob in CASES[name].skip}
    assert differences(outputs, caffes, skipped) == []

    copy = load_model(path)
    kept = (copy.tensors - copy.constants) | set(outputs)
    # what no output needs, and what is constant, is left out
    assert model.tensors - model.constants - {i.name for i in model.inputs} <= kept
    names = [name for name, layer in model.layers.items() if layer.outputs[0] in kept]
    names += [f"blob:{blob}" for blob, tensor in model.source.blobs.items() if tensor in kept]
    fed = {value.name: given[value.name] for value in copy.inputs}
    assert differences(activations(copy, fed, names), activations(model, given, names)) == []

    nodes = [node.name for node in onnx.load(path).graph.node]
    assert all(nodes)
    assert len(set(nodes)) == len(nodes)


@pytest.mark.parametrize("name", IN_REFERENCE)
def test_onnx_itself_computes_it(name: str, tmp_path: Path) -> None:
    model, answer = of_case(name, tmp_path)
    proto = onnx.load(saved(model, tmp_path / "net.onnx"))
    given = {value.name: answer.first[value.name] for value in proto.graph.input}
    names = [value.name for value in proto.graph.output]
    outputs = dict(zip(names, onnx.reference.ReferenceEvaluator(proto).run(None, given), strict=True))
    caffes = {tensor: answer.blobs[blob] for blob, tensor in model.source.blobs.items() if tensor in names}
    assert differences(outputs, caffes) == []


def test_a_blob_in_place_on_an_input_is_still_found(tmp_path: Path) -> None:
    relu = 'layer { name: "relu" type: "ReLU" bottom: "data" top: "data" }'
    data = TOY.split("layer {")[1]
    path = saved(load_model(write_net(tmp_path, f"layer {{{data} {relu}")), tmp_path / "net.onnx")
    model = load_model(path)
    assert model.source.blobs == {"data": "data@relu"}
    values = activations(model, -NINE, ["blob:data", "tensor:data"])
    np.testing.assert_array_equal(values["blob:data"], np.zeros_like(NINE))
    np.testing.assert_array_equal(values["tensor:data"], -NINE)


def test_blobs_of_tensors_that_are_gone_are_not_there() -> None:
    proto = onnx.ModelProto()
    proto.graph.node.add(output=["a@r", ""])
    write_blobs(proto, {"a": "a@r", "same": "same", "gone": "gone@r"})
    assert blobs_of(proto) == {"a": "a@r"}
    del proto.graph.node[:]
    assert blobs_of(proto) == {}


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}', '{"a": ["x"]}', "[" * 100_000])
def test_blobs_that_make_no_sense_are_none(text: str) -> None:
    proto = onnx.ModelProto()
    proto.graph.node.add(output=["x"])
    proto.metadata_props.add(key=BLOBS, value=text)
    assert blobs_of(proto) == {}


def test_inputs_that_nothing_needs_are_left_out_and_told(tmp_path: Path) -> None:
    text = 'input: "unused" input_shape { dim: 1 dim: 3 }'
    model = load_model(write_net(tmp_path, text + TOY), write_weights(tmp_path))
    with pytest.warns(
        CnnVisWarning, match=r"deploy\.prototxt: left out, as no output needs them: inputs unused"
    ):
        (path,) = save_onnx(model, tmp_path / "net.onnx")
    assert [value.name for value in onnx.load(path).graph.input] == ["data"]


def test_a_layer_named_like_a_part_of_another_keeps_its_name(tmp_path: Path) -> None:
    layers = (
        'layer { name: "p" type: "Power" bottom: "data" top: "t" power_param { scale: 2 shift: 3 } }'
        'layer { name: "p/Mul0" type: "Power" bottom: "t" top: "u" power_param { scale: 5 } }'
    )
    data = TOY.split("layer {")[1]
    model = load_model(write_net(tmp_path, f"layer {{{data} {layers}"))
    path = saved(model, tmp_path / "net.onnx")
    nodes = [node.name for node in onnx.load(path).graph.node]
    assert len(set(nodes)) == len(nodes)
    found = activations(load_model(path), NINE, ["p", "p/Mul0"])
    np.testing.assert_array_equal(found["p"], 2 * NINE + 3)
    np.testing.assert_array_equal(found["p/Mul0"], 5 * (2 * NINE + 3))


def test_what_only_caffe_knows_cannot_become_onnx(tmp_path: Path) -> None:
    model = load_model(write_net(tmp_path), write_weights(tmp_path), engine="pycaffe")
    with pytest.raises(ModelError, match="what only Caffe knows of this network cannot become ONNX"):
        save_onnx(model, tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ('name: "s" type: "Silence" bottom: "data"', "nothing is there: it has no outputs"),
        ('name: "s" type: "Novelty" bottom: "data" top: "s"', "nothing is left without s"),
    ],
)
def test_a_network_without_outputs(tmp_path: Path, layer: str, message: str) -> None:
    data = TOY.split("layer {")[1]
    model = load_model(write_net(tmp_path, f"layer {{{data} layer {{ {layer} }}"))
    with pytest.raises(ModelError, match=message):
        save_onnx(model, tmp_path / "net.onnx")
