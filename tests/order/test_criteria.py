"""Criteria against their definitions, written out as loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from order import criteria


def symmetric(count, seed=0, digits=16):
    d = np.round(np.random.default_rng(seed).random((count, count)), digits)
    d += d.T
    np.fill_diagonal(d, 0)
    return d


def plain(d):
    n = len(d)
    triples = [
        difference
        for i, j, k in itertools.combinations(range(n), 3)
        for difference in (d[i, j] - d[i, k], d[j, k] - d[i, k])
        if difference > 0
    ]
    pairs = list(itertools.combinations(range(n), 2))
    band = max(1, n // 5)
    return {
        "path length": sum(d[i, i + 1] for i in range(n - 1)),
        "lazy path length": sum((n - i - 1) * d[i, i + 1] for i in range(n - 1)),
        "anti-Robinson events": len(triples),
        "anti-Robinson deviations": sum(triples),
        "2-SUM": sum(2 * (i - j) ** 2 / (1 + d[i, j]) for i, j in pairs),
        "inertia": sum(2 * (i - j) ** 2 * d[i, j] for i, j in pairs),
        "banded anti-Robinson": sum((band + 1 - (j - i)) * d[i, j] for i, j in pairs if j - i <= band),
    }


# rounded distances have ties, which are no events
@pytest.mark.parametrize(("count", "digits"), [(1, 16), (2, 16), (3, 16), (4, 1), (16, 16), (23, 1), (33, 2)])
def test_definitions(count, digits, monkeypatch):
    monkeypatch.setattr(criteria, "_ROWS", 7)
    d = symmetric(count, digits=digits)
    found = criteria.measure(d, np.zeros(count - 1))
    for name, value in plain(d).items():
        assert found[name] == pytest.approx(value, rel=1e-12), name


def test_a_robinson_matrix_has_no_events_and_its_reversal_neither():
    d = np.abs(np.subtract.outer(np.arange(9.0), np.arange(9.0)))
    for matrix in (d, d[::-1, ::-1]):
        found = criteria.measure(matrix, np.ones(8))
        assert (found["anti-Robinson events"], found["anti-Robinson rate"]) == (0, 0)
        assert found["path length"] == 8
    assert (
        criteria.measure(d[::2, ::2][[1, 0, 2, 3, 4]][:, [1, 0, 2, 3, 4]], np.ones(4))["anti-Robinson events"]
        > 0
    )


def test_the_rate_of_random_orders_is_a_half():
    rates = [criteria.measure(symmetric(40, seed), np.zeros(39))["anti-Robinson rate"] for seed in range(20)]
    # the standard error of the mean is below 0.005
    assert np.mean(rates) == pytest.approx(0.5, abs=0.02)


def test_events_are_left_out_when_not_asked_for():
    found = criteria.measure(symmetric(5), np.zeros(4), triples=False)
    assert set(criteria.CRITERIA) - set(found) == {
        "anti-Robinson events",
        "anti-Robinson deviations",
        "anti-Robinson rate",
    }
    assert list(criteria.measure(symmetric(5), np.zeros(4))) == list(criteria.CRITERIA)
