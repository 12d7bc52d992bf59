"""Drives ParaView: its pvbatch, on a virtual display."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.helpers import require

from . import processes
from .processes import PATIENCE, Answer, Job


def drive(jobs: Mapping[str, Job], folder: Path) -> dict[str, Answer]:
    """Run jobs of ``drivers/paraview_values.py`` in one pvbatch; skips the test where there is none."""
    with _environment(folder) as environment:
        return processes.drive(["pvbatch"], "paraview_values.py", jobs, folder, environment)


def screenshot(script: Path, folder: Path, size: tuple[int, int]) -> Path:
    """Run one of our scripts in pvbatch; return the picture that it drew, in `folder`."""
    picture = folder / (script.name + ".png")
    command = ["pvbatch", str(script), "--screenshot", str(picture), "--size", "{}x{}".format(*size)]
    with _environment(folder) as environment:
        done = processes.run(command, folder, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return picture


@contextlib.contextmanager
def _environment(folder: Path) -> Iterator[dict[str, str]]:
    """Yield an environment with a display, and a home of its own: ParaView keeps imported presets there."""
    for program in ("pvbatch", "Xvfb", "timeout"):
        require(shutil.which(program), program)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    # these name packages and settings of our Python, not of ParaView's
    foreign = ("PYTHON", "VIRTUAL_ENV", "XDG_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    with _display() as display:
        yield kept | {"HOME": str(home), "DISPLAY": display}


@contextlib.contextmanager
def _display() -> Iterator[str]:
    """Yield the name of a new display.

    Xvfb finds a free number by itself; xvfb-run looks for one beforehand, and two may find the same. And it
    does not begin anew when its last client leaves, which would refuse ParaView's next connection meanwhile.
    """
    settings = ["-displayfd", "1", "-noreset", "-screen", "0", "1280x1024x24"]
    command = ["timeout", str(2 * PATIENCE), "Xvfb", *settings]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            number = server.stdout.readline().strip()
            assert number, "Xvfb did not start"
            yield f":{number}"
        finally:
            server.terminate()
