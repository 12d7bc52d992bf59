"""Orders: permutations that keep labels with slices."""

from __future__ import annotations

import numpy as np
import pytest

import order
from converters import Volume
from order.methods import Method

MAPS = np.array([[[0, 0], [1, 2]], [[9, 9], [9, 0]], [[0, 0], [0, 0]], [[4, 4], [4, 4]]], np.float32)


@pytest.mark.parametrize(
    ("method", "permutation"),
    [("identity", [0, 1, 2, 3]), ("mean", [1, 0, 2, 3]), ("sparsity", [1, 0, 2, 3])],
)
def test_methods(method, permutation):
    assert order.by(method, Volume(MAPS)).permutation.tolist() == permutation


def test_random_is_a_permutation_that_its_seed_repeats():
    volume = Volume(np.zeros((50, 2, 2)))
    first, again, other = (order.by("random", volume, seed=seed).permutation for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()
    assert sorted(first) == list(range(50))


def test_apply_moves_labels_and_records_the_permutation():
    volume = Volume(MAPS, spacing=(1, 2, 3), labels=("a", "b", "c", "d"), facts={"layer": "conv1"})
    ordered = order.by("mean", volume).apply(volume)
    assert ordered.labels == ("b", "a", "c", "d")
    np.testing.assert_array_equal(ordered.data[0], MAPS[1])
    facts = dict(ordered.facts["order"])
    fitted = facts.pop("fitted")
    assert fitted["images"] == 1
    assert set(fitted["criteria"]) == set(order.CRITERIA)
    assert facts == {"method": "mean", "distance": "correlation", "permutation": [1, 0, 2, 3]}
    assert ordered.facts["layer"] == "conv1"
    assert ordered.spacing == volume.spacing
    assert volume.labels == ("a", "b", "c", "d")


def test_the_inverse_brings_every_slice_back():
    ordering = order.by("random", Volume(MAPS), seed=3)
    np.testing.assert_array_equal(ordering.apply(Volume(MAPS)).data[ordering.inverse], MAPS)


def test_frames_of_a_4d_volume_are_ordered():
    frames = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(order.by("mean", Volume(frames)).apply(Volume(frames)).data, frames[::-1])


def test_a_permutation_always_starts_from_the_channels_of_the_layer():
    volume = Volume(np.arange(5 * 3 * 2, dtype=np.float32).reshape(5, 3, 2), labels=tuple("abcde"))
    once = order.by("random", volume, seed=1).apply(volume)
    twice = order.by("mean", once).apply(once)
    thrice = order.by("random", twice, seed=4).apply(twice)
    for ordered in (once, twice, thrice):
        permutation = ordered.facts["order"]["permutation"]
        np.testing.assert_array_equal(volume.data[permutation], ordered.data)
        assert tuple(volume.labels[i] for i in permutation) == ordered.labels
    assert "steps" not in once.facts["order"]
    assert thrice.facts["order"]["method"] == "random"
    assert thrice.facts["order"]["parameters"] == {"seed": 4}
    assert thrice.facts["order"]["steps"] == [
        {"method": "random", "parameters": {"seed": 1}},
        {"method": "mean"},
        {"method": "random", "parameters": {"seed": 4}},
    ]


@pytest.mark.parametrize(
    "recorded",
    [
        "mean",
        {},
        {"permutation": [0, 1]},
        {"permutation": [0, 0, 1, 2]},
        {"permutation": [[0], [1, 2]]},
        {"permutation": [0, 1, 2, 3], "steps": 3},
    ],
)
def test_a_damaged_record_of_an_earlier_order(recorded):
    volume = Volume(MAPS, facts={"order": recorded})
    with pytest.raises(order.OrderError, match="the order that the volume records is damaged"):
        order.by("mean", volume).apply(volume)


def test_a_mistake_inside_a_method_is_no_user_error(monkeypatch):
    def broken(maps):
        return len(3)

    monkeypatch.setitem(order.METHODS, "broken", Method(broken))
    with pytest.raises(TypeError, match="has no len"):
        order.by("broken", Volume(MAPS))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: order.by("beauty", Volume(MAPS)),
            "unknown ordering method 'beauty': choose one of identity",
        ),
        (
            lambda: order.by("mean", Volume(MAPS), seed=1),
            "ordering method 'mean' has no setting 'seed'; it has none",
        ),
        (lambda: order.by("pca-row", Volume(MAPS), k=1), "has no setting 'k'; it has row"),
        (lambda: order.by("list", Volume(MAPS)), "ordering method 'list' needs its setting 'numbers'"),
        (
            lambda: order.by("random", Volume(MAPS), seed=-1),
            "seed takes a whole number from 0 to 4294967295, not -1",
        ),
        (
            lambda: order.by("random", Volume(MAPS), seed="x"),
            "seed takes a whole number from 0 to 4294967295, not 'x'",
        ),
        (lambda: order.Ordering(np.array([0, 0, 1]), "given"), "holds 0 to 2, each once"),
        (lambda: order.Ordering(np.array([0.0, 1.0]), "given"), "whole numbers"),
        (
            lambda: order.Ordering(np.arange(3), "given").apply(Volume(MAPS)),
            "3 slices does not fit a volume of 4",
        ),
    ],
)
def test_bad_orders(call, message):
    with pytest.raises(order.OrderError, match=message):
        call()
