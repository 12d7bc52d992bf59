"""The page, and the browser that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from converters import series, write
from order import Ordering
from render_presets import write_presets
from render_presets.gallery import gallery
from tests.helpers import require

from ..chromium import Browser, browser, program
from ..pictures import letter
from .looking import ENTRIES
from .volumes import EVIL, PERMUTATION, frames, maps, turned_letter, waves


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page of volumes in a folder whose name would be code."""
    root = tmp_path_factory.mktemp("gallery")
    folder = root / "it's <b>&amp;%20 ä"
    folder.mkdir()
    write(letter(), folder / "1-letter.nrrd")
    write(maps(), folder / "2-maps.nrrd")
    write(maps(), folder / "2-maps.vox.vti")
    write(Ordering(np.array(PERMUTATION), "smooth").apply(maps()), folder / "2-maps_order-smooth.nrrd")
    series.write(series.gather(frames(), ["1.nrrd", "2.nrrd", "3.nrrd"]), folder / "3-series.seq.nrrd")
    write(turned_letter(), folder / "4-turned.nrrd")
    write(waves(), folder / "5-waves.nrrd")
    write(waves((1, 30, 40)), folder / "6-one.vti")
    write_presets(folder / "1-letter.nrrd")
    (folder / "2-maps.vox.vti").unlink()
    return gallery(folder, root / "page.html", title=EVIL)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return Chromium, started once."""
    require(program(), "chromium")
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def seen(chromium: Browser, page: Path) -> Iterator[Browser]:
    """Return Chromium; whatever a test does, the page neither complains nor asks for anything."""
    # a low window has a small 3-D view: by software, these take their time
    chromium.size(1000, 380)
    yield chromium
    assert chromium.complaints() == []
    # a picture of a frame, kept by the page itself, is no request
    assert {url for url in chromium.requests() if not url.startswith("blob:")} <= {
        page.resolve().as_uri() + (f"#{number}" if number else "") for number in range(len(ENTRIES) + 1)
    } | {page.resolve().as_uri()}
