from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from converters import Encoding, VolumeError

INTEGERS = ("int16", "uint16", "uint8")
_values = hnp.arrays(np.float32, st.integers(1, 30), elements=st.floats(-(2.0**60), 2.0**60, width=32))


@given(data=_values, dtype=st.sampled_from(INTEGERS))
def test_values_come_back_within_half_a_step(data: np.ndarray, dtype: str) -> None:
    encoding = _fitted(data, dtype)
    stored = encoding.encode(data)
    assert stored.dtype == dtype
    largest = np.spacing(np.abs(data).max())
    np.testing.assert_allclose(encoding.decode(stored), data, rtol=0, atol=0.51 * encoding.slope + largest)


@given(data=_values, dtype=st.sampled_from(INTEGERS))
def test_slope_and_intercept_are_float32_as_nifti_stores_them(data: np.ndarray, dtype: str) -> None:
    encoding = _fitted(data, dtype)
    assert np.float32(encoding.slope) == encoding.slope
    assert np.float32(encoding.intercept) == encoding.intercept


def _fitted(data: np.ndarray, dtype: str) -> Encoding:
    # smaller ranges have no step that float32 holds
    assume(np.ptp(data) > 2.0**-100 or np.ptp(data) == 0)
    return Encoding.fit(data, dtype)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_the_whole_range_is_used(dtype: str) -> None:
    encoding = Encoding.fit(np.array([-1.25, 0.1, 7.5], np.float32), dtype)
    stored = encoding.encode(np.array([-1.25, 7.5], np.float32))
    assert stored.tolist() == [np.iinfo(dtype).min, np.iinfo(dtype).max]


def test_extremes_do_not_wrap_around() -> None:
    # rounded to float32 the slope may be a bit too small: the maximum would become 256
    for high in np.random.default_rng(0).uniform(0.1, 9, 500).astype(np.float32):
        data = np.array([0.05, high], np.float32)
        assert Encoding.fit(data, "uint8").encode(data)[1] >= 254


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("uint8", 0, 255), ("int16", -32768, 32767), ("uint16", 0, 65535)]
)
def test_whole_numbers_that_fit_are_stored_as_they_are(dtype: str, low: int, high: int) -> None:
    data = np.array([low, 3, high], np.float32)
    assert Encoding.fit(data, dtype) == Encoding(dtype)
    assert Encoding.fit(data, dtype).encode(data).tolist() == [low, 3, high]
    assert Encoding.fit(np.array([low, high + 1], np.float32), dtype).slope != 1


@pytest.mark.parametrize("dtype", INTEGERS)
def test_constants_are_exact(dtype: str) -> None:
    data = np.full(4, -0.1, np.float32)
    encoding = Encoding.fit(data, dtype)
    np.testing.assert_array_equal(encoding.decode(encoding.encode(data)), data)


def test_float32_passes_through() -> None:
    data = np.array([np.nan, np.inf, 1e-40], np.float32)
    encoding = Encoding.fit(data, "float32")
    assert encoding.encode(data) is data
    np.testing.assert_array_equal(encoding.decode(data), data)


def test_stored_numbers_for_values() -> None:
    assert Encoding("uint8", 0.5, -3).store(-2) == 2
    assert Encoding("uint8", 0.5, -3).store(-2.1) == pytest.approx(1.8)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1], "float64", "cannot store values as float64: choose one of float32, int16, uint16, uint8"),
        ([1, np.nan], "uint8", "1 of 2 values are NaN or infinite: uint8 cannot hold them, float32 can"),
        ([np.inf, 1, -np.inf], "int16", "2 of 3 values are NaN or infinite"),
        ([0, 1e-42], "uint8", "has no float32 scale for uint8"),
    ],
)
def test_what_cannot_be_stored(values: list[float], dtype: str, expected: str) -> None:
    with pytest.raises(VolumeError, match=expected):
        Encoding.fit(np.array(values, np.float32), dtype)
