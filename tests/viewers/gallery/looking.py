"""What a browser shows of the page."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from render_presets import Fitted
from render_presets.montage import pixels

from ..chromium import Browser

ENTRIES = ("letter", "maps", "series", "turned", "waves", "one")
"""The volumes of the page, in its order."""


def open_entry(browser: Browser, page: Path, name: str) -> None:
    browser.open(page, f"#{ENTRIES.index(name) + 1}")
    browser.wait("document.body.dataset.shown")
    browser.wait("document.getElementById('solid').dataset.drawn || document.getElementById('solid').hidden")


@contextmanager
def drawn_again(browser: Browser) -> Iterator[None]:
    """Do something, and wait until the 3-D view has been drawn since, in full quality."""
    data = "document.getElementById('solid').dataset"
    before = browser.run(f"{data}.drawn")
    yield
    browser.wait(f"{data}.drawn !== '{before}' && {data}.quality === 'fine'")


def solid(browser: Browser) -> NDArray[np.uint8]:
    """Return the 3-D view, large enough for a close look and without the mark of the slice."""
    browser.size(1000, 560)
    with drawn_again(browser):
        browser.run("document.getElementById('marked').click()")
    return browser.picture("#solid")


def slice_pixels(browser: Browser) -> NDArray[np.uint8]:
    """Return the pixels of the slice's canvas itself: rows, columns, RGB."""
    return canvas_pixels(browser, "document.getElementById('slice')")


def canvas_pixels(browser: Browser, canvas: str) -> NDArray[np.uint8]:
    """Return the pixels that a canvas holds, however large it is shown."""
    address = browser.run(f"{canvas}.toDataURL()")
    with Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))) as image:
        return np.asarray(image.convert("RGB"))


def text(browser: Browser, identity: str) -> str:
    return str(browser.run(f"document.getElementById('{identity}').textContent"))


def labels(browser: Browser) -> list[str]:
    """Return the labels of the slices in the order in which they lie side by side."""
    found: list[str] = browser.run(
        "Array.from(document.querySelectorAll('#maps li span'), (name) => name.textContent)"
    )
    return found


def choose_order(browser: Browser, title: str) -> None:
    """Choose an order as a user does, and wait until it is shown."""
    chosen = browser.run(
        "(() => { const s = document.getElementById('order');"
        f"s.selectedIndex = Array.from(s.options).findIndex((o) => o.text === {json.dumps(title)});"
        "s.dispatchEvent(new Event('change')); return s.selectedIndex; })()"
    )
    assert chosen >= 0
    browser.wait(f"document.body.dataset.shown.split(' ')[1] === '{chosen}'")


def assert_pixels(shown: NDArray[np.uint8], values: NDArray[np.float32], function: Fitted) -> None:
    expected = pixels(values, function)
    # ours are rounded from float32, the page's from float64: they differ where these lie beside a half
    difference = np.abs(shown.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.99


def focused(browser: Browser) -> str:
    """Return what has the focus: its id, else what it is."""
    return str(browser.run("document.activeElement.id || document.activeElement.tagName"))
