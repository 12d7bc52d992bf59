"""``cnnvis scene``: several volumes in one scene."""

from __future__ import annotations

import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest

from converters import Volume, write
from tests.render_presets.volumes import ramp


@pytest.fixture
def files(tmp_path):
    """An input and two layers over it."""
    paths = [tmp_path / name for name in ("input.nrrd", "conv1.nrrd", "a b.nii.gz")]
    for factor, path in enumerate(paths, 1):
        write(ramp().replace(data=factor * ramp().data, name=path.name.split(".")[0]), path)
    return paths


def names(scene):
    """Return what the transfer functions of a scene are called, in its order."""
    return [look.get("name") for look in ElementTree.fromstring(scene).iter("VolumeProperty")]


def test_what_lies_below_is_seen_through(cnnvis, files, tmp_path):
    out = tmp_path / "all.mrml"
    assert cnnvis("scene", *files, "-o", out).out == [str(out)]
    assert names(out.read_bytes()) == ["cnnvis xray v1", "cnnvis activation v1", "cnnvis activation v1"]
    # one volume alone also gets what makes Slicer's opacities go by lengths
    assert cnnvis("scene", files[1], "-o", out).out == [str(out), f"{out}.sp"]
    assert names(out.read_bytes()) == ["cnnvis activation v1"]


def test_a_look_for_each_or_for_all(cnnvis, files, tmp_path):
    out = tmp_path / "all.mrml"
    assert cnnvis("scene", *files[:2], "-o", out, "--preset", "hot").code == 0
    assert names(out.read_bytes()) == ["cnnvis hot v1"] * 2
    assert cnnvis("scene", *files[:2], "-o", out, "--preset", "hot", "--preset", "auto").code == 0
    assert names(out.read_bytes()) == ["cnnvis hot v1", "cnnvis activation v1"]
    result = cnnvis("scene", *files, "-o", out, "--preset", "hot", "--preset", "auto")
    assert (result.code, "2 --preset for 3 volumes: give one, or one for each" in result.err) == (2, True)


def test_a_bundle_holds_its_volumes(cnnvis, files, tmp_path):
    out = tmp_path / "all.mrb"
    assert cnnvis("scene", *files, "-o", out).out == [str(out)]
    with zipfile.ZipFile(out) as bundle:
        held = {name.rsplit("/", 1)[-1] for name in bundle.namelist()}
        assert bundle.read("all/Data/a b.nii.gz") == files[2].read_bytes()
    assert {"all.mrml", *(file.name for file in files)} <= held


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("all.xyz", "unknown kind of scene; known are .mrml .mrb"),
        ("all.mrml", "a.vti: slicer does not open such files; paraview can"),
        ("missing/all.mrml", "No such file or directory"),
    ],
)
def test_scenes_that_cannot_be_written(cnnvis, tmp_path, out, message):
    name = "a.vti" if "vti" in message else "a.nrrd"
    write(Volume(np.ones((5, 7, 11))), tmp_path / name)
    result = cnnvis("scene", tmp_path / name, "-o", tmp_path / out)
    assert (result.code, message in result.err) == (2, True), result.err
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name}.json"}
