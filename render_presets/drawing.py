"""What pictures have in common: colours, text, and a strip below with caption and colour bar."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.volume import Volume

from .errors import PresetError
from .theme import DARK, Color, Theme, fractions
from .transfer import Fitted
from .values import missing

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

BACKGROUND, OUTLINE = fractions(DARK.paper), fractions(DARK.outline)
"""What is behind volumes, and the edges of their boxes, as viewers are told: red, green, blue in 0..1."""

INK, FAINT, PAPER = DARK.ink, DARK.faint, DARK.paper
"""Colours of text, of what is less important, and of what is behind, in pictures of ours."""

SMALLEST, LARGEST = (200, 150), 4096
"""Least width and height of a picture, and most of both, in pixels."""

STRIP = 56
_MARGIN, _BAR = 14, (200, 10)
_SMOOTH = 48
# So many digits tell every float64 from all others.
_EXACT = 17
# A few units in the last place of float32, of which one is 1.2e-7.
_ROUNDING = 1e-6
# How far beyond the ends round numbers count as inside, in steps.
_EDGE = 1e-9
_CAPTION = ("model", "image", "layer", "quantity", "target")
_QUANTITIES = {"act": "activation", "grad": "gradient"}


def font(size: int) -> FreeTypeFont | ImageFont:
    """Return Pillow's own font, which is the same on every machine."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def printable(text: str) -> str:
    """Return text of one line, with blanks for line breaks and all else that no letter stands for."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def fitting(text: str, width: int, size: int) -> str:
    """Return a text as `printable`, at most `width` pixels wide: an ellipsis stands for its middle."""
    plain, length = printable(text), font(size).getlength
    kept = len(plain)
    shown = plain
    while length(shown) > width and kept:
        kept = min(kept - 1, int(kept * width / length(shown)))
        shown = f"{plain[: kept - kept // 2]}…{plain[len(plain) - kept // 2 :]}"
    return shown


def check_frames(volume: Volume) -> None:
    """Raise PresetError if a volume has frames, of which a picture can show only one."""
    if volume.frames is not None:
        raise PresetError(
            f"this volume has {volume.frames} frames; write one volume a channel with --layout channels"
        )


def check_size(size: tuple[int, int]) -> None:
    """Raise PresetError if a picture's width and height, with the strip, are out of range."""
    width, height = size
    if not (SMALLEST[0] <= width <= LARGEST and SMALLEST[1] <= height <= LARGEST):
        least = " x ".join(map(str, SMALLEST))
        raise PresetError(f"a picture has {least} to {LARGEST} x {LARGEST} pixels, not {width} x {height}")


def number(value: float | np.floating, digits: int = 3) -> str:
    """Return a number as short as a legend wants it."""
    return f"{value:.{digits}g}" if value else "0"


def labels(values: Sequence[float]) -> list[str]:
    """Return the numbers of an axis as short as they may be while each differs clearly from its neighbours.

    Each is off by at most a tenth of the least distance of two values; round numbers as of `ticks` are exact.
    """
    distances = np.diff(sorted(set(values)))
    most = distances.min() / 10 if distances.size else math.inf
    forms = [[number(value, digits) for value in values] for digits in range(3, _EXACT + 1)]
    near = [
        form
        for form in forms
        if all(abs(float(text) - value) <= most for text, value in zip(form, values, strict=True))
    ]
    return min(near, key=lambda form: max(map(len, form), default=0))


def alike(low: float, high: float) -> bool:
    """Return whether values from low to high differ by no more than float32 rounds sums of their size."""
    return high - low <= _ROUNDING * max(abs(low), abs(high))


def ticks(low: float, high: float, about: int, least: float = 0.0) -> list[float]:
    """Return round numbers between two values: at most about as many, at least so far apart."""
    rough = max((high - low) / about, least)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    # 0.3 / 0.1 is a little less than 3
    first, last = math.ceil(low / step - _EDGE), math.floor(high / step + _EDGE)
    return [step * count for count in range(first, last + 1)]


def caption(volume: Volume) -> tuple[str, str]:
    """Return two lines that say what the volume is: its source, then its size, range and gaps."""
    told = [_name(volume.facts.get(key)) for key in _CAPTION]
    told = [_QUANTITIES.get(text, text) for text in told]
    source = " · ".join(dict.fromkeys(text for text in [*told, volume.name, _order(volume)] if text))
    span = f"{number(volume.range[0])} to {number(volume.range[1])}" if volume.range else "no finite value"
    frames = f" x {volume.frames} frames" if volume.frames else ""
    bad = missing(volume)
    gaps = f", {bad} NaN or infinite" if bad else ""
    return printable(source), f"{_size(volume)}{frames}, {span}{gaps}"


def meaning(volume: Volume) -> str:
    """Return in words what the numbers of a volume are: ``gradient of fc8:281``."""
    quantity, target = (_name(volume.facts.get(key)) for key in ("quantity", "target"))
    what = _QUANTITIES.get(quantity, quantity) or volume.name
    return printable(f"{what} of {target}" if target else what)


def add_strip(picture: Image, volume: Volume, fitted: Fitted, theme: Theme = DARK) -> Image:
    """Return the picture with a strip below that holds the volume's caption and the colour bar."""
    return stacked(picture, strip(picture.width, volume, fitted, theme))


def stacked(above: Image, below: Image) -> Image:
    """Return two pictures of one width as one."""
    from PIL import Image

    whole = Image.new("RGB", (above.width, above.height + below.height))
    whole.paste(above, (0, 0))
    whole.paste(below, (0, above.height))
    return whole


def strip(width: int, volume: Volume, fitted: Fitted, theme: Theme = DARK) -> Image:
    """Return the strip by itself. Its caption takes a look at all values of the volume."""
    from PIL import Image, ImageDraw

    made = Image.new("RGB", (width, STRIP), theme.paper)
    draw = ImageDraw.Draw(made)
    bar = min(_BAR[0], width // 3)
    room = width - bar - 4 * _MARGIN
    lines = zip(caption(volume), (14, 12), (theme.ink, theme.faint), strict=True)
    for line, (text, size, ink) in enumerate(lines):
        draw.text((_MARGIN, 10 + 20 * line), shortened(draw, text, size, room), ink, font(size))
    corner = (width - _MARGIN - bar, 21)
    title = shortened(draw, meaning(volume), 12, bar)
    draw.text((corner[0] + bar / 2, 3), title, theme.faint, font(12), anchor="ma")
    _color_bar(made, corner, (bar, _BAR[1]), fitted, theme)
    return made


def _color_bar(
    picture: Image, corner: tuple[int, int], size: tuple[int, int], fitted: Fitted, theme: Theme
) -> None:
    from PIL import Image, ImageDraw

    low, high = fitted.range
    colors = fitted.rgba(np.linspace(low, high, size[0]))[:, :3]
    row = np.rint(255 * colors).astype(np.uint8)
    picture.paste(Image.fromarray(np.repeat(row[np.newaxis], size[1], axis=0)), corner)
    (x, y), (width, height) = corner, size
    draw = ImageDraw.Draw(picture)
    draw.rectangle((x - 1, y - 1, x + width, y + height), outline=theme.faint)
    below = y + height + 4
    for at, anchor, value in ((x, "la", low), (x + width, "ra", high)):
        draw.text((at, below), number(value), theme.ink, font(12), anchor=anchor)
    # elsewhere the end's number tells as much, and lies in the way
    if 0.2 < (zero := -low / (high - low)) < 0.8:
        draw.text((x + width * zero, below), "0", theme.ink, font(12), anchor="ma")


def key_colors(fitted: Fitted, theme: Theme) -> list[Color]:
    """Return the colours of text and background, and as many of the colour bar as make it look smooth."""
    bar = np.rint(255 * fitted.rgba(np.linspace(*fitted.range, _SMOOTH))[:, :3]).astype(int).tolist()
    return [theme.paper, theme.ink, theme.faint, theme.outline, *((r, g, b) for r, g, b in bar)]


def add_label(picture: Image, text: str, theme: Theme = DARK) -> None:
    """Write a frame's label in the upper left corner of a picture."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(picture)
    # a rim, as a volume may lie behind it
    shown = shortened(draw, printable(text), 16, picture.width - 2 * _MARGIN)
    draw.text((_MARGIN, 11), shown, theme.ink, font(16), stroke_width=2, stroke_fill=theme.paper)


def shortened(draw: Any, text: str, size: int, room: float) -> str:
    """Return text, cut so that it fits in so many pixels."""
    letters = font(size)
    if draw.textlength(text, letters) <= room:
        return text
    while text and draw.textlength(text + "...", letters) > room:
        text = text[:-1]
    return text + "..."


def _size(volume: Volume) -> str:
    width, height, depth = volume.size
    layout = volume.facts.get("layout")
    channels = isinstance(layout, Mapping) and layout.get("kind") == "stack"
    return f"{depth} channels of {width} x {height}" if channels else f"{width} x {height} x {depth}"


def _order(volume: Volume) -> str:
    order = volume.facts.get("order")
    method = order.get("method") if isinstance(order, Mapping) else None
    return f"{method} order" if isinstance(method, str) else ""


def _name(fact: Any) -> str:
    if isinstance(fact, Mapping):
        fact = PurePath(str(fact.get("file", ""))).stem
    return fact if isinstance(fact, str) else ""
