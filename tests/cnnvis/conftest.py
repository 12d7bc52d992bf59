"""A network and a picture in a folder, and the command as a function."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnvis.main import main
from tests.extract.nets import save, toy


@dataclass(frozen=True)
class Result:
    """What a command did: exit code, lines on standard output, all of standard error."""

    code: int
    out: list[str]
    err: str


@pytest.fixture
def cnnvis(capsys) -> Callable[..., Result]:
    """Run a command in this process; notes are looked for in `err`."""

    def run(*words: object) -> Result:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            with pytest.raises(SystemExit) as stop:
                main([str(word) for word in words])
        printed = capsys.readouterr()
        return Result(int(stop.value.code or 0), printed.out.splitlines(), printed.err)

    return run


@pytest.fixture
def net(tmp_path) -> Path:
    """The toy network: 5 x 7 grey pictures, conv1 with two filters, relu1, flat, fc."""
    return save(toy(x=["N", 1, "H", "W"]), tmp_path)


@pytest.fixture
def picture(tmp_path) -> Path:
    """A grey picture of 5 rows and 7 columns with the values 0, 7, 14, ..."""
    path = tmp_path / "ramp.png"
    Image.fromarray((7 * np.arange(35, dtype=np.uint8)).reshape(5, 7)).save(path)
    return path
