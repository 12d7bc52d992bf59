from __future__ import annotations

import json
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from converters import CnnVisWarning, Encoding, write
from render_presets import PresetError, cgv, fit, load, names, paraview, slicer, write_presets
from render_presets.camera import extent, mean_chord
from render_presets.scene import Scene
from tests.render_presets.volumes import ramp

VP = "1\n0\n1\n0.2\n0\n1\n6 -1 0 0.5 0.125 4 0.75\n4 0 1 255 1\n8 0 0 0.25 0.5 4 1 0.5 0.25\n"
"""By slicer-core 5.13 (vtkMRMLVolumePropertyStorageNode), which leaves midpoints out."""


def vp_json(**changes):
    """Return the parts that count of what slicer-core 5.13 writes (vtkMRMLVolumePropertyJsonStorageNode)."""
    ends = {"midpoint": 0.5, "sharpness": 0.0}
    bent = {"x": 0.5, "y": 0.125, "midpoint": 0.25, "sharpness": 0.5}
    part = {
        "componentWeight": 1.0,
        "shade": False,
        "disableGradientOpacity": False,
        "scalarOpacityUnitDistance": 2.5,
        "rgbTransferFunction": {
            "type": "colorTransferFunction",
            "points": [
                {"x": 0.0, "color": [0.0, 0.25, 0.5], **ends},
                {"x": 4.0, "color": [1.0, 0.5, 0.25], **ends},
            ],
        },
        "scalarOpacity": {
            "type": "piecewiseLinearFunction",
            "points": [{"x": -1.0, "y": 0.0, **ends}, bent, {"x": 4.0, "y": 0.75, **ends}],
        },
        "gradientOpacity": {
            "type": "piecewiseLinearFunction",
            "points": [{"x": 0.0, "y": 1.0, **ends}, {"x": 255.0, "y": 1.0, **ends}],
        },
    }
    look = {
        "effectiveRange": [0.0, -1.0],
        "interpolationType": "nearest",
        "components": [{**part, **changes}],
    }
    return {"@schema": "volume-property-schema-v1.0.0.json#", "volumeProperties": [look]}


def kept(tmp_path, name, text):
    file = tmp_path / name
    file.write_text(text if isinstance(text, str) else json.dumps(text))
    return file


def same(found, expected, tolerance=1e-11):
    """Whether two fitted functions agree in each point, to the digits that files hold."""
    assert found.colors == pytest.approx(np.array(expected.colors), rel=tolerance, abs=tolerance)
    assert found.opacities == pytest.approx(np.array(expected.opacities), rel=tolerance, abs=tolerance)
    assert found.unit == pytest.approx(expected.unit)


@pytest.mark.parametrize("preset", names())
def test_paraviews_round_trip(tmp_path, preset):
    fitted = fit(load(preset), ramp())
    written = fitted.per(paraview.cell_length(ramp()))
    found = fit(load(kept(tmp_path, "a.json", paraview.preset(written))), ramp())
    same(found, written)
    assert found.name == f"cnnvis {preset} v1"


@pytest.mark.parametrize("preset", names())
def test_slicers_round_trip(tmp_path, preset):
    written = fit(load(preset), ramp()).per(slicer.step_length(ramp()))
    found = fit(load(kept(tmp_path, "my look.vp", slicer.volume_property(written))), ramp())
    same(found, written)
    assert found.interpolate == written.interpolate
    assert found.name == "my look"


@pytest.mark.parametrize("preset", names())
def test_slicers_json_round_trip(tmp_path, preset):
    written = fit(load(preset), ramp())
    text = slicer.files(Scene(Path("a.nrrd"), "a.nrrd", ramp(), written, "a"))[".slicer.vp.json"]
    found = fit(load(kept(tmp_path, "look.vp.json", text)), ramp())
    same(found, written)
    assert found.interpolate == written.interpolate


@pytest.mark.parametrize("preset", names())
def test_cgvs_round_trip(tmp_path, preset):
    volume = ramp().replace(encoding=Encoding.fit(ramp().data, "uint8"))
    fitted = fit(load(preset), volume)
    text = cgv.files(Scene(Path("a.vox"), "a.vox", volume, fitted.stored(volume.encoding), "a"))[".cgv.xml"]
    function = load(kept(tmp_path, "a.xml", text))
    points = [[float(p.get(key)) for key in "xrgbo"] for p in ElementTree.fromstring(text).iter("Point")]
    assert [[*color, o] for color, (_, o) in zip(function.colors, function.opacities, strict=True)] == points
    # 0..1 are the bytes of the file, which hold the minimum and the maximum at their ends
    found = fit(function, volume)
    assert found.range == (0, 384)
    values = np.linspace(0, min(384, fitted.range[1]), 301)
    # points have six digits, and a step of categorical may be a thousandth wide
    close = np.abs(found.rgba(values) - fitted.rgba(values)).max(axis=1) < 1e-3
    assert close.mean() > 0.99
    assert found.unit == pytest.approx(0.04 * mean_chord(extent(volume)))


def test_any_viewers_for_any_other(tmp_path):
    fitted = fit(load("activation"), ramp())
    texts = {
        "a.json": paraview.preset(fitted.per(paraview.cell_length(ramp()))),
        "a.vp": slicer.volume_property(fitted.per(slicer.step_length(ramp()))),
    }
    values = np.linspace(*fitted.range, 50)
    for source in texts:
        file = kept(tmp_path, source, texts[source])
        for name, writer, read in (
            ("b.json", paraview.files, ".paraview.json"),
            ("b.vp", slicer.files, ".vp"),
            ("b.vp.json", slicer.files, ".slicer.vp.json"),
        ):
            text = writer(Scene(Path("ramp.nrrd"), "ramp.nrrd", ramp(), fit(load(file), ramp()), "ramp"))[
                read
            ]
            back = fit(load(kept(tmp_path, name, text)), ramp())
            # chords of the curves that a new unit distance makes of ramps: see REFINEMENT
            assert back.per(fitted.unit).rgba(values) == pytest.approx(fitted.rgba(values), abs=4e-3)


def test_slicers_own_lines(tmp_path):
    fitted = fit(load(kept(tmp_path, "real.vp", VP)), ramp())
    # colours go on with the first, where opacities begin before them
    assert fitted.colors == ((-1, 0, 0.25, 0.5), (0, 0, 0.25, 0.5), (4, 1, 0.5, 0.25))
    assert fitted.opacities == ((-1, 0), (0.5, 0.125), (4, 0.75))
    assert fitted.interpolate
    assert fitted.unit == slicer.step_length(ramp())


def test_slicers_own_json(tmp_path):
    fitted = fit(load(kept(tmp_path, "real.vp.json", vp_json())), ramp())
    assert fitted.name == "real"
    assert not fitted.interpolate
    assert fitted.unit == pytest.approx(2.5 * slicer.step_length(ramp()))
    # by slicer-core 5.13: GetColor and GetValue of the functions that it wrote
    colors = [(0.125, 0.28125, 0.46875), (0.25, 0.3125, 0.4375), (1.0, 0.5, 0.25)]
    assert fitted.rgba([0.5, 1.0, 4.0])[:, :3] == pytest.approx(np.array(colors))
    opacities = [0.125, 0.13072070253117127, 0.7110513163110403, 0.7495202348031399, 0.75]
    # 32 straight pieces of a curve that rises by 0.6: the steepest bend is off by 0.0015
    assert fitted.rgba([0.5, 1, 2, 3, 4])[:, 3] == pytest.approx(opacities, abs=2e-3)


def test_paraviews_own_colour_maps_span_the_values(tmp_path):
    # ParaView 5.11.0: vtkSMTransferFunctionPresets.GetPresetAsString of "Cool to Warm"
    points = [0, 0.23137254902, 0.298039215686, 0.752941176471, 0.5, 0.865, 0.865, 0.865]
    points += [1, 0.705882352941, 0.0156862745098, 0.149019607843]
    preset = {"ColorSpace": "Diverging", "Name": "Cool to Warm", "NanColor": [1, 1, 0], "RGBPoints": points}
    fitted = fit(load(kept(tmp_path, "warm.json", [preset])), ramp())
    assert fitted.range == (0, 384)
    assert fitted.opacities == ((0, 0), (384, 1))
    assert fitted.unit == paraview.cell_length(ramp())
    # VTK goes through Lab and back: a fraction of a byte
    expected = np.array(points).reshape(-1, 4)[:, 1:]
    assert fitted.rgba([0, 192, 384])[:, :3] == pytest.approx(expected, abs=0.5 / 255)


def test_paraviews_bent_colours_and_opacities(tmp_path):
    preset = {
        "Name": "bent",
        "ColorSpace": "Lab",
        "RGBPoints": [0.5, 0, 0, 1, 3, 1, 0.5, 0, 4, 1, 1, 1],
        "Points": [0.5, 0, 0.5, 0, 3, 0.5, 0.25, 0.5, 4, 0.75, 0.5, 0],
    }
    fitted = fit(load(kept(tmp_path, "bent.json", [preset])), ramp())
    # its colours are bytes
    assert fitted.rgba(PARAVIEW[:, 0]) == pytest.approx(PARAVIEW[:, 1:], abs=1.5 / 255)


def test_older_xml(tmp_path):
    # separate points, as CGV's library writes them, and a map of ParaView's that ends before 1
    text = """<?xml version="1.0"?><doc><ColorMaps><ColorMap name="relu activation">
      <ColorPoint x="0" r="0" g="0" b="0.5"/><ColorPoint x="0.75" r="1" g="1" b="0"/>
      <OpacityPoint x="0.25" o="0"/><OpacityPoint x="1" o="0.8"/></ColorMap></ColorMaps></doc>"""
    function = load(kept(tmp_path, "a.XML", text))
    assert function.colors == ((0, 0, 0, 0.5), (0.75, 1, 1, 0), (1, 1, 1, 0))
    assert function.opacities == ((0, 0), (0.25, 0), (1, 0.8))
    assert function.name == "relu activation"


def test_opacity_by_gradient_is_not_silent(tmp_path):
    with pytest.warns(CnnVisWarning, match="steep: opacity by gradient is left out"):
        load(kept(tmp_path, "steep.vp", VP.replace("4 0 1 255 1", "4 0 0 255 1")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steep = {"points": [{"x": 0, "y": 0}]}
        load(kept(tmp_path, "a.vp.json", vp_json(disableGradientOpacity=True, gradientOpacity=steep)))


def test_a_foreign_preset_for_a_file(tmp_path):
    write(ramp(), tmp_path / "a.nrrd", dtype="float32")
    mine = kept(tmp_path, "mine.vp", VP)
    written = write_presets(tmp_path / "a.nrrd", ["slicer"], preset=str(mine))
    assert written[0].read_text().splitlines()[6] == VP.splitlines()[6]


PARAVIEW = np.array(
    [
        [0.5, 0.0, 0.0, 1.0, 0.0],
        [1.0, 0.53725, 0.09412, 0.83137, 0.1],
        [1.5, 0.71765, 0.20392, 0.66275, 0.2],
        [2.5, 0.92941, 0.40392, 0.31765, 0.4],
        [3.5, 1.0, 0.71765, 0.52549, 0.7438116127874692],
        [4.0, 1.0, 1.0, 1.0, 0.75],
    ]
)
"""Value, colour and opacity by pvpython of ParaView 5.11.0: GetRedValue and so on, which are bytes, of the
client-side objects of a colour and an opacity transfer function with these points."""

PRESET = {"Name": "x", "RGBPoints": [0, 0, 0, 0, 2, 1, 1, 1]}
MAP = '<ColorMaps><ColorMap name="a"><Point x="0" o="0" r="0" g="0" b="0"/></ColorMap></ColorMaps>'


def test_one_of_several_presets_is_taken_by_its_name(tmp_path):
    other = {"Name": "50% #2", "RGBPoints": [0, 1, 0, 0, 4, 0, 0, 1]}
    file = kept(tmp_path, "all#.json", [PRESET, other])
    assert fit(load(f"{file}#x"), ramp()).range == (0, 2)
    assert load(f"{file}#50% #2").colors[0] == (0, 1, 0, 0)
    maps = MAP.replace("</ColorMap>", '<Point x="1" o="1" r="1" g="1" b="1"/></ColorMap>')
    second = maps.replace('"a"', '"b"').replace('r="0"', 'r="0.5"')
    file = kept(tmp_path, "maps.xml", maps.replace("</ColorMaps>", second[len("<ColorMaps>") :]))
    assert [load(f"{file}#{name}").colors[0][1] for name in "ab"] == [0, 0.5]
    for wanted, message in {
        f"{file}#c": "holds several of the kind ColorMap: choose one by FILE#NAME, of a, b",
        f"{kept(tmp_path, 'twice.json', [PRESET, PRESET])}#x": "holds 2 of the kind preset 'x'",
        f"{kept(tmp_path, 'a.vp', VP)}#x": "such a file holds one preset: it goes without #x",
        str(tmp_path / "missing#x"): "no such preset or file",
    }.items():
        with pytest.raises(PresetError, match=message):
            load(wanted)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", [], "not a transfer function: it holds no preset"),
        (
            "a.json",
            [PRESET, {**PRESET, "Name": "y"}],
            "holds several of the kind preset: choose one by FILE#NAME, of x, y",
        ),
        ("a.json", [3], "not a transfer function"),
        ("a.json", [{"Name": "x", "IndexedColors": [1, 0, 0]}], "a preset without RGBPoints"),
        ("a.json", [{"RGBPoints": PRESET["RGBPoints"]}], "'Name' is missing"),
        ("a.json", [{**PRESET, "RGBPoints": [0, 0, 0]}], "3 numbers are no points of 4"),
        ("a.json", [{**PRESET, "RGBPoints": [0, 0, 0, 0, 2, 1, 1, 255]}], "colours: lie in 0..1"),
        ("a.json", [{**PRESET, "RGBPoints": [2, 0, 0, 0, 0, 1, 1, 1]}], "colours: values rise"),
        ("a.json", [{**PRESET, "RGBPoints": [0, 0, 0, 0]}], "begin and end at the same value"),
        ("a.json", [{**PRESET, "RGBPoints": [0, 0, 0, "red"]}], "not a transfer function"),
        ("a.json", [{**PRESET, "Points": [0, 0, 0.5, 0, float("inf"), 1, 0.5, 0]}], "opacities: .* finite"),
        ("a.json", [{**PRESET, "ColorSpace": "Munsell"}], "unknown colour space 'Munsell'; known are RGB"),
        ("a.json", [{**PRESET, "UseLogScale": 1}], "a logarithmic scale"),
        ("a.vp", "1\n0\n", "a .vp file has 9 lines, not 2"),
        ("a.vp", VP.replace("6 -1", "8 -1"), "6 numbers, where 8 are told"),
        ("a.vp", VP.replace("0.125", "much"), "not a transfer function"),
        ("a.vp.json", {"volumeProperties": []}, "it holds no volume property"),
        ("a.vp.json", {"volumeProperties": [{"components": []}]}, "not a transfer function"),
        ("a.vp.json", vp_json(scalarOpacityUnitDistance=0), "a length above 0, not 0"),
        ("a.xml", "<ColorMaps/>", "it holds no ColorMap"),
        ("a.xml", "<ColorMaps>", "not a transfer function"),
        ("a.xml", MAP.replace('x="0"', 'x="7"'), "positions of a ColorMap lie in 0..1"),
        ("a.xml", MAP.replace(' r="0"', ""), "'r' is missing"),
    ],
)
def test_bad_files_of_viewers(tmp_path, name, text, message):
    file = kept(tmp_path, name, text)
    with pytest.raises(PresetError, match=message) as error:
        load(file)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)
