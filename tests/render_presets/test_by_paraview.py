"""ParaView's pictures by stand-ins for its programs: what may go wrong, and what is asked of them."""

from __future__ import annotations

import os
import sys
import time

import pytest

from render_presets import PresetError, View, by_paraview, fit, load, render_by_paraview
from tests.render_presets.volumes import ramp

SIZE = (300, 200)

DRAWS = """
import os, sys
from PIL import Image
open(TOLD, "w").write("\\n".join([os.environ.get("DISPLAY", "none"), *sys.argv[1:]]))
width, height = sys.argv[sys.argv.index("--size") + 1].split("x")
Image.new("RGB", (int(width), int(height)), (9, 8, 7)).save(sys.argv[sys.argv.index("--screenshot") + 1])
"""
HANGS = "exec sleep 60"


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Write a program, which is found first; it may write to the file that $TOLD names."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    # a stand-in for Xvfb is called only where there is no display
    monkeypatch.delenv("DISPLAY", raising=False)

    def write(name, code, interpreter="/bin/sh"):
        file, told = folder / name, tmp_path / f"{name}.txt"
        file.write_text(f"#!{interpreter}\nTOLD={str(told)!r}\n{code}\n")
        file.chmod(0o755)
        return told

    return write


@pytest.fixture
def screen(monkeypatch):
    """A display that is there already."""
    monkeypatch.setenv("DISPLAY", ":77")


def drawn(size=SIZE, **options):
    return render_by_paraview(ramp(), fit(load("activation"), ramp()), size, **options)


def ended(pid):
    """Return whether a process is gone, its parent having taken note."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize(("outline", "left_out"), [(True, "--no-legend"), (False, "--bare")])
def test_what_is_asked_of_pvbatch(program, screen, outline, left_out):
    told = program("pvbatch", DRAWS, sys.executable)
    picture = drawn(view=View(azimuth=-20, elevation=90, outline=outline))
    assert (picture.size, picture.getpixel((5, 5))) == (SIZE, (9, 8, 7))
    display, _, *words = told.read_text().splitlines()
    assert display == ":77"
    assert words[:2] == [left_out, "--screenshot"]
    assert words[3:] == ["--size", "300x144", "--azimuth=-20", "--elevation=90"]


@pytest.mark.parametrize("size", [(1, 1), (199, 150), (200, 149), (4097, 600)])
def test_sizes_that_no_picture_has(program, screen, size):
    told = program("pvbatch", DRAWS, sys.executable)
    with pytest.raises(
        PresetError, match=rf"a picture has 200 x 150 to .* pixels, not {size[0]} x {size[1]}"
    ):
        drawn(size)
    assert not told.exists()


def test_pvbatch_that_hangs(program, screen, monkeypatch, tmp_path):
    monkeypatch.setattr(by_paraview, "PATIENCE", 0.5)
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    # as pvbatch does, it starts another one
    program("pvbatch", f"exec >{tmp_path / 'pipe'}; echo started; sleep 60 & {HANGS}")
    start = time.monotonic()
    with pytest.raises(PresetError, match=r"pvbatch was not done after 0\.5 seconds"):
        drawn()
    with os.fdopen(pipe, "rb") as said:
        os.set_blocking(pipe, True)
        # up to its end, as no one is left who could write
        assert said.read() == b"started\n"
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("echo first >&2; echo no GPU >&2; exit 1", "pvbatch drew nothing: no GPU"),
        ("", "pvbatch drew nothing: it does not say why"),
    ],
)
def test_pvbatch_that_draws_nothing(program, screen, code, message):
    program("pvbatch", code)
    with pytest.raises(PresetError, match=message):
        drawn()


STAYS = "trap '' TERM; "


@pytest.mark.parametrize(
    ("code", "start", "display"),
    [
        # Xvfb writes the number first and the end of its line later
        (f"printf 9; sleep 0.2; echo 7; {HANGS}", 20, ":97"),
        (f"{STAYS} echo 97; {HANGS}", 20, ":97"),
        ("exit 1", 20, "none"),
        (f"{STAYS} {HANGS}", 1, "none"),
        (f"printf 9; {HANGS}", 1, "none"),
    ],
    ids=["in two parts", "does not end when told", "ends at once", "says nothing", "half a number"],
)
def test_displays(program, monkeypatch, code, start, display):
    monkeypatch.setattr(by_paraview, "START", start)
    monkeypatch.setattr(by_paraview, "END", 0.3)
    told, server = program("pvbatch", DRAWS, sys.executable), program("Xvfb", f"echo $$ >$TOLD; {code}")
    begun = time.monotonic()
    assert drawn().size == SIZE
    assert time.monotonic() - begun < 30
    assert told.read_text().splitlines()[0] == display
    assert ended(int(server.read_text()))
