from __future__ import annotations

import contextlib
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import render_presets
from converters import CnnVisWarning, Volume, VolumeError, extensions, read, series, write
from render_presets import VIEWERS, PresetError, fit, load, write_presets
from tests.render_presets.scripts import volumes
from tests.render_presets.volumes import ramp

PRESETS = Path(render_presets.__file__).parent / "transfer_functions"


@pytest.mark.parametrize(
    ("name", "endings"),
    [
        ("a.vti", ["paraview.json", "paraview.py"]),
        ("a.vtk", ["paraview.json", "paraview.py"]),
        ("a.hdf", ["paraview.json", "paraview.py"]),
        ("a.nrrd", ["paraview.json", "paraview.py", "vp", "slicer.vp.json", "sp", "mrml"]),
        ("a.nhdr", ["paraview.json", "paraview.py", "vp", "slicer.vp.json", "sp", "mrml"]),
        ("a.mha", ["paraview.json", "paraview.py", "vp", "slicer.vp.json", "sp", "mrml"]),
        ("a.nii.gz", ["vp", "slicer.vp.json", "sp", "mrml"]),
        ("a.vox", ["cgv.xml"]),
    ],
)
def test_each_format_gets_what_opens_it(tmp_path, name, endings):
    write(ramp(), tmp_path / name)
    before = set(tmp_path.iterdir())
    written = write_presets(tmp_path / name)
    assert written == [tmp_path / f"{name}.{ending}" for ending in endings]
    assert set(tmp_path.iterdir()) - before == set(written)


def test_every_format_has_a_viewer():
    assert set(extensions()) == {extension for viewer in VIEWERS.values() for extension in viewer.extensions}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_units_are_what_the_viewer_sees(tmp_path, dtype):
    # from -7 to 185: no type stores these as they are
    volume = ramp().replace(data=ramp().data / 2 - 7.25)
    for name in ("a.nrrd", "a.nii.gz"):
        write(volume, tmp_path / name, dtype=dtype)
        write_presets(tmp_path / name, ["slicer"], preset="activation")
    encoding = read(tmp_path / "a.nrrd").encoding
    low, high = read(tmp_path / "a.nrrd").data.min(), np.percentile(read(tmp_path / "a.nrrd").data, 99.5)

    def colors(name):
        line = (tmp_path / f"{name}.vp").read_text().splitlines()[8]
        return np.array(line.split()[1:], float).reshape(-1, 4)[:, 0]

    # NIfTI viewers apply the slope, NRRD viewers show what is stored
    assert colors("a.nii.gz")[[0, -1]] == pytest.approx([low, high], rel=1e-5)
    stored = [(v - encoding.intercept) / encoding.slope for v in (low, high)]
    assert colors("a.nrrd")[[0, -1]] == pytest.approx(stored, rel=1e-5, abs=1e-3)
    limits = {"uint8": (0, 255), "int16": (-32768, 32767), "uint16": (0, 65535), "float32": (-7.25, 184.75)}
    assert colors("a.nrrd")[0] == pytest.approx(limits[dtype][0], abs=1e-3)
    assert colors("a.nrrd")[-1] < limits[dtype][1]


@pytest.mark.parametrize(
    ("name", "endings"),
    [
        ("dogs.pvd", ["paraview.json", "paraview.py"]),
        ("dogs.vti.series", ["paraview.json", "paraview.py"]),
        ("dogs.vtkhdf", ["paraview.json", "paraview.py"]),
        ("dogs.seq.nrrd", ["vp", "slicer.vp.json", "sp", "mrml"]),
        ("dogs.vox", ["cgv.xml"]),
        ("dogs.nii.gz", []),
        # frames that are no steps in time, such as the maps of a 3-D network: Slicer plays them all the same
        ("maps.nrrd", ["vp", "slicer.vp.json", "sp", "mrml"]),
        ("maps.vtkhdf", []),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_a_series_has_one_preset_for_all_frames(tmp_path, name, endings, dtype):
    frames = [ramp().replace(data=factor * ramp().data) for factor in (1, -3, 2)]
    gathered = series.gather(frames, ["a.nrrd", "b.nrrd", "c.nrrd"])
    if name.startswith("maps"):
        write(Volume([frame.data for frame in frames]), tmp_path / name, dtype=dtype)
    else:
        series.write(gathered, tmp_path / name, dtype)
    with (
        contextlib.nullcontext() if endings else pytest.warns(CnnVisWarning, match="no viewer shows 3 frames")
    ):
        written = write_presets(tmp_path / name)
    assert written == [tmp_path / f"{name}.{ending}" for ending in endings]
    back = series.read_series(tmp_path / name)
    fitted = fit(load("signed"), *back.volumes)
    # of the negative frame alone, or of the first, it would be another one
    assert fitted.range != fit(load("signed"), back.volumes[0]).range
    if dtype == "int16":
        fitted = fitted.stored(back.volumes[0].encoding)
    if endings[:1] == ["paraview.json"]:
        points = np.reshape(volumes(written[1])[0]["colors"], (-1, 4))
    elif endings[:1] == ["vp"]:
        points = np.reshape(written[0].read_text().splitlines()[8].split()[1:], (-1, 4)).astype(float)
    else:
        return
    np.testing.assert_allclose(points[[0, -1], 0], fitted.range, rtol=1e-6)


def test_title_tells_of_stored_numbers(tmp_path):
    for dtype, title in (("float32", "ramp"), ("uint8", "ramp (stored; value = 1.506 * stored + 0)")):
        write(ramp(), tmp_path / "a.vti", dtype=dtype)
        script = write_presets(tmp_path / "a.vti", ["paraview"])[1]
        assert volumes(script)[0]["title"] == title


def test_other_folder_is_told_by_relative_path(tmp_path):
    (tmp_path / "volumes").mkdir()
    (tmp_path / "presets" / "new").mkdir(parents=True)
    volume = tmp_path / "volumes" / "a.nrrd"
    write(ramp(), volume)
    written = write_presets(volume, folder=tmp_path / "presets" / "new")
    assert {path.parent for path in written} == {tmp_path / "presets" / "new"}
    script, scene = written[1], written[-1]
    assert volumes(script)[0]["file"] == "../../volumes/a.nrrd"
    storage = ElementTree.parse(scene).getroot().find("VolumeArchetypeStorage")
    assert storage.get("fileName") == "../../volumes/a.nrrd"
    assert (script.parent / volumes(script)[0]["file"]).samefile(volume)


def test_same_input_same_bytes(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(ramp(), tmp_path / folder / "a.nrrd")
        write_presets(tmp_path / folder / "a.nrrd")
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_own_preset(tmp_path):
    own = json.loads((PRESETS / "activation.json").read_text()) | {"name": "own look", "version": 2}
    (tmp_path / "own.json").write_text(json.dumps(own))
    write(ramp(), tmp_path / "a.vti")
    preset = write_presets(tmp_path / "a.vti", ["paraview"], preset=str(tmp_path / "own.json"))[0]
    assert json.loads(preset.read_text())[0]["Name"] == "cnnvis own look v2 a.vti"


def test_frames(tmp_path):
    write(Volume(np.zeros((3, 5, 7, 11)) + 1), tmp_path / "a.nii.gz")
    with pytest.warns(CnnVisWarning, match=r"a\.nii\.gz: no viewer shows 3 frames in such a file"):
        assert write_presets(tmp_path / "a.nii.gz") == []
    with pytest.raises(PresetError, match=r"a\.nii\.gz: holds 3 frames"):
        write_presets(tmp_path / "a.nii.gz", ["slicer"])


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "message"),
    [
        ("a.vox", {"viewers": ["slicer"]}, PresetError, r"a\.vox: slicer does not open such files; cgv can"),
        ("a.vti", {"viewers": ["cgv"]}, PresetError, r"paraview can. It opens \.vox \.hd"),
        ("a.vti", {"viewers": ["paraveiw"]}, PresetError, "unknown viewer 'paraveiw': choose from paraview"),
        ("a.vti", {"preset": "hott"}, PresetError, "hott: no such preset or file"),
        ("missing.vti", {}, VolumeError, r"missing\.vti: no such file"),
        ("a.xyz", {}, VolumeError, r"a\.xyz: unknown volume format"),
        ("nan.vti", {}, PresetError, r"nan\.vti: no value of the volume is finite"),
    ],
)
def test_bad_calls(tmp_path, name, arguments, kind, message):
    for file in ("a.vti", "a.vox"):
        write(ramp(), tmp_path / file)
    write(Volume(np.full((2, 3, 4), np.nan)), tmp_path / "nan.vti")
    before = set(tmp_path.iterdir())
    with pytest.raises(kind, match=message):
        write_presets(tmp_path / name, **arguments)
    assert set(tmp_path.iterdir()) == before


def test_missing_folder(tmp_path):
    write(ramp(), tmp_path / "a.vti")
    with pytest.raises(PresetError, match="No such file or directory"):
        write_presets(tmp_path / "a.vti", folder=tmp_path / "none")
