"""Warnings of layers that work in place where that spoils blobs in Caffe, against what Caffe's blobs hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from extract.caffe.aliasing import aliased
from extract.caffe.net import Net
from extract.caffe.prototxt import read_net
from tests.caffe.cases import Case, layer
from tests.caffe.cases.aliasing import APART, CASES
from tests.caffe.harness import difference, differences, feeds, load, put_case, run
from tests.caffe.make_goldens import read_golden


def _net(case: Case, folder: Path) -> Net:
    put_case(folder, "net", case)
    return read_net(folder / "net.prototxt")


@pytest.mark.parametrize("name", CASES)
def test_it_warns_where_caffe_spoils_blobs_and_only_there(name: str, tmp_path: Path) -> None:
    messages = aliased(_net(CASES[name], tmp_path))
    golden = read_golden(f"aliasing-{name}", tmp_path)
    model = load(tmp_path / "net.prototxt", golden)
    lines = differences(run(model, feeds(model, golden)), golden.blobs)
    spoiled = {line.partition(":")[0] for line in lines}
    assert spoiled == set(CASES[name].skip)
    assert bool(messages) == bool(spoiled)


@pytest.mark.parametrize("name", APART)
def test_our_values_are_those_that_caffe_has_where_nothing_works_in_place(name: str, tmp_path: Path) -> None:
    golden = read_golden(f"aliasing-{name}-apart", tmp_path)
    put_case(tmp_path, "net", CASES[name])
    model = load(tmp_path / "net.prototxt", golden)
    ours = run(model, feeds(model, golden))
    lines = {
        blob: difference(value, golden.blobs[APART[name].get(blob, blob)]) for blob, value in ours.items()
    }
    assert lines == dict.fromkeys(ours)


def test_messages_name_the_layer_and_all_that_it_spoils(tmp_path: Path) -> None:
    (shared,) = aliased(_net(CASES["split"], tmp_path))
    assert shared == (
        "layer 'relu' (ReLU) works in place on 'a': in Caffe that also changes what shares its memory, "
        "'b' before layer 'exp' reads it and 'x'; here it does not"
    )
    (lost,) = aliased(_net(CASES["sum"], tmp_path))
    assert lost == (
        "layer 'sum' (Eltwise) works in place on 'x': Caffe overwrites it before it has read it; "
        "here it is read first"
    )


def test_an_identical_permutation_of_ssd_shares_memory_too(tmp_path: Path) -> None:
    relu = layer("ReLU", "", "y", "y", "relu")
    orders = {"order: 0 order: 1": True, "order: 0 order: 2": False}
    for order, shares in orders.items():
        permute = layer("Permute", f"permute_param {{ {order} }}", "data", "y", "permute")
        assert bool(aliased(_net(Case(permute + relu), tmp_path))) == shares
