from __future__ import annotations

import numpy as np
import pytest

from converters import Volume
from render_presets import PresetError, fit, load, montage
from render_presets.drawing import PAPER, STRIP, caption
from render_presets.montage import NOT_FINITE
from tests.helpers import goldens
from tests.render_presets.volumes import ramp


def tiles(picture):
    """Return the bands of rows and of columns that hold tiles: where no pixel is paper."""
    pixels = np.asarray(picture)
    blank = (pixels == PAPER).all(axis=2)

    def bands(free):
        edges = np.flatnonzero(np.diff(np.r_[True, free, True].astype(int)))
        return list(zip(edges[::2], edges[1::2], strict=True))

    return pixels, bands(blank.mean(axis=1) == 1), bands(blank.mean(axis=0) == 1)


def test_each_voxel_is_a_block_of_its_colour():
    volume = ramp()
    fitted = fit(load("activation"), volume)
    pixels, rows, columns = tiles(montage(volume, columns=5, labels=False, legend=False, fitted=fitted))
    assert (len(rows), len(columns)) == (1, 5)
    (top, bottom), scale = rows[0], (rows[0][1] - rows[0][0]) // 7
    assert scale >= 4
    assert bottom - top == 7 * scale
    for z, (left, right) in enumerate(columns):
        assert right - left == 11 * scale
        tile = pixels[top:bottom, left:right].reshape(7, scale, 11, scale, 3)
        assert (tile == tile[:, :1, :, :1]).all()
        expected = np.rint(255 * fitted.rgba(volume.data[z])[..., :3])
        assert np.abs(tile[:, 0, :, 0] - expected).max() <= 1


def test_grid_goes_row_by_row():
    data = np.zeros((6, 4, 4), np.float32)
    data[:] = np.arange(1, 7)[:, np.newaxis, np.newaxis]
    volume = Volume(data)
    pixels, rows, columns = tiles(montage(volume, labels=False, legend=False, grey=True))
    assert (len(rows), len(columns)) == (2, 3)
    shades = [pixels[(top + bottom) // 2, (a + b) // 2, 0] for top, bottom in rows for a, b in columns]
    assert shades == sorted(set(shades))
    assert shades[-1] == 255


def test_labels_are_written_above_the_tiles():
    volume = ramp().replace(labels=("17", "3", "99", "0", "5"))
    plain = np.asarray(montage(volume, columns=5, labels=False, legend=False))
    labelled = np.asarray(montage(volume, columns=5, legend=False))
    above = len(labelled) - len(plain)
    # the tiles are the same, below the labels
    assert (labelled[3 + above :] == plain[3:]).all()
    written = (labelled[: 3 + above] != PAPER).any(axis=2).any(axis=0)
    tile = (plain.shape[1] - 3) // 5
    assert all(written[3 + k * tile : 3 + (k + 1) * tile].any() for k in range(5))
    other = np.asarray(montage(volume.replace(labels=("17", "3", "99", "0", "6")), columns=5, legend=False))
    changed = (labelled != other).any(axis=(0, 2))
    assert changed[3 + 4 * tile :].any()
    assert not changed[: 3 + 4 * tile].any()


def test_line_breaks_and_tabs_are_blanks():
    facts = {"layer": "conv\n1\ta"}
    broken = ramp().replace(labels=("a\nb", "c\td", "e", "f", "g\r"), facts=facts)
    blank = ramp().replace(labels=("a b", "c d", "e", "f", "g "), facts={"layer": "conv 1 a"})
    assert montage(broken) == montage(blank)


def test_nan_and_infinity_have_a_colour_of_their_own():
    data = np.ones((2, 3, 4), np.float32)
    data[0, 0, 0], data[1, 2, 3] = np.nan, np.inf
    pixels, rows, columns = tiles(montage(Volume(data), labels=False, legend=False))
    first, last = rows[0][0], rows[-1][1] - 1
    assert tuple(pixels[first, columns[0][0]]) == NOT_FINITE
    assert tuple(pixels[last, columns[-1][1] - 1]) == NOT_FINITE
    assert (pixels == NOT_FINITE).all(axis=2).sum() == 2 * ((rows[0][1] - rows[0][0]) // 3) ** 2


@pytest.mark.parametrize(
    ("shape", "columns"),
    [((96, 55, 55), 12), ((2048, 7, 7), 64), ((64, 112, 112), 8), ((1, 300, 200), 1), ((7, 1, 1), 3)],
)
def test_sizes_are_sensible(shape, columns):
    values = np.random.default_rng(0).random(shape, np.float32)
    picture = montage(Volume(values), legend=False)
    _, rows, found = tiles(montage(Volume(values), legend=False, labels=False))
    assert len(found) == columns
    assert len(rows) == -(-shape[0] // columns)
    assert max(picture.size) <= 4000
    assert found[0][1] - found[0][0] >= 40


def test_large_maps_are_averaged():
    data = np.zeros((1, 16_000, 40), np.float32)
    data[:, ::3] = 1
    pixels, ((top, bottom),), ((left, right),) = tiles(
        montage(Volume(data), labels=False, legend=False, grey=True)
    )
    assert max(pixels.shape) <= 8000
    assert (bottom - top, right - left) == (5334, 14)
    # each pixel is the mean of a white row and two black ones
    assert np.abs(pixels[top : bottom - 1, left:right].astype(int) - 85).max() <= 1


def test_frames_show_their_middle_slice():
    data = np.zeros((2, 5, 3, 3), np.float32)
    data[1, 2] = 1
    pixels, rows, columns = tiles(montage(Volume(data), labels=False, legend=False, grey=True))
    assert [pixels[rows[0][0], left, 0] for left, _ in columns] == [0, 255]


def test_legend_shows_the_colours():
    fitted = fit(load("signed"), ramp().replace(data=ramp().data - 192))
    plain = montage(ramp(), fitted=fitted, legend=False)
    with_legend = montage(ramp(), fitted=fitted)
    assert with_legend.size == (plain.width, plain.height + STRIP)
    strip = np.asarray(with_legend)[-STRIP:].reshape(-1, 3).tolist()
    for end in (0, -1):
        assert [round(255 * part) for part in fitted.colors[end][1:]] in strip


def test_legend_counts_what_is_not_finite():
    data = np.array(ramp().data)
    assert caption(Volume(data))[1] == "11 x 7 x 5, 0 to 384"
    data[0, 0, :3] = np.nan, np.inf, -np.inf
    assert caption(Volume(data))[1] == "11 x 7 x 5, 3 to 384, 3 NaN or infinite"


def test_upstreams_maps():
    volume = Volume(np.load(goldens() / "caffenet_conv1_cat.npy"))
    pixels, rows, columns = tiles(montage(volume, labels=False, legend=False))
    assert (len(rows), len(columns)) == (8, 12)
    light = [pixels[top:bottom, a:b].mean() for top, bottom in rows for a, b in columns]
    order = np.argsort(light)
    # the brightest map and the darkest one, by their sums
    sums = volume.data.clip(max=np.percentile(volume.data, 99.5)).sum(axis=(1, 2))
    assert order[-1] == np.argmax(sums) == 83
    assert np.corrcoef(light, sums)[0, 1] > 0.95


@pytest.mark.parametrize(
    ("volume", "arguments", "message"),
    [
        (ramp(), {"columns": 0}, "one column or more"),
        (ramp().replace(data=np.full((5, 7, 11), np.nan)), {}, "no value of the volume is finite"),
        (Volume(np.ones((9000, 1, 1))), {"columns": 9000}, "too large for a picture"),
    ],
)
def test_bad_calls(volume, arguments, message):
    with pytest.raises(PresetError, match=message):
        montage(volume, **arguments)
