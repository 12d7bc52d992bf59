"""A 3-D network's maps over its input: the same place in both, by the commands, in both viewers."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cnnvis.main import main

from . import paraview, slicer
from .cases import ROTATION
from .processes import Answer, Job

pytestmark = pytest.mark.viewer

SIZE = (36, 28, 24)
"""Voxels of the scan along its i, j, k."""

SPOT = np.array([23.0, 9.0, 15.0])
"""Where the scan is bright: its i, j, k."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


def _affine() -> NDArray[np.float64]:
    """Return the place of the scan in RAS: turned, with voxels of three different lengths."""
    affine = np.eye(4)
    affine[:3, :3] = LPS_TO_RAS @ np.reshape(ROTATION, (3, 3)) @ np.diag([0.9, 1.1, 2.5])
    affine[:3, 3] = (-31.0, 12.0, 40.0)
    return affine


def _write_scan(path: Path) -> None:
    i, j, k = np.indices(SIZE)
    distance = sum((at - spot) ** 2 for at, spot in zip((i, j, k), SPOT, strict=True))
    nibabel.save(nibabel.Nifti1Image(np.exp(-distance / 18).astype(np.float32), _affine()), path)


def _write_net(path: Path) -> None:
    """Write a network that halves its input twice, by averages; it has two maps each time."""
    first = np.stack([np.full((1, 2, 2, 2), 1 / 8), np.full((1, 2, 2, 2), 1 / 16)]).astype(np.float32)
    second = np.concatenate([first, np.zeros_like(first)], axis=1)
    nodes = [
        helper.make_node("Conv", ["scan", "w1"], ["enc1"], "enc1", strides=[2, 2, 2]),
        helper.make_node("Conv", ["enc1", "w2"], ["enc2"], "enc2", strides=[2, 2, 2]),
    ]
    graph = helper.make_graph(
        nodes,
        "halves",
        [helper.make_tensor_value_info("scan", TensorProto.FLOAT, ["N", 1, "D", "H", "W"])],
        [helper.make_tensor_value_info("enc2", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(first, "w1"), numpy_helper.from_array(second, "w2")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def run(*words: str | Path) -> None:
    """Run a command, which must do."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert stop.value.code == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the commands made: input and maps, in formats for both viewers."""
    base = tmp_path_factory.mktemp("3d")
    _write_scan(base / "scan.nii.gz")
    _write_net(base / "halves.onnx")
    layers = ("--layer", "enc1", "--layer", "enc2", "--layout", "channels", "--format", "nrrd,vti")
    run("activations", base / "halves.onnx", "--image", base / "scan.nii.gz", *layers, "-o", base)
    return base


def _map(layer: str, extension: str) -> str:
    return f"model-halves_img-scan_layer-{layer}_channel-0_act{extension}"


def _spot(answer: Answer, affine: NDArray[np.float64], before: str = "") -> NDArray[np.float64]:
    """Return the centre of what is bright in a volume, by the place that the viewer gives its voxels."""
    values = answer[f"{before}values"].astype(np.float64)
    weights = np.where(values > values.max() / 10, values, 0)
    z, y, x = (np.average(axis, weights=weights) for axis in np.indices(values.shape))
    return (affine @ (x, y, z, 1))[:3]


EXPECTED = (_affine() @ (*SPOT, 1))[:3]
# what is bright is cut where it is dim, at whole voxels, which a deep layer's are 10 mm long
NEAR = 0.6


def test_slicer_lays_maps_over_the_scan(folder: Path, tmp_path: Path) -> None:
    maps = [folder / _map(layer, ".nrrd") for layer in ("enc1", "enc2")]
    run("scene", folder / "scan.nii.gz", *maps, "-o", folder / "over.mrml")
    run("scene", folder / "scan.nii.gz", *maps, "-o", folder / "over.mrb")
    jobs = {end: Job("scene", {"path": str(folder / f"over.{end}")}) for end in ("mrml", "mrb")}
    for answer in slicer.drive(jobs, tmp_path).values():
        assert answer["volumes"] == 3
        for before in ("", "2 ", "3 "):
            spot = _spot(answer, np.array(answer[f"{before}affine"]), before)
            np.testing.assert_allclose(spot, EXPECTED, atol=NEAR)


def test_paraview_lays_maps_over_the_scan(folder: Path, tmp_path: Path) -> None:
    names = ["model-halves_img-scan_input.vti", _map("enc1", ".vti"), _map("enc2", ".vti")]
    jobs = {name: Job("open", {"path": str(folder / name)}) for name in names}
    for answer in paraview.drive(jobs, tmp_path).values():
        affine = np.eye(4)
        affine[:3, :3] = np.reshape(answer["direction"], (3, 3)) @ np.diag(answer["spacing"])
        affine[:3, 3] = answer["origin"]
        answer.facts["values"] = answer["values"][0]  # type: ignore[index]
        spot = LPS_TO_RAS @ _spot(answer, affine)
        np.testing.assert_allclose(spot, EXPECTED, atol=NEAR)
