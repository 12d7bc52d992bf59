"""`make volumes` and what follows: nothing is done twice, a changed variable rebuilds, nothing old stays."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import onnx
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
        "LAYERS": "conv1",
        "PREPROCESS": "raw",
    }

    def run(target: str, fails: bool = False, **variables: object) -> str:
        words = [f"{name}={value}" for name, value in {**fixed, **variables}.items()]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        done = subprocess.run(
            # the environment that runs this test is not to be installed anew, whatever the age of setup.cfg
            ["make", "-j2", "-o", venv / ".installed", target, *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else done.stdout

    return run


def touch_later(file: Path, than: Path) -> None:
    later = than.stat().st_mtime + 2
    os.utime(file, (later, later))


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
    touch_later(tmp_path / "ramp.png", than=tmp_path / "out" / ".volumes")
    assert "cnnvis activations" in make("volumes", LAYERS="conv*", FORMATS="vox")


def test_presets_montages_and_archive_follow(make, tmp_path):
    archive = tmp_path / "bag.zip"
    printed = make("archive", LAYERS="conv1", FORMATS="vti nrrd", ARCHIVE=str(archive))
    assert all(f"cnnvis {stage}" in printed for stage in ("activations", "preset", "montage", "archive"))
    stem = "model-net_img-ramp_layer-conv1_act"
    assert {f"{stem}.vti.paraview.py", f"{stem}.nrrd.mrml", f"{stem}.vti.png"} <= volumes(tmp_path / "out")
    assert archive.is_file()
    assert "cnnvis gallery" in make("gallery", LAYERS="conv1", FORMATS="vti nrrd")
    assert (tmp_path / "out" / "index.html").is_file()
    assert "cnnvis" not in make("gallery", LAYERS="conv1", FORMATS="vti nrrd")
    assert "cnnvis" not in make("archive", LAYERS="conv1", FORMATS="vti nrrd", ARCHIVE=str(archive))
    again = make("archive", LAYERS="conv1", FORMATS="vti nrrd", ARCHIVE=str(archive), PRESET="signed")
    assert "cnnvis preset" in again
    assert "cnnvis activations" not in again


@pytest.fixture
def described(tmp_path) -> Path:
    """A description that names labels, a mean, and a model whose weights lie in a file of their own."""
    onnx.save(
        toy(x=["N", 1, "H", "W"]), tmp_path / "big.onnx", save_as_external_data=True,
        location="big.bin", size_threshold=0,
    )  # fmt: skip
    np.save(tmp_path / "mean.npy", np.zeros(1, np.float32))
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    text = 'model = "big.onnx"\nlabels = "labels.txt"\n[input]\npreset = "raw"\nmean = "mean.npy"\n'
    (tmp_path / "big.toml").write_text(text)
    return tmp_path / "big.toml"


def test_files_behind_the_model_and_a_folder_rebuild(make, described, tmp_path):
    folder = tmp_path / "two pictures"
    folder.mkdir()
    shutil.copy(tmp_path / "ramp.png", folder / "a b%=.png")
    (tmp_path / "pictures").symlink_to(folder)
    settings = {"MODEL": described, "IMAGE": tmp_path / "pictures", "PREPROCESS": ""}
    make("volumes", **settings)
    assert "cnnvis" not in make("volumes", **settings)
    for file in ("big.onnx", "big.bin", "labels.txt", "mean.npy", "two pictures/a b%=.png"):
        before = (tmp_path / file).stat().st_mtime
        touch_later(tmp_path / file, than=tmp_path / "out" / ".volumes.inputs")
        assert "cnnvis activations" in make("volumes", **settings), file
        os.utime(tmp_path / file, (before, before))


def test_a_new_transfer_function_makes_presets_and_montages_anew(make, tmp_path):
    own = tmp_path / "own.json"
    shutil.copy(ROOT / "render_presets" / "transfer_functions" / "signed.json", own)
    make("presets", PRESET=own)
    make("montages", PRESET=own)
    touch_later(own, than=tmp_path / "out" / ".montages")
    assert "cnnvis preset" in make("presets", PRESET=own)
    assert "cnnvis montage" in make("montages", PRESET=own)


def test_a_failed_run_leaves_nothing_for_the_next(make, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(tmp_path / "ramp.png", folder / "a.png")
    (folder / "b.png").write_text("no picture")
    one_at_a_time = {"IMAGE": folder, "OPTIONS": "--batch 1"}
    make("volumes", fails=True, **one_at_a_time)
    assert any("img-a" in name for name in volumes(tmp_path / "out"))
    (folder / "a.png").rename(folder / "c.png")
    shutil.copy(folder / "c.png", folder / "b.png")
    make("volumes", **one_at_a_time)
    assert not any("img-a" in name for name in volumes(tmp_path / "out"))


def test_options_go_to_the_command(make, tmp_path):
    make("volumes", OPTIONS="--dtype int16")
    make("volumes", OPTIONS="--dtype uint8")
    header = (tmp_path / "out" / "model-net_img-ramp_layer-conv1_act.nrrd").read_bytes()[:200]
    assert b"type: uint8" in header or b"type: uchar" in header


@pytest.mark.parametrize(
    ("formats", "pictures"),
    [
        ("vox+mhd+nhdr", {"vox"}),
        (".NRRD", {"nrrd"}),
        ("nrrd,vti", {"nrrd"}),
        ("nii.gz hdf", {"nii.gz"}),
        ("hdf", {"hdf"}),
    ],
)
def test_formats_as_the_command_takes_them(make, tmp_path, formats, pictures):
    archive = tmp_path / "bag.tar"
    make("archive", FORMATS=formats, ARCHIVE=archive)
    with tarfile.open(archive) as bag:
        names = {Path(name).name for name in bag.getnames()}
    stem = "model-net_img-ramp_layer-conv1_act"
    drawn = {name for name in names if name.startswith(stem) and name.endswith(".png")}
    assert drawn == {f"{stem}.{extension}.png" for extension in pictures}


def test_an_archive_is_replaced_by_a_whole_one_only(make, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    assert "must end in .zip or .tar" in make("archive", fails=True, ARCHIVE=precious)
    folder = precious.rename(tmp_path / "precious.zip")
    assert "is a folder" in make("archive", fails=True, ARCHIVE=folder)
    assert (folder / "file").read_text() == "mine"

    bag = tmp_path / "bag.zip"
    make("archive", ARCHIVE=bag)
    old = bag.read_bytes()
    (tmp_path / "out" / "leads away").symlink_to(folder / "file")
    assert "leads away" in make("archive", fails=True, ARCHIVE=bag, PRESET="signed")
    assert bag.read_bytes() == old
    assert not list(tmp_path.glob(".cnnvis-*"))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"LAYERS": ""}, "LAYERS names nothing"),
        ({"FORMATS": " , "}, "FORMATS names nothing"),
        ({"MODEL": "my net.onnx"}, r"MODEL='my net\.onnx' is not one name.*use the cnnvis command"),
        ({"OUT": "my volumes"}, r"OUT='my volumes' is not one name.*use the cnnvis command"),
        ({"OUT": ""}, r"OUT='' is not one name"),
        ({"IMAGE": "my cat.png"}, r"no file or folder 'my'.*use the cnnvis command"),
    ],
)
def test_what_make_cannot_do_is_said(make, variables, message):
    assert re.search(message, make("volumes", fails=True, **variables))
