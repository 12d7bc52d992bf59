"""The part of vtk.js in the gallery's page, built anew."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers import ROOT, require

pytestmark = pytest.mark.viewer

PATIENCE = 30
"""Seconds for an answer of the registry; the bundle's packages take 20 in all."""

UNREACHABLE = {
    *("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"),
    *("ERR_SOCKET_TIMEOUT", "EIDLETIMEOUT"),
}
"""The errors that npm names where it gets no answer."""


def test_the_bundle_is_what_its_lock_builds(tmp_path: Path) -> None:
    require(shutil.which("npm"), "npm")
    source = tmp_path / "bundle"
    shutil.copytree(ROOT / "bundle", source, ignore=shutil.ignore_patterns("node_modules"))
    command = ["npm", "ci", "--loglevel=error", "--fetch-retries=1", f"--fetch-timeout={1000 * PATIENCE}"]
    try:
        done = subprocess.run(
            command, cwd=source, capture_output=True, text=True, check=False, timeout=4 * PATIENCE
        )
    except subprocess.TimeoutExpired:
        require(False, "a registry of npm packages that answers in time")
    require(not UNREACHABLE & set(done.stderr.split()), "a registry of npm packages")
    assert done.returncode == 0, done.stderr
    subprocess.run(["node", "build.js", tmp_path], cwd=source, check=True, capture_output=True)
    for name in ("vtk.min.js", "vtk.LICENSES.txt"):
        kept = ROOT / "render_presets" / "gallery" / "page" / name
        assert (tmp_path / name).read_bytes() == kept.read_bytes(), f"run make gallery-bundle: {name}"
