"""`make volumes` and what follows: nothing is done twice, a changed variable rebuilds, nothing old stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.extract.nets import save, toy
from tests.helpers import ROOT, require


@pytest.fixture
def make(tmp_path):
    """Run make on a toy network and a picture; return what it printed."""
    require(shutil.which("make"), "make")
    venv = Path(sys.prefix)
    require((venv / ".installed").is_file(), "an environment made by make")
    save(toy(x=["N", 1, "H", "W"]), tmp_path)
    Image.fromarray(np.arange(35, dtype=np.uint8).reshape(5, 7)).save(tmp_path / "ramp.png")
    fixed = {
        "VENV": venv,
        "MODEL": tmp_path / "net.onnx",
        "IMAGE": tmp_path / "ramp.png",
        "OUT": tmp_path / "out",
    }

    def run(target: str, **variables: str) -> str:
        words = [f"{name}={value}" for name, value in {**fixed, "PREPROCESS": "raw", **variables}.items()]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        done = subprocess.run(
            ["make", "-j2", target, *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def volumes(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if "_layer-" in path.name}


def test_a_second_run_does_nothing(make, tmp_path):
    first = make("volumes", LAYERS="conv1 relu1", FORMATS="nrrd,vti")
    assert "cnnvis activations" in first
    assert len(volumes(tmp_path / "out")) == 8
    assert "cnnvis" not in make("volumes", LAYERS="conv1 relu1", FORMATS="nrrd,vti")


def test_a_changed_variable_or_file_rebuilds(make, tmp_path):
    make("volumes", LAYERS="conv* relu1")
    make("volumes", LAYERS="conv*", FORMATS="vox")
    assert volumes(tmp_path / "out") == {
        f"model-net_img-ramp_layer-conv1_act.{e}" for e in ("vox", "hd", "vox.json")
    }
    later = (tmp_path / "out" / ".volumes").stat().st_mtime + 2
    os.utime(tmp_path / "ramp.png", (later, later))
    assert "cnnvis activations" in make("volumes", LAYERS="conv*", FORMATS="vox")


def test_presets_montages_and_archive_follow(make, tmp_path):
    archive = tmp_path / "bag.zip"
    printed = make("archive", LAYERS="conv1", FORMATS="vti nrrd", ARCHIVE=str(archive))
    assert all(f"cnnvis {stage}" in printed for stage in ("activations", "preset", "montage", "archive"))
    stem = "model-net_img-ramp_layer-conv1_act"
    assert {f"{stem}.vti.paraview.py", f"{stem}.nrrd.mrml", f"{stem}.vti.png"} <= volumes(tmp_path / "out")
    assert archive.is_file()
    assert "cnnvis" not in make("archive", LAYERS="conv1", FORMATS="vti nrrd", ARCHIVE=str(archive))
    again = make("archive", LAYERS="conv1", FORMATS="vti nrrd", ARCHIVE=str(archive), PRESET="signed")
    assert "cnnvis preset" in again
    assert "cnnvis activations" not in again
