from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from render_presets import fit, load, slicer
from render_presets.camera import camera
from render_presets.scene import Scene
from tests.render_presets.volumes import ramp


def numbers(line):
    count, *values = map(float, line.split())
    assert count == len(values)
    return np.array(values)


def made(file="ramp.nrrd", name="ramp"):
    volume = ramp().replace(name=name)
    fitted = fit(load("activation"), volume)
    return fitted, slicer.files(Scene(Path(file), file, volume, fitted, "ramp"))


def test_vp_has_nine_lines():
    fitted, files = made()
    assert files[".vp"].endswith("\n")
    lines = files[".vp"].splitlines()
    assert len(lines) == 9
    assert lines[:6] == ["1", "0", "1", "0.2", "0", "1"]
    assert lines[7] == "4 0 1 255 1"
    assert numbers(lines[8]).reshape(-1, 4) == pytest.approx(np.array(fitted.colors))
    x, opacity = numbers(lines[6]).reshape(-1, 2).T
    assert (np.diff(x) > 0).all()
    assert (x[0], x[-1]) == fitted.range
    assert (opacity >= 0).all()
    assert (opacity <= 1).all()


def test_opacity_is_per_step_through_voxels():
    fitted, files = made()
    x, opacity = numbers(files[".vp"].splitlines()[6]).reshape(-1, 2).T
    # a step of length 1 in index space, along the view: spacing is 2, 3, 4
    eye = camera(ramp())
    ahead = np.array(eye.focal_point) - eye.position
    length = np.linalg.norm(ahead) / np.linalg.norm(ahead / (2, 3, 4))
    # the focal point is a little beside the direction that the scene is turned to
    assert slicer.step_length(ramp()) == pytest.approx(length, rel=0.02)
    expected = 1 - (1 - fitted.rgba(x)[:, 3]) ** (slicer.step_length(ramp()) / fitted.unit)
    assert opacity == pytest.approx(expected, abs=1e-6)


def test_scene_is_linked():
    fitted, files = made()
    root = ElementTree.fromstring(files[".mrml"])
    assert root.tag == "MRML"
    nodes = {node.get("id"): node for node in root}
    assert len(nodes) == len(root)
    (volume,) = root.findall("Volume")
    roles = dict(part.split(":") for part in volume.get("references").strip(";").split(";"))
    assert nodes[roles["storage"]].tag == "VolumeArchetypeStorage"
    display, rendering = (nodes[name] for name in roles["display"].split())
    assert display.tag == "VolumeDisplay"
    assert (float(display.get("window")), float(display.get("level"))) == pytest.approx(
        (fitted.range[1], fitted.range[1] / 2)
    )
    assert rendering.tag == "GPURayCastVolumeRendering"
    look = nodes[rendering.get("references").removeprefix("volumeProperty:").strip(";")]
    assert look.tag == "VolumeProperty"
    lines = files[".vp"].splitlines()
    assert [look.get(key) for key in ("scalarOpacity", "gradientOpacity", "colorTransfer")] == lines[6:]
    slices = root.findall("SliceComposite")
    assert {node.get("backgroundVolumeID") for node in slices} == {volume.get("id")}
    assert {node.get("singletonTag") for node in slices} == {"Red", "Green", "Yellow"}


def test_camera_is_ours_in_ras():
    _, files = made()
    (node,) = ElementTree.fromstring(files[".mrml"]).findall("Camera")
    eye = camera(ramp())
    for key, lps in (("position", eye.position), ("focalPoint", eye.focal_point), ("viewUp", eye.view_up)):
        ras = [float(word) for word in node.get(key).split()]
        assert ras == pytest.approx([-lps[0], -lps[1], lps[2]])
    assert node.get("viewUp") == "0 1 0"


def test_file_names_as_slicer_decodes_them():
    _, files = made("../a b/100% ü & <'\">.nrrd", 'x\x00"<&>\ny')
    root = ElementTree.fromstring(files[".mrml"])
    (storage,) = root.findall("VolumeArchetypeStorage")
    assert storage.get("fileName") == "../a%20b/100%25%20ü%20&%20%3C%27%22%3E.nrrd"
    assert root.find("Volume").get("name") == 'x"<&>y'
