from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from converters import Volume, VolumeError
from tests.converters.round_trip import sample


def test_defaults() -> None:
    volume = Volume(np.zeros((7, 5, 11)))
    assert volume.size == (11, 5, 7)
    assert volume.frames is None
    assert volume.labels == ("0", "1", "2", "3", "4", "5", "6")
    np.testing.assert_array_equal(volume.affine, np.eye(4))


def test_frames_are_labelled_not_slices() -> None:
    volume = Volume(np.zeros((2, 7, 5, 11)))
    assert (volume.size, volume.frames, volume.labels) == ((11, 5, 7), 2, ("0", "1"))


def test_float32_is_not_copied_and_read_only() -> None:
    array = np.zeros((3, 4, 5), np.float32)
    volume = Volume(array)
    assert np.shares_memory(volume.data, array)
    assert not volume.data.flags.writeable
    assert array.flags.writeable


def test_transposed_arrays_become_contiguous() -> None:
    array = np.arange(60, dtype=np.float32).reshape(5, 4, 3).T
    volume = Volume(array)
    assert volume.data.flags.c_contiguous
    np.testing.assert_array_equal(volume.data, array)


@pytest.mark.parametrize("dtype", ["bool", "u1", "i8", "f2", "f8", ml_dtypes.bfloat16], ids=str)
def test_real_types_widen(dtype: Any) -> None:
    volume = Volume(np.ones((1, 2, 3), dtype=dtype))
    assert volume.data.dtype == np.float32
    assert np.all(volume.data == 1)


def test_affine_takes_indices_to_positions() -> None:
    volume = sample((7, 5, 11))
    step_y = volume.affine @ (0, 1, 0, 1) - volume.affine @ (0, 0, 0, 1)
    # the second column of the direction
    np.testing.assert_allclose(step_y[:3], volume.spacing[1] * np.array([0.48, 0.6, 0.64]))
    np.testing.assert_allclose((volume.affine @ (0, 0, 0, 1))[:3], volume.origin)


def test_replace_checks_again() -> None:
    volume = Volume(np.zeros((3, 4, 5)))
    assert volume.replace(spacing=(1, 2, 3)).spacing == (1, 2, 3)
    with pytest.raises(VolumeError, match="2 labels for 3 slices or frames"):
        volume.replace(labels=("a", "b"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([[[1.0]], [[np.inf]], [[-3.0]]], (-3, 1)),
        ([[[np.nan]]], None),
        ([[[2.0]]], (2, 2)),
    ],
)
def test_range_is_of_finite_values(data: Any, expected: Any) -> None:
    assert Volume(data).range == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"data": np.zeros((3, 4))},
            r"a volume has 3 or 4 axes, none of them empty; this array has shape \(3, 4\)",
        ),
        ({"data": np.zeros((3, 0, 5))}, "none of them empty"),
        ({"data": np.zeros((1, 1, 1, 1, 1))}, "a volume has 3 or 4 axes"),
        ({"data": np.zeros((3, 4, 5), complex)}, "a volume holds real numbers, not complex128"),
        ({"data": np.full((3, 4, 5), "a")}, "a volume holds real numbers"),
        ({"data": np.zeros((3, 4, 5), [("r", "u1")])}, "a volume holds real numbers"),
        ({"spacing": (1, 0, 1)}, "spacing must be positive"),
        ({"spacing": (1, -1, 1)}, "spacing must be positive"),
        ({"spacing": (1, 2)}, "spacing takes 3 finite numbers"),
        ({"origin": (0, np.nan, 0)}, "origin takes 3 finite numbers"),
        ({"direction": (1, 0, 0, 1, 0, 0, 0, 0, 1)}, "direction has no inverse"),
        ({"direction": np.eye(4)}, "direction takes 9 finite numbers"),
        ({"labels": ("a",)}, "1 labels for 3 slices or frames"),
    ],
)
def test_what_is_no_volume(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(VolumeError, match=expected):
        Volume(**{"data": np.zeros((3, 4, 5)), **fields})
