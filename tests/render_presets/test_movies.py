from __future__ import annotations

import os
import shutil
import subprocess
import time

import numpy as np
import pytest
from PIL import Image, ImageSequence

from render_presets import PresetError, check_movie, movies, save_movie
from tests.helpers import require

SIZE = (90, 70)


def pictures(count=4):
    """Return a smooth scale that stands still, and a bar that moves, with many colours."""
    scale = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    scale[:] = np.linspace(0, 255, SIZE[0])[:, np.newaxis] * (1, 0.5, 0)
    frames = []
    for index in range(count):
        moved = scale.copy()
        moved[10:50, 10 * index : 10 * index + 20] = np.arange(40)[:, np.newaxis, np.newaxis] * (1, 3, 6)
        frames.append(Image.fromarray(moved))
    return frames


def frames_of(path):
    with Image.open(path) as movie:
        return [np.asarray(frame.convert("RGB"), int) for frame in ImageSequence.Iterator(movie)]


def test_gif_plays_the_pictures_again_and_again(tmp_path):
    path = save_movie(iter(pictures()), tmp_path / "out.gif", SIZE, 4, 5)
    found = frames_of(path)
    # 255 colours for 40 + 90 of these: near to exact
    for frame, picture in zip(found, pictures(), strict=True):
        assert np.abs(frame - np.asarray(picture, int)).mean() < 2
    with Image.open(path) as movie:
        assert (movie.size, movie.info["loop"], movie.info["duration"]) == (SIZE, 0, 200)


def test_what_stands_still_does_not_flicker(tmp_path):
    found = frames_of(save_movie(pictures(), tmp_path / "out.gif", SIZE, 4, 5))
    for frame in found:
        assert (frame[50:] == found[0][50:]).all()


def test_colours_that_are_kept_are_exact(tmp_path):
    keep = [(255, 127, 0), (7, 7, 7)]
    noise = np.random.default_rng(1).integers(0, 256, (2, SIZE[1], SIZE[0], 3), np.uint8)
    noise[:, :2, :2], noise[:, -2:, -2:] = keep
    found = frames_of(save_movie([Image.fromarray(n) for n in noise], tmp_path / "out.gif", SIZE, 2, 5, keep))
    assert [found[1][0, 0].tolist(), found[1][-1, -1].tolist()] == [list(color) for color in keep]


def test_same_pictures_same_bytes(tmp_path):
    kinds = [".gif", *([".mp4"] if shutil.which("ffmpeg") else [])]
    for kind in kinds:
        one, two = (
            save_movie(pictures(), tmp_path / f"{name}{kind}", SIZE, 4, 5).read_bytes() for name in "ab"
        )
        assert one == two


def test_mp4_holds_the_pictures(tmp_path):
    require(shutil.which("ffmpeg"), "ffmpeg")
    path = save_movie(pictures(), tmp_path / "out.mp4", SIZE, 4, 5)
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    found = np.frombuffer(raw, np.uint8).reshape(-1, SIZE[1], SIZE[0], 3).astype(int)
    expected = np.array([np.asarray(picture, int) for picture in pictures()])
    assert found.shape == expected.shape
    # colour has half the resolution in H.264; a mirrored or shifted picture is off by tens
    assert np.abs(found - expected).mean() < 8
    assert np.abs(found[:, :, ::-1] - expected).mean() > 30


@pytest.mark.parametrize(
    ("name", "size", "count", "rate", "message"),
    [
        ("out.avi", SIZE, 4, 5, r"out\.avi: moving pictures are written as \.gif or \.mp4"),
        ("out.gif", SIZE, 4, 51, r"takes 0\.1 to 50 pictures a second, not 51"),
        ("out.gif", SIZE, 4, 0, r"takes 0\.1 to 50 pictures a second, not 0"),
        ("out.gif", SIZE, 4, float("nan"), "pictures a second, not nan"),
        ("out.gif", (4096, 4096), 33, 5, "33 pictures of 4096 x 4096 are too many for a GIF, which takes 32"),
        ("out.mp4", (91, 70), 4, 5, "an MP4's width and height are even, not 91 x 70"),
        ("out.mp4", (90, 71), 4, 5, "an MP4's width and height are even, not 90 x 71"),
        ("none/out.gif", SIZE, 4, 5, "none/out.gif: No such file or directory"),
    ],
)
def test_movies_that_cannot_be(tmp_path, name, size, count, rate, message):
    with pytest.raises(PresetError, match=message):
        save_movie(pictures(), tmp_path / name, size, count, rate)
    assert list(tmp_path.iterdir()) == []


def test_mp4_without_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PresetError, match=r"out\.mp4: MP4 is written by the program ffmpeg, .*: apt install"):
        check_movie(tmp_path / "out.mp4", SIZE, 4, 5)


def program(folder, monkeypatch, code):
    """Put a shell script in the place of ffmpeg."""
    ffmpeg = folder / "bin" / "ffmpeg"
    ffmpeg.parent.mkdir()
    ffmpeg.write_text(f"#!/bin/sh\n{code}\n")
    ffmpeg.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ffmpeg.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("code", "message"), [("exit 3", "code 3"), ("echo no codec >&2; exit 1", "no codec")]
)
def test_ffmpeg_that_fails(tmp_path, monkeypatch, code, message):
    program(tmp_path, monkeypatch, code)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(PresetError, match=rf"out\.mp4: ffmpeg ended with .*{message}"):
        save_movie(pictures(30), out / "out.mp4", SIZE, 30, 5)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    "code", ["exec sleep 60", "cat >&2; exec sleep 60"], ids=["reads nothing", "does not end"]
)
def test_ffmpeg_that_hangs(tmp_path, monkeypatch, code):
    program(tmp_path, monkeypatch, code)
    monkeypatch.setattr(movies, "PATIENCE", 0.5)
    out = tmp_path / "out"
    out.mkdir()
    start = time.monotonic()
    # more than a pipe holds
    with pytest.raises(PresetError, match=r"out\.mp4: ffmpeg was not done after 0\.5 seconds"):
        save_movie(pictures(30), out / "out.mp4", SIZE, 30, 5)
    assert time.monotonic() - start < 20
    assert list(out.iterdir()) == []


def test_a_picture_may_take_its_time(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, 'cat >&2; for out; do :; done; echo movie >"${out#file:}"')
    monkeypatch.setattr(movies, "PATIENCE", 0.5)

    def slow():
        for picture in pictures(3):
            time.sleep(0.3)
            yield picture

    assert save_movie(slow(), tmp_path / "out.mp4", SIZE, 3, 5).read_text() == "movie\n"


@pytest.mark.parametrize("kind", movies.MOVIES)
def test_nothing_is_left_when_a_picture_fails(tmp_path, kind):
    require(kind == ".gif" or shutil.which("ffmpeg"), "ffmpeg")

    def broken():
        yield from pictures(2)
        raise PresetError("no more")

    with pytest.raises(PresetError, match="no more"):
        save_movie(broken(), tmp_path / f"out{kind}", SIZE, 4, 5)
    assert list(tmp_path.iterdir()) == []
