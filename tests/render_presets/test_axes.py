from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from converters import Volume
from render_presets import axes as module
from render_presets.axes import Axis, axes, label_axes
from render_presets.camera import camera, corners, on_screen
from render_presets.theme import DARK
from tests.render_presets.volumes import ramp

SIZE = (400, 300)


def layer(**facts):
    geometry = {"frame": "input", "stride": [4, 4]}
    data = np.zeros((5, 7, 11), np.float32)
    labels = ("3", "0", "4", "1", "2")
    whole = {"geometry": geometry, "layout": {"kind": "stack"}, "image": {"kind": "picture"}} | facts
    return Volume(data, spacing=(4, 4, 9), origin=(2, 3, 0), labels=labels, facts=whole)


def test_a_layer_has_image_positions_and_channels():
    assert axes(layer()) == (
        Axis("x, image pixels", "2", "42"),
        Axis("y, image pixels", "3", "27"),
        Axis("z, 5 channels", "3", "2"),
    )


def test_a_3d_network_has_millimetres():
    volume = layer(image={"kind": "volume"}, layout={"kind": "channels"})
    assert axes(volume) == (Axis("x, mm", "2", "42"), Axis("y, mm", "3", "27"), Axis("z, mm", "0", "36"))


def test_a_layer_without_a_place_has_rows_and_columns():
    x, y, z = axes(layer(geometry={"frame": "index"}))
    assert (x, y) == (Axis("x, columns", "0", "10"), Axis("y, rows", "0", "6"))
    assert z.title == "z, 5 channels"


def test_volumes_of_others_have_millimetres_if_they_have_a_place():
    assert axes(ramp())[1] == Axis("y, mm", "-20", "-2")
    assert axes(Volume(np.zeros((5, 7, 11))))[1] == Axis("y, rows", "0", "6")
    # turned axes: distances from the first voxel
    turned = ramp().replace(direction=(0, 1, 0, 1, 0, 0, 0, 0, -1))
    assert axes(turned)[1] == Axis("y, mm", "0", "18")


def written(volume, azimuth, elevation, monkeypatch):
    """Return the picture with its labels, the middle of each, and the camera."""
    places, write = {}, module._write

    def spy(picture, text, box, ink):
        places[text.letters] = np.array([box[0] + box[2], box[1] + box[3]]) / 2
        write(picture, text, box, ink)

    monkeypatch.setattr(module, "_write", spy)
    picture = Image.new("RGB", SIZE, DARK.paper)
    eye = camera(volume, SIZE[0] / SIZE[1], azimuth, elevation, fill=0.7)
    label_axes(picture, volume, eye, DARK)
    return np.asarray(picture), places, eye


@pytest.mark.parametrize(("azimuth", "elevation"), [(30, 20), (-40, 35), (150, 10), (200, -30)])
def test_ends_are_written_beside_the_voxels_that_they_tell_of(azimuth, elevation, monkeypatch):
    volume = ramp()
    _, places, eye = written(volume, azimuth, elevation, monkeypatch)
    ends = on_screen(eye, corners(volume), SIZE)
    # corners are numbered by three bits: x, y, z
    for text, bit, last in (("10", 4, 0), ("-20", 2, 0), ("-2", 2, 2), ("46", 1, 1)):
        near = [i for i in range(8) if np.linalg.norm(places[text] - ends[i]) < 30]
        assert any(i & bit == last for i in near), text


@pytest.mark.parametrize("azimuth", [0, 30, 90, 150, 210, 300])
def test_labels_neither_meet_nor_lie_over_the_box(azimuth, monkeypatch):
    picture, places, eye = written(layer(), azimuth, 20, monkeypatch)
    assert {"y, image pixels", "3", "27"} <= set(places)
    assert ("x, image pixels" in places) or azimuth in (90, 270)
    drawn = (picture != DARK.paper).any(axis=2)
    # inside the outline of the box nothing is written
    from scipy.spatial import Delaunay

    rows, columns = np.nonzero(drawn)
    hull = Delaunay(on_screen(eye, corners(layer()), SIZE))
    inside = hull.find_simplex(np.stack([columns, rows], axis=1)) >= 0
    assert inside.mean() < 0.1
    # the edge of the picture stays free
    assert not drawn[[0, 1, -2, -1]].any()
    assert not drawn[:, [0, 1, -2, -1]].any()


def test_an_axis_seen_end_on_has_no_label(monkeypatch):
    _, places, _ = written(layer(), 0, 0, monkeypatch)
    assert "z, 5 channels" not in places
    assert {"x, image pixels", "y, image pixels"} <= set(places)
