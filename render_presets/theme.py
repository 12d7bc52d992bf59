"""Colours of what is drawn around a volume: they follow the background, so that all stays readable."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import PresetError

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Theme:
    """Colours in 0..255.

    Parameters
    ----------
    paper : tuple of int
        What is behind volumes and text.
    ink, faint : tuple of int
        Of text, and of what is less important.
    outline : tuple of int
        Of the edges of a volume's box.
    """

    paper: Color
    ink: Color
    faint: Color
    outline: Color


DARK = Theme((28, 31, 36), (226, 228, 232), (150, 155, 165), (140, 145, 158))
"""The usual one: dark, as high activations are white."""

_NAMED = {"black": (0, 0, 0), "grey": (90, 92, 96), "light": (238, 239, 242), "white": (255, 255, 255)}
_BLACK, _WHITE = (16, 18, 22), (238, 240, 244)
_FAINT, _OUTLINE = 0.72, 0.55


def backgrounds() -> tuple[str, ...]:
    """Return the names that `theme` knows."""
    return ("dark", *_NAMED)


def theme(background: str) -> Theme:
    """Return the colours that go with a background.

    Parameters
    ----------
    background : str
        One of `backgrounds`, or ``#rrggbb``.

    Raises
    ------
    PresetError
        If it is neither.
    """
    if background == "dark":
        return DARK
    paper = _NAMED.get(background) or _parsed(background)
    ink = max(_BLACK, _WHITE, key=lambda color: contrast(color, paper))
    return Theme(paper, ink, _mixed(ink, paper, _FAINT), _mixed(ink, paper, _OUTLINE))


def fractions(color: Color) -> tuple[float, float, float]:
    """Return a colour in 0..1, as viewers are told; with so many digits that it is exactly the same."""
    red, green, blue = (round(part / 255, 3) for part in color)
    return red, green, blue


def contrast(one: Color, other: Color) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2: relative luminance, contrast ratio)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _parsed(background: str) -> Color:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", background):
        raise PresetError(f"a background is {', '.join(backgrounds())} or #rrggbb, not {background!r}")
    red, green, blue = bytes.fromhex(background[1:])
    return red, green, blue


def _mixed(ink: Color, paper: Color, share: float) -> Color:
    red, green, blue = (round(share * i + (1 - share) * p) for i, p in zip(ink, paper, strict=True))
    return red, green, blue


def _luminance(color: Color) -> float:
    parts = [part / 255 for part in color]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
