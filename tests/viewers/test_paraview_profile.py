"""Presets of ours that are imported into one profile of a user stay what they are."""

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


def test_presets_in_one_profile_stay_what_they_are(tmp_path: Path) -> None:
    documents, jobs = {}, {}
    for name, factor in (("weak", 1), ("strong", 100)):
        volume = letter().replace(data=factor * letter().data)
        file = write_volume(volume, "vti", tmp_path / name, "float32")
        (preset,) = [path for path in write_presets(file.path, ["paraview"]) if path.suffix == ".json"]
        (documents[name],) = json.loads(preset.read_text(encoding="utf-8"))
        jobs[name] = Job("preset", {"path": str(preset), "name": documents[name]["Name"]})
    # each twice while ParaView runs, and again when it is started the next time; the profile is the folder's
    first = {"weak": jobs["weak"], "strong": jobs["strong"], "strong again": jobs["strong"]}
    runs = [paraview.drive(first | {"weak again": jobs["weak"]}, tmp_path), paraview.drive(jobs, tmp_path)]
    for name, answer in [answer for answers in runs for answer in answers.items()]:
        document = documents[name.split()[0]]
        np.testing.assert_allclose(answer["colors"], document["RGBPoints"], rtol=1e-12)
        np.testing.assert_allclose(answer["opacities"], document["Points"], rtol=1e-12)
