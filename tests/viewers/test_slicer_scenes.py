"""3D Slicer opens our scenes and bundles of series, and of several volumes, and draws them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from converters import Encoding, Volume, series, write
from render_presets import fit, load
from render_presets.transfer import Fitted
from render_presets.viewers import write_presets, write_scene

from . import pictures, slicer
from .cases import ORIGIN, ROTATION, SPACING
from .pictures import letter
from .processes import Answer, Job

pytestmark = pytest.mark.viewer

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
LABELS = ("persian.jpg", "a pembroke & co.png", '50% "é"; x:y.jpg')
ODD = "model-m_layer-a%2F3x3 & 'more' é\u3000猫"
WINDOW = (200, 200)

COLORS = 256
"""Entries of a colour table."""


@dataclass(frozen=True)
class Played:
    """A series with its scene: how it is stored, and what the scene is called."""

    dtype: str
    scene: str

    @cached_property
    def values(self) -> NDArray[np.float32]:
        """Frames of 5 x 7 x 11, of which no value is that of another place or frame."""
        values = 0.0371 * np.random.default_rng(5).permutation(3 * 5 * 7 * 11).reshape(3, 5, 7, 11)
        return (values - 0.4 * values.max()).astype(np.float32)

    @cached_property
    def encoding(self) -> Encoding:
        return Encoding.fit(self.values, self.dtype)

    @cached_property
    def fitted(self) -> Fitted:
        """The transfer function of all frames, in stored numbers."""
        stored = self.encoding.decode(self.encoding.encode(self.values))
        fitted = fit(load("signed"), *(_placed(frame) for frame in stored))
        return fitted.stored(self.encoding)

    def write(self, folder: Path) -> Path:
        folder.mkdir()
        frames = [_placed(frame) for frame in self.values]
        file = folder / f"{ODD}.seq.nrrd"
        series.write(series.gather(frames, ["a", "b", "c"], LABELS), file, self.dtype)
        if self.scene == "beside":
            return write_presets(file, ["slicer"])[-1]
        return write_scene([file], folder / self.scene)[0]


def _placed(frame: NDArray[Any]) -> Volume:
    return Volume(frame, SPACING, ORIGIN, ROTATION, "gradient")


PLAYED = {
    "float32 mrml": Played("float32", "beside"),
    "uint8 mrml": Played("uint8", "scene.mrml"),
    "int16 mrb": Played("int16", f"{ODD}.mrb"),
    "float32 mrb": Played("float32", "b.mrb"),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """Return what Slicer finds in all scenes, and what it draws of them."""
    base = tmp_path_factory.mktemp("scenes")
    jobs = {name: Job("play", {"path": str(played.write(base / name))}) for name, played in PLAYED.items()}
    overlays = write_overlays(base)
    jobs |= {name: Job("scene", {"path": str(path)}) for name, path in overlays.items()}
    jobs["together"] = Job("play", {"path": str(write_together(base))})
    jobs["drawn series"] = Job(
        "draw", {"path": str(write_letters(base)), "size": WINDOW, "frames": len(LETTERS)}
    )
    jobs["drawn flat"] = Job("draw", {"path": str(write_flat(base)), "size": WINDOW})
    jobs["drawn overlay"] = Job("draw", {"path": str(write_drawn(base)), "size": WINDOW})
    return slicer.drive(jobs, tmp_path_factory.mktemp("slicer"))


@pytest.mark.parametrize("name", PLAYED)
def test_a_series_opens_with_its_player(name: str, answers: dict[str, Answer]) -> None:
    answer = answers[name]
    assert (answer["frames"], answer["labels"]) == (3, list(LABELS))
    # it waits for its toolbar's button, and fills the one volume of the scene
    assert (answer["playing"], answer["first"], answer["filled"]) == (False, 0, [0])
    assert answer.said.strip() == ""


@pytest.mark.parametrize("name", PLAYED)
def test_each_frame_has_its_values_and_its_name(name: str, answers: dict[str, Answer]) -> None:
    answer, played = answers[name], PLAYED[name]
    for frame, label in enumerate(LABELS):
        assert answer[f"name {frame}"] == f"gradient [frame={label}]"
        stored = answer[f"values {frame}"]
        assert stored.dtype == played.dtype
        np.testing.assert_array_equal(stored, played.encoding.encode(played.values)[frame])
        by_hand = LPS_TO_RAS @ _placed(played.values[frame]).affine
        np.testing.assert_allclose(answer[f"affine {frame}"], by_hand, atol=1e-12)


@pytest.mark.parametrize("name", PLAYED)
def test_all_frames_have_one_look(name: str, answers: dict[str, Answer]) -> None:
    answer, fitted = answers[name], PLAYED[name].fitted
    for frame in range(3):
        assert answer[f"rendering {frame}"] == "vtkMRMLGPURayCastVolumeRenderingDisplayNode"
        assert answer[f"visible {frame}"]
        # text of 12 digits, and Slicer keeps positions apart by some steps of a float32
        np.testing.assert_allclose(answer[f"colors {frame}"], fitted.colors, rtol=2e-6, atol=1e-6)
        np.testing.assert_allclose(answer[f"window {frame}"], fitted.range, rtol=1e-6, atol=1e-6)
        table = fitted.rgba(np.linspace(*fitted.range, COLORS))
        table[:, 3] = 1
        # a step of the bytes that VTK's tables hold, rounded once here and once there
        np.testing.assert_allclose(answer[f"table {frame}"], 255 * table, atol=1)


INPUT = (20, 28, 44)
STRIDE = 4
LANDMARK = (2, 5, 8)
"""A unit, as z, y, x; the centre of its receptive field is STRIDE times as far in the input."""


def _input() -> Volume:
    data = np.random.default_rng(1).uniform(0, 1, INPUT).astype(np.float32)
    data[tuple(STRIDE * index for index in LANDMARK)] = 9
    return Volume(data, SPACING, ORIGIN, ROTATION, "input")


def _feature(sign: float = 1) -> Volume:
    data = np.random.default_rng(2).uniform(-1, 1, (5, 7, 11)).astype(np.float32)
    data[LANDMARK] = 5 * sign
    x, y, z = SPACING
    return Volume(data, (STRIDE * x, STRIDE * y, STRIDE * z), ORIGIN, ROTATION, "conv1")


OVERLAID = {
    # the format of each volume, its stored type, and the scene; of the last, files have one name
    "overlay mrml": (("nii.gz", "nrrd"), "float32", "over.mrml"),
    "overlay mrb": (("nii", "nhdr"), "int16", f"{ODD}.mrb"),
    "overlay of bytes": (("mhd", "mhd"), "uint8", "bytes.mrb"),
}


def write_overlays(base: Path) -> dict[str, Path]:
    paths = {}
    for name, (forms, dtype, scene) in OVERLAID.items():
        files = []
        for number, (volume, form) in enumerate(zip((_input(), _feature()), forms, strict=True)):
            folder = base / name / str(number)
            folder.mkdir(parents=True)
            files.append(folder / f"{ODD}.{form}")
            write(volume, files[-1], dtype)
        (paths[name],) = write_scene(files, base / name / scene, ["activation", "signed"])
    return paths


def _numbers(answer: Answer, name: str, number: int) -> tuple[NDArray[Any], Fitted]:
    """Return what Slicer shows of a volume, and its transfer function in those numbers."""
    forms, dtype, _ = OVERLAID[name]
    volume, preset = ((_input(), "activation"), (_feature(), "signed"))[number - 1]
    encoding = Encoding.fit(volume.data, dtype)
    stored = encoding.encode(volume.data)
    values = encoding.decode(stored)
    fitted = fit(load(preset), volume.replace(data=values))
    # Slicer scales NIfTI, and no other format
    return (values, fitted) if forms[number - 1].startswith("nii") else (stored, fitted.stored(encoding))


def _key(number: int, key: str) -> str:
    return key if number == 1 else f"{number} {key}"


@pytest.mark.parametrize("name", OVERLAID)
def test_volumes_overlay(name: str, answers: dict[str, Answer]) -> None:
    answer = answers[name]
    assert (answer["volumes"], answer["name"], answer["2 name"]) == (2, "input", "conv1")
    places = []
    for number in (1, 2):
        shown, _ = _numbers(answer, name, number)
        found = answer[_key(number, "values")]
        # a scaled value is a float32 for Slicer, and NIfTI's scale is one
        np.testing.assert_allclose(found, shown, rtol=1e-6, atol=1e-6)
        z, y, x = np.unravel_index(found.argmax(), found.shape)
        places.append(np.array(answer[_key(number, "affine")]) @ (x, y, z, 1))
    np.testing.assert_allclose(places[0], places[1], atol=1e-5)
    z, y, x = LANDMARK
    np.testing.assert_allclose(places[1], LPS_TO_RAS @ _feature().affine @ (x, y, z, 1), atol=1e-5)
    assert answer.said.strip() == ""


@pytest.mark.parametrize("name", OVERLAID)
@pytest.mark.parametrize("number", [1, 2])
def test_each_of_them_has_its_own_look(name: str, number: int, answers: dict[str, Answer]) -> None:
    answer = answers[name]
    _, fitted = _numbers(answer, name, number)
    assert answer[_key(number, "rendering")] == "vtkMRMLMultiVolumeRenderingDisplayNode"
    assert answer[_key(number, "visible")]
    # percentiles lie between numbers that are rounded when they are stored
    np.testing.assert_allclose(answer[_key(number, "colors")], fitted.colors, rtol=1e-5, atol=1e-5)
    x, opacity = answer[_key(number, "opacities")].T
    # in millimetres; what the others lie in is a tenth as dense
    exponent = (0.1, 1.0)[number - 1] / fitted.unit
    expected = 1 - (1 - np.interp(x, *np.array(fitted.opacities).T)) ** exponent
    # chords of the curve that the exponent makes of a ramp
    np.testing.assert_allclose(opacity, expected, atol=4e-3)
    table = fitted.rgba(np.linspace(*fitted.range, COLORS))
    table[:, 3] = 1 if number == 1 else table[:, 3] >= 0.05 * table[:, 3].max()
    np.testing.assert_allclose(answer[_key(number, "table")], 255 * table, atol=1)


@pytest.mark.parametrize("name", OVERLAID)
def test_slice_views_show_them_over_each_other(name: str, answers: dict[str, Answer]) -> None:
    answer = answers[name]
    assert (answer["layer"], answer["2 layer"]) == ([0] * 3, [1] * 3)
    assert answer["foreground"] == [0.5] * 3
    # four views; modules open with the one above
    assert (answer["layout"], answer["active"]) == (3, 1)


def test_volumes_keep_the_names_of_their_slices(answers: dict[str, Answer]) -> None:
    told = answers["overlay of bytes"]["2 facts"]
    assert told["slices"] == "0, 1, 2, 3, 4"
    assert told["values"].startswith("conv1 (stored; value = ")


def write_together(base: Path) -> Path:
    """Write a scene of a volume and two series whose frames are called alike."""
    folder = base / "together"
    folder.mkdir()
    write(_input(), folder / "input.nii.gz")
    for name, sign in (("a", 1.0), ("b", -1.0)):
        frames = [_feature(sign).replace(data=scale * _feature(sign).data, name=name) for scale in (1, 2, 3)]
        gathered = series.gather(frames, ["x", "y", "z"], LABELS)
        series.write(gathered, folder / f"{name}.seq.nrrd")
    files = [folder / name for name in ("input.nii.gz", "a.seq.nrrd", "b.seq.nrrd")]
    return write_scene(files, folder / "all.mrml")[0]


def test_series_of_the_same_images_play_together(answers: dict[str, Answer]) -> None:
    answer = answers["together"]
    assert (answer["frames"], answer["filled"]) == (3, [1, 2])
    for frame in range(3):
        np.testing.assert_array_equal(answer[f"values {frame}"], _input().data)
        for number, sign in ((2, 1.0), (3, -1.0)):
            expected = (1 + frame) * _feature(sign).data
            np.testing.assert_array_equal(answer[f"{number} values {frame}"], expected)
            assert answer[f"{number} name {frame}"] == f"{'  ab'[number]} [frame={LABELS[frame]}]"
    assert answer.said.strip() == ""


# One does not pass for the other: it is seen from the other side, and stands on its head. Its lower values
# would be too dark a blue for `pictures.check`.
LETTERS = (letter(), letter().replace(data=-np.sign(letter().data[::-1, ::-1])))


def write_letters(base: Path) -> Path:
    folder = base / "letters"
    folder.mkdir()
    gathered = series.gather(LETTERS, ["a", "b"], LABELS[:2])
    series.write(gathered, folder / "letters.seq.nrrd", "int16")
    return write_scene([folder / "letters.seq.nrrd"], folder / "letters.mrml")[0]


def _above_bar(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture with room for the colour bar that others have there."""
    return np.pad(picture, ((0, len(picture) // 4), (0, 0), (0, 0)))


@pytest.mark.parametrize("frame", range(len(LETTERS)))
def test_a_series_is_drawn_frame_by_frame(frame: int, answers: dict[str, Answer]) -> None:
    picture = _above_bar(answers["drawn series"][f"space {frame}"])
    shown = LETTERS[frame].replace(data=np.abs(LETTERS[frame].data))
    pictures.check(picture, shown)
    other = LETTERS[1 - frame]
    with pytest.raises(pictures.WrongPictureError):
        pictures.check(picture, other.replace(data=np.abs(other.data)))


def _slice(
    answer: Answer, view: str, frame: int, volumes: list[Volume]
) -> tuple[NDArray[np.uint8], list[NDArray[np.float64]], NDArray[np.bool_]]:
    """Return a slice view, the value of each volume at each pixel, NaN outside, and which pixels are sure.

    The others lie on the border of two voxels, to a hundredth.
    """
    picture = answer[f"{view} {frame}"]
    middle, side = answer[f"{view} place"]
    # Slicer's field of view begins in the middle of the first pixel; rows go up
    step = side / len(picture)
    columns, rows = np.arange(len(picture)) * step - side / 2, side / 2 - (np.arange(len(picture)) + 1) * step
    # in LPS: to the right and down
    right, down = {"Red": (0, 1), "Green": (0, -2), "Yellow": (1, -2)}[view]
    places = np.broadcast_to(np.multiply(middle, (-1, -1, 1)), (*picture.shape[:2], 3)).copy()
    places[..., right] += columns
    places[..., abs(down)] -= np.sign(down) * rows[:, np.newaxis]
    values, sure = zip(*(_values(volume, places) for volume in volumes), strict=True)
    return picture, list(values), np.all(sure, axis=0)


def _values(volume: Volume, places: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    at = (places - volume.origin) / volume.spacing
    index = np.rint(at).astype(int)
    inside = ((index >= 0) & (index < volume.size)).all(axis=-1)
    x, y, z = np.moveaxis(np.clip(index, 0, np.subtract(volume.size, 1)), -1, 0)
    return np.where(inside, volume.data[z, y, x], np.nan), (np.abs(at - index) < 0.49).all(axis=-1)


def _agree(picture: NDArray[np.uint8], expected: NDArray[np.float64], sure: NDArray[np.bool_]) -> None:
    # tables have 256 colours, and what is laid over each other is rounded twice
    np.testing.assert_allclose(picture[sure], 255 * expected[sure], atol=3)
    assert sure.mean() > 0.25
    assert 0.05 < (expected[sure].max(axis=-1) > 0.2).mean() < 0.95


@pytest.mark.parametrize("view", ["Red", "Green", "Yellow"])
@pytest.mark.parametrize("frame", range(len(LETTERS)))
def test_slice_views_have_the_colors_of_the_preset(view: str, frame: int, answers: dict[str, Answer]) -> None:
    picture, (values,), sure = _slice(answers["drawn series"], view, frame, [LETTERS[frame]])
    fitted = fit(load("signed"), *LETTERS)
    colors = fitted.rgba(values)[..., :3]
    colors[np.isnan(values)] = 0
    _agree(picture, colors, sure)


def _around() -> Volume:
    """Return a ball around the letter's beam, on a grid of its own."""
    z, y, x = np.mgrid[-1:1:24j, -1:1:30j, -1:1:20j]
    ball = (x**2 + y**2 + z**2 < 1).astype(np.float32)
    return Volume(ball, (1.0, 0.7, 1.0), (4.0, 2.2, 4.0), name="ball")


def write_drawn(base: Path) -> Path:
    folder = base / "drawn"
    folder.mkdir()
    write(_around(), folder / "ball.nrrd")
    write(letter(), folder / "letter.nii.gz")
    files = [folder / "ball.nrrd", folder / "letter.nii.gz"]
    return write_scene(files, folder / "over.mrb", ["xray", "activation"])[0]


def test_an_overlay_is_drawn_with_the_one_inside_the_other(answers: dict[str, Answer]) -> None:
    picture = answers["drawn overlay"]["space 0"]
    pictures.check(_above_bar(picture), letter())
    # the ball is a haze around the letter: brighter than the background, darker than what `check` counts
    haze = (picture.max(axis=2) > 60) & (picture.max(axis=2) < pictures.OUTLINE)
    assert 0.05 < haze.mean() < 0.5


@pytest.mark.parametrize("view", ["Red", "Green", "Yellow"])
def test_slice_views_lay_the_active_part_of_one_over_the_other(view: str, answers: dict[str, Answer]) -> None:
    picture, (below, above), sure = _slice(answers["drawn overlay"], view, 0, [_around(), letter()])
    fitted = fit(load("activation"), letter())
    colors = fitted.rgba(above)
    # what hardly shows in depth is left out
    shown = colors[..., 3:] >= 0.05 * fitted.opacities[-1][1]
    alpha = np.where(shown & ~np.isnan(above)[..., np.newaxis], 0.5, 0)
    # the preset's own colours are all whitish: slices are grey
    grey = np.nan_to_num(below)[..., np.newaxis]
    _agree(picture, alpha * np.nan_to_num(colors[..., :3]) + (1 - alpha) * grey, sure & ~np.isnan(below))


FLAT = letter().replace(data=letter().data[2:3], labels=())


def write_flat(base: Path) -> Path:
    folder = base / "flat"
    folder.mkdir()
    write(FLAT, folder / "flat.nrrd")
    return write_presets(folder / "flat.nrrd", ["slicer"])[-1]


def test_a_single_slice_is_drawn_in_space(answers: dict[str, Answer]) -> None:
    pictures.check(_above_bar(answers["drawn flat"]["space 0"]), FLAT)
    assert answers["drawn flat"].said.strip() == ""
