from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from converters import Encoding
from render_presets import cgv, fit, load
from render_presets.scene import Scene
from tests.render_presets.volumes import ramp


def points(encoding, fitted):
    text = cgv.files(Scene(Path("ramp.vox"), "ramp.vox", ramp().replace(encoding=encoding), fitted, "ramp"))[
        ".cgv.xml"
    ]
    root = ElementTree.fromstring(text)
    assert root.tag == "ColorMaps"
    (color_map,) = root
    assert color_map.tag == "ColorMap"
    assert color_map.get("name") == "cnnvis_activation_v1"
    return text, [{key: float(value) for key, value in point.attrib.items()} for point in color_map]


def test_old_readers_spelling():
    text, found = points(Encoding("uint8"), fit(load("activation"), ramp()))
    lines = [line for line in text.splitlines() if "<Point" in line]
    assert len(lines) == len(found)
    number = r'"[0-9.e+-]+"'
    form = rf"    <Point x={number} o={number} r={number} g={number} b={number}/>"
    assert all(re.fullmatch(form, line) for line in lines)


def test_positions_are_bytes_over_255():
    encoding = Encoding("uint8", 2.0, -10.0)
    fitted = fit(load("activation"), ramp())
    stored = fitted.stored(encoding)
    _, found = points(encoding, stored)
    assert found[0]["x"] == 0
    assert found[-1]["x"] == 1
    # pure red lies at 36 % of the range: stored numbers twice as dense, and shifted by 10
    red = next(point for point in found if (point["r"], point["g"]) == (1, 0))
    value = 0.36 * fitted.range[1]
    assert red["x"] == pytest.approx((value + 10) / 2 / 255, rel=1e-5)
    # what a viewer shows for each byte is what the fit says of the value
    table = np.array([[point[key] for key in "xrgbo"] for point in found])
    for byte in range(256):
        shown = [np.interp(byte / 255, table[:, 0], channel) for channel in table.T[1:]]
        # points have six digits
        assert shown == pytest.approx(fitted.rgba(2.0 * byte - 10).tolist(), abs=1e-4)


def test_float_positions_are_of_the_fitted_range():
    fitted = fit(load("activation"), ramp())
    _, found = points(Encoding(), fitted)
    assert next(point["x"] for point in found if point["r"] == 1) == pytest.approx(0.36)
