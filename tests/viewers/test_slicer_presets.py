"""3D Slicer takes our transfer functions, and our scenes with all their links."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from converters import Volume
from render_presets.viewers import write_presets

from . import slicer
from .cases import Written, volume, write_volume
from .pictures import AZIMUTH, ELEVATION, letter
from .processes import Answer, Job

pytestmark = pytest.mark.viewer


@dataclass(frozen=True)
class Preset:
    """A volume that is written with its presets: what, in which format and stored type, and where."""

    source: Volume
    form: str
    dtype: str
    stem: str = "volume"
    presets: str = "."


def rows(first: int) -> Volume:
    """Return a flat volume."""
    return letter().replace(data=letter().data[first : first + 1], labels=())


PRESETS = {
    "signed float32 nrrd": Preset(volume("5x7x11"), "nrrd", "float32"),
    "signed int16 nrrd": Preset(volume("5x7x11"), "nrrd", "int16"),
    "signed int16 nii": Preset(volume("5x7x11"), "nii.gz", "int16"),
    "narrow uint16 nhdr": Preset(volume("width-7"), "nhdr", "uint16"),
    "uint8 mha": Preset(letter(), "mha", "uint8"),
    "real size": Preset(volume("real"), "nii", "float32"),
    # as our commands call their files, for a layer that is called features/3x3 & more
    "awkward names": Preset(
        letter().replace(name='blob:conv1 <α> & "x"'),
        "nrrd",
        "float32",
        "model-m_layer-a%2F3x3 & more_act",
        "../b c",
    ),
    # Slicer's Add Data stacks such neighbours
    "flat 1": Preset(rows(2), "nrrd", "float32", "../flat/fc1_act"),
    "flat 2": Preset(rows(5), "nrrd", "float32", "../flat/fc2_act"),
}


@dataclass(frozen=True)
class Loaded:
    """A volume file with its transfer function, and what Slicer finds in that and in the scene."""

    file: Written
    text: str
    property: Answer
    scene: Answer


@pytest.fixture(scope="module")
def all_loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Loaded]:
    base = tmp_path_factory.mktemp("presets")
    files: dict[str, Written] = {}
    texts: dict[str, str] = {}
    jobs: dict[str, Job] = {}
    for name, preset in PRESETS.items():
        stem, folder = base / name / preset.stem, base / name / preset.presets
        for needed in (base / name, stem.parent, folder):
            needed.mkdir(parents=True, exist_ok=True)
        files[name] = write_volume(preset.source, preset.form, stem, preset.dtype)
        paths = {path.suffix: path for path in write_presets(files[name].path, ["slicer"], folder)}
        texts[name] = paths[".vp"].read_text(encoding="utf-8")
        jobs[f"{name} property"] = Job("property", {"path": str(paths[".vp"])})
        jobs[f"{name} scene"] = Job("scene", {"path": str(paths[".mrml"])})
    answers = slicer.drive(jobs, tmp_path_factory.mktemp("jobs"))
    return {
        name: Loaded(file, texts[name], answers[f"{name} property"], answers[f"{name} scene"])
        for name, file in files.items()
    }


@pytest.fixture(params=PRESETS)
def loaded(request: pytest.FixtureRequest, all_loaded: dict[str, Loaded]) -> Loaded:
    return all_loaded[request.param]


def test_the_property_has_the_points_of_the_file(loaded: Loaded) -> None:
    *_, opacity, gradient, color = loaded.text.splitlines()
    for key, line, width in (
        ("opacities", opacity, 2),
        ("gradient opacities", gradient, 2),
        ("colors", color, 4),
    ):
        count, *numbers = map(float, line.split())
        assert count == len(numbers)
        # Slicer keeps positions apart that are equal, by some steps of a float32
        np.testing.assert_allclose(
            loaded.property[key], np.reshape(numbers, (-1, width)), rtol=2e-6, atol=1e-6
        )
    assert (loaded.property["shade"], loaded.property["interpolation"]) == (0, "Linear")


@pytest.mark.parametrize("preset", ["activation", "categorical", "sparse"])
def test_the_property_in_json_is_the_same(tmp_path: Path, preset: str) -> None:
    file = write_volume(letter(), "nrrd", tmp_path / "letter", "float32").path
    paths = {path.suffix: path for path in write_presets(file, ["slicer"], preset=preset)}
    jobs = {suffix: Job("property", {"path": str(paths[suffix])}) for suffix in (".vp", ".json")}
    answers = slicer.drive(jobs, tmp_path)
    lines, found = answers[".vp"], answers[".json"]
    np.testing.assert_allclose(found["colors"], lines["colors"], rtol=2e-6, atol=1e-6)
    assert found["interpolation"] == lines["interpolation"]
    assert lines["interpolation"] == ("Nearest Neighbor" if preset == "categorical" else "Linear")
    # the lines have opacities for Slicer's unit distance of 1, JSON has those of the preset with their own
    x, opacity = lines["opacities"].T
    own = np.interp(x, *found["opacities"].T)
    np.testing.assert_allclose(1 - (1 - own) ** (1 / found["unit distance"]), opacity, rtol=1e-5, atol=1e-5)


def test_the_property_is_in_the_numbers_that_slicer_shows(loaded: Loaded) -> None:
    shown = loaded.scene["values"].astype(np.float64)
    file = loaded.file
    # Slicer scales NIfTI, and no other format
    scaled = ".nii" in file.path.name
    zero = 0.0 if scaled else -file.intercept / file.slope
    # the two presets: symmetric around the value 0, or from the least value to the 99.5th percentile
    reach = np.abs(np.percentile(shown, [0.5, 99.5]) - zero).max()
    low, high = (
        (zero - reach, zero + reach) if file.volume.data.min() < 0 else np.percentile(shown, [0, 99.5])
    )
    # percentiles interpolate between numbers that are rounded when they are stored
    tolerance = (file.slope if scaled else 1.0) if file.slope != 1 else 1e-6
    for answer in (loaded.property, loaded.scene):
        np.testing.assert_allclose(answer["colors"][[0, -1], 0], [low, high], rtol=1e-5, atol=tolerance)
        np.testing.assert_allclose(answer["opacities"][[0, -1], 0], [low, high], rtol=1e-5, atol=tolerance)


def test_the_scene_has_the_volume(loaded: Loaded) -> None:
    assert Path(loaded.scene["file"]).samefile(loaded.file.path)
    assert loaded.scene["name"] == loaded.file.volume.name
    assert loaded.scene["storage"] == "vtkMRMLVolumeArchetypeStorageNode"
    # but not its neighbours
    assert loaded.scene["values"].shape == loaded.file.volume.data.shape
    by_hand = np.diag([-1, -1, 1, 1]) @ loaded.file.volume.affine
    # NIfTI holds the matrix as float32
    np.testing.assert_allclose(loaded.scene["affine"], by_hand, atol=1e-6)


def test_the_scene_shows_the_volume(loaded: Loaded) -> None:
    assert loaded.scene["rendering"] == "vtkMRMLGPURayCastVolumeRenderingDisplayNode"
    # a single slice has no depth
    assert loaded.scene["visible"] == (min(loaded.file.volume.size) > 1)
    assert loaded.scene["slices"] == "vtkMRMLScalarVolumeDisplayNode"
    assert loaded.scene["in slice views"] == [True] * 3
    for key in ("colors", "opacities", "gradient opacities"):
        np.testing.assert_allclose(loaded.scene[key], loaded.property[key], rtol=1e-6)
    np.testing.assert_allclose(
        loaded.scene["window"], loaded.scene["colors"][[0, -1], 0], rtol=1e-5, atol=1e-6
    )
    # bytes, from the lowest value to the highest
    x, *rgb = loaded.scene["colors"].T
    values = np.linspace(x[0], x[-1], 256)
    table = np.stack([np.interp(values, x, channel) for channel in rgb], axis=-1)
    np.testing.assert_allclose(loaded.scene["table"][:, :3], 255 * table, atol=1)
    assert (loaded.scene["layout"], loaded.scene["layer"]) == (3, [0] * 3)


def test_the_scenes_camera_sees_the_volume_upright(loaded: Loaded) -> None:
    position, focus = np.array(loaded.scene["camera position"]), np.array(loaded.scene["camera focal point"])
    a, e = math.radians(AZIMUTH), math.radians(ELEVATION)
    # along +z of LPS, from a little to the right and from above, which is against y; RAS negates x and y
    ahead = np.array([math.sin(a) * math.cos(e), -math.sin(e), math.cos(a) * math.cos(e)])
    np.testing.assert_allclose((focus - position) / np.linalg.norm(focus - position), ahead, atol=1e-6)
    assert tuple(loaded.scene["camera view up"]) == (0.0, 1.0, 0.0)
    corners = np.array(list(product(*((0, size - 1) for size in loaded.scene["size"]), [1])))
    places = (corners @ np.transpose(loaded.scene["affine"]))[:, :3] - position
    depths = places @ ahead
    angles = np.degrees(np.arctan2(np.linalg.norm(places - np.outer(depths, ahead), axis=1), depths))
    # in the corners of a square picture, more than half the view angle is to be seen
    assert angles.max() < math.sqrt(2) * loaded.scene["camera view angle"] / 2


def test_nothing_complains(loaded: Loaded) -> None:
    assert [answer.said.strip() for answer in (loaded.property, loaded.scene)] == ["", ""]
