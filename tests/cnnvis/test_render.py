"""``cnnvis render``: what comes out of which files."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image, ImageSequence

from converters import Volume, series, write
from render_presets.drawing import STRIP

SIZE = ("--size", "240x180")


def frames_of(path):
    with Image.open(path) as movie:
        return [np.asarray(frame.convert("RGB"), int) for frame in ImageSequence.Iterator(movie)]


def png(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), int)


@pytest.fixture
def volumes():
    """Three volumes of one layer: a block in a corner of its own each, the last one half as bright."""
    made = []
    for corner, level, name in ((0, 4.0, "persian"), (6, 4.0, "pembroke"), (0, 2.0, "chihuahua")):
        data = np.zeros((5, 9, 11), np.float32)
        data[:3, corner : corner + 3, corner : corner + 4] = level
        made.append(
            Volume(data, facts={"image": {"file": f"{name}.jpg"}, "layer": "conv1"}, name="activation")
        )
    return made


@pytest.fixture
def files(volumes, tmp_path):
    paths = [tmp_path / f"{name}.nrrd" for name in "abc"]
    for volume, path in zip(volumes, paths, strict=True):
        write(volume, path)
    return paths


def test_a_series_is_the_same_from_any_file(cnnvis, volumes, files, tmp_path):
    whole = series.gather(volumes, [str(path) for path in files])
    names = [tmp_path / f"three{end}" for end in (".seq.nrrd", ".pvd")]
    for name in names:
        series.write(whole, name)
    # a colon and a blank in a name are nothing special
    played = cnnvis("render", *files, "-o", tmp_path / "a: b.gif", *SIZE)
    assert (played.code, played.out, played.err) == (0, [str(tmp_path / "a: b.gif")], "")
    expected = (tmp_path / "a: b.gif").read_bytes()
    for name in names:
        assert cnnvis("render", name, "-o", tmp_path / "out.gif", *SIZE).code == 0
        assert (tmp_path / "out.gif").read_bytes() == expected
    first, second, third = frames_of(tmp_path / "a: b.gif")
    # one colour bar for all, though the last has half the values
    assert (first[-STRIP:, 150:] == third[-STRIP:, 150:]).all()
    # white at the upper left, then farther down, and red to orange where it is half as high
    white = [np.argwhere(frame[30:-STRIP].min(axis=2) > 235) for frame in (first, second, third)]
    assert white[1][:, 0].mean() > white[0][:, 0].mean() + 20
    assert len(white[2]) < len(white[0]) / 4
    # the labels, and nothing else, differ in the upper corner
    assert (first[:30, :120] != second[:30, :120]).any()


def test_one_frame_has_the_colours_of_the_series(cnnvis, volumes, files, tmp_path):
    series.write(series.gather(volumes, [str(path) for path in files]), tmp_path / "three.nii.gz")
    assert cnnvis("render", *files, "-o", tmp_path / "out.gif", *SIZE).code == 0
    result = cnnvis("render", tmp_path / "three.nii.gz", "--frame", 2, "-o", tmp_path / "out.png", *SIZE)
    assert (result.code, result.err) == (0, "")
    # 255 colours
    assert np.abs(png(tmp_path / "out.png") - frames_of(tmp_path / "out.gif")[2]).mean() < 1.5


def test_a_gif_of_one_volume_turns(cnnvis, files, tmp_path):
    result = cnnvis("render", files[0], "-o", tmp_path / "out.gif", "--turn", 4, "--fps", 5, *SIZE, "--axes")
    assert (result.code, result.err) == (0, "")
    with Image.open(tmp_path / "out.gif") as movie:
        assert (movie.n_frames, movie.size, movie.info["duration"]) == (4, (240, 180), 200)
    frames = frames_of(tmp_path / "out.gif")
    assert all((frame[-STRIP:] == frames[0][-STRIP:]).all() for frame in frames)
    assert all((frame[:-STRIP] != frames[0][:-STRIP]).any() for frame in frames[1:])


def test_the_box_is_left_out(cnnvis, tmp_path):
    write(Volume(np.zeros((5, 7, 11))), tmp_path / "v.nrrd")
    call = ("render", tmp_path / "v.nrrd", "-o", tmp_path / "out.png", *SIZE, "--no-legend")
    for more, empty in ((), False), (("--no-outline",), True):
        assert cnnvis(*call, *more).code == 0
        drawn = png(tmp_path / "out.png")
        assert (drawn == drawn[0, 0]).all() == empty


def test_labels_replace_those_of_the_files(cnnvis, files, tmp_path):
    words = [word for label in ("one", "two", "three") for word in ("--label", label)]
    plain, labelled = tmp_path / "plain.gif", tmp_path / "labelled.gif"
    for out, more in ((plain, ()), (labelled, words)):
        assert cnnvis("render", *files, "-o", out, *SIZE, "--no-legend", *more).code == 0
    for one, other in zip(frames_of(plain), frames_of(labelled), strict=True):
        assert np.abs(one - other)[:30].max() > 100
        # elsewhere, but for the choice of the 255 colours, they are alike
        assert np.abs(one - other)[30:].mean() < 1


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (np.where(np.arange(60).reshape(3, 4, 5) % 7, 1.0, np.nan), "one value and NaN"),
        (np.arange(9.0).reshape(9, 1, 1), "a vector"),
        (np.full((1, 1, 1), -3.0), "one voxel"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unusual_volumes_give_sensible_pictures(cnnvis, tmp_path, data, what):
    write(Volume(data), tmp_path / "v.nrrd")
    result = cnnvis("render", tmp_path / "v.nrrd", "-o", tmp_path / "out.png", "--size", "300x200")
    assert (result.code, result.err) == (0, "")
    drawn = png(tmp_path / "out.png")[:-STRIP]
    # neither empty nor full
    assert 0.01 < (np.abs(drawn - drawn[2, 2]).max(axis=2) > 40).mean() < 0.8


def test_a_wrong_call_leaves_nothing(cnnvis, files, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    before = set(tmp_path.iterdir())
    for words, message in (
        (["-o", tmp_path / "out.mp4"], "out.mp4: MP4 is written by the program ffmpeg"),
        (["-o", tmp_path / "out.png", "--with", "paraview"], "ParaView's pvbatch is not on the PATH"),
        (
            ["-o", tmp_path / "out.png", "--with", "paraview", "--zoom", "2"],
            "azimuth and elevation, but no zoom",
        ),
    ):
        result = cnnvis("render", files[0], *words)
        assert (result.code, len(result.err.splitlines()), message in result.err) == (2, 1, True), result.err
    assert set(tmp_path.iterdir()) == before
    assert shutil.which("ffmpeg") is None
