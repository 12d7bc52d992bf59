"""Upgrades of older forms against those of real Caffe (goldens/make_upgrades.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from converters.errors import CnnVisWarning
from extract.caffe.phase import State, is_included
from extract.caffe.schema import message
from extract.caffe.upgrade import upgraded_layers
from extract.errors import ModelError

FOLDER = Path(__file__).parent / "goldens" / "upgrades"
HERE = Path("net.prototxt")


def parsed(text: str) -> Any:
    from google.protobuf import text_format

    return text_format.Parse(text, message("NetParameter"))


def golden(name: str) -> list[str]:
    """Return Caffe's layers as text; a loss gets its weight when it is set up, not by the upgrade."""
    layers = []
    for layer in parsed((FOLDER / f"{name}.upgraded").read_text()).layer:
        if list(layer.loss_weight) == [1.0]:
            layer.ClearField("loss_weight")
        if layer.type != "Input":
            layers.append(str(layer))
    return layers


def ours(net: Any) -> list[str]:
    kept = (layer for _, layer in upgraded_layers(net, HERE) if is_included(layer, State.of(net), HERE))
    return [str(layer) for layer in kept]


@pytest.mark.parametrize("name", ["v0_data", "v1", "v1_data"])
def test_layers_are_those_of_caffe(name: str) -> None:
    assert ours(parsed((FOLDER / f"{name}.prototxt").read_text())) == golden(name)


def test_field_that_a_type_of_v0_lacks_is_named_and_ignored_as_in_caffe() -> None:
    net = parsed((FOLDER / "v0.prototxt").read_text())
    with pytest.warns(CnnVisWarning, match=r"layer 'ignored' \(relu\) takes no 'kernelsize'") as caught:
        assert ours(net) == golden("v0")
    assert len(caught) == 1


def test_place_in_the_file_counts_padding_layers() -> None:
    net = parsed((FOLDER / "v0.prototxt").read_text())
    with pytest.warns(CnnVisWarning):
        found = upgraded_layers(net, HERE)
    assert [(index, layer.name) for index, layer in found[:2]] == [(1, "conv1"), (2, "relu1")]
    assert [index for index, layer in found if layer.name == "conv2"] == [8]


@pytest.mark.parametrize(
    ("given", "dilation"), [("hole: 2", [2]), ("hole_h: 3 hole_w: 2", [3, 2]), ("hole_w: 4", [1, 4])]
)
@pytest.mark.parametrize("form", ['layer { type: "Convolution"', "layers { type: CONVOLUTION"])
def test_holes_are_dilation(form: str, given: str, dilation: list[int]) -> None:
    ((_, layer),) = upgraded_layers(parsed(f"{form} convolution_param {{ {given} }} }}"), HERE)
    assert list(layer.convolution_param.dilation) == dilation


def test_types_of_v1_that_the_schema_lacks() -> None:
    net = parsed("layers { type: RELU } layers { type: NONE } layers { type: NONE }")
    found = upgraded_layers(net, HERE, {1: "ROI_POOLING", 2: "IMAGE_SEG_DATA"})
    assert [layer.type for _, layer in found] == ["ReLU", "ROIPooling", "ImageSegData"]


def test_given_message_stays_as_it_is() -> None:
    net = parsed((FOLDER / "v1_data.prototxt").read_text())
    before = net.SerializeToString()
    upgraded_layers(net, HERE)
    assert net.SerializeToString() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'layer { name: "new" } layers { name: "old" }',
            "mixes 'layer' (such as 'new') and 'layers' (such as 'old')",
        ),
        ('layer { name: "new" } layers { layer { name: "old" } }', "'layers' (such as 'old')"),
        (
            'layers { layer { name: "a" type: "Conv" } }',
            "layer 'a': 'Conv' is no type of Caffe's oldest form",
        ),
        (
            'layers { layer { name: "a" type: "relu" } } layers { name: "b" }',
            "layer 'b' has no 'layer' inside",
        ),
        (
            'layers { top: "p" bottom: "d" layer { name: "p" type: "padding" pad: 1 } }'
            'layers { bottom: "p" layer { name: "r" type: "relu" } }',
            "layer 'r' (relu) cannot read the padding layer 'p'",
        ),
        (
            'layers { top: "p" layer { name: "p" type: "padding" pad: 1 } }'
            'layers { bottom: "p" layer { name: "c" type: "conv" } }',
            "the padding layer 'p' must have one bottom and one top",
        ),
    ],
)
def test_what_caffe_refuses_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        upgraded_layers(parsed(text), HERE)
    assert str(caught.value).startswith("net.prototxt: ")
    assert message in str(caught.value)
