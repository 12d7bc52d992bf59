"""Distances between maps, against scipy and plain definitions."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from converters import Volume
from order import OrderError, distances
from tests.order.maps import random_maps

DATA = random_maps(9, seed=1, shape=(5, 11)).data


@pytest.mark.parametrize("name", ["correlation", "cosine", "euclidean"])
def test_like_scipy(name, monkeypatch):
    flat = DATA.reshape(9, -1).astype(np.float64)
    np.testing.assert_allclose(distances.find(name)(DATA), cdist(flat, flat, name), atol=1e-7)
    # the same in pieces of 4 values
    monkeypatch.setattr(distances, "_PIECE", 4 * 9)
    np.testing.assert_allclose(distances.find(name)(DATA), cdist(flat, flat, name), atol=1e-7)


def test_absolute_correlation_knows_no_sign():
    both = np.concatenate([DATA, -2 * DATA])
    found = distances.absolute_correlation(both)
    np.testing.assert_allclose(np.diag(found, 9), 0, atol=1e-12)
    np.testing.assert_allclose(found[:9, :9], 1 - np.abs(np.corrcoef(DATA.reshape(9, -1))), atol=1e-12)


@pytest.mark.parametrize("move", [(0, 2), (1, -1), (-1, 0), (1, 2)])
def test_shifted_maps_are_alike(move):
    wide = np.random.default_rng(0).standard_normal((9, 13))
    one = wide[2:7, 2:11]
    other = wide[2 + move[0] : 7 + move[0], 2 + move[1] : 11 + move[1]]
    found = distances.shift(np.array([one, 3 * other + 1], np.float32))
    assert found[0, 1] == pytest.approx(0, abs=1e-6)
    assert distances.correlation(np.array([one, other], np.float32))[0, 1] > 0.5


def test_shift_by_definition():
    maps = random_maps(4, seed=2, shape=(5, 9)).data
    height, width = maps.shape[1:]
    best = np.full((4, 4), -1.0)
    for y in range(-1, 2):
        for x in range(-2, 3):
            for i in range(4):
                for j in range(4):
                    a = maps[i, max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]
                    b = maps[j, max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)]
                    best[i, j] = max(best[i, j], np.corrcoef(a.ravel(), b.ravel())[0, 1])
    np.testing.assert_allclose(distances.shift(maps), 1 - best, atol=1e-6)


def test_shift_of_3d_maps_and_of_single_values():
    wide = np.random.default_rng(0).standard_normal((6, 7, 9))
    maps = np.array([wide[:5, :6, :8], wide[1:, 1:, 1:]], np.float32)
    assert distances.shift(maps)[0, 1] == pytest.approx(0, abs=1e-6)
    assert not np.isnan(distances.shift(np.ones((3, 1, 1), np.float32))).any()


@pytest.mark.parametrize("name", distances.DISTANCES)
def test_a_constant_map_is_like_none_and_never_nan(name):
    maps = DATA.copy()
    maps[4] = 0.3
    found = distances.find(name)(maps)
    assert np.isfinite(found).all()
    if name not in ("euclidean", "cosine"):
        np.testing.assert_array_equal(np.delete(found[4], 4), 1)


def test_maps_that_can_be_compared():
    data = DATA.copy()
    # 0.3 is no float32: sums over such a map are not exactly n times the value
    data[1], data[2, 0, 0], data[3, 1, 1], data[5] = 0.3, np.nan, np.inf, 0
    assert np.flatnonzero(~distances.alive([Volume(data)])).tolist() == [1, 2, 3, 5]
    # what is constant for one image may vary for another; what is not finite counts at once
    other = DATA.copy()
    other[5] = 1
    assert np.flatnonzero(~distances.alive([Volume(data), Volume(other)])).tolist() == [2, 3, 5]


def test_the_mean_over_images():
    volumes = [random_maps(6, seed=seed, shape=(3, seed + 4)) for seed in range(3)]
    chosen = np.array([4, 0, 2])
    found = distances.mean_distances(volumes, chosen, "correlation")
    each = [1 - np.corrcoef(volume.data[chosen].reshape(3, -1)) for volume in volumes]
    np.testing.assert_allclose(found, np.mean(each, axis=0), atol=1e-12)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 0)


def test_large_maps_do_not_fill_the_memory():
    maps = np.random.default_rng(0).standard_normal((8, 1 << 20), dtype=np.float32)
    tracemalloc.start()
    distances.mean_distances([Volume(maps[:, np.newaxis])], np.arange(8), "correlation")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # the chosen maps once more, and a piece of 2^22 values in float64 with what becomes of it
    assert peak < maps.nbytes + 3 * 8 * (1 << 22)


def test_unknown_distances_and_too_many_maps(monkeypatch):
    with pytest.raises(OrderError, match="unknown distance 'manhattan': choose one of correlation, absolute"):
        distances.find("manhattan")
    monkeypatch.setattr(distances, "LARGEST", 8)
    with pytest.raises(OrderError, match="9 maps are too many"):
        distances.mean_distances([Volume(DATA)], np.arange(9), "correlation")
