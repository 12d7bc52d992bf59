"""Ordering methods, each against what it must find."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.decomposition import PCA

import order
from converters import Volume
from order.maps import Maps, comparable
from order.methods.clusters import kmeans
from order.methods.spectral import fiedler_vector, spectral
from tests.order.maps import either_way, path_length, random_maps, travelling

# settings that those methods need or that suit small maps
SETTINGS = {
    "pca-row": {"row": 2},
    "kmeans": {"row": 2, "k": 5},
    "list": {"numbers": [2, 0, 1, *range(3, 23)]},
    "importance": {"scores": [*range(23)]},
}
BY_LIKENESS = [name for name, method in order.METHODS.items() if method.by_likeness]


def by(method, volumes, **settings):
    return order.by(method, volumes, **SETTINGS.get(method, {}), **settings)


@pytest.mark.parametrize("method", ["smooth", "hierarchical"])
def test_a_travelling_bump_is_followed(method):
    volume, way = travelling()
    assert either_way(by(method, volume).permutation) == either_way(way)


def test_one_large_map_leaves_the_others_in_order():
    volume, way = travelling()
    # beside it, all that happens among the others is less than a millionth
    large = np.full((1, *volume.data.shape[1:]), 1e6, np.float32)
    large[0, 0, 0] = 2e6
    found = order.by("smooth", Volume(np.concatenate([volume.data, large])), distance="euclidean").permutation
    assert either_way(found[found != 23]) == either_way(way)


def test_spectral_orders_a_robinson_matrix():
    # the theorem of Atkins, Boman and Hendrickson: the Fiedler vector of a Robinson matrix is monotone
    way = np.random.default_rng(0).permutation(30)
    lags = np.abs(np.subtract.outer(way, way))
    found = way[np.argsort(fiedler_vector(np.sqrt(lags)))]
    assert either_way(found) == list(range(30))


def two_bumps(seed=0):
    """Maps of two bumps, each in its own half, shuffled; the numbers of those along the ways of both."""
    volumes, ways = zip(*(travelling(count, seed=seed + count) for count in (17, 12)), strict=True)
    left, right = (volume.data for volume in volumes)
    left, right = np.pad(left, ((0, 0), (0, 0), (0, 11))), np.pad(right, ((0, 0), (0, 0), (11, 0)))
    shuffled = np.random.default_rng(seed).permutation(29)
    places = np.argsort(shuffled)
    return (
        Volume(np.concatenate([left, right])[shuffled]),
        places[ways[0]].tolist(),
        places[17 + np.array(ways[1])].tolist(),
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_spectral_orders_groups_without_likeness_one_by_one(seed):
    volume, left, right = two_bumps(seed)
    found = by("spectral", volume, distance="cosine").permutation
    first, second = (left, right) if found[0] in left else (right, left)
    assert either_way(found[: len(first)]) == either_way(first)
    assert either_way(found[len(first) :]) == either_way(second)


def test_tsne_does_not_mix_groups_without_likeness():
    volume, left, _ = two_bumps()
    found = by("tsne-1d", volume, distance="cosine").permutation
    assert len([1 for a, b in itertools.pairwise(np.isin(found, left)) if a != b]) == 1


def test_groups_inside_groups():
    # 6 and 7 have nothing in common with the others, of which 0 to 2 and 3 to 5 have little
    d = np.full((8, 8), 4.0)
    d[:6, :6] = 2
    for group in (slice(0, 3), slice(3, 6), slice(6, 8)):
        d[group, group] = 1
    d[0, 2] = d[2, 0] = d[3, 4] = d[4, 3] = 1.5
    np.fill_diagonal(d, 0)
    numbers = np.random.default_rng(0).permutation(8)
    found = spectral(Maps([], np.arange(8), "cosine", d[np.ix_(numbers, numbers)]))
    flat = numbers[found].tolist()
    assert {6, 7} in (set(flat[:2]), set(flat[-2:]))
    rest = [number for number in flat if number < 6]
    assert {frozenset(rest[:3]), frozenset(rest[3:])} == {frozenset({0, 1, 2}), frozenset({3, 4, 5})}
    # the unlike ones stand at both ends
    assert {rest[1], rest[4]} == {1, 5}


def test_tsne_keeps_neighbours_together():
    volume, way = travelling(count=40)
    found = np.argsort(way)[by("tsne-1d", volume).permutation]
    # of 39 steps from map to map, a random order makes ones of 13 on average
    assert np.abs(np.diff(found)).mean() < 3


@pytest.mark.parametrize("method", BY_LIKENESS)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_maps(method, count):
    settings = {"row": 2, "k": 1} if method == "kmeans" else SETTINGS.get(method, {})
    assert sorted(order.by(method, random_maps(count), **settings).permutation) == list(range(count))


@pytest.mark.parametrize("method", BY_LIKENESS)
def test_dead_maps_stand_apart_at_the_end(method):
    data = random_maps(23).data.copy()
    data[[3, 8, 20]] = np.array([0, 0.3, -1e6])[:, np.newaxis, np.newaxis]
    data[11, 2, 3] = np.nan
    for distance in order.DISTANCES:
        if method in ("kmeans", "tsne-1d") and distance != "correlation":
            continue
        ordering = by(method, Volume(data), distance=distance)
        assert ordering.permutation[-4:].tolist() == [3, 8, 11, 20]
        assert np.isfinite(list(ordering.criteria.values())).all()
    assert by(method, Volume(np.zeros((23, 5, 7)))).permutation.tolist() == list(range(23))


@pytest.mark.parametrize("method", BY_LIKENESS)
def test_frames_of_a_4d_volume(method):
    volume = random_maps(23, shape=(3, 5, 7))
    ordering = by(method, volume)
    np.testing.assert_array_equal(ordering.apply(volume).data, volume.data[ordering.permutation])
    assert ordering.permutation.tolist() != list(range(23))


def test_pca_like_scikit_learn():
    volume = random_maps(23, shape=(5, 11))
    for method, points in (("pca-map", volume.data.reshape(23, -1)), ("pca-row", volume.data[:, 2])):
        projected = PCA(1, svd_solver="full").fit_transform(points.astype(np.float64))[:, 0]
        assert either_way(by(method, volume).permutation) == either_way(np.argsort(projected))


def test_kmeans_finds_groups_and_orders_them():
    source = np.random.default_rng(0)
    levels = source.permutation(np.repeat(np.arange(6), 5))
    rows = levels[:, np.newaxis] + 0.01 * source.standard_normal((30, 7))
    # only row 3 tells the groups apart
    data = source.standard_normal((30, 5, 7))
    data[:, 3] = rows
    ordering = order.by("kmeans", Volume(data), k=6, row=3)
    found = levels[ordering.permutation]
    assert either_way(found[::5]) == list(range(6))
    assert ordering.clusters == (5,) * 6


def test_nested_kmeans_and_its_clusters():
    volume = random_maps(40, shape=(5, 9))
    ordering = order.by("kmeans", volume, k=(4, 3), row=1)
    outer = order.by("kmeans", volume, k=4, row=1)
    assert len(ordering.clusters) <= 12
    assert sum(ordering.clusters) == 40
    # each of the four clusters keeps its maps together
    sets = [frozenset(part) for part in np.split(outer.permutation, np.cumsum(outer.clusters)[:-1])]
    home = [next(i for i, part in enumerate(sets) if n in part) for n in ordering.permutation]
    assert len([1 for a, b in itertools.pairwise(home) if a != b]) == 3


def test_kmeans_with_fewer_different_rows_than_clusters():
    data = np.zeros((6, 4, 5))
    data[:3, 1], data[:, 0] = 1, np.random.default_rng(0).random((6, 5))
    ordering = order.by("kmeans", Volume(data), k=4, row=1)
    assert sorted(ordering.clusters) == [3, 3]


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("kmeans", {"k": 24, "row": 0}, "k is 24 for 23 maps"),
        ("kmeans", {"k": 0}, "k takes whole numbers from 1 on, not 0"),
        ("kmeans", {"k": (2, "x")}, "k takes whole numbers"),
        ("kmeans", {"row": 5, "k": 2}, "row takes a whole number from 0 to 4 for these maps, not 5"),
        ("pca-row", {"row": 15}, "row takes a whole number from 0 to 4 for these maps, not 15"),
        ("pca-row", {"row": 1.0}, "row takes a whole number"),
        ("hierarchical", {"linkage": "median"}, "linkage is one of average, complete, single, ward"),
        ("tsne-1d", {"perplexity": 0}, "perplexity is positive and finite, not 0"),
        ("list", {"numbers": [0, 1]}, "a list for 23 maps holds the numbers 0 to 22, each once"),
        ("list", {"numbers": [0.5] * 23}, "holds the numbers 0 to 22"),
        ("importance", {"scores": [1, 2]}, "scores for 23 maps are as many finite numbers"),
        ("importance", {"scores": [np.nan] * 23}, "finite numbers"),
        ("importance", {"scores": "abc"}, "scores for 23 maps are as many finite numbers"),
        ("importance", {"scores": ["1"] * 23}, "scores for 23 maps are as many finite numbers"),
        ("importance", {"scores": [10**400] * 23}, "scores for 23 maps are as many finite numbers"),
        ("importance", {"scores": None}, "scores for 23 maps are as many finite numbers"),
        ("list", {"numbers": 5}, "a list for 23 maps holds the numbers 0 to 22, each once"),
        ("list", {"numbers": None}, "a list for 23 maps holds the numbers 0 to 22, each once"),
        ("list", {"numbers": [False, True, *range(2, 23)]}, "holds the numbers 0 to 22"),
        ("kmeans", {"k": 2.0}, "k takes whole numbers from 1 on, not 2.0"),
        ("kmeans", {"k": True}, "k takes whole numbers from 1 on, not True"),
        ("kmeans", {"k": "5"}, "k takes whole numbers from 1 on, not '5'"),
        ("kmeans", {"k": ()}, "k takes whole numbers from 1 on"),
        ("kmeans", {"row": True, "k": 2}, "row takes a whole number from 0 to 4 for these maps, not True"),
        ("tsne-1d", {"perplexity": "a"}, "perplexity is positive and finite, not 'a'"),
        ("tsne-1d", {"perplexity": np.inf}, "perplexity is positive and finite, not inf"),
        ("smooth", {"seed": -1}, "seed takes a whole number from 0 to 4294967295, not -1"),
        ("smooth", {"seed": 1 << 32}, "seed takes a whole number from 0 to 4294967295, not 4294967296"),
        ("smooth", {"seed": True}, "seed takes a whole number from 0 to 4294967295, not True"),
        ("smooth", {"distance": "far"}, "unknown distance 'far'"),
    ],
)
def test_settings_out_of_range(method, settings, message):
    with pytest.raises(order.OrderError, match=message):
        order.by(method, random_maps(23), **settings)


def test_a_perplexity_is_looked_at_for_few_maps_too():
    with pytest.raises(order.OrderError, match="perplexity is positive and finite, not 0"):
        order.by("tsne-1d", random_maps(2), perplexity=0)


def test_maps_that_show_nothing_rank_last():
    data = np.abs(random_maps(9).data)
    data[1], data[2], data[4, 2, 3], data[7, 0, 0] = 0, 1e6, np.nan, np.inf
    for method in ("mean", "sparsity"):
        assert order.by(method, Volume(data)).permutation[-4:].tolist() == [1, 2, 4, 7]
    # what is constant for one image only is ranked; what is not finite for one is not
    other = random_maps(9, seed=1).data
    for method in ("mean", "sparsity"):
        found = order.by(method, [Volume(data), Volume(other)]).permutation.tolist()
        assert found[-2:] == [4, 7]
        assert (found[0] == 2) == (method == "mean")


def test_lists_scores_and_ties():
    volume = random_maps(4)
    assert order.by("list", volume, numbers=[2, 0, 3, 1]).permutation.tolist() == [2, 0, 3, 1]
    assert order.by("importance", volume, scores=[1, 3, 3, 2]).permutation.tolist() == [1, 2, 3, 0]
    # arrays, as one computes them, are settings that JSON holds
    ordering = order.by("importance", volume, scores=np.array([1, 3, 3, 2], np.float32))
    assert json.loads(json.dumps(ordering.parameters)) == {"scores": [1, 3, 3, 2]}
    assert order.by("smooth", volume, seed=np.int64(2)).parameters == {"seed": 2}
    numbers = [*np.array([2, 0, 3, 1])]
    assert json.loads(json.dumps(order.by("list", volume, numbers=numbers).parameters)) == {
        "numbers": numbers
    }


def test_rows_and_clusters_that_suit_small_maps():
    volume = random_maps(5, shape=(9, 4))
    for method in ("pca-row", "kmeans"):
        middle = order.by(method, volume, row=4)
        np.testing.assert_array_equal(order.by(method, volume).permutation, middle.permutation)
    assert order.by("kmeans", volume).clusters == (1,) * 5
    tall = random_maps(5, shape=(16, 4))
    by_row = order.by("pca-row", tall, row=15)
    np.testing.assert_array_equal(order.by("pca-row", tall).permutation, by_row.permutation)


def test_leaf_order_beats_its_tree():
    volume = random_maps(30, seed=4)
    ordering = by("hierarchical", volume)
    maps = comparable([volume], "correlation")[0]
    tree = linkage(squareform(maps.distances), "average")
    assert ordering.criteria["path length"] < path_length(maps.distances, leaves_list(tree))
    assert by("hierarchical", volume, linkage="ward").permutation.tolist() != ordering.permutation.tolist()


def test_groups_of_no_maps():
    assert kmeans(Maps([random_maps(3)], np.array([], np.intp), "correlation"), k=1, row=0) == []
