from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from render_presets import fit, load, slicer
from render_presets.camera import camera, corners
from render_presets.scene import Scene
from render_presets.slicer.views import box
from tests.render_presets.slicer_scenes import linked, numbers, opened, scene, volumes
from tests.render_presets.volumes import ramp


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


def test_files_called_alike_are_counted():
    nodes = opened(slicer.mrml([scene("a.nrrd"), scene("1/b.nrrd"), scene("2/b.nrrd"), scene("3/b.nrrd")]))
    assert [node.get("name") for node in volumes(nodes)] == [
        *("ramp (a.nrrd)", "ramp (b.nrrd) 1", "ramp (b.nrrd) 2", "ramp (b.nrrd) 3")
    ]


def test_scene_of_a_flat_volume():
    flat = ramp().replace(data=ramp().data[:1], labels=())
    shape = box([flat, flat]).data.shape
    assert shape == (1, 2, 2)
    opened(slicer.mrml([Scene(Path("a.nrrd"), "a.nrrd", flat, fit(load("activation"), flat), "a")] * 2))
