"""The files, written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .cases import Case, Written, write_case


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Written]:
    """Return the function that gives the file of a case; each is written once."""
    folder: Path = tmp_path_factory.mktemp("volumes")
    files: dict[Case, Written] = {}

    def get(case: Case) -> Written:
        if case not in files:
            files[case] = write_case(case, folder)
        return files[case]

    return get
