from __future__ import annotations

import weakref
from collections.abc import Sequence

import numpy as np
import pytest

from converters import Volume
from render_presets import PresetError, Values, fit, load, values


def volume(seed, shape=(30, 40, 50)):
    return Volume(np.random.default_rng(seed).gamma(0.5, size=shape))


def test_usual_volumes_are_looked_at_whole():
    one = volume(1)
    found = Values.of([one])
    assert found.percentiles((3.0, 99.5)) == tuple(np.percentile(one.data, [3.0, 99.5]).tolist())
    assert (found.low, found.high) == (one.data.min(), one.data.max())


def test_a_series_counts_as_one():
    parts = [volume(1), volume(2), Volume(np.full((30, 40, 50), np.nan))]
    together = np.concatenate([part.data.ravel() for part in parts[:2]])
    assert Values.of(parts).percentiles((0, 90)) == tuple(np.percentile(together, [0, 90]).tolist())


class Once(Sequence):
    """Makes each volume anew, and counts."""

    def __init__(self):
        self.made = []

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index >= 3:
            raise IndexError
        self.made.append(index)
        return volume(index)


def test_a_series_is_taken_one_by_one():
    lazy = Once()
    fitted = fit(load("activation"), lazy[0], values=Values.of(lazy))
    assert fitted == fit(load("activation"), *(volume(index) for index in range(3)))
    assert lazy.made == [0, 0, 0, 1, 2]


def test_of_a_long_series_only_the_samples_are_held(monkeypatch):
    monkeypatch.setattr(values, "ENOUGH", 600)
    held = []

    class Fresh(Sequence):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            if index >= 8:
                raise IndexError(index)
            made = np.full((5, 7, 11), index, np.float32)
            held.append(weakref.ref(made))
            return Volume(made)

    looked = Values.of(Fresh())
    assert (looked.low, looked.high) == (0, 7)
    assert [made for made in held if made() is not None] == []


def test_of_many_values_a_sample_is_enough(monkeypatch):
    # columns that differ, which a step that divides their number would not see
    one = Volume(volume(3, (40, 50, 60)).data * np.arange(60))
    exact = Values.of([one])
    monkeypatch.setattr(values, "ENOUGH", 12_000)
    sampled = Values.of([one])
    assert 10_000 < sampled.sample.size <= 12_000
    assert (sampled.low, sampled.high) == (exact.low, exact.high)
    assert sampled.percentiles((0, 100)) == (exact.low, exact.high)
    for p in (5.0, 50.0, 99.5):
        # by ranks: four standard deviations of a random sample
        rank = float((one.data < sampled.percentiles((0, p))[1]).mean())
        assert rank == pytest.approx(p / 100, abs=4 * (p / 100 * (1 - p / 100) / 11_000) ** 0.5)


def test_one_hot_voxel_that_the_sample_misses(monkeypatch):
    monkeypatch.setattr(values, "ENOUGH", 100)
    data = np.zeros((10, 11, 12), np.float32)
    data[5, 5, 5] = 7
    for preset in ("activation", "sparse"):
        assert fit(load(preset), Volume(data)).range == (0, 7)


def test_missing_counts():
    data = np.zeros((3, 4, 5), np.float32)
    data[0, 0, :2], data[2, 1, 1] = np.nan, -np.inf
    assert values.missing(Volume(data)) == 3


def test_nothing_finite():
    with pytest.raises(PresetError, match="no value of the volume is finite"):
        Values.of([Volume(np.full((1, 2, 3), np.inf))])
