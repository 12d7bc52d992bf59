from __future__ import annotations

import sys
import warnings
import weakref
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, product

import numpy as np
import pytest

from converters import CnnVisWarning, Volume
from render_presets import PresetError, View, animate, drawing, fit, load, painter, project, render, turn
from render_presets.drawing import BACKGROUND, STRIP
from tests.helpers import require
from tests.render_presets.test_camera import on_screen
from tests.render_presets.volumes import block, ramp

pytestmark = pytest.mark.slow

SIZE = (400, 300)


def drawn(volume, preset="activation", **options):
    """Return the pixels of a picture that VTK has drawn; skip where it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CnnVisWarning)
        try:
            picture = render(volume, fit(load(preset), volume), SIZE, **{"legend": False, **options})
        except CnnVisWarning as warning:
            require("OpenGL library" not in str(warning), "an OpenGL library for VTK")
            raise
    assert picture.size == SIZE
    return np.asarray(picture, int)


def place(volume, index):
    """Return column and row of the pixel that shows a voxel."""
    (x, y), *_ = on_screen(volume, [(volume.affine @ (*index, 1))[:3]], SIZE[0] / SIZE[1])
    return (1 + x) / 2 * SIZE[0], (1 - y) / 2 * SIZE[1]


def test_voxels_are_where_the_camera_sees_them():
    volume = block()
    pixels = drawn(volume)
    # white or the red and yellow of its skin, but not the grey of the outline
    rows, columns = np.nonzero(pixels[..., 0] > 200)
    ends = np.array(list(product((0, 9.5), (0, 7.5), (0, 5.5))))
    seen = np.array([place(volume, end) for end in ends])
    # the skin lies somewhere in the last half of a voxel, which is round at corners: 8 pixels at most
    assert len(rows) > 300
    assert [columns.min(), rows.min()] == pytest.approx(seen.min(axis=0), abs=8)
    assert [columns.max(), rows.max()] == pytest.approx(seen.max(axis=0), abs=8)
    # nothing where a mirrored or upside-down picture would have it
    for corner in ((39, 0, 0), (0, 29, 0), (39, 29, 0)):
        column, row = (round(v) for v in place(volume, corner))
        around = pixels[row - 8 : row + 8, column - 8 : column + 8]
        assert around.max() < 200


def test_front_hides_back():
    data = np.ones((20, 30, 40), np.float32)
    data[10:] = -1
    volume = Volume(data)
    column, row = (round(v) for v in place(volume, (20, 15, 0)))
    red = drawn(volume, "signed")[row, column]
    blue = drawn(volume.replace(data=-data), "signed")[row, column]
    assert red[0] - red[2] > 100
    assert blue[2] - blue[0] > 100


def test_colours_are_those_of_the_transfer_function():
    # full of one value that is opaque: no light, no shade
    volume = Volume(np.full((9, 9, 9), 5.0))
    column, row = (round(v) for v in place(volume, (4, 4, 0)))
    assert drawn(volume)[row, column].tolist() == pytest.approx([255, 255, 255], abs=3)
    assert drawn(volume)[2, 2].tolist() == pytest.approx([255 * part for part in BACKGROUND], abs=1)


def test_what_is_above_the_range_is_interpolated_and_not_cut():
    white = []
    for high in (1.0, 10.0):
        data = np.zeros((9, 30, 41), np.float32)
        data[..., 20] = high
        volume = Volume(data)
        look = fit(replace(load("activation"), values=(0.0, 1.0)), volume)
        pixels = np.asarray(render(volume, look, SIZE, legend=False, view=View(outline=False)), int)
        # 0.7 voxels from the high plane, where the value is 0.3 or 3
        column, row = (round(v) for v in place(volume, (20.7, 15, 0)))
        white.append(bool(pixels[row, column].min() > 240))
    assert white == [False, True]


def test_a_silent_volume_without_outline_is_nothing():
    pixels = drawn(block(0), view=View(outline=False))
    assert (pixels == pixels[0, 0]).all()


def test_fewer_rays_for_many_voxels_look_alike(monkeypatch):
    values = np.random.default_rng(3).random((12, 20, 24), np.float32)
    plain = drawn(Volume(values))
    monkeypatch.setattr(painter, "_MANY", 0)
    fewer = drawn(Volume(values))
    # edges are a little softer
    assert 0 < np.abs(plain - fewer).mean() < 2
    assert np.abs(plain - fewer[:, ::-1]).mean() > 10


def test_labels_keep_their_colours():
    stripes = np.where(np.arange(40) % 4 < 2, 1.0, 5.0)
    volume = Volume(np.broadcast_to(stripes, (12, 30, 40)).copy())
    pixels = drawn(volume, "categorical")
    exact = 255 * fit(load("categorical"), volume).rgba([1.0, 5.0])[:, :3]
    assert all((np.abs(pixels - color).max(axis=2) < 10).mean() > 0.05 for color in exact)
    # a smooth way from 1 to 5 leads through those of 2, 3 and 4, two of which are greener than both ends
    assert (pixels[..., 1] > exact[:, 1].max() + 10).sum() == 0


def test_silent_volume_is_an_empty_box():
    pixels = drawn(block(0))
    lines = (np.abs(pixels - pixels[0, 0]).max(axis=2) > 20).mean()
    assert 0.003 < lines < 0.05


@pytest.mark.parametrize("shape", [(1, 7, 5), (5, 1, 1), (1, 1, 1), (1500, 2, 3)])
def test_flat_and_long_volumes(shape):
    data = np.zeros(shape, np.float32)
    data[: max(1, shape[0] // 2)] = 9
    pixels = drawn(Volume(data))
    assert (pixels[..., 0] > 150).sum() > 60


@pytest.mark.parametrize("preset", ["activation", "signed"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_transparent(value, preset):
    silent = block(0)
    data = np.array(silent.data)
    data[2:9, 5:20, 8:30] = value
    hollow = silent.replace(data=data)
    assert np.abs(drawn(hollow, preset) - drawn(silent, preset)).max() <= 2


@pytest.mark.parametrize("outlier", [1e4, 1e6])
def test_outliers_do_not_empty_the_picture(outlier):
    values = np.random.default_rng(3).random((12, 20, 24), np.float32)
    plain = drawn(Volume(values))
    values[6, 10, 12] = outlier
    # the percentile moves by one rank of 5760, so colours by less than a level or two
    assert np.abs(drawn(Volume(values)) - plain).mean() < 1
    assert (np.abs(plain - plain[0, 0]).max(axis=2) > 60).mean() > 0.2


def test_legend_is_inside_the_size():
    with_legend = drawn(ramp(), legend=True)
    assert with_legend.shape == (SIZE[1], SIZE[0], 3)
    strip = with_legend[-STRIP:]
    red = (strip[..., 0] > 240) & (strip[..., 1] < 40) & (strip[..., 2] < 40)
    assert red.any()


def test_falls_back_to_a_projection_without_opengl(tmp_path, monkeypatch):
    require(sys.platform == "linux", "the loader of Linux")
    for name in (
        "EGL.so",
        "EGL.so.1",
        "GL.so",
        "GL.so.1",
        "OpenGL.so.0",
        "OSMesa.so",
        "OSMesa.so.6",
        "OSMesa.so.8",
    ):
        # the loader finds these first, and they are no libraries
        (tmp_path / f"lib{name}").touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    volume = ramp()
    fitted = fit(load("activation"), volume)
    with pytest.warns(CnnVisWarning, match="apt install libegl1 libgl1-mesa-dri"):
        picture = render(volume, fitted, SIZE, legend=False)
    assert (np.asarray(picture) == np.asarray(project(volume, fitted, SIZE))).all()


def test_falls_back_when_vtk_fails(tmp_path, monkeypatch):
    broken = tmp_path / "broken.py"
    broken.write_text("raise ImportError('No module named vtk')")
    monkeypatch.setattr(painter.offscreen, "__file__", str(broken))
    with pytest.warns(CnnVisWarning, match="VTK ended with code 1 ImportError: No module named vtk"):
        render(ramp(), fit(load("activation"), ramp()), SIZE)


def test_falls_back_when_vtk_takes_too_long(tmp_path, monkeypatch):
    slow = tmp_path / "slow.py"
    slow.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(painter.offscreen, "__file__", str(slow))
    monkeypatch.setattr(painter, "PATIENCE", 1)
    with pytest.warns(CnnVisWarning, match="VTK was not done after 1 seconds"):
        render(ramp(), fit(load("activation"), ramp()), SIZE)


@pytest.mark.parametrize("size", [(100, 100), (800, 100), (5000, 600)])
def test_bad_sizes(size):
    with pytest.raises(PresetError, match="200 x 150 to 4096 x 4096 pixels"):
        render(ramp(), fit(load("activation"), ramp()), size)


def test_frames_are_refused():
    volume = Volume(np.ones((2, 3, 4, 5)), name="film")
    with pytest.raises(
        PresetError, match="this volume has 2 frames; write one volume a channel with --layout"
    ):
        render(volume, fit(load("activation"), volume))


def pictures_of(drawing):
    """Return the pixels of pictures that VTK has drawn; skip where it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CnnVisWarning)
        try:
            return [np.asarray(picture, int) for picture in drawing]
        except (CnnVisWarning, PresetError) as reason:
            require("OpenGL library" not in str(reason), "an OpenGL library for VTK")
            raise


def turned(volume):
    """Return the volume turned by half a turn around y: what was at the back is in front."""
    return volume.replace(data=volume.data[::-1, :, ::-1], labels=())


def apart(one, other):
    return np.abs(one - other).mean()


def test_half_a_turn_shows_the_back():
    # levels between the slices, so that all of the volume counts and not only its skin
    volume = block().replace(data=block().data + 0.2 * (np.arange(20) % 7 == 3)[:, np.newaxis, np.newaxis])
    fitted = fit(load("activation"), volume)
    front, back = pictures_of(turn(volume, fitted, 2, SIZE, legend=False))
    again, expected = pictures_of(turn(turned(volume), fitted, 2, SIZE, legend=False))[::-1]
    # rays are jittered by the pixel, so some of a level
    assert apart(back, expected) < 0.5
    assert apart(front, again) < 0.5
    mirrored = volume.replace(data=volume.data[:, :, ::-1], labels=())
    wrong = pictures_of(turn(mirrored, fitted, 2, SIZE, legend=False))
    assert min(apart(back, other) for other in (front, *wrong, back[:, ::-1], back[::-1])) > 2


def test_a_turntable_goes_to_the_right():
    volume = block()
    fitted = fit(load("activation"), volume)
    pictures = turn(volume, fitted, 12, SIZE, legend=False, view=View(azimuth=-30, elevation=0))
    # what is in front goes to the left, until the block, at the left in front, is the outermost
    columns = [np.nonzero(picture[..., 0] > 200)[1].mean() for picture in pictures_of(islice(pictures, 3))]
    assert (np.diff(columns) < -5).all()


def test_a_series_shares_camera_and_colours():
    volumes = [block(level) for level in (1.0, 0.5, 1.0)]
    fitted = fit(load("activation"), *volumes)
    one, half, again = pictures_of(animate(volumes, fitted, SIZE, legend=False))
    assert (one == again).all()
    column, row = (round(v) for v in place(volumes[0], (5, 4, 0)))
    assert one[row, column].min() > 240
    # half of the range is between red and yellow: fitted to its own values it would be white
    assert (half[row, column] - [255, 92, 0]).max() < 30
    # the box is in the same place
    edge = np.abs(one - one[0, 0]).max(axis=2) > 40
    assert (edge[:, SIZE[0] // 2 :] == (np.abs(half - half[0, 0]).max(axis=2) > 40)[:, SIZE[0] // 2 :]).all()


def test_frames_are_drawn_by_one_process(monkeypatch):
    started = []
    popen = painter.subprocess.Popen
    monkeypatch.setattr(
        painter.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1]
    )
    fitted = fit(load("activation"), ramp())
    assert len(pictures_of(animate([ramp()] * 3, fitted, SIZE))) == 3
    assert [child.poll() is not None for child in started] == [True]


class OneByOne(Sequence):
    """Volumes of which the one before must be gone when the next one is made."""

    def __init__(self, count):
        self._count = count
        self._last = lambda: None

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        assert self._last() is None
        volume = ramp()
        self._last = weakref.ref(volume.data)
        return volume


@pytest.mark.parametrize("view", [View(), View(axes=True, background="light")])
def test_one_volume_of_a_series_is_held_at_a_time(view):
    fitted = fit(load("activation"), ramp())
    assert len(pictures_of(animate(OneByOne(3), fitted, SIZE, view=view))) == 3


@pytest.mark.parametrize(("count", "counted"), [(2, 1), (5, 1)])
def test_the_caption_of_a_turntable_is_made_once(monkeypatch, count, counted):
    seen = []
    monkeypatch.setattr(drawing, "missing", lambda volume: seen.append(volume) or 3)
    fitted = fit(load("activation"), ramp())
    pictures = pictures_of(turn(ramp(), fitted, count, SIZE))
    assert (len(pictures), len(seen)) == (count, counted)
    assert all((picture[-STRIP:] == pictures[0][-STRIP:]).all() for picture in pictures)


def test_labels_are_written_above():
    fitted = fit(load("activation"), ramp())
    plain, labelled = (
        pictures_of(animate([ramp()], fitted, SIZE, labels=labels))[0] for labels in ((), ("pembroke.jpg",))
    )
    rows, columns = np.nonzero((plain != labelled).any(axis=2))
    assert rows.max() < 40
    assert 60 < columns.max() < 150


def test_background_and_what_goes_with_it():
    view = View(background="light")
    silent = drawn(block(0), legend=True, view=view)
    assert silent[2, 2].tolist() == silent[-1, 0].tolist() == list(view.theme.paper)
    dark = silent.max(axis=2) < 160
    assert 0.003 < dark[:-STRIP].mean() < 0.05
    assert 0.01 < dark[-STRIP:].mean() < 0.2


def test_zoom_and_angles():
    straight = View(azimuth=0, elevation=0)
    small, large = (
        (drawn(block(0), view=view)[..., 0] > 60).nonzero()
        for view in (View(azimuth=0, elevation=0, zoom=0.5), straight)
    )
    for few, many in zip(small, large, strict=True):
        assert np.ptp(few) == pytest.approx(np.ptp(many) / 2, abs=2)
    # from straight above, what is in front is below
    above = drawn(block(), view=View(azimuth=0, elevation=90))
    rows, columns = np.nonzero(above.min(axis=2) > 200)
    assert rows.mean() > SIZE[1] / 2 + 20
    assert columns.mean() < SIZE[0] / 2 - 20


def test_axes_leave_the_box_where_it_is_and_make_room():
    plain, labelled = (drawn(block(0), view=view) for view in (View(zoom=0.85), View(axes=True)))
    changed = np.abs(plain - labelled).max(axis=2) > 30
    # letters, whose lines are thin
    assert 0.003 < changed.mean() < 0.06
    assert not changed[:, [0, -1]].any()
    assert not changed[[0, -1]].any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"zoom": 0}, r"zoom is in 0\.1\.\.20, not 0"),
        ({"zoom": float("nan")}, "zoom is in"),
        ({"elevation": 91}, r"elevation is in -90\.\.90 degrees, not 91"),
        ({"azimuth": float("inf")}, "azimuth is in"),
        ({"background": "dim"}, "a background is"),
    ],
)
def test_bad_views(settings, message):
    with pytest.raises(PresetError, match=message):
        View(**settings)


def test_bad_series_and_turntables():
    fitted = fit(load("activation"), ramp())
    with pytest.raises(PresetError, match="frame 1 has the size"):
        list(animate([ramp(), block()], fitted, SIZE))
    with pytest.raises(PresetError, match="a turntable has 2 to 720 pictures, not 1"):
        turn(ramp(), fitted, 1)


def test_without_vtk_a_series_is_projected_and_nothing_turns(tmp_path, monkeypatch):
    broken = tmp_path / "broken.py"
    broken.write_text("raise ImportError('No module named vtk')")
    monkeypatch.setattr(painter.offscreen, "__file__", str(broken))
    fitted = fit(load("activation"), ramp())
    with pytest.warns(CnnVisWarning, match="a plain projection") as notes:
        assert len(list(animate([ramp(), ramp()], fitted, SIZE))) == 2
    assert len(notes) == 1
    with pytest.raises(PresetError, match="without VTK there is no turntable: VTK ended with code 1"):
        next(turn(ramp(), fitted, 2, SIZE))
