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


def test_play_waits_for_frames_that_take_long(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "series")
    seen.run(
        "(() => { const given = values.of; window.shown = [];"
        # five times as fast as it is
        " for (const name of ['setTimeout', 'setInterval']) {"
        "  const wait = window[name]; window[name] = (call, time) => wait(call, time / 5); }"
        " values.of = (...asked) => new Promise((done) => setTimeout(() => done(given(...asked)), 1000));"
        " new MutationObserver(() => shown.push(document.body.dataset.shown.split(' ')[2]))"
        "  .observe(document.body, {attributeFilter: ['data-shown']}); })()"
    )
    seen.run("document.getElementById('play').click()")
    # a frame stays for 900 ms
    seen.wait("shown.length === 2")
    assert seen.run("shown") == ["1", "2"]
    # stopped and started again while a frame is on its way, it still goes step by step
    seen.wait("app.state.frame === 0")
    seen.run("(() => { const play = document.getElementById('play'); play.click(); play.click(); })()")
    seen.wait("shown.length === 4")
    assert seen.run("shown") == ["1", "2", "0", "1"]


def test_a_frame_that_cannot_be_unpacked_is_told_of(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "series")
    seen.run("document.getElementById('values-' + app.state.volume.values[1]).textContent = 'AAAA'")
    for frame in (1, 2):
        seen.run(f"document.getElementById('frame').value = {frame}")
        seen.run("document.getElementById('frame').dispatchEvent(new Event('input'))")
        seen.wait(f"document.getElementById('reason').checkVisibility() === ({frame} === 1)")
        assert seen.run("document.getElementById('views').checkVisibility()") == (frame == 2)
        if frame == 1:
            assert text(seen, "reason").startswith("Not drawn here: ")
            # so it is in another order, without a complaint
            seen.run("document.getElementById('order').dispatchEvent(new Event('change'))")
    assert_pixels(slice_pixels(seen), frames()[2].data[0], fit(choose(*frames()), *frames()))
