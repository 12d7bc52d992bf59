"""Volumes with something to order, and the plain definitions that results are held against."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from converters import Volume


def random_maps(count: int, seed: int = 0, shape: tuple[int, ...] = (5, 7)) -> Volume:
    """Random maps, all different, none constant."""
    return Volume(np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32))


def travelling(count: int = 23, shape: tuple[int, int] = (5, 11), seed: int = 3) -> tuple[Volume, list[int]]:
    """A bump that travels along the rows, in shuffled maps, and the numbers of the maps along its way."""
    columns = np.linspace(0, shape[1] - 1, count)
    rows = np.linspace(0.5, 1, shape[0])[:, np.newaxis]
    maps = np.array([rows * np.exp(-((np.arange(shape[1]) - at) ** 2) / 6) for at in columns])
    shuffled = np.random.default_rng(seed).permutation(count)
    return Volume(maps[shuffled]), np.argsort(shuffled).tolist()


def path_length(distances: NDArray[np.float64], order: NDArray[np.intp]) -> float:
    """The sum of the distances along an order."""
    return float(sum(distances[a, b] for a, b in itertools.pairwise(order)))


def either_way(order: object) -> list[int]:
    """An order as a list, in the direction that starts with the smaller end."""
    numbers = [int(number) for number in np.asarray(order)]
    return min(numbers, numbers[::-1])


def shortest_by_held_karp(distances: NDArray[np.float64]) -> float:
    """The length of the shortest open path (Held and Karp 1962), in 2^n n^2 steps."""
    count = len(distances)
    best = np.full((1 << count, count), np.inf)
    best[1 << np.arange(count), np.arange(count)] = 0
    for visited in range(1, 1 << count):
        onward = (best[visited][:, np.newaxis] + distances).min(axis=0)
        for point in range(count):
            if not visited >> point & 1:
                longer = visited | 1 << point
                best[longer, point] = min(best[longer, point], onward[point])
    return float(best[-1].min())
