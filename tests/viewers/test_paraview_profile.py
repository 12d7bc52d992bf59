"""A preset of ours that is imported again into a user's profile stays what it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from render_presets.viewers import write_presets

from . import paraview
from .cases import write_volume
from .pictures import letter
from .processes import Job

pytestmark = pytest.mark.viewer


def test_a_preset_that_is_imported_twice_stays_what_it_is(tmp_path: Path) -> None:
    file = write_volume(letter(), "vti", tmp_path / "letter", "float32")
    (preset,) = [path for path in write_presets(file.path, ["paraview"]) if path.suffix == ".json"]
    (document,) = json.loads(preset.read_text(encoding="utf-8"))
    job = Job("preset", {"path": str(preset), "name": document["Name"]})
    # twice while ParaView runs, and again when it is started the next time; the profile is the folder's
    answers = [*paraview.drive({"first": job, "again": job}, tmp_path).values()]
    answers += paraview.drive({"later": job}, tmp_path).values()
    for answer in answers:
        np.testing.assert_allclose(answer["colors"], document["RGBPoints"], rtol=1e-12)
        np.testing.assert_allclose(answer["opacities"], document["Points"], rtol=1e-12)
