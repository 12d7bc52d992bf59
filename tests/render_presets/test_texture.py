from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from converters import Volume
from render_presets import Fitted, fit, load, texture
from tests.render_presets.volumes import ramp


def spread(values, fitted):
    return np.concatenate([*texture.levels(np.asarray(values, np.float32), fitted)])


def test_long_axes_are_averaged():
    volume = Volume(np.arange(5 * 2500, dtype=np.float32).reshape(2500, 1, 5), spacing=(2, 2, 0.5))
    short = texture._shrunk(volume)
    assert short.size == (5, 1, 834)
    assert short.spacing == (2, 2, 1.5)
    assert short.data[0, 0] == pytest.approx(volume.data[:3, 0].mean(axis=0))
    assert short.data[-1, 0] == pytest.approx(volume.data[2499, 0])
    # the middle of the first three slices
    assert short.origin == (0, 0, 0.5)


def test_levels_and_the_function_over_them_go_together():
    volume = Volume(np.linspace(-3, 5, 5 * 7 * 11).reshape(5, 7, 11))
    fitted = fit(load("signed"), volume)
    levels = spread(volume.data, fitted)
    assert levels.dtype == np.uint16
    # half a level is 33/131070 of the range, and opacities and colours change by less than 20 over it
    colors = texture.leveled(fitted).rgba(levels)
    np.testing.assert_allclose(
        colors, fitted.rgba(fitted.shown(volume.data)).reshape(-1, 4), atol=20 * 33 / 131070
    )


def test_levels_reach_beyond_the_range():
    volume = Volume(np.array([[[-3.0, 0, 1, 5, 16.9, 17, 99]]]))
    fitted = fit(replace(load("activation"), values=(0.0, 1.0)), volume)
    values = np.array([-3, 0, 1, 5, 16.9, 17, 17])
    np.testing.assert_allclose(spread(volume.data, fitted), (values + 16) / 33 * 65535, atol=0.5)


def test_levels_are_made_block_by_block(monkeypatch):
    fitted = fit(load("activation"), ramp())
    whole = spread(ramp().data, fitted)
    monkeypatch.setattr(texture, "_BLOCK", 100)
    assert [block.size for block in texture.levels(ramp().data, fitted)] == [100, 100, 100, 85]
    np.testing.assert_array_equal(spread(ramp().data, fitted), whole)


def test_values_that_are_not_finite_get_the_clearest_level():
    fitted = fit(load("activation"), ramp())
    levels = spread([np.nan, np.inf, -np.inf], fitted)
    assert texture.leveled(fitted).rgba(levels)[:, 3].tolist() == [0, 0, 0]


def test_what_is_clear_may_lie_outside_the_colours():
    fitted = Fitted("own", ((1, 1, 0, 0), (2, 0, 0, 1)), ((0, 0.0), (1, 0.8), (2, 0.8)), 1.0)
    # half a level is 33/131070 of the range, over which opacity rises by 0.8
    levels = spread([np.nan, 1.0, 2.0, 9.0], fitted)
    assert texture.leveled(fitted).rgba(levels)[:, 3] == pytest.approx([0, 0.8, 0.8, 0.8], abs=2.1e-4)


@pytest.mark.parametrize("top", [float(np.finfo(np.float32).max), 1e-40])
def test_extreme_ranges(top):
    fitted = fit(load("signed"), Volume(np.array([[[-top, 0, top]]])))
    low, middle, high = spread([-top, 0, top], fitted).tolist()
    assert middle == 32768
    assert high - middle == pytest.approx(middle - low, abs=1)
    assert high - low >= 65535 // 33
    assert np.isfinite([x for x, *_ in texture.leveled(fitted).colors]).all()
