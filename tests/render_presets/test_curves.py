"""Curves: where lines and bands lie in the picture, in which colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from render_presets.curves import Line, Panel, _Axis, curves
from render_presets.drawing import PAPER, alike, fitting, font, labels, ticks

# Where the only panel's plot lies, and of two the one on the right.
LEFT, TOP, WIDTH, HEIGHT = 72, 80, 400, 260
RIGHT = LEFT + 472


def drawn(*lines: Line, panels: int = 1, **more: Any) -> np.ndarray:
    panel = Panel("title", "caption", "below", lines, **more)
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


def plot(picture: np.ndarray, left: int = LEFT) -> np.ndarray:
    return picture[TOP : TOP + HEIGHT, left : left + WIDTH]


def test_constant_percentages_lie_between_0_and_100():
    for constant, place in ((0.0, 1.04), (60.0, 0.44), (100.0, 0.04)):
        rows = ink(plot(drawn(Line("one", X, np.full(11, constant)), bounds=(0, 100))), SKY)[:, 0]
        # the margins are 4 % each
        assert rows.mean() + 0.5 == pytest.approx(place / 1.08 * HEIGHT, abs=1)


@pytest.mark.parametrize("values", [60 + 0 * X, 0 * X - 2.5, 0 * X, 0.27 + 1e-8 * X])
def test_other_constants_lie_in_the_middle(values: np.ndarray):
    rows = ink(plot(drawn(Line("one", X, values))), SKY)[:, 0]
    assert rows.mean() + 0.5 == pytest.approx(HEIGHT / 2, abs=1)
    assert len(set(rows.tolist())) <= 3


@pytest.mark.parametrize(
    ("values", "most", "last"),
    [([100, 100], 100, 100), ([0, 100], 100, 100), ([1, 98], 98, 80), ([1, 99], 98, 80)],
)
def test_no_tick_lies_beyond_the_bounds(values: list[int], most: float, last: float):
    axis = _Axis.of(np.array(values, np.float64), 260, 0.04, (0, most))
    assert axis.ticks[-1] == last
    assert axis.at(most) == pytest.approx(260 * 1.04 / 1.08)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 33, 1000])
def test_ticks_of_whole_numbers_are_whole(count: int):
    found = _Axis.of(np.arange(count + 1.0), 400, 0, whole=True).ticks
    assert all(tick.is_integer() and 0 <= tick <= count for tick in found)
    assert min(count, 3) < len(found) <= 6


def test_panels_of_a_group_compare():
    whole, half = Line("one", X, X), Line("one", X, X / 2)

    def top(group: str | None) -> float:
        panels = [Panel("", "", "", [line], whole=True, group=group) for line in (whole, half)]
        return ink(plot(np.asarray(curves(panels, "")).astype(int), RIGHT), SKY)[:, 0].min()

    assert top("both") == pytest.approx(0.54 / 1.08 * HEIGHT, abs=2)
    assert top(None) == pytest.approx(0.04 / 1.08 * HEIGHT, abs=2)


def test_lines_at_the_ends_of_fractions_are_visible_and_whole_numbers_fill_the_width():
    steps = Line("one", np.array([0, 0, 10.0, 10]), np.array([0, 5, 5, 10.0]))
    for whole, free in ((False, 0.04 / 1.08 * WIDTH), (True, 0)):
        columns = ink(plot(drawn(steps, whole=whole)), SKY)[:, 1]
        assert columns.min() == pytest.approx(free, abs=1.5)
        assert WIDTH - 1 - columns.max() == pytest.approx(free, abs=1.5)


def test_equal_thresholds_are_a_line_in_the_middle_and_single_points_dots():
    upright = ink(plot(drawn(Line("one", np.full(3, 0.5), np.arange(3.0)))), SKY)
    assert upright[:, 1].mean() + 0.5 == pytest.approx(WIDTH / 2, abs=1)
    assert len(upright) > 0.9 * HEIGHT
    dot = ink(plot(drawn(Line("one", np.full(3, 0.5), np.full(3, 7.0)))), SKY)
    assert (dot.mean(axis=0) + 0.5).tolist() == pytest.approx([HEIGHT / 2, WIDTH / 2], abs=1)


@pytest.mark.parametrize(("x", "y"), [(X, X), (X, 0 * X), (0 * X, X), (X, -X)])
def test_lines_that_coincide_are_all_visible(x: np.ndarray, y: np.ndarray):
    # the third line, which only crosses them, moves the upright ones out of the middle
    inside = plot(drawn(Line("one", x, y), Line("two", x, y), Line("three", X, 3 - X / 9)))
    sky, orange = len(ink(inside, SKY)), len(ink(inside, ORANGE))
    assert min(sky, orange) > 0.7 * max(sky, orange) > 70


def test_long_names_end_in_the_picture():
    picture = drawn(Line("long " * 90, X, X))
    assert (picture[-30:, -12:] == PAPER).all()
    assert (picture[-30:, -60:-20] != PAPER).any()


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0.2700, 0.2705, 0.2710], ["0.27", "0.2705", "0.271"]),
        ([50000, 100000, 150000], ["50000", "100000", "150000"]),
        ([1000, 1005, 1010], ["1000", "1005", "1010"]),
        ([0, 2e6, 4e6], ["0", "2e+06", "4e+06"]),
        ([-0.1, 0, 0.1, 0.1 * 3], ["-0.1", "0", "0.1", "0.3"]),
        ([1 / 3, 2 / 3], ["0.333", "0.667"]),
        ([1 / 3], ["0.333"]),
        ([], []),
    ],
)
def test_labels_are_short_and_differ(values: list[float], wanted: list[str]):
    assert labels(values) == wanted


def test_round_numbers_at_the_ends_are_ticks():
    # 0.3 / 0.1 is a little less than 3 and 0.7 / 0.1 than 7
    assert labels(ticks(0.3, 0.7, about=4)) == ["0.3", "0.4", "0.5", "0.6", "0.7"]


def test_rounding_is_alike():
    one = np.float32(0.27)
    assert alike(float(one), float(np.nextafter(one, np.float32(1))))
    assert not alike(0.27, 0.27001)
    assert alike(0.0, 0.0)


def test_headings_fit():
    for text in ("net · conv1 · class " + "long " * 40, "short", ""):
        shown = fitting(text, 200, 15)
        assert font(15).getlength(shown) <= 200
        first, *last = shown.split("…")
        assert text.startswith(first)
        assert text == shown or (text.endswith(*last) and font(15).getlength(shown) > 180)
