from __future__ import annotations

import numpy as np
import pytest

from converters import Volume
from render_presets import PresetError, fit, load, names, project
from render_presets.drawing import BACKGROUND
from tests.render_presets.volumes import block

BEHIND = [round(255 * part) for part in BACKGROUND]


def bright(picture):
    """Return centre x, centre y and count of the nearly white pixels."""
    rows, columns = np.nonzero((np.asarray(picture) > 240).all(axis=2))
    return columns.mean(), rows.mean(), len(rows)


def test_row_0_column_0_slice_0_is_at_the_upper_left_in_front():
    picture = project(block(), fit(load("activation"), block()), (400, 300))
    x, y, count = bright(picture)
    assert count > 200
    # the front face is 40 x 45 long and the depth 40, of which 0.45 go right and 0.28 up
    scale = min(0.88 * 400 / (40 + 18), 0.88 * 300 / (45 + 11.2))
    left, top = 200 - scale * (40 + 18) / 2, 150 + scale * (11.2 - 45) / 2
    # the middle of the block: columns 0..9, rows 0..7 and the slices that are in front of what they hide
    assert left < x < left + scale * 12
    assert top - 0.28 * 12 * scale < y < top + scale * 12


@pytest.mark.parametrize(("axis", "moves"), [(0, (1, -1)), (1, (0, 1)), (2, (1, 0))])
def test_axes_point_where_they_should(axis, moves):
    before = bright(project(block(), fit(load("activation"), block()), (400, 300)))
    flipped = Volume(np.flip(block().data, axis), spacing=block().spacing)
    after = bright(project(flipped, fit(load("activation"), flipped), (400, 300)))
    for direction, old, new in zip(moves, before[:2], after[:2], strict=True):
        if direction:
            assert direction * (new - old) > 20
        else:
            assert abs(new - old) < 3


def test_front_hides_back():
    data = np.ones((20, 30, 40), np.float32)
    data[10:] = -1
    volume = Volume(data)
    pixels = np.asarray(project(volume, fit(load("signed"), volume), (400, 300)), int)
    place = np.argwhere((pixels != BEHIND).any(axis=2))
    (top, left), (bottom, right) = place.min(axis=0), place.max(axis=0)
    # the front face is at the lower left, all of it red; the back shows above it, blue
    red, blue = pixels[bottom - 60, left + 60], pixels[top + 15, right - 60]
    assert red[0] - red[2] > 100
    assert blue[2] - blue[0] > 100


def test_thickness_of_slices_does_not_change_how_much_light_passes():
    values = np.full((4, 6, 6), 0.4, np.float32)
    values[0, 0, 0] = 1
    pictures = []
    for repeat in (1, 5):
        volume = Volume(np.repeat(values, repeat, axis=0), spacing=(1, 1, 2 / repeat))
        fitted = fit(load("activation"), Volume(values, spacing=(1, 1, 2)))
        pictures.append(np.asarray(project(volume, fitted, (300, 200)), int))
    # slices blend into their neighbours over a fifth of the way: a little of the corner differs
    assert np.abs(pictures[0] - pictures[1]).mean() < 1


@pytest.mark.parametrize("shape", [(1, 7, 5), (5, 1, 1), (1, 1, 1), (300, 2, 3)])
def test_any_shape(shape):
    data = np.zeros(shape, np.float32)
    data[: -(-shape[0] // 3), 0, 0] = 9
    volume = Volume(data)
    picture = project(volume, fit(load("activation"), volume), (320, 240))
    assert picture.size == (320, 240)
    assert (np.asarray(picture)[..., 0] > 150).sum() > 20
    assert np.asarray(picture)[0, 0].tolist() == BEHIND


def test_empty_volume_is_an_empty_box():
    volume = block(0)
    pixels = np.asarray(project(volume, fit(load("activation"), volume), (320, 240)))
    drawn = (pixels != BEHIND).any(axis=2)
    assert 0.005 < drawn.mean() < 0.05
    bare = np.asarray(project(volume, fit(load("activation"), volume), (320, 240), outline=False))
    assert (bare == BEHIND).all()


@pytest.mark.parametrize("preset", ["activation", "signed"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_transparent(value, preset):
    silent = block(0)
    data = np.array(silent.data)
    data[2:9, 5:20, 8:30] = value
    fitted = fit(load(preset), block())
    pixels = np.asarray(project(silent.replace(data=data), fitted, (320, 240)), int)
    assert np.abs(pixels - np.asarray(project(silent, fitted, (320, 240)), int)).max() <= 2


def test_an_outlier_does_not_bleed_into_its_neighbours():
    values = np.random.default_rng(3).random((12, 20, 24), np.float32)
    fitted = fit(load("activation"), Volume(values))
    values[6, 10, 12] = fitted.range[1]
    expected = np.asarray(project(Volume(values), fitted, (320, 240)), int)
    values[6, 10, 12] = 1e6
    assert np.abs(np.asarray(project(Volume(values), fitted, (320, 240)), int) - expected).max() <= 1


@pytest.mark.parametrize("preset", names())
def test_each_preset_shows_something_and_not_all_white(preset):
    # a few bumps in a silent volume, up to 8
    z, y, x = np.mgrid[:12, :15, :20]
    bumps = [(4, 4, 5, 8), (6, 10, 14, 5), (8, 11, 4, 6), (3, 12, 16, 2)]
    data = sum(top * np.exp(-((z - k) ** 2 + (y - j) ** 2 + (x - i) ** 2) / 8) for k, j, i, top in bumps)
    if load(preset).symmetric:
        data = data * (-1) ** (x // 10)
    volume, size = Volume(data), (160, 120)
    fitted = fit(load(preset), volume)
    pixels = np.asarray(project(volume, fitted, size), int)
    empty = np.asarray(project(volume.replace(data=0 * data), fitted, size), int)
    shown = np.abs(pixels - empty).max(axis=2) > 16
    assert 0.05 < shown.mean() < 0.6
    assert len(np.unique(pixels[shown] // 16, axis=0)) >= 5
    assert (pixels[shown].min(axis=1) > 240).mean() < 0.3


def test_frames_are_refused():
    volume = Volume(np.ones((2, 3, 4, 5)), name="film")
    with pytest.raises(
        PresetError, match="this volume has 2 frames; write one volume a channel with --layout"
    ):
        project(volume, fit(load("activation"), volume))
