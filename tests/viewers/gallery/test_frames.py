"""Series in the gallery: their frames by hand and by Play."""

from __future__ import annotations

from pathlib import Path

import pytest

from render_presets import choose, fit

from ..chromium import Browser
from .looking import assert_pixels, open_entry, slice_pixels, text
from .volumes import frames

pytestmark = pytest.mark.viewer


def test_the_slider_of_a_series_changes_frames(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "series")
    whole = fit(choose(*frames()), *frames())
    for frame, volume in enumerate(frames()):
        seen.run(f"document.getElementById('frame').value = {frame}")
        seen.run("document.getElementById('frame').dispatchEvent(new Event('input'))")
        seen.wait(f"document.body.dataset.shown.split(' ')[2] === '{frame}'")
        assert text(seen, "frame-label") == f"{frame + 1}.png"
        assert_pixels(slice_pixels(seen), volume.data[0], whole)


def test_play_runs_through_the_frames_until_it_is_stopped(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "series")
    assert text(seen, "frame-label") == "1.png"
    seen.run("document.getElementById('play').click()")
    seen.wait("document.getElementById('frame-label').textContent === '2.png'")
    seen.run("document.getElementById('play').click()")
    assert seen.run("document.getElementById('play').getAttribute('aria-pressed')") == "false"
