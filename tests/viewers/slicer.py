"""Drives 3D Slicer's own classes, of the package slicer-core in a Python environment of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tests.helpers import ROOT, require

from . import processes
from .processes import Answer, Job


def drive(jobs: Mapping[str, Job], folder: Path) -> dict[str, Answer]:
    """Run jobs of ``drivers/slicer_nodes.py`` in one process; skips the test where there is no slicer-core.

    Its Python is ``.venv-slicer/bin/python``, or what CNNVIS_SLICER_PYTHON says.
    """
    python = os.environ.get("CNNVIS_SLICER_PYTHON", str(ROOT / ".venv-slicer" / "bin" / "python"))
    require(Path(python).is_file(), f"slicer-core ({python}; run tests/viewers/install.sh)")
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    return processes.drive([python], "slicer_nodes.py", jobs, folder, environment)
