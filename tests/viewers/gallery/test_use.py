"""The gallery in use: by keyboard, in narrow windows, and on the way to other viewers."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from render_presets import choose, fit

from ..chromium import Browser
from .looking import assert_pixels, focused, open_entry, slice_pixels, text
from .volumes import frames

pytestmark = pytest.mark.viewer


def test_the_keyboard_is_enough(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "series")
    stops = []
    for _ in range(30):
        seen.press("Tab")
        stops.append(focused(seen))
        # whatever has the focus shows it
        style = "getComputedStyle(document.activeElement)"
        assert seen.run(f"{style}.outlineStyle") != "none", stops
        if stops[-1] == "A" and "LI" in stops:
            break
    order = ["play", "frame", "order", "solid", "marked", "reset", "slice", "place", "LI"]
    places = [stops.index(stop) for stop in order]
    assert places == sorted(places)
    # one stop for all maps
    assert stops.count("LI") == 1

    seen.run("document.getElementById('place').focus()")
    seen.press("ArrowRight")
    assert text(seen, "slice-word") == "Slice 2 of 5"
    seen.run("document.getElementById('slice').focus()")
    seen.press("PageDown")
    assert text(seen, "slice-word") == "Slice 3 of 5"
    assert_pixels(slice_pixels(seen), frames()[0].data[2], fit(choose(*frames()), *frames()))
    # the cursor starts in the middle
    seen.press("ArrowLeft")
    seen.press("ArrowLeft")
    seen.press("ArrowDown")
    assert "column 4, row 4" in text(seen, "readout")
    seen.run("document.querySelector('#maps li[aria-selected=true]').focus()")
    seen.press("End")
    assert text(seen, "slice-word") == "Slice 5 of 5"
    seen.press("ArrowLeft")
    assert text(seen, "slice-word") == "Slice 4 of 5"
    assert seen.run("document.activeElement.dataset.place") == "3"
    seen.run("document.getElementById('frame').focus()")
    seen.press("ArrowRight")
    seen.wait("document.body.dataset.shown.split(' ')[2] === '1'")
    assert text(seen, "frame-label") == "2.png"
    seen.run("document.querySelectorAll('#volumes button')[0].focus()")
    seen.press("Enter", "\r")
    seen.wait("document.body.dataset.shown.startsWith('0')")
    assert text(seen, "name") == "1-letter"


def test_links_lead_to_the_files_and_commands_name_them(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "letter")
    links = seen.run("Array.from(document.querySelectorAll('#files a'), (link) => link.href)")
    found = [Path(unquote(urlsplit(link).path)) for link in links]
    assert [path.name for path in found] == ["1-letter.nrrd"]
    assert found[0].is_file()
    commands = seen.run("Array.from(document.querySelectorAll('#commands code'), (line) => line.textContent)")
    for command, program_ in zip(commands, ("paraview", "Slicer"), strict=True):
        (word,) = subprocess.run(
            ["bash", "-c", f"{program_}() {{ printf '%s\\n' \"$@\"; }}; {command}"],
            cwd=page.parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        assert (page.parent / word.removeprefix("--script=")).is_file()


def test_a_command_is_copied(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "letter")
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    seen.send("Browser.grantPermissions", permissions=permissions)
    seen.run("document.querySelector('#commands button').click()")
    seen.wait("document.getElementById('said').textContent === 'Copied'")
    copied = seen.run("navigator.clipboard.readText()")
    assert copied == seen.run("document.querySelector('#commands code').textContent")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844), (320, 568)])
def test_nothing_is_wider_than_the_window(width: int, height: int, seen: Browser, page: Path) -> None:
    seen.size(width, height, mobile=width < 600)
    # the one with most to say
    open_entry(seen, page, "series")
    assert seen.run("document.documentElement.scrollWidth") <= width
    _, _, solid_width, solid_height = seen.box("#solid")
    assert solid_width > 0.7 * min(width, 500)
    assert solid_height > 200
    if width == 1280:
        # both views are whole without scrolling
        _, top, _, high = seen.box("#views")
        assert top + high <= height


def test_nothing_moves_for_those_who_do_not_want_it(seen: Browser, page: Path) -> None:
    seen.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    open_entry(seen, page, "series")
    moving = "getComputedStyle(document.getElementById('play')).transitionDuration"
    assert seen.run(moving) == "0s"
    seen.send("Emulation.setEmulatedMedia", features=[])
    assert seen.run(moving) != "0s"


def test_the_link_past_the_list_keeps_the_volume(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "series")
    address = seen.run("location.href")
    seen.press("Tab")
    assert seen.run("document.activeElement.textContent") == "Skip to the volume"
    seen.press("Enter", "\r")
    seen.wait("document.activeElement.id === 'stage'")
    seen.press("Tab")
    assert focused(seen) == "play"
    assert (text(seen, "name"), seen.run("location.href")) == ("conv1 & <b>", address)
    # of what else may be behind an address, an answer would come as an event
    for anchor in ("stage", "99", "1.5"):
        seen.run(
            "new Promise((heard) => { addEventListener('hashchange', heard, {once: true});"
            f" location.hash = '{anchor}'; }}).then(() => null)"
        )
        assert seen.run("app.state.volume.frame.labels.length") == 3
    seen.run("location.hash = '1'")
    seen.wait("document.getElementById('name').textContent === '1-letter'")
