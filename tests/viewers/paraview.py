"""Drives ParaView: its pvbatch, under a virtual display."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.helpers import require

from . import processes
from .processes import Answer, Job

COMMAND = ("xvfb-run", "-a", "pvbatch")


def drive(jobs: Mapping[str, Job], folder: Path) -> dict[str, Answer]:
    """Run jobs of ``drivers/paraview_values.py`` in one pvbatch; skips the test where there is none."""
    _require()
    return processes.drive(COMMAND, "paraview_values.py", jobs, folder, _environment(folder))


def screenshot(script: Path, folder: Path, size: tuple[int, int], *options: str) -> Path:
    """Run one of our scripts in pvbatch; return the picture that it drew, in `folder`."""
    _require()
    picture = folder / (script.name + ".png")
    width, height = size
    done = processes.run(
        [*COMMAND, str(script), "--screenshot", str(picture), "--size", f"{width}x{height}", *options],
        folder,
        _environment(folder),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert picture.is_file(), done.stdout + done.stderr
    return picture


def _require() -> None:
    for program in ("pvbatch", "xvfb-run", "timeout"):
        require(shutil.which(program), program)


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment with a home of its own: ParaView keeps imported presets there."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    # PYTHONPATH and the like name packages of our Python, not of ParaView's
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "XDG_", "VIRTUAL_ENV"))}
    return kept | {"HOME": str(home)}
