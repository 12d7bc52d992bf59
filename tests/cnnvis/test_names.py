"""File names."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from cnnvis.names import encode, file_stem


def test_entities_in_order():
    stem = file_stem("act", model="net", img="cat", layer="conv1", order=None)
    assert stem == "model-net_img-cat_layer-conv1_act"


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("conv1.relu", "conv1.relu"),
        ("conv1_1", "conv1%5F1"),
        ("/features/0/Conv", "%2Ffeatures%2F0%2FConv"),
        ("two words", "two%20words"),
        ("Straße", "Stra%C3%9Fe"),
        ("..", "%2E."),
        ("a:b*c?", "a%3Ab%2Ac%3F"),
        ("100%", "100%25"),
    ],
)
def test_other_characters_are_percent_encoded(name, encoded):
    assert encode(name) == encoded
    assert unquote(encoded) == name


def test_long_names_are_cut_and_stay_apart():
    one, two = (file_stem("act", model="m", layer="x" * 300 + end) for end in "ab")
    assert one != two
    assert len(one) <= 200
    assert one.endswith("_act")


def test_a_cut_never_splits_a_code():
    for length in range(60, 80):
        stem = file_stem("act", layer="ä" * length)
        assert "\ufffd" not in unquote(stem.partition("~")[0])
