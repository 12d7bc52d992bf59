from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from converters import write
from render_presets import slicer
from render_presets.camera import camera
from render_presets.viewers import write_scene
from tests.render_presets.slicer_scenes import linked, numbers, opened, scene, shader_file, volumes
from tests.render_presets.volumes import ramp


def made(file="ramp.nrrd", name="ramp"):
    one = scene(file, name)
    return one.fitted, slicer.files(one)


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


def test_shader_knows_the_box_and_what_opacities_are_for():
    _, files = made()
    (replacement,) = json.loads(files[".sp"])["ShaderReplacements"]
    *_, formula = replacement["ReplacementValue"].split("length(")
    # a texture has each voxel whole: 11 * 2, 7 * 3 and 5 * 4
    sides, step = re.findall(r"vec3\((.*?)\)|in_sampleDistance \* (.*?)\)", formula)
    assert [float(side) for side in sides[0].split(", ")] == [22, 21, 20]
    assert float(step[1]) == slicer.step_length(ramp())


def test_scene_has_its_shader_beside_it(tmp_path):
    write(ramp(), tmp_path / "a.nrrd")
    scene_file, shader = write_scene([tmp_path / "a.nrrd"], tmp_path / "b c.mrml")
    assert shader_file(opened(scene_file.read_text())) == "b%20c.mrml.sp"
    assert shader.name == "b c.mrml.sp"
    assert shader.read_text() == slicer.shader_property(ramp())


def test_scene_is_linked():
    fitted, files = made()
    root = ElementTree.fromstring(files[".mrml"])
    assert root.tag == "MRML"
    nodes = opened(files[".mrml"])
    (volume,) = volumes(nodes)
    roles = linked(nodes, volume)
    assert roles["storage"][0].tag == "VolumeArchetypeStorage"
    display, rendering = roles["display"]
    assert display.tag == "VolumeDisplay"
    assert (float(display.get("window")), float(display.get("level"))) == pytest.approx(
        (fitted.range[1], fitted.range[1] / 2)
    )
    assert rendering.tag == "GPURayCastVolumeRendering"
    (look,) = linked(nodes, rendering)["volumeProperty"]
    assert look.tag == "VolumeProperty"
    lines = files[".vp"].splitlines()
    assert [look.get(key) for key in ("scalarOpacity", "gradientOpacity", "colorTransfer")] == lines[6:]
    table = nodes[display.get("colorNodeID")]
    assert (table.tag, table.get("hideFromEditors")) == ("ColorTable", "false")
    for kind in ("Slice", "SliceComposite"):
        assert [node.get("singletonTag") for node in root.findall(kind)] == ["Red", "Green", "Yellow"]
    assert {
        (node.get("backgroundVolumeID"), node.get("foregroundVolumeID"))
        for node in root.findall("SliceComposite")
    } == {(volume.get("id"), None)}
    assert root.find("Selection").get("activeVolumeID") == volume.get("id")


def test_slices_are_grey_where_colors_do_not_tell_values():
    table = ElementTree.fromstring(slicer.mrml([scene(preset="xray")])).find("ColorTable")
    entries = np.reshape(table.get("colors").split(), (-1, 6)).astype(float)
    for channel in entries[:, 2:5].T:
        assert channel == pytest.approx(np.linspace(0, 1, len(entries)), abs=1e-4)


def test_slices_have_the_colors_of_the_transfer_function():
    fitted, files = made()
    table = ElementTree.fromstring(files[".mrml"]).find("ColorTable")
    entries = np.reshape(table.get("colors").split(), (-1, 6)).astype(float)
    assert len(entries) == int(table.get("numcolors"))
    assert entries[:, 0].tolist() == list(range(len(entries)))
    # colours are called by their values
    values = np.linspace(*fitted.range, len(entries))
    assert entries[:, 1] == pytest.approx(values, rel=1e-3)
    assert entries[:, 2:5] == pytest.approx(fitted.rgba(values)[:, :3], abs=1e-4)
    assert set(entries[:, 5]) == {1}


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
