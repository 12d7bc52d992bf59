"""Real Caffe: unpacked by install.sh, or the one that the environment names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from extract.pycaffe import CaffeProcess
from tests.helpers import ROOT, require


@pytest.fixture(scope="session")
def caffe_python() -> str:
    """Return an interpreter that has Caffe."""
    chosen = os.environ.get("CNNVIS_CAFFE_PYTHON") or str(ROOT / ".real-caffe" / "python")
    found = shutil.which(os.path.expanduser(chosen))  # noqa: PTH111  (a Path would lose the ./ of ./python)
    require(found, f"real Caffe ({chosen}; make real-caffe)")
    assert found is not None
    return found


@pytest.fixture(scope="session")
def caffe(caffe_python: str) -> Iterator[CaffeProcess]:
    """Return a process that runs it; after a crash it starts anew."""
    with CaffeProcess(caffe_python) as process:
        yield process


@pytest.fixture
def one_process(caffe: CaffeProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the networks of the pycaffe engine in that process: to start one takes a second."""
    monkeypatch.setattr("extract.pycaffe.engine.find_caffe", lambda: caffe)
