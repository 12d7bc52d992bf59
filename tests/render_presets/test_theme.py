from __future__ import annotations

from itertools import product

import pytest

from render_presets import PresetError
from render_presets.drawing import BACKGROUND, OUTLINE
from render_presets.theme import backgrounds, contrast, fractions, theme


def test_text_is_readable_on_any_background():
    numbers = [
        f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in product(range(0, 256, 51), repeat=3)
    ]
    for name in [*backgrounds(), *numbers]:
        colors = theme(name)
        # where it is hardest, black and white themselves have 4.6
        assert contrast(colors.ink, colors.paper) > 4
        assert contrast(colors.faint, colors.paper) > 2
        assert contrast(colors.outline, colors.paper) > 1.7


def test_colours_by_name_and_number():
    assert theme("#0a141e").paper == (10, 20, 30)
    assert theme("white").paper == (255, 255, 255)


def test_what_viewers_are_told_is_the_same_colour():
    assert (fractions(theme("dark").paper), fractions(theme("dark").outline)) == (BACKGROUND, OUTLINE)
    for color in [(n, (n + 85) % 256, 255 - n) for n in range(256)]:
        # as OpenGL makes bytes of it
        assert tuple(round(255 * part) for part in fractions(color)) == color


def test_contrast():
    # the two ends of the scale, and a published example: #777 on white
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((9, 9, 9), (9, 9, 9)) == 1
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("name", ["", "dim", "#fff", "#12345g", "ffffff"])
def test_unknown_backgrounds(name):
    with pytest.raises(PresetError, match=r"a background is dark, black, .* or #rrggbb, not"):
        theme(name)
