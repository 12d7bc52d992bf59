from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from render_presets import fit, load, paraview
from render_presets.camera import camera
from render_presets.scene import Scene
from tests.render_presets.volumes import block, ramp


def scene(file="ramp.vti", title="ramp"):
    return Scene(Path(file), file, ramp(), fit(load("activation"), ramp()), title)


def test_preset_is_an_array_of_one():
    fitted = scene().fitted
    (preset,) = json.loads(paraview.files(scene())[".paraview.json"])
    assert preset["Name"] == "cnnvis activation v1"
    assert np.array(preset["RGBPoints"]).reshape(-1, 4) == pytest.approx(np.array(fitted.colors))
    x, opacity, middle, sharpness = np.array(preset["Points"]).reshape(-1, 4).T
    assert set(middle) == {0.5}
    assert set(sharpness) == {0}
    expected = 1 - (1 - fitted.rgba(x)[:, 3]) ** (paraview.cell_length(ramp()) / fitted.unit)
    assert opacity == pytest.approx(expected, abs=1e-6)


def test_cell_length_as_paraview_has_it():
    # ParaView 5.11.0, pvbatch: ScalarOpacityUnitDistance of Wavelet(WholeExtent=[0, 10, 0, 20, 0, 30])
    wavelet = ramp().replace(data=np.zeros((31, 21, 11)), spacing=(1, 1, 1), labels=())
    assert paraview.cell_length(wavelet) == pytest.approx(2.059113413569457)
    assert paraview.cell_length(ramp().replace(data=np.zeros((1, 1, 1)), labels=())) == 1


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """Run a script with a stand-in for ParaView, and return that."""

    def run(text, volume, *arguments):
        simple = MagicMock()
        low, high = (volume.affine @ (*index, 1) for index in ((0, 0, 0), np.array(volume.size) - 1))
        bounds = [v for pair in zip(low[:3], high[:3], strict=True) for v in pair]
        source = simple.OpenDataFile.return_value
        source.GetDataInformation.return_value.GetBounds.return_value = bounds
        source.GetPointDataInformation.return_value.GetArray.return_value.GetName.return_value = "MetaImage"
        monkeypatch.setitem(sys.modules, "paraview", MagicMock(simple=simple))
        monkeypatch.setattr(sys, "argv", ["script", *arguments])
        script = tmp_path / "ramp.vti.paraview.py"
        script.write_text(text)
        runpy.run_path(str(script))
        return simple

    return run


def test_script_loads_the_file_beside_it(tmp_path, shown):
    folder = tmp_path.parent / f"{tmp_path.name}-volumes"
    folder.mkdir()
    (folder / "ü 'x.vti").touch()
    text = paraview.script(scene(f"../{folder.name}/ü 'x.vti"))
    text.encode("ascii")
    simple = shown(text, ramp(), "--screenshot", "out.png", "--size", "400x100")
    (path,) = simple.OpenDataFile.call_args.args
    assert path == str(tmp_path / ".." / folder.name / "ü 'x.vti")
    assert simple.ColorBy.call_args.args[1] == ("POINTS", "MetaImage")
    assert simple.SaveScreenshot.call_args.kwargs == {"ImageResolution": [400, 100]}
    assert simple.GetColorTransferFunction.return_value.RGBPoints[:4] == [0, 0, 0, 0]


@pytest.mark.parametrize(("preset", "way"), [("activation", "Linear"), ("categorical", "Nearest")])
def test_script_interpolates_values_but_no_labels(tmp_path, shown, preset, way):
    (tmp_path / "ramp.vti").touch()
    look = Scene(Path("ramp.vti"), "ramp.vti", ramp(), fit(load(preset), ramp()), "ramp")
    assert shown(paraview.script(look), ramp()).Show.return_value.InterpolationType == way


def test_script_says_which_file_is_missing(shown):
    with pytest.raises(FileNotFoundError, match=r"ramp\.vti: no such file"):
        shown(paraview.script(scene()), ramp())


@pytest.mark.parametrize("volume", [ramp(), block()], ids=["ramp", "block"])
def test_script_has_our_camera(tmp_path, shown, volume):
    (tmp_path / "ramp.vti").touch()
    simple = shown(paraview.script(scene()), volume)
    view, ours = simple.GetActiveViewOrCreate.return_value, camera(volume, 4 / 3)
    assert view.CameraPosition == pytest.approx(ours.position)
    assert view.CameraFocalPoint == pytest.approx(ours.focal_point)
    assert view.CameraViewUp == list(ours.view_up)
    simple.Interact.assert_called_once_with(view)


def test_script_in_paraviews_window(tmp_path, monkeypatch):
    # paraview --script in 5.11: no __file__, and no arguments
    simple = MagicMock()
    source = simple.OpenDataFile.return_value
    source.GetDataInformation.return_value.GetBounds.return_value = [0.0, 1.0] * 3
    monkeypatch.setitem(sys.modules, "paraview", MagicMock(simple=simple))
    monkeypatch.setattr(sys, "argv", [""])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ramp.vti").touch()
    exec(paraview.script(scene()), {"__name__": "__main__"})
    simple.OpenDataFile.assert_called_once_with(str(tmp_path / "ramp.vti"))
    simple.Interact.assert_not_called()


def test_script_shows_a_slice_as_a_surface(tmp_path, shown):
    (tmp_path / "ramp.vti").touch()
    flat = ramp().replace(data=ramp().data[:1], labels=())
    simple = shown(paraview.script(scene()), flat)
    simple.Show.return_value.SetRepresentationType.assert_called_once_with("Surface")
