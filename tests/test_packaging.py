"""What is installed: the five packages with their data, from a wheel and in editable mode."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile

import pytest

from cnnvis import __version__
from tests.helpers import ROOT, require

PACKAGES = {"cnnvis", "converters", "extract", "order", "render_presets"}


KEPT = {".py", ".typed", ".json", ".html", ".css", ".js", ".txt"}
SETUP = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # a build reuses what an older one left in build/, modules that are gone included
    source = folder / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in SETUP:
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # the build wants setuptools, from pip's own index
    require(done.returncode == 0 or "No matching distribution" not in done.stderr, "a package index")
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("*.whl")
    return file


def test_a_wheel_holds_the_packages_and_their_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    held = {name for name in names if ".dist-info/" not in name}
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*") if file.is_file())
    kept = {file.relative_to(ROOT).as_posix() for file in files if file.suffix in KEPT}
    assert held == kept
    assert {f"{package}/py.typed" for package in PACKAGES} <= held
    assert "render_presets/transfer_functions/signed.json" in held
    assert {"render_presets/gallery/page/vtk.min.js", "render_presets/gallery/page/vtk.LICENSES.txt"} <= held
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_a_wheel_works_away_from_the_repository(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import cnnvis.main, converters, extract, order, render_presets, sys\n"
        "rooms = (cnnvis, converters, extract, order, render_presets)\n"
        "assert all(room.__file__.startswith(sys.argv[1]) for room in rooms)\n"
        "print(render_presets.load('signed').name, cnnvis.__version__)"
    )
    command = [sys.executable, "-P", "-c", code, str(tmp_path)]
    environment = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["signed", __version__], done.stderr


def test_this_installation_knows_its_version_and_command():
    distribution = importlib.metadata.distribution("cnn-vis")
    assert distribution.version == __version__
    scripts = [entry for entry in distribution.entry_points if entry.group == "console_scripts"]
    assert [(entry.name, entry.value) for entry in scripts] == [("cnnvis", "cnnvis.main:main")]
