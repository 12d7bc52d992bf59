"""What the harness makes of a viewer that fails or crashes over a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from . import processes
from .processes import DRIVERS, Job

DRIVER = f"""
import os, sys
sys.path.insert(0, {str(DRIVERS)!r})
import jobs

def double(number):
    os.write(2, b"hm\\n")
    return {{"twice": 2 * number}}

jobs.run({{"double": double, "abort": os.abort}})
"""


def test_errors_and_crashes_are_told(tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(DRIVER, encoding="utf-8")
    jobs = {
        "good": Job("double", {"number": 21}),
        "bad": Job("double", {"number": None}),
        "crash": Job("abort", {}),
        "later": Job("double", {"number": 21}),
    }
    answers = processes.drive([sys.executable], str(tmp_path / "driver.py"), jobs, tmp_path, os.environ)
    assert answers["good"]["twice"] == 42
    assert answers["good"].said.strip() == "hm"
    with pytest.raises(pytest.fail.Exception, match="TypeError"):
        answers["bad"]["twice"]
    for name in ("crash", "later"):
        with pytest.raises(pytest.fail.Exception, match=r"ended with -?[0-9]+ at crash"):
            answers[name]["twice"]
