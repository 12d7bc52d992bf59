"""ParaView draws series, slices and several volumes with our scripts, each in its place and colours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from converters import Volume, series, write
from render_presets import Fitted, choose, fit, write_presets, write_scene
from render_presets.camera import camera

from . import paraview, pictures
from .cases import ROTATION
from .pictures import Picture, WrongPictureError, letter
from .processes import Answer, Job

pytestmark = pytest.mark.viewer

SIZE = "600x450"
BARE = (400, 300)
"""In pixels; the smaller pictures hold no text."""
LABELS = ("cat and 'dog'.jpg", 'the "50%" é.png', "c__a $x$ and and b.tif")
SHOWN = (
    letter(),
    letter().replace(data=1.5 * letter().data[:, ::-1]),
    letter().replace(data=1.25 * letter().data[::-1]),
)
"""Three poses of one shape, brightest at different values."""


def slope(weights: tuple[float, float, float]) -> Volume:
    """Return values that rise along all three axes, each at its own rate, on a turned grid."""
    x, y, z = weights
    data = np.fromfunction(lambda k, j, i: x * i + y * j + z * k - 20, (5, 7, 11))
    return Volume(data, (1.5, 2.0, 2.5), (5.0, -3.0, 2.0), ROTATION, "slope")


SLOPES = (slope((1, 2, 4)), slope((-2, 3, 5)), slope((2, -3, 4)))


def lump(size: tuple[int, int, int], spacing: float, level: float) -> Volume:
    """Return a block in a turned box of 24 x 32 x 40; the box has the same place in any spacing."""
    data = np.zeros(size[::-1])
    z, y, x = (slice(round(start / spacing), round(end / spacing)) for start, end in BLOCK)
    data[z, y, x] = level
    matrix = np.reshape(ROTATION, (3, 3))
    origin = np.array([5.0, -3.0, 2.0]) + matrix @ np.full(3, (spacing - 1) / 2)
    return Volume(data, (spacing,) * 3, tuple(origin), ROTATION, "lump")


BLOCK = ((4, 8), (8, 16), (24, 32))
"""Where the block lies along z, y and x: near the viewer, far from the middle."""
SCAN, FEATURE = lump((40, 32, 24), 1.0, 1.0), lump((10, 8, 6), 4.0, 1.0)


@dataclass(frozen=True)
class Drawn:
    """What ParaView told and drew."""

    answers: dict[str, Answer]
    folder: Path

    def picture(self, name: str) -> Picture:
        """Return a picture by its name."""
        from PIL import Image

        with Image.open(self.folder / f"{name}.png") as image:
            return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """Return what all scripts drew, one after another in one ParaView."""
    folder = tmp_path_factory.mktemp("scripts")
    out = tmp_path_factory.mktemp("pictures")

    def script_of(frames: tuple[Volume, ...], name: str) -> str:
        paths = [f"{number}.nrrd" for number in range(len(frames))]
        series.write(series.gather(frames, paths, LABELS), folder / name)
        _, script = write_presets(folder / name, ["paraview"])
        return str(script)

    letters = {"pvd": script_of(SHOWN, "50% 'é' \"x\".pvd"), "list": script_of(SHOWN, "letters.vti.series")}
    slopes = script_of(SLOPES, "slopes.pvd")
    write(SCAN, folder / "scan.vti")
    write(FEATURE, folder / "feature.hdf")
    (overlay,) = write_scene([folder / "scan.vti", folder / "feature.hdf"], folder / "overlay.py")
    (scan,) = write_scene([folder / "scan.vti"], folder / "scan.py")
    bare = ["--bare", "--size", "{}x{}".format(*BARE)]
    calls = {
        **{
            name: (script, ["--size", SIZE, "--animation", str(out / f"{name}.png")])
            for name, script in letters.items()
        },
        "slopes": (slopes, [*bare, "--show", "slices", "--animation", str(out / "slopes.png")]),
        "slope 2": (
            slopes,
            [*bare, "--step", "2", "--show", "slices", "--screenshot", str(out / "2.png")],
        ),
        "frame": (letters["pvd"], [*bare, "--step", "1", "--screenshot", str(out / "frame.png")]),
        "steps": (
            script_of(SHOWN, "letters.vtkhdf"),
            [*bare, "--step", "1", "--screenshot", str(out / "steps.png")],
        ),
        "overlay": (str(overlay), [*bare, "--screenshot", str(out / "overlay.png")]),
        "scan": (str(scan), [*bare, "--show", "slices", "--screenshot", str(out / "scan.png")]),
    }
    jobs = {
        name: Job("script", {"path": path, "arguments": arguments})
        for name, (path, arguments) in calls.items()
    }
    return Drawn(paraview.drive(jobs, tmp_path_factory.mktemp("jobs")), out)


@pytest.mark.parametrize("name", ["pvd", "list"])
def test_a_series_plays_from_step_to_step(name: str, drawn: Drawn) -> None:
    answer = drawn.answers[name]
    assert (answer["times"], answer["mode"]) == ([0, 1, 2], "Snap To TimeSteps")
    assert answer.said.strip() == ""


@pytest.mark.parametrize("name", ["pvd", "list"])
def test_frames_are_told_by_their_names(name: str, drawn: Drawn) -> None:
    # a dollar sign would begin a formula
    assert drawn.answers[name]["texts"] == [[label.replace("$", r"\$")] for label in LABELS]
    corners = [drawn.picture(f"{name}_00{step}")[:30, :300] for step in range(3)]
    for corner in corners:
        assert (corner.max(axis=2) > 128).sum() > 100
    assert not np.array_equal(corners[0], corners[1])
    assert not np.array_equal(corners[1], corners[2])


@pytest.mark.parametrize("step", range(3))
def test_pictures_of_a_series_show_its_frames(step: int, drawn: Drawn) -> None:
    picture = drawn.picture(f"pvd_00{step}")
    np.testing.assert_array_equal(picture, drawn.picture(f"list_00{step}"))
    without_name = picture.copy()
    without_name[:30, :300] = 0
    pictures.check(without_name, SHOWN[step])
    for other in {0, 1, 2} - {step}:
        with pytest.raises(WrongPictureError):
            pictures.check(without_name, SHOWN[other])


@pytest.mark.parametrize("step", range(3))
def test_slices_have_the_colours_of_their_values(step: int, drawn: Drawn) -> None:
    picture = drawn.picture(f"slopes_00{step}")
    fitted = fit(choose(*SLOPES), *SLOPES)
    assert worst(picture, SLOPES[step], fitted) <= TOLERANCE
    data = SLOPES[step].data
    for wrong in (data[::-1], data[:, ::-1], data[..., ::-1], SLOPES[(step + 1) % 3].data):
        assert worst(picture, SLOPES[step].replace(data=wrong), fitted) > 10 * TOLERANCE


def test_a_step_is_drawn_alone(drawn: Drawn) -> None:
    np.testing.assert_array_equal(drawn.picture("2"), drawn.picture("slopes_002"))


def test_steps_in_one_vtkhdf_file(drawn: Drawn) -> None:
    told = drawn.answers["steps"].facts
    if "error" in told:
        assert told["error"].endswith(".vtkhdf: needs ParaView 5.12 or later; older ones play .pvd\n")
    else:
        np.testing.assert_array_equal(drawn.picture("steps"), drawn.picture("frame"))


def test_slices_are_there_but_hidden(drawn: Drawn) -> None:
    answer = drawn.answers["list"]
    slices = [f"letters.vti.series slice {axis}" for axis in "xyz"]
    assert set(slices) < set(answer["names"])
    assert not set(slices) & set(answer["shown"])


def test_volumes_lie_over_each_other(drawn: Drawn) -> None:
    scan, both = drawn.picture("scan"), drawn.picture("overlay")
    assert worst(scan, SCAN, fit(choose(SCAN), SCAN)) <= TOLERANCE
    changed = np.argwhere((scan != both).any(axis=2))
    assert len(changed) > 200
    corners = np.array([[x, y, z] for z in BLOCK[0] for y in BLOCK[1] for x in BLOCK[2]]) - 0.5
    places = pixels(SCAN, corners)
    # values fade out over one voxel of the feature around the block
    voxel = 4 * np.ptp(places[:, 0]) / 8
    assert np.abs(changed[:, ::-1].min(axis=0) - places.min(axis=0)).max() < voxel
    assert np.abs(changed[:, ::-1].max(axis=0) - places.max(axis=0)).max() < voxel


TOLERANCE = 4
"""Of 255: pixels lie half a pixel beside the voxels' centres, and ParaView looks colours up in a table."""


def pixels(volume: Volume, indices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where points, shape (n, 3) in voxels, lie in a picture of a volume: column and row, from 0."""
    eye = camera(volume, BARE[0] / BARE[1])
    ahead = np.subtract(eye.focal_point, eye.position)
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, eye.view_up)
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    points = indices @ volume.affine[:3, :3].T + volume.affine[:3, 3] - eye.position
    scale = BARE[1] / 2 / np.tan(np.radians(eye.view_angle) / 2) / (points @ ahead)
    across = np.stack([points @ right, points @ down], axis=1) * scale[:, np.newaxis]
    centred: NDArray[np.float64] = across + np.array(BARE) / 2 - 0.5
    return centred


def worst(picture: Picture, volume: Volume, fitted: Fitted) -> int:
    """Return the largest difference of a voxel's pixel from its colour, of all that three slices show."""
    seen = visible(volume)
    columns, rows = np.rint(pixels(volume, seen)).astype(int).T
    x, y, z = seen.astype(int).T
    expected = np.rint(255 * fitted.rgba(volume.data[z, y, x])[:, :3])
    return int(np.abs(picture[rows, columns] - expected).max())


def visible(volume: Volume) -> NDArray[np.float64]:
    """Return the voxels inside the three middle slices that no other slice hides, shape (n, 3) as x, y, z."""
    eye = np.linalg.inv(volume.affine) @ (*camera(volume, BARE[0] / BARE[1]).position, 1)
    middle = np.array(volume.size) // 2
    x, y, z = np.indices(volume.size).reshape(3, -1)
    voxels = np.stack([x, y, z], axis=1).astype(float)
    on = (voxels == middle).sum(axis=1) == 1
    inner = ((voxels > 0) & (voxels < np.array(volume.size) - 1)).all(axis=1)
    voxels = voxels[on & inner]
    hidden = np.zeros(len(voxels), bool)
    for axis in range(3):
        with np.errstate(divide="ignore"):
            part = (middle[axis] - eye[axis]) / (voxels[:, axis] - eye[axis])
        crossing = eye[:3] + part[:, np.newaxis] * (voxels - eye[:3])
        within = ((crossing >= 0) & (crossing <= np.array(volume.size) - 1)).all(axis=1)
        # not the voxel's own slice
        hidden |= within & (part > 0) & (part < 0.999)
    return voxels[~hidden]
