"""Where a layer's volumes lie."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from converters import VolumeError, lay_out
from extract.geometry import AxisPlace, Place
from extract.placement import Frame, image_of, placed, roles_of, slice_spacing


def axis(number: int, stride: float, start: float, extent: int = 3) -> AxisPlace:
    return AxisPlace("x", number, Fraction(stride), Fraction(start), Fraction(extent))


# rows 4 pixels apart from 1.5 on, columns 2 apart from -0.5 on
PLANE = Place((None, None, axis(2, 4, 1.5), axis(3, 2, -0.5)), None)


def place_maps(values, place, layout="stack", frame=None, z_spacing="same", batch=0):
    """Place one image's output; a batch axis is put in front where there shall be one."""
    batched = values[np.newaxis] if batch == 0 else values
    roles = roles_of(place, batched.ndim, batch, "x")
    (volume, *_) = lay_out(image_of(batched, roles, 0), layout)
    return placed(volume, place, roles, frame or Frame(), z_spacing)


@pytest.mark.parametrize("layout", ["stack", "mosaic", "channels"])
def test_columns_are_x_and_rows_are_y(layout):
    volume = place_maps(np.zeros((5, 7, 11)), PLANE, layout)
    assert volume.spacing[:2] == (2, 4)
    assert volume.origin == (-0.5, 1.5, 0)
    assert volume.facts["geometry"]["frame"] == "input"
    assert volume.facts["geometry"]["receptive_field"] == [3, 3]


def test_channels_last_tensors_come_out_channels_first():
    values = np.arange(5 * 7 * 11).reshape(7, 11, 5)
    place = Place((None, axis(1, 4, 0), axis(2, 2, 0), None), None)
    volume = place_maps(values, place)
    assert volume.size == (11, 7, 5)
    assert volume.data[3, 2, 1] == values[2, 1, 3]
    assert volume.spacing[:2] == (2, 4)


def test_an_unknown_place_is_index_space_and_says_why():
    volume = place_maps(np.zeros((5, 7, 11)), Place((None,) * 4, "operator Warp of node 'w' is unknown"))
    assert (volume.spacing, volume.origin) == ((1, 1, 1), (0, 0, 0))
    assert volume.facts["geometry"]["frame"] == "index"
    assert "Warp" in volume.facts["geometry"]["reason"]


def test_a_3d_network_keeps_the_affine_of_its_input():
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], float)
    frame = Frame((0.5, 1, 2), (10, 20, 30), turn)
    place = Place((None, None, axis(2, 2, 1), axis(3, 1, 0), axis(4, 4, 1.5)), None)
    volume = place_maps(np.zeros((6, 3, 4, 5)), place, frame=frame)
    assert volume.frames == 6
    assert volume.spacing == (2, 1, 4)
    # x starts 1.5 * 0.5 along the frame's x, which points to y; z starts 1 * 2 along z
    np.testing.assert_allclose(volume.origin, (10, 20.75, 32))
    np.testing.assert_array_equal(volume.matrix, turn)


def test_a_tensor_without_a_batch_axis_keeps_its_axes_apart():
    values = np.arange(4 * 7 * 9).reshape(4, 7, 9)
    volume = place_maps(values, Place((None, axis(1, 4, 0), axis(2, 2, 0)), None), batch=None)
    assert volume.size == (9, 7, 4)
    assert volume.spacing[:2] == (2, 4)


def test_a_batch_axis_may_be_the_last():
    values = np.arange(7 * 9 * 4 * 2).reshape(7, 9, 4, 2)
    place = Place((axis(0, 4, 0), axis(1, 2, 0), None, None), None)
    roles = roles_of(place, 4, 3, "x")
    np.testing.assert_array_equal(image_of(values, roles, 1), values[..., 1].transpose(2, 0, 1))


def test_a_place_of_another_rank_is_index_space():
    volume = place_maps(np.zeros((5, 7, 11)), Place((), None))
    assert volume.facts["geometry"] == {
        "frame": "index",
        "reason": "its shape is not known before it runs",
        "z_spacing": "same",
    }


def test_another_input_is_another_frame():
    place = Place((None, None, AxisPlace("b", 2, Fraction(4), Fraction(0), 1), axis(3, 2, 0)), None)
    volume = place_maps(np.zeros((5, 7, 11)), place)
    assert volume.facts["geometry"]["reason"] == "it lies along another input than 'x'"
    assert volume.spacing == (1, 1, 1)


def test_an_axis_that_runs_backwards_is_index_space():
    volume = place_maps(np.zeros((5, 7, 11)), Place((None, None, axis(2, 4, 0), axis(3, -2, 9)), None))
    assert "backwards" in volume.facts["geometry"]["reason"]


def test_a_1d_layer_is_a_plane_with_channels_as_rows():
    volume = place_maps(np.zeros((5, 11)), Place((None, None, axis(2, 4, 1.5)), None))
    assert volume.size == (11, 5, 1)
    assert (volume.spacing[0], volume.origin[0]) == (4, 1.5)


def test_a_sheet_has_no_place():
    volume = place_maps(np.zeros(10), Place((None, None), None))
    assert volume.spacing == (1, 1, 1)


@pytest.mark.parametrize(
    ("size", "wanted", "expected"),
    [
        ((13, 13, 384), "same", 16.0),
        # 384 slices in twice the width of 13 * 16
        ((13, 13, 384), "fit", 2 * 13 * 16 / 384),
        ((55, 55, 96), "fit", 16.0),
        ((13, 13, 384), "0.25", 0.25),
    ],
)
def test_slice_spacing(size, wanted, expected):
    assert slice_spacing(size, (16.0, 16.0), wanted) == expected


@pytest.mark.parametrize("wanted", ["0", "-1", "nan", "inf", "wide"])
def test_bad_slice_spacing(wanted):
    with pytest.raises(VolumeError, match="--z-spacing takes same, fit or a positive number"):
        slice_spacing((1, 1, 1), (1, 1), wanted)
