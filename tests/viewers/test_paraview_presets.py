"""ParaView draws volumes with our script, and takes our preset."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import Volume
from render_presets.viewers import write_presets
from tests.render_presets.scripts import volumes

from . import paraview, pictures
from .cases import Written, golden, volume, write_volume
from .pictures import Picture, WrongPictureError, letter
from .processes import Answer, Job

pytestmark = pytest.mark.viewer


@dataclass(frozen=True)
class Shot:
    """A volume that is drawn: what, in which format and stored type."""

    source: Volume
    form: str
    dtype: str


def sheet() -> Volume:
    """Return one slice of the letter."""
    return letter().replace(data=letter().data[2:3], labels=())


SHOTS = {
    "float32 vti": Shot(letter(), "vti", "float32"),
    "narrow float32 nrrd": Shot(letter(9), "nrrd", "float32"),
    "uint16 mha": Shot(letter(), "mha", "uint16"),
    "int16 hdf": Shot(letter(), "hdf", "int16"),
    "uint8 shared": Shot(letter(), "vox+mhd", "uint8"),
    "one slice": Shot(sheet(), "vti", "float32"),
}


def draw(source: Volume, form: str, dtype: str, folder: Path) -> Picture:
    """Write a volume, and draw it by the script that goes with it."""
    from PIL import Image

    file = write_volume(source, form, folder / form, dtype)
    scripts = [path for path in write_presets(file.path, ["paraview"]) if path.suffix == ".py"]
    with Image.open(paraview.screenshot(scripts[0], folder, (600, 450))) as image:
        assert image.size == (600, 450)
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Picture:
    """Return the picture of the letter."""
    return draw(letter(), "vti", "float32", tmp_path_factory.mktemp("picture"))


@pytest.mark.parametrize("name", SHOTS)
def test_the_picture_shows_the_volume(name: str, tmp_path: Path) -> None:
    shot = SHOTS[name]
    # of stored numbers, the bar's title has two lines
    pictures.check(draw(shot.source, shot.form, shot.dtype, tmp_path), shot.source, bar=0.83)


def test_rows_of_voxels_are_drawn(tmp_path: Path) -> None:
    # such are the outputs of pools over whole maps
    drawn = draw(Volume(np.linspace(0, 1, 500).reshape(500, 1, 1)), "vti", "float32", tmp_path)
    lit = drawn[: round(0.83 * len(drawn))].max(axis=2) > pictures.OUTLINE
    rows, columns = np.nonzero(lit)
    # a line across the picture, a few pixels wide, which brightens to the back: right and up
    assert np.ptp(columns) > 200
    assert 200 < lit.sum() < 0.05 * lit.size
    assert columns[rows.argmin()] > columns[rows.argmax()]


def test_upstreams_conv1_shows_structure(tmp_path: Path) -> None:
    source = golden().replace(spacing=(4, 4, 2))
    drawn = draw(source, "vti", "float32", tmp_path)
    share = pictures.bright(drawn).mean()
    # lit paths in a dark and mostly transparent box, which fills about half of the picture
    assert 0.01 < share < 0.25
    dark = (drawn.max(axis=2) < 64).mean()
    assert 0.3 < dark < 0.9


@pytest.mark.parametrize(
    "turned",
    [np.s_[:, ::-1], np.s_[::-1], np.s_[::-1, ::-1]],
    ids=["left and right mirrored", "upside down", "turned by 180 degrees"],
)
def test_a_turned_picture_is_wrong(turned: Any, picture: Picture) -> None:
    with pytest.raises(WrongPictureError, match="overlap"):
        pictures.check(picture[turned], letter())


@pytest.mark.parametrize(
    "mirrored",
    [np.s_[:, :, ::-1], np.s_[:, ::-1], np.s_[::-1]],
    ids=["along x", "along y", "along z"],
)
def test_a_picture_of_the_mirrored_volume_is_wrong(mirrored: Any, tmp_path: Path) -> None:
    wrong = letter().replace(data=letter().data[mirrored])
    with pytest.raises(WrongPictureError, match="overlap"):
        pictures.check(draw(wrong, "vti", "float32", tmp_path), letter())


def test_blank_and_saturated_pictures_are_wrong(picture: Picture, tmp_path: Path) -> None:
    background = np.broadcast_to(picture[0, 0], picture.shape)
    with pytest.raises(WrongPictureError, match="blank"):
        pictures.check(background, letter())
    with pytest.raises(WrongPictureError, match="saturated"):
        pictures.check(np.full_like(picture, 255), letter())
    silent = letter().replace(data=np.zeros_like(letter().data))
    with pytest.raises(WrongPictureError, match="blank"):
        pictures.check(draw(silent, "vti", "float32", tmp_path), letter())


@dataclass(frozen=True)
class Loaded:
    """A file with a preset, and what ParaView makes of both."""

    file: Written
    preset: dict[str, Any]
    opened: Answer
    shown: Answer
    applied: Answer


@pytest.fixture(
    scope="module",
    params=[("vti", "float32"), ("nrrd", "int16"), ("golden", "uint8")],
    ids="-".join,
)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    form, dtype = request.param
    folder = tmp_path_factory.mktemp("preset")
    source, form = (golden(), "vti") if form == "golden" else (volume("5x7x11", False), form)
    file = write_volume(source, form, folder / "volume", dtype)
    (preset,) = [path for path in write_presets(file.path, ["paraview"]) if path.suffix == ".json"]
    (document,) = json.loads(preset.read_text(encoding="utf-8"))
    jobs = {
        "open": Job("open", {"path": str(file.path)}),
        "show": Job("show", {"path": str(file.path)}),
        "preset": Job("preset", {"path": str(preset), "name": document["Name"]}),
    }
    answers = paraview.drive(jobs, tmp_path_factory.mktemp("jobs"))
    return Loaded(file, document, answers["open"], answers["show"], answers["preset"])


def test_the_preset_is_applied(loaded: Loaded) -> None:
    answer = loaded.applied
    assert answer["imported"]
    assert answer["space"] == "RGB"
    np.testing.assert_allclose(answer["colors"], loaded.preset["RGBPoints"], rtol=1e-12)
    np.testing.assert_allclose(answer["opacities"], loaded.preset["Points"], rtol=1e-12)


def test_the_preset_is_in_the_numbers_that_paraview_shows(loaded: Loaded) -> None:
    shown = loaded.opened["values"][0].astype(np.float64)
    places = np.reshape(loaded.applied["colors"], (-1, 4))[:, 0]
    negative = bool(loaded.file.volume.data.min() < 0)
    # the two presets: symmetric around the value 0, or from the least value to the 99.5th percentile
    zero = -loaded.file.intercept / loaded.file.slope
    reach = np.abs(np.percentile(shown, [0.5, 99.5]) - zero).max()
    low, high = (zero - reach, zero + reach) if negative else np.percentile(shown, [0, 99.5])
    # percentiles interpolate between numbers that are rounded when they are stored
    tolerance = 0.0 if shown.dtype == np.float32 else 1.0
    np.testing.assert_allclose(places[[0, -1]], [low, high], rtol=1e-5, atol=tolerance)


def test_the_preset_has_the_opacity_unit_that_paraview_chooses(loaded: Loaded) -> None:
    script = loaded.file.path.with_name(loaded.file.path.name + ".paraview.py")
    (told,) = volumes(script)
    unit, points = told["unit distance"], np.reshape(told["opacities"], (-1, 4))
    # Beer and Lambert: the script's opacities are per `unit`, the preset's per what ParaView chose
    expected = 1 - (1 - points[:, 1]) ** (loaded.shown["unit distance"] / unit)
    preset = np.reshape(loaded.preset["Points"], (-1, 4))
    np.testing.assert_allclose(np.interp(points[:, 0], preset[:, 0], preset[:, 1]), expected, rtol=1e-9)


def test_scripts_neither_need_nor_change_what_a_user_keeps(tmp_path: Path) -> None:
    from PIL import Image

    file = write_volume(letter(), "vti", tmp_path / "letter", "float32")
    preset, script = write_presets(file.path, ["paraview"])
    (document,) = json.loads(preset.read_text(encoding="utf-8"))
    grey = {"RGBPoints": [0, 0.5, 0.5, 0.5, 1, 0.5, 0.5, 0.5], "Points": [0, 1, 0.5, 0, 1, 1, 0.5, 0]}
    namesake = tmp_path / "namesake.json"
    namesake.write_text(json.dumps([document | grey]), encoding="utf-8")

    def settings() -> bytes:
        return b"".join(path.read_bytes() for path in sorted((tmp_path / "home").rglob("*.json")))

    jobs = {"import": Job("preset", {"path": str(namesake), "name": document["Name"]})}
    assert paraview.drive(jobs, tmp_path)["import"]["colors"] == grey["RGBPoints"]
    before = settings()
    assert document["Name"].encode() in before
    first, second = (paraview.screenshot(script, tmp_path, (400, 300)).read_bytes() for _ in range(2))
    assert first == second
    assert settings() == before
    with Image.open(io.BytesIO(first)) as image:
        drawn = np.asarray(image.convert("RGB")).astype(int)
    assert (drawn.max(axis=2) - drawn.min(axis=2)).max() > 128
