"""The gallery in Chromium: what is seen, by pixels; what is told; and that the keyboard is enough."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from converters import Volume, series, write
from order import Ordering
from render_presets import Fitted, choose, fit, render, write_presets
from render_presets.camera import camera
from render_presets.gallery import entry as entries
from render_presets.gallery import gallery
from render_presets.montage import pixels
from tests.helpers import ROOT, require

from . import pictures
from .cases import ROTATION
from .chromium import Browser, browser, program
from .pictures import letter

pytestmark = pytest.mark.viewer

CHANNELS, ROWS, COLUMNS = 5, 7, 11
PERMUTATION = (3, 0, 4, 1, 2)
"""Not its own inverse."""
SCORES = {"0": 0.5, "1": 2.0, "2": 1.0, "3": 3.0}
"""Channel 4 has none."""

EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>\" ä"
FACTS = {
    "model": {"file": EVIL, "sha256": "c0ffee"},
    "layer": "conv1 & <b>",
    "quantity": "act",
    "layout": {"kind": "stack"},
}


def maps(seed: int = 0) -> Volume:
    """Return maps whose values all differ, some of them not finite; 11 x 7 x 5 in oblong voxels."""
    data = np.random.default_rng(seed).normal(size=(CHANNELS, ROWS, COLUMNS)).astype(np.float32)
    data[2, 3, 4:6] = np.nan, np.inf
    facts = {**FACTS, "importance": {"criterion": "taylor", "scores": SCORES}}
    return Volume(data, (2, 3, 4), (10, -20, 30), name="activation", facts=facts)


def waves(shape: tuple[int, int, int] = (24, 30, 40)) -> Volume:
    """Return smooth values that differ along all axes."""
    z, y, x = np.meshgrid(*(np.linspace(0, 1, count) for count in shape), indexing="ij")
    data = np.sin(9 * x + 4 * z) * np.cos(7 * y) * (0.3 + x * z) + 0.2 * y
    return Volume(data.astype(np.float32), (1.5, 1, 2), (-3, 4, 5), ROTATION, name="waves")


def frames() -> list[Volume]:
    """Return three images' maps."""
    facts = maps().facts
    return [maps(seed).replace(facts={**facts, "image": {"file": f"{seed}.png"}}) for seed in (1, 2, 3)]


def turned_letter() -> Volume:
    """Return the letter with its data's axes exchanged, and directions that exchange them back."""
    source = letter()
    # the data's x runs along y of the room, its y along z, and its z along x
    data = np.ascontiguousarray(source.data.transpose(2, 0, 1))
    x, y, z = source.spacing
    return source.replace(
        data=data, spacing=(y, z, x), direction=(0, 0, 1, 1, 0, 0, 0, 1, 0), labels=(), name="turned"
    )


ENTRIES = ("letter", "maps", "series", "turned", "waves", "one")
"""The volumes of the page, in its order."""


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
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


def fitted(volume: Volume) -> Fitted:
    return fit(choose(volume), volume)


def assert_pixels(shown: NDArray[np.uint8], values: NDArray[np.float32], function: Fitted) -> None:
    expected = pixels(values, function)
    # ours are rounded from float32, the page's from float64: they differ where these lie beside a half
    difference = np.abs(shown.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.99


@pytest.mark.parametrize("name", ["letter", "turned"])
def test_the_volume_stands_upright_and_is_not_mirrored(name: str, seen: Browser, page: Path) -> None:
    open_entry(seen, page, name)
    pictures.check(solid(seen), letter())


@pytest.mark.parametrize("name", ["waves", "one"])
def test_the_volume_looks_as_in_our_previews(name: str, seen: Browser, page: Path) -> None:
    open_entry(seen, page, name)
    shown = solid(seen)
    volume = waves() if name == "waves" else waves((1, 30, 40))
    picture = render(volume, fitted(volume), (shown.shape[1], shown.shape[0]), legend=False)
    difference = np.abs(shown.astype(int) - np.asarray(picture))
    # the noise of both renderers' samples, and edges that ours averages over four pixels
    assert difference.mean() < 2
    assert (difference.max(axis=2) > 24).mean() < 0.03
    # a picture of nothing, or of the volume from behind, is not like it
    assert np.abs(shown[:, ::-1].astype(int) - np.asarray(picture)).mean() > 6


def test_the_camera_is_that_of_all_our_pictures(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "waves")
    for aspect in (0.6, 1.7):
        place = seen.run(f"camera.place(app.state.volume, {aspect})")
        expected = camera(waves(), aspect)
        np.testing.assert_allclose(place["position"], expected.position, rtol=1e-9)
        np.testing.assert_allclose(place["focalPoint"], expected.focal_point, rtol=1e-9, atol=1e-9)
        assert (place["viewUp"], place["viewAngle"]) == ([0, -1, 0], expected.view_angle)


def test_long_axes_are_averaged_and_single_slices_made_solid(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "maps")
    data = np.random.default_rng(0).normal(size=(1, 7, 11)).astype(np.float32)
    volume = Volume(data, (2, 3, 4), (10, -20, 30), ROTATION)
    told = {"size": volume.size, "spacing": volume.spacing, "origin": volume.origin, "direction": ROTATION}
    numbers = f"Float32Array.from({data.ravel().tolist()})"
    found = seen.run(f"solid.fitting({json.dumps(told)}, {numbers}, 4)")
    # at most 4 voxels along an axis: each third of 11, each second of 7; the last ones have fewer to average
    averages = [[data[0, y : y + 2, x : x + 3].mean() for x in range(0, 11, 3)] for y in range(0, 7, 2)]
    assert found["size"] == [4, 4, 2]
    for place in range(2):
        shown = [found["data"][str(16 * place + at)] for at in range(16)]
        np.testing.assert_allclose(np.reshape(shown, (4, 4)), averages, atol=1e-6)
    assert found["spacing"] == [6, 6, 4]
    # the middle of the first voxels, and for z the face of the slice that is toward the viewer
    middle = volume.affine @ (1, 0.5, -0.5, 1)
    np.testing.assert_allclose(found["origin"], middle[:3])


def test_a_slices_pixels_are_the_colours_of_its_values(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "maps")
    for channel in range(CHANNELS):
        seen.run(f"document.getElementById('place').value = {channel}")
        seen.run("document.getElementById('place').dispatchEvent(new Event('input'))")
        assert_pixels(slice_pixels(seen), maps().data[channel], fitted(maps()))
    # oblong voxels are oblong: 11 x 7 of 2 x 3
    _, _, width, height = seen.box("#slice")
    assert width / height == pytest.approx(22 / 21, rel=0.02)


def test_the_cursor_tells_channel_and_value(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "maps")
    choose_order(seen, "smooth")
    left, top, width, height = seen.box("#slice")
    for place, x, y in ((0, 0, 0), (1, 10, 6), (4, 3, 5), (4, 4, 3), (4, 5, 3)):
        seen.run(f"document.getElementById('place').value = {place}")
        seen.run("document.getElementById('place').dispatchEvent(new Event('input'))")
        seen.move(left + (x + 0.5) * width / COLUMNS, top + (y + 0.5) * height / ROWS)
        channel = PERMUTATION[place]
        readout = text(seen, "readout")
        value = maps().data[channel, y, x]
        assert readout.startswith(f"channel {channel} · ")
        assert f" · column {x}, row {y} · " in readout
        told = readout.split(" · value ")[1]
        if np.isfinite(value):
            assert float(told) == pytest.approx(float(value), rel=1e-5)
        else:
            assert told == "NaN or infinite"


def test_orders_move_slices_and_never_their_labels(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "maps")
    assert labels(seen) == ["0", "1", "2", "3", "4"]
    seen.run("document.querySelectorAll('#maps li')[2].click()")
    titles = seen.run("Array.from(document.getElementById('order').options, (option) => option.text)")
    assert titles == ["by channel number", "smooth", "by importance (taylor)"]
    orders = {"smooth": "30412", "by importance (taylor)": "31204", "by channel number": "01234"}
    for title, order in orders.items():
        choose_order(seen, title)
        assert labels(seen) == list(order)
        # the chosen channel stays, wherever it is now
        assert text(seen, "slice-word") == f"Slice {order.index('2') + 1} of 5"
        assert_pixels(slice_pixels(seen), maps().data[2], fitted(maps()))
        # tiles are drawn when they come into sight
        seen.run("document.getElementById('maps').scrollIntoView()")
        for place, channel in enumerate(order):
            canvas = f"document.querySelectorAll('#maps canvas')[{place}]"
            seen.wait(f"{canvas}.width === {COLUMNS}")
            assert_pixels(canvas_pixels(seen, canvas), maps().data[int(channel)], fitted(maps()))


def test_an_order_moves_the_slices_in_3d_too(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "maps")
    before = solid(seen)
    with drawn_again(seen):
        choose_order(seen, "smooth")
    shown = seen.picture("#solid")
    ordered = Ordering(np.array(PERMUTATION), "smooth").apply(maps())
    picture = render(ordered, fitted(ordered), (shown.shape[1], shown.shape[0]), legend=False)
    likeness = np.abs(shown.astype(int) - np.asarray(picture)).mean()
    assert likeness < 3
    assert np.abs(before.astype(int) - np.asarray(picture)).mean() > 2 * likeness


def test_importance_is_told_beside_the_channel(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "maps")
    seen.run("document.querySelectorAll('#maps li')[1].click()")
    assert "importance 2, rank 2 of 4" in text(seen, "readout")
    assert "taylor" in text(seen, "criterion")
    tiles = "Array.from(document.querySelectorAll('#maps li')"
    bars = seen.run(f"{tiles}, (tile) => tile.querySelector('meter')?.value ?? null)")
    assert bars == pytest.approx([0.5 / 3, 2 / 3, 1 / 3, 1, None])
    told = seen.run("document.querySelectorAll('#maps li')[1].getAttribute('aria-label')")
    assert told == "channel 1, importance 2, rank 2 of 4"


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


def focused(browser: Browser) -> str:
    """Return what has the focus: its id, else what it is."""
    return str(browser.run("document.activeElement.id || document.activeElement.tagName"))


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


def test_the_3d_view_turns_zooms_and_comes_back(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "letter")
    first = solid(seen)
    seen.run("document.getElementById('solid').focus({focusVisible: false})")
    before = first
    for key, text_ in (("ArrowRight", ""), ("ArrowUp", ""), ("-", "-")):
        with drawn_again(seen):
            for _ in range(3):
                seen.press(key, text_)
        now = seen.picture("#solid")
        assert np.abs(now.astype(int) - before).mean() > 1, key
        before = now
    with drawn_again(seen):
        seen.press("0", "0")
    # as before, but for the noise by which the samples are moved, and the ring of the focus
    assert np.abs(seen.picture("#solid")[8:-8, 8:-8].astype(int) - first[8:-8, 8:-8]).mean() < 0.5


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


def test_names_are_text_and_nothing_else_runs(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "maps")
    assert seen.run("window.hacked") is None
    assert seen.run("document.querySelectorAll('img, b b, h2 b').length") == 0
    assert text(seen, "name") == "conv1 & <b>"
    assert seen.run("document.title") == EVIL
    assert EVIL in text(seen, "provenance")


def test_the_policy_keeps_other_scripts_and_the_network_out(chromium: Browser, page: Path) -> None:
    open_entry(chromium, page, "letter")
    chromium.run(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 3';"
        "document.body.append(s); })()"
    )
    assert chromium.run("window.hacked") is None
    assert (
        chromium.run(f"fetch({json.dumps(page.resolve().as_uri())}).then(() => 'got', () => 'kept out')")
        == "kept out"
    )
    assert any("Content Security Policy" in complaint for complaint in chromium.complaints())


def test_without_webgl_the_slices_work(seen: Browser, page: Path) -> None:
    script = (
        "const given = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "  return kind.startsWith('webgl') ? null : given.call(this, kind, ...rest); };"
    )
    added = seen.send("Page.addScriptToEvaluateOnNewDocument", source=script)
    try:
        open_entry(seen, page, "maps")
        assert "no WebGL 2" in text(seen, "no-solid")
        assert seen.run("document.getElementById('no-solid').checkVisibility()")
        seen.run("document.querySelectorAll('#maps li')[3].click()")
        assert_pixels(slice_pixels(seen), maps().data[3], fitted(maps()))
    finally:
        seen.send("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])


def test_the_slices_outlive_the_3d_view(chromium: Browser, page: Path) -> None:
    open_entry(chromium, page, "maps")
    chromium.run(
        "document.querySelector('#solid canvas').getContext('webgl2')"
        ".getExtension('WEBGL_lose_context').loseContext()"
    )
    chromium.wait("document.getElementById('no-solid').checkVisibility()")
    assert "gave the 3-D view up" in text(chromium, "no-solid")
    choose_order(chromium, "smooth")
    chromium.run("document.querySelectorAll('#maps li')[0].click()")
    assert_pixels(slice_pixels(chromium), maps().data[PERMUTATION[0]], fitted(maps()))
    # the browser tells of the loss itself
    assert not [told for told in chromium.complaints() if "CONTEXT_LOST_WEBGL" not in told]


def test_without_float_textures_the_picture_is_nearly_the_same(chromium: Browser, page: Path) -> None:
    open_entry(chromium, page, "waves")
    first = solid(chromium)
    script = (
        "const given = WebGL2RenderingContext.prototype.getExtension;"
        "WebGL2RenderingContext.prototype.getExtension = function (name) {"
        "  return name === 'OES_texture_float_linear' ? null : given.call(this, name); };"
    )
    added = chromium.send("Page.addScriptToEvaluateOnNewDocument", source=script)
    try:
        open_entry(chromium, page, "waves")
        # steps of 1/255 of the range
        (told,) = chromium.complaints()
        assert "OES_texture_float_linear" in told
        assert np.abs(solid(chromium).astype(int) - first).mean() < 1.5
    finally:
        chromium.send("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])


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


def test_packed_and_left_out_volumes(
    chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("render_presets.gallery.packing.EXACT", 100)
    monkeypatch.setattr(entries, "MOST_VOXELS", 1000)
    write(maps(), tmp_path / "1-packed.nrrd")
    write(letter(), tmp_path / "2-large.nrrd")
    chromium.size(1280, 800)
    with pytest.warns(UserWarning, match="too many for a browser"):
        made = gallery(tmp_path, tmp_path / "index.html")
    chromium.open(made, "#1")
    chromium.wait("document.body.dataset.shown")
    values: Any = chromium.run("Array.from(app.state.data, (value) => Number.isFinite(value) ? value : null)")
    back = np.array(values, np.float64).reshape(maps().data.shape)
    known = np.isfinite(maps().data)
    assert (np.isfinite(back) == known).all()
    error = chromium.run("app.state.volume.error")
    # half a step, and that of a float32
    assert np.abs(back[known] - maps().data[known]).max() <= error + 1e-6
    assert "to within" in text(chromium, "precision")
    chromium.run("location.hash = '2'")
    chromium.wait("document.getElementById('name').textContent === '2-large'")
    chromium.wait("document.body.dataset.opened === '1'")
    assert "too many for a browser" in text(chromium, "reason")
    assert not chromium.run("document.getElementById('views').checkVisibility()")
    assert chromium.run("document.querySelectorAll('#files a').length") == 1
    assert chromium.complaints() == []


def test_the_bundle_is_what_its_lock_builds(tmp_path: Path) -> None:
    require(shutil.which("npm"), "npm")
    source = tmp_path / "bundle"
    shutil.copytree(ROOT / "bundle", source, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(["npm", "ci", "--silent"], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    subprocess.run(["node", "build.js", tmp_path], cwd=source, check=True, capture_output=True)
    for name in ("vtk.min.js", "vtk.LICENSES.txt"):
        kept = ROOT / "render_presets" / "gallery" / "page" / name
        assert (tmp_path / name).read_bytes() == kept.read_bytes(), f"run make gallery-bundle: {name}"
