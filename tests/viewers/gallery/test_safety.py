"""What the gallery keeps out, and what it can do without."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from converters import write
from render_presets.gallery import gallery

from ..chromium import Browser
from .looking import assert_pixels, choose_order, open_entry, slice_pixels, text
from .volumes import EVIL, PERMUTATION, fitted, maps

pytestmark = pytest.mark.viewer


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


def test_folders_need_not_be_called_in_utf_8(chromium: Browser, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    write(maps(), folder / "conv1.nrrd")
    chromium.open(gallery(folder, folder / "index.html"))
    chromium.wait("document.body.dataset.shown")
    assert text(chromium, "folder").endswith("/caf%E9")
    assert chromium.run("document.querySelectorAll('#volumes button').length") == 1
    assert chromium.complaints() == []
