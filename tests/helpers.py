"""What several test modules share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def require(condition: object, what: str) -> None:
    """Skip the test unless `condition` holds; fail it where CNNVIS_REQUIRE_ALL=1."""
    if condition:
        return
    if os.environ.get("CNNVIS_REQUIRE_ALL") == "1":
        pytest.fail(f"{what} is missing, and CNNVIS_REQUIRE_ALL=1")
    pytest.skip(f"{what} is missing")


def goldens() -> Path:
    """Return the folder of upstream's own files; without them, which are no part of this project, skip."""
    folder = Path(os.environ.get("CNNVIS_GOLDENS", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no folder of upstream's files ({folder}; set CNNVIS_GOLDENS)")
    return folder
