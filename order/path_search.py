"""Short open paths through points of which only the distances are known, by local search.

Greedy edges first, then sequential 3-opt moves among near neighbours, 2-opt and Or-opt among them, with a
queue of points to look at: Bentley, "Fast algorithms for geometric traveling salesman problems", ORSA
Journal on Computing 4(4), 1992, and Lin, "Computer solutions of the traveling salesman problem", Bell System
Technical Journal 44(10), 1965. Then kicks: two neighbouring stretches change places, the path is mended
there, and kept if it is no longer than before: Martin, Otto and Felten, "Large-step Markov chains for the
traveling salesman problem", Complex Systems 5(3), 1991, with local kicks as in Applegate, Cook and Rohe,
"Chained Lin-Kernighan for large traveling salesman problems", INFORMS Journal on Computing 15(1), 2003.

Distances become whole numbers, so that sums are exact and the path is the same on every machine: fine ones,
as one map may be millions of times larger than all others, but of few digits each, which rounding of the
distances does not reach.
"""

from __future__ import annotations

import random
from array import array
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_STEPS = 1 << 40
_DIGITS = 20
_NEIGHBOURS = 8
_SECOND_NEIGHBOURS = 5
# longer kicks are undone more often
_KICK = 30
_KICKS_EACH, _MOST_KICKS = 20, 3000

# path from point to point, as it runs now
_Stretch = tuple[int, int]


def shortest_path(distances: Matrix, seed: int = 0, kicks: int | None = None) -> NDArray[np.intp]:
    """Return a short open path through all points.

    Parameters
    ----------
    distances : ndarray
        Shape (point, point): symmetric, not negative.
    seed : int
        Of the kicks.
    kicks : int, optional
        How many; by default 20 a point, at most 3,000.

    Returns
    -------
    ndarray of int
        Shape (point,): the points along the path. Its length is that of a local optimum; with up to ten
        points it is nearly always the shortest.
    """
    count = len(distances)
    if count < 3:
        return np.arange(count)
    whole = _whole(distances)
    near = _nearest(whole)
    search = _Search(whole, near, _greedy(whole, near))
    search.settle(range(count))
    search.kick(min(_KICKS_EACH * count, _MOST_KICKS) if kicks is None else kicks, seed)
    return search.path()


def _whole(distances: Matrix) -> NDArray[np.int64]:
    """Return distances in steps of 2^-40 of the largest, each rounded to 20 binary digits."""
    largest = float(distances.max())
    whole = np.empty(distances.shape, np.int64)
    # row by row, so that there are no more large matrices
    for row, steps in zip(distances, whole, strict=True):
        mantissas, exponents = np.frexp(row / (largest or 1))
        rounded = np.ldexp(np.rint(np.ldexp(mantissas, _DIGITS)), exponents - _DIGITS)
        steps[:] = np.rint(rounded * _STEPS)
    return whole


def _nearest(whole: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the nearest neighbours of each point, nearest first, the lower number first of equal ones."""
    count = len(whole)
    width = min(_NEIGHBOURS, count - 1)
    # a distance and its column in one number: all differ, so the choice is unique
    keys = whole * count + np.arange(count)
    np.fill_diagonal(keys, np.iinfo(np.int64).max)
    nearest = np.sort(np.partition(keys, width - 1, axis=1)[:, :width], axis=1)
    return (nearest % count).astype(np.intp)


def _greedy(whole: NDArray[np.int64], near: NDArray[np.intp]) -> list[int]:
    """Return the path of short edges, taken shortest first where they fit, joined end to end."""
    count, width = near.shape
    starts, ends = np.repeat(np.arange(count), width), near.ravel()
    links: list[list[int]] = [[] for _ in range(count)]
    other_end = list(range(count))
    for edge in np.argsort(whole[starts, ends], kind="stable").tolist():
        a, b = int(starts[edge]), int(ends[edge])
        if len(links[a]) < 2 and len(links[b]) < 2 and other_end[a] != b:
            links[a].append(b)
            links[b].append(a)
            first, last = other_end[a], other_end[b]
            other_end[first], other_end[last] = last, first
    return _joined(whole, links, other_end)


def _joined(whole: NDArray[np.int64], links: list[list[int]], other_end: list[int]) -> list[int]:
    """Return one path of all fragments: behind each comes the one with the nearest end."""
    free = np.array([len(own) < 2 for own in links])
    path: list[int] = []
    start = int(np.flatnonzero(free)[0])
    while True:
        fragment = _walked(links, start)
        path += fragment
        free[[fragment[0], fragment[-1]]] = False
        left = np.flatnonzero(free)
        if not len(left):
            return path
        start = int(left[np.argmin(whole[path[-1], left])])


def _walked(links: list[list[int]], start: int) -> list[int]:
    walk, before, here = [start], -1, start
    while following := [point for point in links[here] if point != before]:
        before, here = here, following[0]
        walk.append(here)
    return walk


class _Search:
    """A path that gets shorter: a closed tour through all points and one more, at no distance from any."""

    def __init__(self, whole: NDArray[np.int64], near: NDArray[np.intp], path: Sequence[int]) -> None:
        self._count = len(path) + 1
        # of all containers, arrays give single numbers fastest without an object for each
        self._rows = [array("q", row.tobytes() + bytes(row.itemsize)) for row in whole]
        self._rows.append(array("q", bytes(whole.itemsize * self._count)))
        self._near: list[list[tuple[int, int]]] = [
            list(zip(row[columns].tolist(), columns.tolist(), strict=True))
            for row, columns in zip(whole, near, strict=True)
        ]
        self._near.append([])
        self._tour = [*path, len(path)]
        self._place = [0] * self._count
        for place, point in enumerate(self._tour):
            self._place[point] = place
        self._reversals: list[tuple[int, int]] = []

    def path(self) -> NDArray[np.intp]:
        """Return the points along the path."""
        gap = self._tour.index(self._count - 1)
        return np.array(self._tour[gap + 1 :] + self._tour[:gap], np.intp)

    def settle(self, points: Iterable[int]) -> int:
        """Make the best moves at points, and at those that moves touch; return what all of them gain."""
        waiting = deque(points)
        is_waiting = [False] * self._count
        for point in waiting:
            is_waiting[point] = True
        total = 0
        while waiting:
            point = waiting.popleft()
            is_waiting[point] = False
            gain, touched = self._improve(point)
            total += gain
            for other in touched:
                if not is_waiting[other]:
                    is_waiting[other] = True
                    waiting.append(other)
        return total

    def kick(self, times: int, seed: int) -> None:
        """Kick the tour that often, and undo each kick after which it does not get as short again."""
        if self._count < 4:
            return
        source = random.Random(seed)
        width = min(_KICK, self._count)
        for _ in range(times):
            self._reversals.clear()
            first = source.randrange(self._count)
            places = [(first + step) % self._count for step in sorted(source.sample(range(width), 3))]
            gain, touched = self._exchange(places)
            if gain + self.settle(touched) < 0:
                for start, stop in self._reversals[::-1]:
                    self._reverse(start, stop)

    def _exchange(self, places: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """Exchange the two stretches between three edges, given by their first places; return the gain."""
        tour, rows = self._tour, self._rows
        a, c, e = (tour[place] for place in places)
        b, d, f = (tour[place + 1 - self._count] for place in places)
        gain = rows[a][b] + rows[c][d] + rows[e][f] - rows[a][d] - rows[e][b] - rows[c][f]
        self._move(1, ((b, e), (e, d), (c, b)))
        return gain, (a, b, c, d, e, f)

    def _improve(self, t1: int) -> tuple[int, tuple[int, ...]]:
        """Make the best 2-opt or sequential 3-opt move that gives up an edge at a point.

        Edges t1-t2 and t3-t4 (and t5-t6) go, t2-t3 (and t4-t5) come, and the last one closes the tour again:
        names as in Lin and Kernighan. ``way`` is 1 where t2 comes behind t1 in the tour, as in the drawings
        below, else -1.

        Returns
        -------
        int
            The gain, 0 if there is no move.
        tuple of int
            The ends of the edges that changed.
        """
        rows, place, tour, near, count = self._rows, self._place, self._tour, self._near, self._count
        row1, place1 = rows[t1], place[t1]
        best = 0
        way_of_best = 1
        stretches: tuple[_Stretch, ...] = ()
        touched: tuple[int, ...] = ()
        for way in (1, -1):
            t2 = tour[(place1 + way) % count]
            removed = row1[t2]
            place2 = place[t2]
            for added, t3 in near[t2]:
                gain1 = removed - added
                if gain1 <= 0:
                    break
                if t3 == t1:
                    continue
                place3 = place[t3]
                reach = (place3 - place2) * way % count
                row3 = rows[t3]

                # t1 [t2 .. t4] t3
                t4 = tour[(place3 - way) % count]
                if t4 != t2:
                    gain2 = gain1 + row3[t4]
                    if gain2 - row1[t4] > best:
                        best, way_of_best = gain2 - row1[t4], way
                        stretches, touched = ((t2, t4),), (t1, t2, t3, t4)
                    for added, t5 in near[t4][:_SECOND_NEIGHBOURS]:
                        gain3 = gain2 - added
                        if gain3 <= best:
                            break
                        if t5 == t3:
                            continue
                        place5 = place[t5]
                        if (place5 - place2) * way % count < reach:
                            # t1 [t2 .. t5] [t6 .. t4] t3
                            t6 = tour[(place5 + way) % count]
                            gain = gain3 + rows[t5][t6] - row1[t6]
                            if gain > best and t6 != t4:
                                best, way_of_best = gain, way
                                stretches, touched = ((t2, t4), (t4, t6)), (t1, t2, t3, t4, t5, t6)
                        else:
                            # t1 [t2 .. t4] [t3 .. t6] t5
                            t6 = tour[(place5 - way) % count]
                            gain = gain3 + rows[t5][t6] - row1[t6]
                            if gain > best:
                                best, way_of_best = gain, way
                                stretches, touched = ((t2, t6), (t4, t2)), (t1, t2, t3, t4, t5, t6)

                # t1 [t2 .. t3] t4
                t4 = tour[(place3 + way) % count]
                if t4 != t1:
                    gain2 = gain1 + row3[t4]
                    for added, t5 in near[t4][:_SECOND_NEIGHBOURS]:
                        gain3 = gain2 - added
                        if gain3 <= best:
                            break
                        place5 = place[t5]
                        if (place5 - place2) * way % count > reach:
                            continue
                        if t5 != t3:
                            # t1 [t2 .. t5] [t6 .. t3] t4
                            t6 = tour[(place5 + way) % count]
                            gain = gain3 + rows[t5][t6] - row1[t6]
                            if gain > best:
                                best, way_of_best = gain, way
                                stretches, touched = ((t2, t3), (t3, t6), (t5, t2)), (t1, t2, t3, t4, t5, t6)
                        if t5 != t2:
                            # t1 [t2 .. t6] [t5 .. t3] t4
                            t6 = tour[(place5 - way) % count]
                            gain = gain3 + rows[t5][t6] - row1[t6]
                            if gain > best:
                                best, way_of_best = gain, way
                                stretches, touched = ((t2, t6), (t5, t3)), (t1, t2, t3, t4, t5, t6)
        self._move(way_of_best, stretches)
        return best, touched

    def _move(self, way: int, stretches: Iterable[_Stretch]) -> None:
        """Reverse stretches of the tour one after another, each named by its ends as it runs then."""
        place = self._place
        for first, last in stretches:
            start, stop = (place[first], place[last])[::way]
            if self._reverse(start, stop):
                way = -way

    def _reverse(self, start: int, stop: int) -> bool:
        """Reverse the tour from place to place; or the rest of it, which is shorter, and return True."""
        tour, place, count = self._tour, self._place, self._count
        length = (stop - start) % count + 1
        rest = 2 * length > count
        if rest:
            start, stop, length = (stop + 1) % count, (start - 1) % count, count - length
        self._reversals.append((start, stop))
        if start <= stop:
            tour[start : stop + 1] = tour[start : stop + 1][::-1]
            for at in range(start, stop + 1):
                place[tour[at]] = at
        else:
            for _ in range(length // 2):
                tour[start], tour[stop] = tour[stop], tour[start]
                place[tour[start]], place[tour[stop]] = start, stop
                start, stop = (start + 1) % count, (stop - 1) % count
        return rest
