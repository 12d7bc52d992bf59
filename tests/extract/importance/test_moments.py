"""Means, errors and intervals of streams, against those of the whole table at once."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from extract.importance.moments import Moments, philox, poisson_weights


def _streamed(rows: np.ndarray, sizes: list[int], replicates: int = 400) -> Moments:
    moments, start = Moments(rows.shape[1], replicates), 0
    for size in sizes:
        numbers = range(start, start + size)
        moments.add(rows[start : start + size], poisson_weights(numbers, replicates, 5))
        start += size
    assert start == len(rows)
    return moments


def test_streams_give_what_the_whole_table_gives() -> None:
    # far from zero: sums of squares would cancel
    rows = 1e6 + np.random.default_rng(0).normal(size=(50, 3))
    found = _streamed(rows, [1, 0, 7, 42]).estimate()
    assert found.count == 50
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-14)
    assert found.error is not None
    np.testing.assert_allclose(found.error, stats.sem(rows, axis=0), rtol=1e-9)
    other = _streamed(rows, [25, 25]).estimate()
    np.testing.assert_allclose(found.low, other.low, rtol=1e-12)
    np.testing.assert_allclose(found.high, other.high, rtol=1e-12)


def test_intervals_are_those_of_resampling() -> None:
    rows = np.random.default_rng(1).exponential(size=(200, 1))
    found = _streamed(rows, [200], replicates=4000).estimate()
    wanted = stats.bootstrap(
        (rows[:, 0],), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    # an interval's end varies by about 3 % of its half width from 4,000 replicates to others
    half = (wanted.high - wanted.low) / 2
    assert found.low is not None
    assert found.high is not None
    assert abs(found.low[0] - wanted.low) < 0.15 * half
    assert abs(found.high[0] - wanted.high) < 0.15 * half


@pytest.mark.parametrize("count", [2, 3, 40])
def test_intervals_are_percentiles_of_the_replicates_that_hold_a_row(count: int) -> None:
    rows = np.random.default_rng(1).exponential(size=(count, 2))
    found = _streamed(rows, [1, count - 1]).estimate()
    weights = poisson_weights(range(count), 400, 5)
    held = weights[:, weights.any(axis=0)]
    assert (held.shape[1] < 400) == (count < 5)
    means = [np.average(rows, axis=0, weights=own) for own in held.T]
    np.testing.assert_allclose(found.low, np.percentile(means, 2.5, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.high, np.percentile(means, 97.5, axis=0), rtol=1e-12)


def test_weights_are_poisson_variables_of_mean_one() -> None:
    weights = poisson_weights(range(200), 500, 0)
    counts = np.bincount(weights.astype(int).ravel(), minlength=6)
    wanted = stats.poisson(1).pmf(np.arange(6)) * weights.size
    # five standard deviations of a count
    assert (abs(counts[:6] - wanted) < 5 * np.sqrt(wanted)).all()
    assert abs(np.corrcoef(weights[0], weights[1])[0, 1]) < 0.25


def test_weights_depend_on_number_and_seed_alone() -> None:
    whole = poisson_weights([3, 17, 5], 8, 1)
    np.testing.assert_array_equal(poisson_weights([5], 8, 1)[0], whole[2])
    assert (poisson_weights([5], 8, 2)[0] != whole[2]).any()


def test_random_numbers_stay_the_same_for_ever() -> None:
    """The words of Philox4x64-10 with key 0 for counter 1, by numpy 2.4.6: np.random.Philox(key=0)."""
    words = [0x02F4BA6408E4D89B, 0x3DD62B0B9CA8C5B2]
    assert philox(2, seed=0, counter=0).tolist() == [(word >> 11) / 2**53 for word in words]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_rows_have_no_error_and_no_interval(count: int) -> None:
    found = _streamed(np.ones((count, 2)), [count]).estimate()
    assert (found.count, found.error, found.low, found.high) == (count, None, None, None)
    assert found.mean.tolist() == [count, count]


def test_without_replicates_there_are_no_intervals() -> None:
    found = _streamed(np.arange(4.0).reshape(4, 1), [4], replicates=0).estimate()
    assert found.error is not None
    assert (found.low, found.high) == (None, None)
