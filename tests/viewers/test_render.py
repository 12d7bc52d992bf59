"""``cnnvis render --with paraview``: ParaView's picture of a volume, and of a frame."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from converters import series, write
from render_presets import View, fit, load, render_by_paraview
from render_presets.drawing import STRIP
from tests.helpers import require

from . import pictures
from .pictures import WrongPictureError, letter

pytestmark = pytest.mark.viewer


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("pvbatch", "Xvfb"):
        require(shutil.which(program), program)
    # a display of its own, wherever the tests run
    monkeypatch.delenv("DISPLAY", raising=False)


def run(*words: object) -> None:
    from cnnvis.main import main

    with pytest.raises(SystemExit) as stop:
        main(["render", "--with", "paraview", *map(str, words)])
    assert not stop.value.code


def pixels(path: Path) -> pictures.Picture:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def test_a_file_as_it_is(tmp_path: Path) -> None:
    write(letter(), tmp_path / "letter.nrrd", dtype="int16")
    out = tmp_path / "out.png"
    before = set(tmp_path.iterdir())
    run(tmp_path / "letter.nrrd", "-o", out, "--size", "600x506")
    assert set(tmp_path.iterdir()) == {*before, out}
    drawn = pixels(out)
    assert drawn.shape == (506, 600, 3)
    pictures.check(drawn[:-STRIP], letter())
    # the caption
    assert drawn[-STRIP:].max() > 200


def test_a_frame_of_a_series_and_an_angle(tmp_path: Path) -> None:
    silent = letter().replace(data=0 * letter().data)
    frames = series.gather([silent, letter()], ["a.nrrd", "b.nrrd"])
    series.write(frames, tmp_path / "two.nii.gz")
    words = [tmp_path / "two.nii.gz", "--frame", 1, "--no-legend", "-o", tmp_path / "out.png"]
    shown = {}
    for azimuth in (30, 200):
        run(*words, "--azimuth", azimuth, "--size", "600x450")
        shown[azimuth] = pixels(tmp_path / "out.png")
        # the label, one letter
        assert shown[azimuth][:30, :30].max() > 200
        shown[azimuth][:30, :30] = shown[azimuth][-1, 0]
    pictures.check(shown[30], letter())
    with pytest.raises(WrongPictureError):
        pictures.check(shown[200], letter())


def test_a_volume_of_no_file() -> None:
    volume = letter()
    fitted = fit(load("activation"), volume)
    picture = render_by_paraview(volume, fitted, (600, 450), legend=False, view=View(azimuth=30))
    pictures.check(np.asarray(picture), volume)
