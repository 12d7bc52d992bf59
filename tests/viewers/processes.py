"""Runs a driver, a script in a viewer's own Python, over a list of jobs: viewers start slowly."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DRIVERS = Path(__file__).parent / "drivers"
PATIENCE = 120
"""Seconds for a whole process; none takes more than 20."""


@dataclass(frozen=True)
class Job:
    """A call of one of a driver's functions."""

    do: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a driver's function returned, arrays included, and what the viewer said meanwhile on stderr."""

    facts: Mapping[str, Any]
    said: str

    def __getitem__(self, key: str) -> Any:
        if "error" in self.facts:
            pytest.fail(f"the viewer failed: {self.facts['error']}\nIt said: {self.said}")
        return self.facts[key]


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal, in `folder`; it is ended after `PATIENCE` seconds."""
    # a signal is not enough for all: ParaView may hang while it tells of a crash
    return subprocess.run(
        ["timeout", "-k", "5", str(PATIENCE), *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        cwd=folder,
        env=dict(environment),
        check=False,
    )


def drive(
    command: Sequence[str], driver: str, jobs: Mapping[str, Job], folder: Path, environment: Mapping[str, str]
) -> dict[str, Answer]:
    """Run a driver over jobs, all in one process.

    Parameters
    ----------
    command : sequence of str
        What runs a Python script: ``["pvbatch"]``.
    driver : str
        The script: its name in `DRIVERS`, or a path.
    jobs : mapping
        The jobs, by a name.
    folder : Path
        An empty folder for what goes between here and there.
    environment : mapping
        The process's whole environment.

    Returns
    -------
    dict
        The answers, by the names of the jobs. After a crash, the job that it happened in and all later ones
        have errors for an answer.
    """
    calls = [{"do": job.do, "arguments": dict(job.arguments)} for job in jobs.values()]
    (folder / "jobs.json").write_text(json.dumps(calls), encoding="utf-8")
    done = run([*command, str(DRIVERS / driver), str(folder)], folder, environment)
    before, *said = re.split(r"^@job \d+\n", done.stderr, flags=re.MULTILINE)
    answers = folder / "answers.jsonl"
    lines = answers.read_text(encoding="utf-8").splitlines() if answers.is_file() else []
    facts = [_with_arrays(json.loads(line), folder) for line in lines]
    last = list(jobs)[len(facts)] if len(facts) < len(jobs) else ""
    end = {"error": f"its process ended with {done.returncode} at {last}; {before}"}
    facts += [end] * (len(jobs) - len(facts))
    said += [""] * (len(jobs) - len(said))
    return dict(zip(jobs, map(Answer, facts, said), strict=True))


def _with_arrays(facts: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {
        key: np.load(folder / value["array"]) if isinstance(value, dict) and "array" in value else value
        for key, value in facts.items()
    }
