"""Programs that are measured in processes of their own, and asked in turn."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from tests.helpers import ROOT

RUNS = 10


class Process:
    """A program that answers each line on standard input with a line of JSON, and says one at its start.

    Parameters
    ----------
    python : str
        The interpreter that has what the program needs.
    module : str
        The program.
    *words : str
        Its arguments.

    Attributes
    ----------
    first : dict
        What it says at its start.
    """

    def __init__(self, python: str, module: str, *words: str) -> None:
        self._process = subprocess.Popen(
            [python, "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"GLOG_minloglevel": "2", **os.environ},
        )
        self.first = self._answer()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, command: str) -> dict[str, Any]:
        """Return its answer to a command."""
        assert self._process.stdin
        print(command, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"an engine ended: {' '.join(map(str, self._process.args))}")  # type: ignore[arg-type]
        return dict(json.loads(line))


def in_turn(
    running: Mapping[str, Process], command: str, runs: int = RUNS
) -> dict[str, list[dict[str, Any]]]:
    """Return the answers of each program to a command, in turns, of which the first one is to warm up."""
    turns = [{name: process.ask(command) for name, process in running.items()} for _ in range(runs + 1)]
    return {name: [turn[name] for turn in turns] for name in running}


def caffe_python() -> str:
    """Return the interpreter that has Caffe, if one is there."""
    return os.environ.get("CNNVIS_CAFFE_PYTHON") or str(ROOT / ".real-caffe" / "python")


def runs(python: str, code: str) -> bool:
    """Return whether an interpreter is there and runs a piece of code, such as an import."""
    if not shutil.which(python):
        return False
    return not subprocess.run([python, "-c", code], capture_output=True, check=False).returncode
