"""Phase rules against real Caffe (goldens/make_phases.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters.errors import CnnVisWarning
from extract.caffe.phase import State, is_included
from extract.caffe.prototxt import read_net
from extract.caffe.schema import message
from extract.errors import ModelError

FOLDER = Path(__file__).parent / "goldens"
GOLDEN = json.loads((FOLDER / "phases.json").read_text())


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"{case['level']}{''.join(case['stages'])}")
def test_layers_are_those_that_caffe_keeps(case: dict[str, Any]) -> None:
    net = read_net(FOLDER / "phases.prototxt", level=case["level"], stages=case["stages"])
    assert ["data", *(layer.name for layer in net.layers)] == case["layers"]


# As DIGITS writes them. Debian 11's python3-caffe 1.0.0+git20180821.99bd997-8 keeps, of this text,
# caffe.Net(path, caffe.TEST, stages=["deploy"]): in, conv1, softmax.
DIGITS = """
layer { name: "train" type: "Data" top: "data" top: "label" data_param { batch_size: 8 }
        transform_param { crop_size: 99 } include { stage: "train" } }
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: [1, 3, 99, 98] } }
        include { stage: "deploy" } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 16 kernel_size: 11 stride: 4 } }
layer { name: "softmax" type: "Softmax" bottom: "conv1" top: "softmax" include { stage: "deploy" } }
layer { name: "valonly" type: "ReLU" bottom: "conv1" top: "valonly" include { stage: "val" } }
layer { name: "notdep" type: "TanH" bottom: "conv1" top: "notdep" exclude { stage: "deploy" } }
"""


def digits(tmp_path: Path, text: str = DIGITS, **options: Any) -> tuple[list[str], tuple[int, ...]]:
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    net = read_net(path, **options)
    return [layer.name for layer in net.layers], net.inputs[0].shape


def test_network_of_digits_is_the_deployed_one(tmp_path: Path) -> None:
    with pytest.warns(CnnVisWarning, match=r"stages deploy, train, val; taken are those for deploy"):
        found = digits(tmp_path)
    assert found == (["conv1", "softmax"], (1, 3, 99, 98))


@pytest.mark.parametrize("start", ["", 'state { stage: "val" }'])
def test_stages_that_are_given_count(tmp_path: Path, start: str) -> None:
    stages = [] if start else ["val"]
    layers, _ = digits(tmp_path, start + DIGITS, stages=stages)
    assert layers == ["conv1", "valonly", "notdep"]


def test_data_of_digits_without_an_input_is_that_of_validation(tmp_path: Path) -> None:
    text = DIGITS.replace('"Input"', '"Data"').replace('name: "in"', "data_param { batch_size: 2 }")
    text = text.replace("input_param { shape { dim: [1, 3, 99, 98] } }", "transform_param { crop_size: 9 }")
    text = text.replace(
        'stage: "deploy" } }\nlayer { name: "conv1"', 'stage: "val" } }\nlayer { name: "conv1"'
    )
    with pytest.warns(CnnVisWarning, match=r"taken are those for deploy|taken as 3"):
        _, shape = digits(tmp_path, text)
    assert shape == (2, 3, 9, 9)


def test_rules_of_both_kinds_are_refused() -> None:
    layer = message("LayerParameter")
    layer.name = "both"
    layer.include.add()
    layer.exclude.add()
    with pytest.raises(ModelError, match=r"net.prototxt: layer 'both' has include and exclude rules"):
        is_included(layer, State(), Path("net.prototxt"))
