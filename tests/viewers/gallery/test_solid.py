"""The 3-D view of the gallery in Chromium, beside our own pictures."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from converters import Volume, write
from order import Ordering
from render_presets import Fitted, fit, load, render
from render_presets.camera import camera
from render_presets.gallery import gallery

from .. import pictures
from ..cases import ROTATION
from ..chromium import Browser
from ..pictures import letter
from .looking import choose_order, drawn_again, open_entry, solid
from .volumes import PERMUTATION, fitted, maps, waves

pytestmark = pytest.mark.viewer


def unlike(shown: NDArray[np.uint8], volume: Volume, function: Fitted) -> NDArray[np.int_]:
    """Return by how much each pixel differs from that of our own picture."""
    picture = render(volume, function, (shown.shape[1], shown.shape[0]), legend=False)
    return np.abs(shown.astype(int) - np.asarray(picture))


def assert_alike(shown: NDArray[np.uint8], volume: Volume, function: Fitted) -> None:
    """Check that a picture is like our own one of a volume."""
    difference = unlike(shown, volume, function)
    # the noise of both renderers' samples, and edges that ours averages over four pixels
    assert difference.mean() < 2
    assert (difference.max(axis=2) > 24).mean() < 0.03


@pytest.mark.parametrize("name", ["letter", "turned"])
def test_the_volume_stands_upright_and_is_not_mirrored(name: str, seen: Browser, page: Path) -> None:
    open_entry(seen, page, name)
    pictures.check(solid(seen), letter())


@pytest.mark.parametrize("name", ["waves", "one"])
def test_the_volume_looks_as_in_our_previews(name: str, seen: Browser, page: Path) -> None:
    open_entry(seen, page, name)
    shown = solid(seen)
    volume = waves() if name == "waves" else waves((1, 30, 40))
    assert_alike(shown, volume, fitted(volume))
    # a picture of nothing, or of the volume from behind, is not like it
    assert unlike(shown[:, ::-1], volume, fitted(volume)).mean() > 6


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


def test_an_order_moves_the_slices_in_3d_too(seen: Browser, page: Path) -> None:
    open_entry(seen, page, "maps")
    before = solid(seen)
    with drawn_again(seen):
        choose_order(seen, "smooth")
    shown = seen.picture("#solid")
    ordered = Ordering(np.array(PERMUTATION), "smooth").apply(maps())
    assert_alike(shown, ordered, fitted(ordered))
    assert unlike(before, ordered, fitted(ordered)).mean() > 4


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
    # as before, but for the ring of the focus
    np.testing.assert_array_equal(seen.picture("#solid")[8:-8, 8:-8], first[8:-8, 8:-8])


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
        (told,) = chromium.complaints()
        assert "OES_texture_float_linear" in told
        # values in steps of 1/255 of the range are off by half a step, and so are colours, whose ramps are
        # about as long
        assert np.abs(solid(chromium).astype(int) - first).mean() < 0.5
    finally:
        chromium.send("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])


def test_bright_voxels_are_as_thick_as_in_our_previews(chromium: Browser, tmp_path: Path) -> None:
    data = np.full((9, 14, 22), 0.1, np.float32)
    data[:, :, 15] = 12
    data[4, 5, 4] = 1e6
    volume = Volume(data, (2, 3, 4), (10, -20, 30), name="hot")
    write(volume, tmp_path / "hot.nrrd")
    # from -1 to 1, whatever the volume holds
    preset = json.loads(
        resources.files("render_presets").joinpath("transfer_functions/signed.json").read_text()
    )
    (tmp_path / "one.json").write_text(json.dumps({**preset, "range": {"values": [-1, 1]}}))
    chromium.size(1000, 560)
    chromium.open(gallery(tmp_path, tmp_path / "index.html", str(tmp_path / "one.json")))
    chromium.wait("document.getElementById('solid').dataset.drawn")
    shown = solid(chromium)
    function = fit(load(str(tmp_path / "one.json")), volume)
    assert_alike(shown, volume, function)
    # values cut before they are interpolated give another picture
    assert unlike(shown, volume.replace(data=function.shown(data)), function).mean() > 6
    # and slices hold them all
    assert chromium.run("Math.max(...app.state.data)") == 1e6
