from __future__ import annotations

import json
import math
import os
import re
import tracemalloc
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from converters import read, series, write
from render_presets import PresetError, fit, load, slicer
from render_presets.camera import camera, corners
from render_presets.scene import Scene
from render_presets.slicer.views import box
from render_presets.viewers import write_presets, write_scene
from tests.render_presets.volumes import ramp


def numbers(line):
    count, *values = map(float, line.split())
    assert count == len(values)
    return np.array(values)


def scene(file="ramp.nrrd", name="ramp", preset="activation", frames=(), **changes):
    volume = ramp().replace(name=name, **changes)
    return Scene(Path(file), file, volume, fit(load(preset), volume), "ramp", frames)


def made(file="ramp.nrrd", name="ramp"):
    one = scene(file, name)
    return one.fitted, slicer.files(one)


def opened(text):
    """Return a scene's nodes by their ids, once each."""
    root = ElementTree.fromstring(text)
    nodes = {node.get("id"): node for node in root}
    assert len(nodes) == len(root)
    return nodes


def linked(nodes, node):
    """Return the nodes that a node names, by role."""
    roles = dict(part.split(":") for part in node.get("references").strip(";").split(";"))
    return {role: [nodes[name] for name in names.split()] for role, names in roles.items()}


def volumes(nodes):
    return [node for node in nodes.values() if node.tag == "Volume"]


def shader_file(nodes):
    """Return the file that says how opacities go by millimetres, from the one volume on."""
    _, rendering = linked(nodes, volumes(nodes)[0])["display"]
    (shader,) = linked(nodes, rendering)["shaderProperty"]
    (storage,) = linked(nodes, shader)["storage"]
    return storage.get("fileName")


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


def test_a_series_has_a_player_that_stands_before_it():
    text = slicer.mrml([scene("dogs.seq.nrrd", frames=("a", "b"))])
    nodes = opened(text)
    order = list(nodes)
    player, sequence = nodes["vtkMRMLSequenceBrowserNode1"], nodes["vtkMRMLSequenceNode1"]
    assert order.index(player.get("id")) < order.index(sequence.get("id"))
    (volume,) = volumes(nodes)
    assert linked(nodes, player) == {"sequenceNodeRef0": [sequence], "dataNodeRef0": [volume]}
    (storage,) = linked(nodes, sequence)["storage"]
    assert (storage.tag, storage.get("fileName")) == ("VolumeSequenceStorage", "dogs.seq.nrrd")
    # what the volume holds comes from the series
    assert "storage" not in linked(nodes, volume)
    stilled = opened(slicer.mrml([scene("dogs.seq.nrrd", frames=("a", "b"))], ["first.nrrd"]))
    (still,) = linked(stilled, volumes(stilled)[0])["storage"]
    assert (still.tag, still.get("fileName")) == ("VolumeArchetypeStorage", "first.nrrd")


def test_series_of_the_same_frames_play_together():
    frames = [("a", "b"), (), ("a", "c"), ("a", "b")]
    nodes = opened(slicer.mrml([scene(f"{n}.seq.nrrd", frames=those) for n, those in enumerate(frames)]))
    players = [node for node in nodes.values() if node.tag == "SequenceBrowser"]
    played = [
        [seen.get("id")[-1] for role, (seen,) in linked(nodes, player).items() if role.startswith("dataNode")]
        for player in players
    ]
    # the first to be named leads, and must be the last to be read
    assert played == [["4", "1"], ["3"]]
    assert [player.get("virtualNodePostfixes") for player in players] == ["0 1", "0"]


def test_volumes_lie_over_each_other():
    # the second one lies elsewhere
    scenes = [
        scene("a.nrrd"),
        scene("b.nrrd", "gradient", "signed", origin=(40, 5, -6)),
        scene("c.nrrd", "c"),
    ]
    nodes = opened(slicer.mrml(scenes))
    shown = volumes(nodes)
    assert [node.get("name") for node in shown] == ["ramp", "gradient", "c"]
    for number, (one, node) in enumerate(zip(scenes, shown, strict=True)):
        display, rendering = linked(nodes, node)["display"]
        assert rendering.tag == "MultiVolumeRendering"
        (look,) = linked(nodes, rendering)["volumeProperty"]
        x, opacity = numbers(look.get("scalarOpacity")).reshape(-1, 2).T
        # in millimetres; the first, in which the others lie, is a tenth as dense
        exponent = (0.1 if number == 0 else 1) / one.fitted.unit
        assert opacity == pytest.approx(1 - (1 - one.fitted.rgba(x)[:, 3]) ** exponent, abs=1e-6)
        entries = np.reshape(nodes[display.get("colorNodeID")].get("colors").split(), (-1, 6)).astype(float)
        own = one.fitted.rgba(np.linspace(*one.fitted.range, len(entries)))[:, 3]
        expected = np.ones(len(entries)) if number == 0 else own >= 0.05 * own.max()
        assert entries[:, 5].tolist() == expected.tolist()
        assert number == 0 or 0.1 < expected.mean() < 0.9
    for node in nodes.values():
        if node.tag == "SliceComposite":
            ids = [node.get(f"{layer}VolumeID") for layer in ("background", "foreground")]
            assert ids == [volume.get("id") for volume in shown[:2]]
            assert node.get("foregroundOpacity") == "0.5"


def test_views_hold_all_volumes():
    scenes = [scene("a.nrrd"), scene("b.nrrd", origin=(40, 5, -6))]
    nodes = opened(slicer.mrml(scenes))
    points = np.concatenate([corners(one.volume) for one in scenes])
    eye = camera(box([one.volume for one in scenes]))
    ahead = np.subtract(eye.focal_point, eye.position)
    ahead /= np.linalg.norm(ahead)
    angles = np.degrees(
        np.arccos((points - eye.position) @ ahead / np.linalg.norm(points - eye.position, axis=1))
    )
    assert angles.max() < math.sqrt(2) * eye.view_angle / 2
    written = [float(word) for word in nodes["vtkMRMLCameraNode1"].get("position").split()]
    assert written == pytest.approx(np.multiply(eye.position, (-1, -1, 1)))
    # slices go through the middle voxel of the first one, and hold all corners, voxels whole
    middle = (ramp().affine @ (5, 3, 2, 1))[:3] * (-1, -1, 1)
    ends = points + [[sign * step / 2 for step in ramp().spacing] for sign in (-1, 1) for _ in range(8)]
    for color, normal in (("Red", 2), ("Green", 1), ("Yellow", 0)):
        slices = nodes[f"vtkMRMLSliceNode{color}"]
        pose = np.reshape(slices.get("sliceToRAS").split(), (4, 4)).astype(float)
        assert abs(np.linalg.det(pose)) == pytest.approx(1)
        right, up, ahead, center = pose[:3].T
        assert abs(ahead).tolist() == np.eye(3)[normal].tolist()
        assert center[normal] == pytest.approx(middle[normal])
        width, height, _ = map(float, slices.get("fieldOfView").split())
        reach = [np.abs((ends * (-1, -1, 1) - center) @ axis).max() for axis in (right, up)]
        assert width == height
        assert width / 2 > max(reach) > width / 3


@pytest.mark.parametrize("axis", range(3))
def test_a_flat_volume_is_a_slice_in_the_3d_view(axis):
    data = ramp().data.take([0], axis=2 - axis)
    flat = ramp().replace(data=data, labels=())
    one = Scene(Path("a.nrrd"), "a.nrrd", flat, fit(load("activation"), flat), "a")
    for scenes, expected in (([one], True), ([one, scene("b.nrrd")], False)):
        nodes = opened(slicer.mrml(scenes))
        shown = [nodes[f"vtkMRMLSliceNode{color}"] for color in ("Yellow", "Green", "Red")]
        assert [node.get("sliceVisibility") == "true" for node in shown] == [
            expected and number == axis for number in range(3)
        ]
        renderings = [linked(nodes, node)["display"][1] for node in volumes(nodes)]
        # the other one is the only one with depth
        assert {node.tag for node in renderings} == {"GPURayCastVolumeRendering"}
        assert [node.get("visibility") for node in renderings] == ["false", "true"][: len(scenes)]


def test_volumes_called_alike_are_told_apart():
    nodes = opened(slicer.mrml([scene("a.nrrd"), scene("sub/b.nrrd"), scene("c.nrrd", "c")]))
    assert [node.get("name") for node in volumes(nodes)] == ["ramp (a.nrrd)", "ramp (b.nrrd)", "c"]


def test_scene_of_a_flat_volume():
    flat = ramp().replace(data=ramp().data[:1], labels=())
    shape = box([flat, flat]).data.shape
    assert shape == (1, 2, 2)
    opened(slicer.mrml([Scene(Path("a.nrrd"), "a.nrrd", flat, fit(load("activation"), flat), "a")] * 2))


NAMES = "a b & 100% <é> \"x'.nrrd"


def bundled(folder, *forms, stem="a"):
    """Write volumes, in folders of their own if they are several, and return the bundle of them."""
    paths = []
    for number, form in enumerate(forms):
        place = folder / str(number) if len(forms) > 1 else folder
        place.mkdir(exist_ok=True)
        paths.append(place / f"{stem}{form}")
        write(ramp(), paths[-1])
    write_scene(paths, folder / "all of it.mrb")
    return folder / "all of it.mrb"


@pytest.mark.parametrize(
    ("form", "files"),
    [
        (".nrrd", ["a.nrrd", "a.nrrd.json"]),
        (".nii.gz", ["a.nii.gz", "a.nii.gz.json"]),
        (".nhdr", ["a.nhdr", "a.nhdr.raw", "a.nhdr.json"]),
        (".mhd", ["a.mhd", "a.raw", "a.mhd.json"]),
    ],
)
def test_bundle_holds_all_files(tmp_path, form, files):
    with zipfile.ZipFile(bundled(tmp_path, form)) as bundle:
        assert bundle.namelist() == [
            "all of it/all of it.mrml",
            *(f"all of it/Data/{name}" for name in [*files, f"a{form}.sp"]),
        ]
        for name in files:
            assert bundle.read(f"all of it/Data/{name}") == (tmp_path / name).read_bytes()
        nodes = opened(bundle.read("all of it/all of it.mrml"))
    (storage,) = linked(nodes, volumes(nodes)[0])["storage"]
    assert storage.get("fileName") == f"Data/a{form}"
    assert shader_file(nodes) == f"Data/a{form}.sp"


def test_bundle_of_a_header_over_other_formats_data(tmp_path):
    write(ramp(), tmp_path / "a.vox", headers=("mhd",))
    write_scene([tmp_path / "a.mhd"], tmp_path / "a.mrb")
    with zipfile.ZipFile(tmp_path / "a.mrb") as bundle:
        assert bundle.read("a/Data/a.vox") == (tmp_path / "a.vox").read_bytes()
        bundle.extractall(tmp_path / "out")
    np.testing.assert_array_equal(read(tmp_path / "out/a/Data/a.mhd").data, read(tmp_path / "a.mhd").data)


def test_files_of_one_name_do_not_meet_in_a_bundle(tmp_path):
    with zipfile.ZipFile(bundled(tmp_path, ".nrrd", ".nrrd")) as bundle:
        nodes = opened(bundle.read("all of it/all of it.mrml"))
        found = [linked(nodes, node)["storage"][0].get("fileName") for node in volumes(nodes)]
        assert found == ["Data/1/a.nrrd", "Data/2/a.nrrd"]
        for name in found:
            assert bundle.read(f"all of it/{name}") == (tmp_path / "0/a.nrrd").read_bytes()


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_bundle_of_a_series_has_its_first_frame(tmp_path, dtype):
    frames = [ramp().replace(data=factor * ramp().data) for factor in (1, -3, 2)]
    series.write(series.gather(frames, ["a.nrrd", "b.nrrd", "c.nrrd"]), tmp_path / "s.seq.nrrd", dtype)
    write_scene([tmp_path / "s.seq.nrrd"], tmp_path / "s.mrb")
    with zipfile.ZipFile(tmp_path / "s.mrb") as bundle:
        bundle.extractall(tmp_path)
    first, all_frames = (read(tmp_path / "s/Data" / name) for name in ("s.seq.nrrd.first.nrrd", "s.seq.nrrd"))
    np.testing.assert_array_equal(first.data, all_frames.data[0])
    # on the scale of the series, or the transfer function would not fit
    assert first.encoding == all_frames.encoding


def test_same_volumes_same_bundle(tmp_path):
    made = []
    for folder in ("one", "another"):
        (tmp_path / folder).mkdir()
        made.append(bundled(tmp_path / folder, ".nrrd", ".nhdr"))
        os.utime(tmp_path / folder / "0/a.nrrd", (10**9, 10**9 * (1 + len(made) % 2)))
    first, second = (bundle.read_bytes() for bundle in made)
    assert first == second
    assert str(tmp_path).encode() not in first


def test_names_in_a_bundle(tmp_path):
    (tmp_path / NAMES).touch()
    write(ramp(), tmp_path / NAMES)
    write_scene([tmp_path / NAMES], tmp_path / 'b "?" é.mrb')
    with zipfile.ZipFile(tmp_path / 'b "?" é.mrb') as bundle:
        # Windows has no such folders
        assert bundle.namelist()[:2] == ["b _?_ é/b _?_ é.mrml".replace("?", "_"), f"b ___ é/Data/{NAMES}"]
        nodes = opened(bundle.read(bundle.namelist()[0]))
    (storage,) = linked(nodes, volumes(nodes)[0])["storage"]
    assert storage.get("fileName") == "Data/a%20b%20&%20100%25%20%3Cé%3E%20%22x%27.nrrd"


@pytest.mark.parametrize("name", ["a\udcff.nrrd", "a\nb.nrrd", "a\\b.nrrd"])
def test_names_that_slicer_does_not_find(tmp_path, name):
    write(ramp(), tmp_path / name)
    before = set(tmp_path.iterdir())
    with pytest.raises(PresetError, match="3D Slicer finds no file of this name"):
        write_presets(tmp_path / name, ["slicer"])
    for scene in ("b.mrml", "b.mrb"):
        with pytest.raises(PresetError, match="3D Slicer finds no file of this name"):
            write_scene([tmp_path / name], tmp_path / scene)
    assert set(tmp_path.iterdir()) == before
    # other viewers open it all the same
    assert write_presets(tmp_path / name, ["paraview"])


def test_data_at_an_absolute_place(tmp_path):
    write(ramp(), tmp_path / "a.nhdr")
    text = (tmp_path / "a.nhdr").read_bytes()
    name = f"data file: {tmp_path / 'a.nhdr.raw'}".encode()
    (tmp_path / "a.nhdr").write_bytes(text.replace(b"data file: a.nhdr.raw", name))
    with pytest.raises(PresetError, match=r"a\.nhdr: its data file .* at a place that no bundle can have"):
        write_scene([tmp_path / "a.nhdr"], tmp_path / "b.mrb")


def test_a_bundle_is_copied_in_pieces(tmp_path):
    # 64 MB that hardly take room on the disk, behind a small header
    write(ramp(), tmp_path / "a.nhdr")
    with (tmp_path / "a.nhdr.raw").open("r+b") as file:
        file.truncate(2**26)
    one = scene(str(tmp_path / "a.nhdr"))
    tracemalloc.start()
    try:
        slicer.write_bundle([one], tmp_path / "b.mrb")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "b.mrb").stat().st_size > 2**26
    assert peak < 2**23
