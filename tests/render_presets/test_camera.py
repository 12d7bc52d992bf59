from __future__ import annotations

import math

import numpy as np
import pytest

from converters import Volume
from render_presets import camera as views
from tests.render_presets.volumes import block, ramp


def on_screen(volume, points, aspect, ours=None):
    """Project LPS points by VTK's own camera: x to the right and y up, both in -1..1."""
    from vtkmodules.vtkRenderingCore import vtkCamera

    ours = ours or views.camera(volume, aspect)
    camera = vtkCamera()
    camera.SetPosition(ours.position)
    camera.SetFocalPoint(ours.focal_point)
    camera.SetViewUp(ours.view_up)
    camera.SetViewAngle(ours.view_angle)
    camera.SetClippingRange(0.1, 1e6)
    matrix = camera.GetCompositeProjectionTransformMatrix(aspect, -1, 1)
    flat = np.array([matrix.GetElement(i, j) for i in range(4) for j in range(4)]).reshape(4, 4)
    seen = np.c_[points, np.ones(len(points))] @ flat.T
    return seen[:, :2] / seen[:, 3:]


@pytest.mark.parametrize("aspect", [0.5, 1.0, 4 / 3])
@pytest.mark.parametrize("volume", [ramp(), block()], ids=["ramp", "block"])
def test_camera_frames_the_whole_volume(volume, aspect):
    seen = on_screen(volume, views.corners(volume), aspect)
    most, least = seen.max(axis=0), seen.min(axis=0)
    assert np.abs(seen).max() == pytest.approx(views.FILL, abs=1e-6)
    # the narrower direction is filled on both sides, the other one is centred but for perspective
    assert np.abs(most + least).min() == pytest.approx(0, abs=1e-6)
    assert np.abs(most + least).max() < 0.1


def test_camera_stands_upright():
    volume = ramp()
    first, right, down, behind = (
        (volume.affine @ (*index, 1))[:3] for index in ((0, 0, 0), (10, 0, 0), (0, 6, 0), (0, 0, 4))
    )
    seen = on_screen(volume, [first, right, down], 1.0)
    assert seen[1, 0] > seen[0, 0] + 0.5
    assert seen[2, 1] < seen[0, 1] - 0.5
    eye = np.array(views.camera(volume).position)
    assert np.linalg.norm(first - eye) < np.linalg.norm(behind - eye)


def test_view_direction_without_angles_is_plus_z():
    assert views.view_direction(0, 0) == pytest.approx([0, 0, 1])
    assert np.linalg.norm(views.view_direction()) == pytest.approx(1)


def test_mean_chord():
    # Cauchy: of a sphere it is 4/3 of the radius, of a cube 2/3 of the edge
    assert views.mean_chord((3, 3, 3)) == pytest.approx(2)
    # a plate: twice its thickness
    assert views.mean_chord((1e9, 1e9, 1)) == pytest.approx(2)


def test_mean_chord_by_monte_carlo():
    rng = np.random.default_rng(5)
    lengths, count = np.array([1.0, 2.0, 5.0]), 200_000
    ahead, other = rng.normal(size=(2, count, 3))
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    across = np.cross(ahead, other)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    # lines of all directions through all points of the plane across them
    u, v = rng.uniform(-3, 3, (2, count, 1))
    starts = u * across + v * np.cross(ahead, across)
    ends = np.sort((np.array([-0.5, 0.5])[:, np.newaxis, np.newaxis] * lengths - starts) / ahead, axis=0)
    chords = ends[1].min(axis=1) - ends[0].max(axis=1)
    chords = chords[chords > 0]
    error = chords.std() / math.sqrt(len(chords))
    assert chords.mean() == pytest.approx(views.mean_chord((1, 2, 5)), abs=4 * error)
    assert error < 0.01


def test_extent_counts_whole_voxels():
    assert views.extent(Volume(np.zeros((4, 3, 2)), spacing=(1, 10, 100))) == (2, 30, 400)
    assert math.isfinite(views.camera(Volume(np.zeros((1, 1, 1)))).position[2])


@pytest.mark.parametrize("elevation", [-90, -35, 0, 60, 90])
def test_turntable_holds_the_whole_volume_at_one_scale(elevation):
    volume, aspect = ramp(), 4 / 3
    eyes = views.turntable(volume, 16, aspect, elevation=elevation)
    seen = [np.abs(on_screen(volume, views.corners(volume), aspect, eye)).max() for eye in eyes]
    assert max(seen) == pytest.approx(views.FILL, abs=1e-6)
    middle = views.corners(volume).mean(axis=0)
    distances = [np.linalg.norm(np.array(eye.position) - middle) for eye in eyes]
    assert np.ptp(distances) < 1e-9
    assert all(eye.focal_point == pytest.approx(middle) for eye in eyes)


def test_turntable_goes_all_around():
    eyes = np.array([eye.position for eye in views.turntable(ramp(), 4, azimuth=0, elevation=0)])
    away = eyes - views.corners(ramp()).mean(axis=0)
    # in front, to the right, behind, to the left
    expected = np.array([(0, 0, -1), (1, 0, 0), (0, 0, 1), (-1, 0, 0)])
    np.testing.assert_allclose(away / np.linalg.norm(away, axis=1, keepdims=True), expected, atol=1e-12)


@pytest.mark.parametrize(("azimuth", "elevation", "zoom"), [(30, 20, 1), (-100, 90, 1), (200, -50, 3)])
def test_our_projection_is_that_of_vtk(azimuth, elevation, zoom):
    volume, size = ramp(), (400, 300)
    eye = views.camera(volume, 4 / 3, azimuth, elevation, zoom)
    x, y = on_screen(volume, views.corners(volume), 4 / 3, eye).T
    ours = views.on_screen(eye, views.corners(volume), size)
    np.testing.assert_allclose(ours, np.stack([(1 + x) * 200, (1 - y) * 150], axis=1), atol=1e-6)


def test_zoom_enlarges_by_its_factor():
    volume = ramp()
    plain, near = (
        views.on_screen(views.camera(volume, zoom=zoom), views.corners(volume), (300, 300))
        for zoom in (1, 2.5)
    )
    np.testing.assert_allclose(near - 150, 2.5 * (plain - 150), atol=1e-9)
