"""Caffe networks at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from converters import read
from extract import load_model
from tests.extract.caffe.nets import CONV1, FC, NINE, TOY, write_net, write_weights


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the toy network, its weights, and an input; commands run inside it."""
    monkeypatch.chdir(tmp_path)
    write_net(tmp_path)
    write_weights(tmp_path)
    np.save("nine.npy", NINE[0])
    return tmp_path


MODEL = ("deploy.prototxt", "--weights", "net.caffemodel")


def test_layers_shows_which_layers_write_which_blob(cnnvis, here):
    rows = [line.split() for line in cnnvis("layers", *MODEL).out]
    assert rows == [
        ["layer", "type", "blobs", "output", "parameters", "stride", "field"],
        ["conv1", "Convolution", "conv1", "1x2x2x2", "2x1x2x2", "2", "1x1", "2x2"],
        ["relu1", "ReLU", "conv1", "1x2x2x2", "-", "1x1", "2x2"],
        ["fc", "InnerProduct", "fc", "1x2", "2x8", "2", "-", "-"],
    ]


def test_activations_of_a_layer_and_of_its_blob(cnnvis, here):
    done = cnnvis(
        *("activations", *MODEL, "--image", "nine.npy", "--layer", "conv1", "--layer", "blob:conv1"),
        *("-o", "out"),
    )
    assert done.code == 0, done.err
    volumes = {path.split("layer-")[1]: read(path) for path in done.out if path.endswith("_act.nrrd")}
    np.testing.assert_array_equal(volumes["conv1_act.nrrd"].data, CONV1[0])
    np.testing.assert_array_equal(volumes["blob%3Aconv1_act.nrrd"].data, np.maximum(CONV1[0], 0))
    facts = volumes["conv1_act.nrrd"].facts["model"]
    assert facts["file"] == "deploy.prototxt"
    assert list(facts["weights"]) == ["net.caffemodel"]


def test_filled_parameters_are_told_in_the_side_car(cnnvis, here):
    done = cnnvis("activations", "deploy.prototxt", "--image", "nine.npy", "--layer", "conv1", "-o", "out")
    assert "no file of weights" in done.err
    (path,) = [path for path in done.out if path.endswith("_act.nrrd.json")]
    assert "conv1.weight" in json.loads(Path(path).read_text())["facts"]["model"]["filled"]


def test_filters_keep_caffes_layout(cnnvis, here):
    done = cnnvis("weights", *MODEL, "--layer", "conv1", "-o", "out")
    (path,) = [path for path in done.out if path.endswith(".nrrd")]
    np.testing.assert_array_equal(read(path).data, [[[1, 1], [1, 1]], [[1, 0], [0, -1]]])


def test_to_onnx_gives_a_file_that_stands_for_itself(cnnvis, here):
    done = cnnvis("to-onnx", *MODEL, "-o", "out/toy.onnx")
    assert done.out == ["out/toy.onnx"]
    session = onnxruntime.InferenceSession("out/toy.onnx", providers=["CPUExecutionProvider"])
    (fc,) = session.run(None, {"data": np.concatenate([NINE, NINE])})
    np.testing.assert_array_equal(fc, np.concatenate([FC, FC]))
    proto = onnx.load("out/toy.onnx")
    assert [node.name for node in proto.graph.node if "/" not in node.name] == ["conv1", "relu1", "fc"]
    assert load_model("out/toy.onnx").tensor("conv1") == "conv1@conv1"


def test_to_onnx_leaves_out_what_is_unknown_and_says_so(cnnvis, here):
    unknown = 'layer { name: "new" type: "Novelty" bottom: "conv1" top: "new" }'
    write_net(here, TOY + unknown)
    done = cnnvis("to-onnx", *MODEL, "-o", "toy.onnx")
    assert done.code == 0
    assert "left out, as they are not known here: new; outputs are fc, conv1" in done.err
    assert [value.name for value in onnx.load("toy.onnx").graph.output] == ["fc", "conv1"]


def test_to_onnx_does_not_leave_anything_to_caffe(cnnvis, here):
    done = cnnvis("to-onnx", *MODEL, "--engine", "pycaffe", "-o", "toy.onnx")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "what only Caffe knows of this network cannot become ONNX" in done.err
    assert not (here / "toy.onnx").exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("toy.json", "toy.json: an ONNX file is written in its binary form, under a name that ends in .onnx"),
        (".", "an ONNX file is written in its binary form"),
        ("deploy.prototxt", "an ONNX file is written in its binary form"),
    ],
)
def test_to_onnx_writes_onnx_files_alone(cnnvis, here, out, message):
    before = (here / "deploy.prototxt").read_bytes()
    done = cnnvis("to-onnx", *MODEL, "-o", out)
    assert done.code == 2
    assert message in done.err
    assert (here / "deploy.prototxt").read_bytes() == before


def test_to_onnx_does_not_replace_what_it_reads(cnnvis, here):
    assert cnnvis("to-onnx", *MODEL, "-o", "toy.onnx").code == 0
    before = (here / "toy.onnx").read_bytes()
    done = cnnvis("to-onnx", "toy.onnx", "-o", "./toy.onnx")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "toy.onnx: is a file of the network that is read; write to another one" in done.err
    assert (here / "toy.onnx").read_bytes() == before


def test_a_description_names_the_weights(cnnvis, here):
    (here / "toy.toml").write_text('model = "deploy.prototxt"\nweights = "net.caffemodel"\n')
    done = cnnvis("activations", "toy.toml", "--image", "nine.npy", "--layer", "fc", "-o", "out")
    (path,) = [path for path in done.out if path.endswith("_act.nrrd")]
    assert set(FC[0]) <= set(read(path).data.ravel())
