"""Pictures of orders: matrices and cuts side by side."""

from __future__ import annotations

import numpy as np
import pytest

from converters import Volume
from render_presets import Panel, choose, fit, orders
from render_presets.orders import _SIDE, _TITLE

DISTANCES = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))


def drawn(shape=(4, 5, 7), count=1):
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    volume = Volume(data, facts={"layer": "conv1"})
    panels = [Panel(volume, DISTANCES, "smooth", "path 3")] * count
    return np.asarray(orders(volume, panels, 2, fit(choose(volume), volume)))


def test_matrix_and_cut_stand_side_by_side():
    picture = drawn()
    top = 12 + _TITLE
    matrix = picture[top : top + _SIDE, 12 : 12 + _SIDE]
    # the middles of the 4 x 4 blocks: black on the diagonal, white for the largest distance
    middles = matrix[_SIDE // 8 :: _SIDE // 4, _SIDE // 8 :: _SIDE // 4, 0]
    np.testing.assert_array_equal(middles, np.rint(255 * DISTANCES / 3))
    cut = picture[top : top + _SIDE, 16 + _SIDE : 16 + 2 * _SIDE]
    lines = cut[_SIDE // 8 :: _SIDE // 4].astype(int)
    # values grow from slice to slice, and so does the brightness of the middle column
    assert (np.diff(lines[:, _SIDE // 2].sum(axis=1)) > 0).all()


@pytest.mark.parametrize("count", [2, 5])
def test_panels_fill_rows_of_four(count):
    height, width, _ = drawn(count=count).shape
    assert width == 12 + min(count, 4) * (2 * _SIDE + 24)
    assert height > -(-count // 4) * (_SIDE + _TITLE)


def test_frames_are_cut_through_their_middle():
    assert drawn(shape=(4, 3, 5, 7)).shape == drawn().shape
