"""Slices in the gallery, by pixels, and what is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import series, write
from render_presets.gallery import entry as entries
from render_presets.gallery import gallery

from ..chromium import Browser
from ..pictures import letter
from .looking import assert_pixels, canvas_pixels, choose_order, labels, open_entry, slice_pixels, text
from .volumes import CHANNELS, COLUMNS, PERMUTATION, ROWS, fitted, frames, maps

pytestmark = pytest.mark.viewer


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


def test_packed_and_left_out_volumes(
    chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("render_presets.gallery.packing.EXACT", 100)
    monkeypatch.setattr(entries, "MOST_VOXELS", 1000)
    write(maps(), tmp_path / "1-packed.nrrd")
    write(letter(), tmp_path / "2-large.nrrd")
    series.write(series.gather(frames(), ["1.nrrd", "2.nrrd", "3.nrrd"]), tmp_path / "3-frames.nii.gz")
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
    chromium.run("document.getElementById('order').dispatchEvent(new Event('change'))")
    assert "too many for a browser" in text(chromium, "reason")
    chromium.run("location.hash = '3'")
    chromium.wait("document.body.dataset.opened === '2'")
    # a hint, and nothing to copy
    assert text(chromium, "commands").startswith("No viewer shows these files: of series, ParaView plays ")
    assert chromium.run("document.querySelectorAll('#commands button').length") == 0
    assert chromium.complaints() == []
