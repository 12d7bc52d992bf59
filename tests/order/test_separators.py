"""Blank slices between clusters."""

from __future__ import annotations

import numpy as np
import pytest

import order
from converters import Volume
from tests.order.maps import random_maps


def clustered(volume, sizes):
    numbers = np.random.default_rng(0).permutation(len(volume.data))
    return order.Ordering(numbers, "list", clusters=sizes).apply(volume)


def test_blank_slices_stand_between_clusters_and_no_map_is_lost():
    volume = Volume(random_maps(6).data, labels=tuple("abcdef"))
    ordered = clustered(volume, (2, 3, 1))
    separated = order.separate(ordered)
    assert len(separated.data) == 8
    assert [separated.labels[i] for i in (2, 6)] == ["", ""]
    np.testing.assert_array_equal(separated.data[[2, 6]], 0)
    assert separated.facts["order"]["blank"] == [2, 6]
    kept = [i for i in range(8) if i not in (2, 6)]
    np.testing.assert_array_equal(separated.data[kept], ordered.data)
    back = order.joined(separated)
    np.testing.assert_array_equal(back.data, ordered.data)
    assert (back.labels, dict(back.facts)) == (ordered.labels, dict(ordered.facts))
    # as often as one likes, and ordered anew
    np.testing.assert_array_equal(order.separate(separated).data, separated.data)
    again = order.by("mean", separated).apply(separated)
    np.testing.assert_array_equal(again.data, volume.data[again.facts["order"]["permutation"]])


def test_blank_slices_do_not_count_where_an_order_is_fitted():
    ordered = [clustered(random_maps(6, seed), (2, 3, 1)) for seed in (0, 1)]
    separated = [order.separate(volume) for volume in ordered]
    for volumes, others in ((separated, ordered), ((separated[0], ordered[1]), ordered)):
        found, expected = order.by("smooth", volumes), order.by("smooth", others)
        np.testing.assert_array_equal(found.permutation, expected.permutation)
        assert found.criteria == expected.criteria
    [compared] = order.compare(separated, {"smooth": {}})
    np.testing.assert_array_equal(compared.ordering.permutation, expected.permutation)
    assert compared.criteria["path length"] == expected.criteria["path length"]
    assert compared.distances.shape == (6, 6)


def test_wider_gaps_and_values_above_zero():
    separated = order.separate(clustered(Volume(random_maps(4).data + 10), (1, 3)), width=2)
    assert separated.facts["order"]["blank"] == [1, 2]
    assert separated.data[1:3].min() == separated.data[1:3].max() == separated.range[0]


def test_volumes_without_clusters_stay():
    volume = random_maps(3)
    assert order.separate(volume) is volume
    ordered = order.by("mean", volume).apply(volume)
    np.testing.assert_array_equal(order.separate(ordered).data, ordered.data)


@pytest.mark.parametrize("clusters", [[2, 2], "many", [3, 0], [1.5, 1.5]])
def test_damaged_records(clusters):
    volume = Volume(random_maps(3).data, facts={"order": {"clusters": clusters}})
    with pytest.raises(order.OrderError, match="clusters"):
        order.separate(volume)


@pytest.mark.parametrize("blank", [[9], "x", [0, 1, 2], [0.5], {"a": 1}])
def test_damaged_places_of_blank_slices(blank):
    volume = Volume(random_maps(3).data, facts={"order": {"blank": blank}})
    with pytest.raises(order.OrderError, match="blank"):
        order.joined(volume)
