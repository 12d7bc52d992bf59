"""What pictures have in common: colours, text, and a strip below with caption and colour bar."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.volume import Volume

from .errors import PresetError
from .transfer import Fitted, finite

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

BACKGROUND = (0.11, 0.12, 0.14)
"""Behind volumes: red, green, blue in 0..1. Dark, as high activations are white."""

OUTLINE = (0.55, 0.57, 0.62)
"""The edges of their boxes."""

INK, FAINT, PAPER = (226, 228, 232), (150, 155, 165), (28, 30, 36)
"""Colours of text, of what is less important, and of what is behind: `BACKGROUND` in 0..255."""

STRIP = 56
_MARGIN, _BAR = 14, (200, 12)
_CAPTION = ("model", "image", "layer", "quantity", "target")


def font(size: int) -> FreeTypeFont | ImageFont:
    """Return Pillow's own font, which is the same on every machine."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def printable(text: str) -> str:
    """Return text of one line, with blanks for line breaks and all else that no letter stands for."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def check_frames(volume: Volume) -> None:
    """Raise PresetError if a volume has frames, of which a picture can show only one."""
    if volume.frames is not None:
        raise PresetError(
            f"this volume has {volume.frames} frames; write one volume a channel with --layout channels"
        )


def number(value: float | np.floating) -> str:
    """Return a number as short as a legend wants it."""
    return f"{value:.3g}" if value else "0"


def caption(volume: Volume) -> tuple[str, str]:
    """Return two lines that say what the volume is: its source, then its size, range and gaps."""
    told = [_name(volume.facts.get(key)) for key in _CAPTION]
    source = " · ".join(dict.fromkeys(text for text in [*told, volume.name, _order(volume)] if text))
    known = finite(volume)
    span = f"{number(known.min())} to {number(known.max())}" if known.size else "no finite value"
    frames = f" x {volume.frames} frames" if volume.frames else ""
    missing = volume.data.size - known.size
    gaps = f", {missing} NaN or infinite" if missing else ""
    return printable(source), f"{' x '.join(map(str, volume.size))}{frames}, {span}{gaps}"


def add_strip(picture: Image, volume: Volume, fitted: Fitted) -> Image:
    """Return the picture with a strip below that holds the volume's caption and the colour bar."""
    from PIL import Image, ImageDraw

    width, height = picture.size
    whole = Image.new("RGB", (width, height + STRIP), PAPER)
    whole.paste(picture, (0, 0))
    draw = ImageDraw.Draw(whole)
    bar = min(_BAR[0], width // 3)
    room = width - bar - 4 * _MARGIN
    for line, (text, size, ink) in enumerate(zip(caption(volume), (14, 12), (INK, FAINT), strict=True)):
        draw.text((_MARGIN, height + 10 + 20 * line), _shortened(draw, text, size, room), ink, font(size))
    _color_bar(whole, (width - _MARGIN - bar, height + 12), (bar, _BAR[1]), fitted)
    return whole


def _color_bar(whole: Image, corner: tuple[int, int], size: tuple[int, int], fitted: Fitted) -> None:
    from PIL import Image, ImageDraw

    low, high = fitted.range
    colors = fitted.rgba(np.linspace(low, high, size[0]))[:, :3]
    row = np.rint(255 * colors).astype(np.uint8)
    whole.paste(Image.fromarray(np.repeat(row[np.newaxis], size[1], axis=0)), corner)
    (x, y), (width, height) = corner, size
    draw = ImageDraw.Draw(whole)
    draw.rectangle((x - 1, y - 1, x + width, y + height), outline=FAINT)
    below = y + height + 5
    for at, anchor, value in ((x, "la", low), (x + width, "ra", high)):
        draw.text((at, below), number(value), INK, font(12), anchor=anchor)
    # elsewhere the end's number tells as much, and lies in the way
    if 0.2 < (zero := -low / (high - low)) < 0.8:
        draw.text((x + width * zero, below), "0", INK, font(12), anchor="ma")


def _shortened(draw: Any, text: str, size: int, room: int) -> str:
    letters = font(size)
    if draw.textlength(text, letters) <= room:
        return text
    while text and draw.textlength(text + "...", letters) > room:
        text = text[:-1]
    return text + "..."


def _order(volume: Volume) -> str:
    order = volume.facts.get("order")
    method = order.get("method") if isinstance(order, Mapping) else None
    return f"{method} order" if isinstance(method, str) else ""


def _name(fact: Any) -> str:
    if isinstance(fact, Mapping):
        fact = PurePath(str(fact.get("file", ""))).stem
    return fact if isinstance(fact, str) else ""
