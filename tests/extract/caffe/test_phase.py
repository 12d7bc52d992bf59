"""Phase rules against real Caffe (goldens/make_phases.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

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


def test_rules_of_both_kinds_are_refused() -> None:
    layer = message("LayerParameter")
    layer.name = "both"
    layer.include.add()
    layer.exclude.add()
    with pytest.raises(ModelError, match=r"net.prototxt: layer 'both' has include and exclude rules"):
        is_included(layer, State(), Path("net.prototxt"))
