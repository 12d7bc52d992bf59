from __future__ import annotations

import ast
import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from converters import write
from converters.volume import IDENTITY
from render_presets import PresetError, fit, load, paraview, write_presets, write_scene
from render_presets.camera import camera, corners
from render_presets.scene import Scene
from tests.render_presets.scripts import volumes
from tests.render_presets.volumes import block, ramp

TURNED = (0.8, -0.48, 0.36, 0.6, 0.64, -0.48, 0.0, 0.6, 0.8)


def scene(file="ramp.vti", title="ramp"):
    return Scene(Path(file), file, ramp(), fit(load("activation"), ramp()), title)


def test_preset_is_an_array_of_one():
    fitted = scene().fitted
    (preset,) = json.loads(paraview.files(scene())[".paraview.json"])
    assert preset["Name"] == "cnnvis activation v1 ramp.vti"
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
        simple, servermanager = stand_in(volume)
        paraview = MagicMock(simple=simple, servermanager=servermanager)
        monkeypatch.setitem(sys.modules, "paraview", paraview)
        monkeypatch.setattr(sys, "argv", ["script", *arguments])
        script = tmp_path / "ramp.vti.paraview.py"
        script.write_text(text)
        runpy.run_path(str(script))
        return simple

    return run


def stand_in(volume):
    simple, servermanager = MagicMock(), MagicMock()
    source = simple.OpenDataFile.return_value
    source.TimestepValues = None
    source.GetPointDataInformation.return_value.GetArray.return_value.GetName.return_value = "MetaImage"
    simple.GetActiveViewOrCreate.return_value.ViewSize = [400, 300]
    box = servermanager.Fetch.return_value
    box.GetNumberOfPoints.return_value = 8
    box.GetPoint.side_effect = corners(volume).tolist().__getitem__
    return simple, servermanager


def test_script_loads_the_file_beside_it(tmp_path, shown):
    folder = tmp_path.parent / f"{tmp_path.name}-volumes"
    folder.mkdir()
    (folder / "ü 'x.vti").touch()
    text = paraview.script([scene(f"../{folder.name}/ü 'x.vti")])
    text.encode("ascii")
    simple = shown(text, ramp(), "--screenshot", "out.png", "--size", "400x100")
    (path,) = simple.OpenDataFile.call_args.args
    assert path == str(tmp_path / ".." / folder.name / "ü 'x.vti")
    assert simple.ColorBy.call_args_list[0].args[1] == ("POINTS", "MetaImage")
    assert simple.SaveScreenshot.call_args.kwargs == {"ImageResolution": [400, 100]}
    assert simple.GetColorTransferFunction.return_value.RGBPoints[:4] == [0, 0, 0, 0]


@pytest.mark.parametrize(("preset", "way"), [("activation", "Linear"), ("categorical", "Nearest")])
def test_script_interpolates_values_but_no_labels(tmp_path, shown, preset, way):
    (tmp_path / "ramp.vti").touch()
    look = Scene(Path("ramp.vti"), "ramp.vti", ramp(), fit(load(preset), ramp()), "ramp")
    assert shown(paraview.script([look]), ramp()).Show.return_value.InterpolationType == way


def test_script_says_which_file_is_missing(shown):
    with pytest.raises(FileNotFoundError, match=r"ramp\.vti: no such file"):
        shown(paraview.script([scene()]), ramp())


def test_script_says_which_steps_there_are(tmp_path, shown):
    (tmp_path / "ramp.vti").touch()
    with pytest.raises(ValueError, match=r"--step 1: there are 1, the first one is 0"):
        shown(paraview.script([scene()]), ramp(), "--step", "1")


@pytest.mark.parametrize(
    ("version", "direction", "reason"),
    [
        ((5, 11), IDENTITY, r"needs ParaView 5\.12 or later; older ones play \.pvd"),
        ((6, 1), TURNED, r"ParaView cannot turn the axes of steps in such a file; it can in \.pvd"),
    ],
)
def test_script_says_which_vtkhdf_is_not_played(tmp_path, shown, version, direction, reason):
    (tmp_path / "dogs.vtkhdf").touch()
    volume = ramp().replace(direction=direction)
    series = replace(scene("dogs.vtkhdf"), volume=volume, frames=("persian", "pembroke"))
    # a stand-in's version is no tuple
    text = paraview.script([series]).replace("simple.GetParaViewVersion()", str(version))
    with pytest.raises(RuntimeError, match=rf"dogs\.vtkhdf: {reason}"):
        shown(text, volume)


@pytest.mark.parametrize(
    "volume", [ramp(), block(), ramp().replace(direction=TURNED)], ids=["ramp", "block", "turned"]
)
@pytest.mark.parametrize("angles", [(), (-40, 90), (70, -90), (200, 88.9)])
def test_script_has_our_camera(tmp_path, shown, volume, angles):
    (tmp_path / "ramp.vti").touch()
    words = [f"--{name}={angle}" for name, angle in zip(("azimuth", "elevation"), angles, strict=False)]
    simple = shown(paraview.script([scene()]), volume, *words)
    view, ours = simple.GetActiveViewOrCreate.return_value, camera(volume, 4 / 3, *angles)
    assert view.CameraPosition == pytest.approx(ours.position)
    assert view.CameraFocalPoint == pytest.approx(ours.focal_point)
    assert view.CameraViewUp == pytest.approx(ours.view_up)
    simple.Interact.assert_called_once_with(view)


def test_script_in_paraviews_window(tmp_path, monkeypatch):
    # paraview --script in 5.11: no __file__, and no arguments
    simple, servermanager = stand_in(ramp())
    monkeypatch.setitem(sys.modules, "paraview", MagicMock(simple=simple, servermanager=servermanager))
    monkeypatch.setattr(sys, "argv", [""])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ramp.vti").touch()
    exec(paraview.script([scene()]), {"__name__": "__main__"})
    simple.OpenDataFile.assert_called_once_with(str(tmp_path / "ramp.vti"))
    simple.Interact.assert_not_called()
    # the window keeps its size
    assert simple.GetActiveViewOrCreate.return_value.ViewSize == [400, 300]


def test_script_shows_a_slice_as_a_surface(tmp_path, shown):
    (tmp_path / "ramp.vti").touch()
    flat = ramp().replace(data=ramp().data[:1], labels=())
    simple = shown(paraview.script([replace(scene(), volume=flat)]), flat)
    ways = [call.args for call in simple.Show.return_value.SetRepresentationType.call_args_list]
    assert ways == [("Surface",), ("Wireframe",)]


def test_the_script_runs_in_python_3_9():
    # that of ParaView 5.11
    ast.parse(paraview.script([scene(), scene()]), feature_version=(3, 9))


def written(tmp_path, *names, volume=None):
    for name in names:
        write(volume or ramp(), tmp_path / name)
    return write_scene([tmp_path / name for name in names], tmp_path / "all.py")


def test_volumes_over_each_other(tmp_path):
    (script,) = written(tmp_path, "one.vti", "two ü.hdf", "three.mha")
    told = volumes(script)
    assert [entry["file"] for entry in told] == ["one.vti", "two ü.hdf", "three.mha"]
    # the first is what the others overlay
    assert [entry["show"] for entry in told] == ["slices", "volume", "volume"]
    assert {tuple(entry["size"]) for entry in told} == {(11, 7, 5)}


def test_turned_volumes_only_from_files_that_paraview_turns(tmp_path):
    turned = ramp().replace(direction=TURNED)
    written(tmp_path, "one.vti", "two.vtkhdf", volume=turned)
    message = r"two\.mha: its axes are turned.* it takes directions from \.vti \.hdf"
    for names in (("one.vti", "two.mha"), ("two.mha",)):
        with pytest.raises(PresetError, match=message):
            written(tmp_path, *names, volume=turned)


@pytest.mark.parametrize(
    "direction", [TURNED, (-1, 0, 0, 0, -1, 0, 0, 0, 1)], ids=["oblique", "as NIfTI has it"]
)
def test_no_script_turns_a_volume_back(tmp_path, direction):
    for name in ("a.nrrd", "a.vti"):
        write(ramp().replace(direction=direction), tmp_path / name)
    endings = {path.name for name in ("a.nrrd", "a.vti") for path in write_presets(tmp_path / name)}
    assert "a.vti.paraview.py" in endings
    assert not any(name.startswith("a.nrrd.paraview") for name in endings)
    with pytest.raises(PresetError, match=r"a\.nrrd: its axes are turned"):
        write_presets(tmp_path / "a.nrrd", ["paraview"])


def test_nifti_has_no_place_in_a_script(tmp_path):
    with pytest.raises(PresetError, match=r"scan\.nii\.gz: paraview does not open such files; slicer can"):
        written(tmp_path, "scan.nii.gz", "one.vti")
    assert not (tmp_path / "all.py").exists()
