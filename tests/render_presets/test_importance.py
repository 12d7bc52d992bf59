"""Pictures of scores: a cell a filter, as bright as its score; and marks from the highest to the lowest."""

from __future__ import annotations

import numpy as np
import pytest

from render_presets import load
from render_presets.drawing import INK, PAPER, font
from render_presets.importance import _MARK, Ranking, ranked_plots, score_grids

# Where grids begin, and how far cells are apart, for up to 16 columns.
LEFT, TOP, CELL = 16, 36 + 44, 44


def _grid(scores: np.ndarray, count: int = 1) -> np.ndarray:
    return np.asarray(score_grids([Ranking(scores, "grad_l2", "norm")] * count, "net · conv1"))


def test_96_filters_are_6_rows_of_16() -> None:
    picture = _grid(np.arange(96.0))
    inside = picture[TOP + 5 :: CELL, LEFT + 5 :: CELL]
    assert (inside[:6, :16].reshape(-1, 3) != PAPER).any(axis=1).all()
    assert (picture[TOP + 6 * CELL :] == PAPER).all()
    assert (picture[:, LEFT + 16 * CELL :][TOP:] == PAPER).all()


def test_cells_have_the_colours_of_their_scores_row_by_row() -> None:
    scores = np.array([0.5, 3, 1, 0.5, 2, 0.7])
    picture = _grid(scores)
    colours = np.array(load("viridis").colors)
    for place, score in enumerate(scores):
        pixel = picture[TOP + place // 3 * CELL + 4, LEFT + place % 3 * CELL + 4]
        share = (score - 0.5) / 2.5
        wanted = [255 * np.interp(share, colours[:, 0], colours[:, i]) for i in (1, 2, 3)]
        assert abs(pixel - np.array(wanted)).max() <= 1


@pytest.mark.parametrize("scores", [np.zeros(6), np.full(7, -2.0), np.array([3.0]), np.array([-1.0, 0, 2])])
def test_scores_that_are_all_alike_negative_or_alone_are_drawn(scores: np.ndarray) -> None:
    assert (_grid(scores)[TOP:] != PAPER).any()
    plot = np.asarray(ranked_plots([Ranking(scores, "k", "c", scores - 1, scores + 1)], "net"))
    assert (plot == _MARK).all(axis=2).any()


def test_zero_is_in_the_middle_of_the_colours_of_scores_of_both_signs() -> None:
    picture = _grid(np.array([-4.0, 0, 1, -0.5, 0, 0]))
    white = picture[TOP + 4, LEFT + CELL + 4]
    colours = np.array(load("signed").colors)
    wanted = [255 * np.interp(0, colours[:, 0] * 2 - 1, colours[:, i]) for i in (1, 2, 3)]
    assert abs(white - np.array(wanted)).max() <= 1


def test_marks_fall_from_left_to_right() -> None:
    scores = np.random.default_rng(0).exponential(size=40)
    picture = np.asarray(ranked_plots([Ranking(scores, "k", "c", scores / 2, scores * 2)], "net"))
    rows, columns = np.nonzero((picture == _MARK).all(axis=2))
    tops = [rows[columns == column].min() for column in np.unique(columns)]
    assert len(tops) > 40
    assert (np.diff(tops) >= 0).all()
    # the highest mark lies below the highest end of an interval, at half its height
    bottom = 36 + 44 + 200
    assert tops[0] == pytest.approx(bottom - 200 / 2, abs=2)


def test_scores_that_differ_by_rounding_have_one_colour() -> None:
    few = np.arange(6.0)
    for scores, colours in ((0.27 + few * 1e-9, 1), (few * 1e-9 - 0.27, 1), (0.27 + few * 1e-5, 6)):
        cells = _grid(scores)[TOP + 4 : TOP + 2 * CELL : CELL, LEFT + 4 : LEFT + 3 * CELL : CELL]
        assert len(np.unique(cells.reshape(6, 3), axis=0)) == colours


@pytest.mark.parametrize("count", [2, 33, 150, 1000, 2500])
def test_numbers_of_filters_stand_apart(count: int) -> None:
    picture = np.asarray(ranked_plots([Ranking(np.arange(count, 0.0, -1), "k", "c")], "net"))
    rows = picture[36 + 44 + 200 + 4 : 36 + 44 + 200 + 18]
    inked = np.flatnonzero((np.abs(rows.astype(int) - INK).sum(axis=2) < 300).any(axis=0))
    starts = np.flatnonzero(np.diff(inked, prepend=-9) > 3)
    ends = np.append(starts[1:], len(inked)) - 1
    widest = font(11).getlength("0" * len(str(count - 1)))
    assert ((inked[ends] - inked[starts]) <= widest).all()
    assert min(count, 15) <= len(starts)


def test_many_rankings_stand_in_two_columns() -> None:
    one, four = (_grid(np.arange(6.0), count).shape for count in (1, 4))
    assert four[1] > 1.8 * one[1]
    assert four[0] < 2.5 * one[0]
