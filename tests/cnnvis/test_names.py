"""File names."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from cnnvis.names import clashing, encode, file_stem


def test_entities_in_order():
    stem = file_stem("act", model="net", img="cat", layer="conv1", order=None)
    assert stem == "model-net_img-cat_layer-conv1_act"


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("conv1.relu", "conv1.relu"),
        ("conv1_1", "conv1_1"),
        ("a_img-b", "a%5Fimg-b"),
        ("1+1", "1%2B1"),
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


@pytest.mark.parametrize("letter", ["ä", "層", "🐈", "_", "x"])
def test_a_cut_never_splits_a_code(letter):
    for prefix in range(12):
        name = "a" * prefix + letter * 200
        stem = file_stem("act", layer=name)
        head, _, tail = stem.partition("~")
        assert f"layer-{name}".startswith(unquote(head, errors="strict"))
        assert re.fullmatch(r"[0-9a-f]{8}_act", tail)
        # no room for one more code, of at most 12 characters
        assert 200 - 12 < len(stem) <= 200


def test_a_long_quantity_is_cut_as_well():
    one, two = (file_stem("ä_" * 130 + end, model="m" * 70, layer="conv") for end in "ab")
    assert one != two
    assert len(one) <= 200
    assert one.startswith("model-" + "m" * 70 + "_layer-conv~")
    assert unquote(one, errors="strict")


def test_the_longest_name_that_fits_is_left_whole():
    whole = file_stem("act", layer="x" * 190)
    assert whole == "layer-" + "x" * 190 + "_act"
    assert len(whole) == 200
    assert "~" in file_stem("act", layer="x" * 191)


def test_names_that_differ_in_case_alone_clash():
    names = ["conv", "Conv", "CONV", "conv1", "É", "é", "fc"]
    assert clashing(names) == {"conv", "Conv", "CONV"}
    assert clashing(["conv", "conv", "fc"]) == frozenset()
    stems = [file_stem("act", hashed=True, img="cat", layer=name) for name in ("conv", "Conv", "CONV")]
    assert len({stem.lower() for stem in stems}) == 3
    assert all(re.fullmatch(r"img-cat_layer-conv~[0-9a-f]{8}_act", stem, re.I) for stem in stems)


def test_line_breaks_stay_apart_from_blanks():
    stems = {file_stem("act", layer=name) for name in ("a b", "a\nb", "a\rb")}
    assert len(stems) == 3
    assert "layer-a%20b_act" in stems


def test_bytes_of_a_file_name_that_is_no_utf8():
    assert encode(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf%E9"
