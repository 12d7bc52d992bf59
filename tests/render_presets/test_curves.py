"""Curves: where lines and bands lie in the picture, in which colours."""

from __future__ import annotations

import numpy as np
import pytest

from render_presets.curves import Line, Panel, curves
from render_presets.drawing import PAPER, fitting, font


def drawn(*lines: Line, panels: int = 1) -> np.ndarray:
    panel = Panel("title", "caption", "below", lines)
    return np.asarray(curves([panel] * panels, "heading")).astype(int)


def ink(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Return rows and columns that are about of a colour."""
    return np.argwhere(np.abs(picture - colour).sum(axis=2) < 40)


SKY, ORANGE, GREY = (86, 180, 233), (230, 159, 0), (165, 170, 180)
X = np.arange(11.0)


def test_a_rising_line_rises_over_the_whole_width():
    places = ink(drawn(Line("rises", X, X**2)), SKY)[:-80]
    first, last = (
        places[places[:, 1] == edge][:, 0].mean() for edge in (places[:, 1].min(), places[:, 1].max())
    )
    middle = places[places[:, 1] == (places[:, 1].min() + places[:, 1].max()) // 2][:, 0].mean()
    assert first > middle > last
    # half-way along it is at a quarter of its height
    assert (first - middle) / (first - last) == pytest.approx(0.25, abs=0.03)


def test_bands_are_shaded_and_plain_lines_grey():
    half = np.full(11, 0.5)
    band = (half - 0.5, half + 0.5)
    picture = drawn(Line("one", X, X / 10), Line("many", X, half, band, plain=True))
    assert len(ink(picture, SKY)) > 300
    assert len(ink(picture, GREY)) > 300
    shade = tuple(round(p + (g - p) * 70 / 255) for p, g in zip(PAPER, GREY, strict=True))
    assert len(np.argwhere(np.abs(picture - shade).sum(axis=2) < 6)) > 50_000


def test_a_name_has_one_colour_in_all_panels():
    one, two = Line("one", X, X), Line("two", X, -X)
    picture = np.asarray(curves([Panel("", "", "", [two]), Panel("", "", "", [one, two])], "")).astype(int)
    left = picture[:, : picture.shape[1] // 2]
    assert len(ink(left[:-40], SKY)) > 300
    assert not len(ink(left[:-40], ORANGE))


def test_constant_lines_and_odd_letters():
    picture = drawn(Line("größe\n☃", X, np.zeros(11)), panels=3)
    assert picture.shape[0] > 2 * picture.shape[1] // 3
    assert len(ink(picture, SKY)) > 300


def test_points_that_are_no_numbers_are_left_out():
    gap = np.where(X < 8, X / 10, np.nan)
    nothing = np.full(11, np.nan)
    with_gap = ink(drawn(Line("one", X, gap), Line("none", X, nothing, (nothing, nothing))), SKY)[:-80]
    assert len(with_gap) > 200
    whole = ink(drawn(Line("one", X, X / 10)), SKY)[:-80]
    assert with_gap[:, 1].max() < whole[:, 1].max()


def test_headings_fit():
    for text in ("net · conv1 · class " + "long " * 40, "short", ""):
        shown = fitting(text, 200, 15)
        assert font(15).getlength(shown) <= 200
        first, *last = shown.split("…")
        assert text.startswith(first)
        assert text == shown or (text.endswith(*last) and font(15).getlength(shown) > 180)
