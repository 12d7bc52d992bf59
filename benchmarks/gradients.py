"""Gradients of a class neuron to all convolutions' weights: ours, torch's eager mode, real Caffe.

``python -m benchmarks.gradients``: each engine in a process of its own, warm, in turn, on the same weights;
forward and backward together. torch comes with ``pip install torch`` and real Caffe with ``make real-caffe``;
an engine that is absent is left out.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from .engines import RUNS, Process, caffe_python, in_turn, runs
from .networks import caffenet, caffenet_prototxts, for_convolutions_only, resnet50

EFFICIENTNET = Path("demo/model/efficientnet-lite0.onnx")
# What ours may take, by engine and mode: medians of the ratios of neighbouring runs.
BOUNDS = {
    "torch": {"one": 1.0, "summed": 1.3, "apart": 0.7, "peak": 1.3},
    "caffe": {"one": 0.7},
}
MODES = ("one", "summed", "apart")
# How far gradients may lie apart, of each convolution's own: rounding moves units of deep networks over the
# kinks of their rectifiers; another function or order would be off by about 1.
OFF = 5e-2


@dataclass(frozen=True)
class Network:
    """A network's files for each engine that runs it, and height and width of its pictures."""

    files: Mapping[str, tuple[str, str]]
    size: int


def networks(pythons: Mapping[str, str]) -> Iterator[tuple[str, Network]]:
    """Yield the networks, by name."""
    prototxts = caffenet_prototxts(pythons["caffe"]) if "caffe" in pythons else None
    if prototxts is not None:
        deploy, weights = map(str, caffenet(prototxts))
        backward = str(for_convolutions_only(Path(deploy)))
        files = {"cnnvis": (deploy, weights), "torch": (deploy, weights), "caffe": (backward, weights)}
        yield "CaffeNet", Network(files, 227)
    else:
        print("without CaffeNet: its prototxt comes with Debian's caffe-doc; make real-caffe")
    for name, path in (("ResNet-50", resnet50()), ("EfficientNet-Lite0", EFFICIENTNET)):
        yield name, Network(dict.fromkeys(("cnnvis", "torch"), (str(path), "")), 224)


def interpreters() -> dict[str, str]:
    """Return the interpreter of each engine that is there; say of the others how to get them."""
    found = {"cnnvis": sys.executable}
    for name, python, hint in (
        ("torch", sys.executable, "pip install torch"),
        ("caffe", caffe_python(), "make real-caffe"),
    ):
        if runs(python, f"import {name}"):
            found[name] = python
        else:
            print(f"without {name}: {hint}")
    return found


def measure(network: Network, pythons: Mapping[str, str]) -> tuple[list[str], bool]:
    """Return a table of a network, a line an engine, and whether all bounds are kept."""
    engines = [name for name in pythons if name in network.files]
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(
                Process(
                    pythons[name], "benchmarks.gradient_engine", name, *network.files[name], str(network.size)
                )
            )
            for name in engines
        }
        answers = {mode: in_turn(running, mode, RUNS if mode == "one" else RUNS // 2) for mode in MODES}
    lines, kept = [], True
    for name in engines:
        first, warm = running[name].first, {mode: answers[mode][name][1:] for mode in MODES}
        figures = [1e3 * statistics.median(a["seconds"] for a in warm[mode]) for mode in MODES]
        off = max(
            _off(answers[mode]["cnnvis"][0]["values"], answers[mode][name][0]["values"]) for mode in MODES
        )
        lines.append(
            f"{first['version']:32}{first['start']:>8.2f}"
            + "".join(f"{milliseconds:>9.1f}" for milliseconds in figures)
            + f"{warm['summed'][-1]['peak'] / 1e6:>9.0f}{off:>9.0e}"
        )
        if name == "cnnvis":
            continue
        ratios = {mode: _ratio(answers[mode]["cnnvis"][1:], warm[mode]) for mode in MODES}
        ratios["peak"] = answers["summed"]["cnnvis"][-1]["peak"] / warm["summed"][-1]["peak"]
        over = [what for what, bound in BOUNDS[name].items() if ratios[what] > bound]
        kept &= not over and off <= OFF
        lines.append(
            f"{'  ours is of that':32}{'':8}"
            + "".join(f"{ratio:>8.2f}x" for ratio in ratios.values())
            + (f"   over the bound: {', '.join(over)}" if over else "")
        )
    return lines, kept


def _ratio(ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]]) -> float:
    """Return the median of the ratios of neighbouring runs."""
    return statistics.median(a["seconds"] / b["seconds"] for a, b in zip(ours, theirs, strict=True))


def _off(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    """Return how far gradients lie apart, of the convolution where it is most: of its own size."""
    return max(math.dist(a, b) / math.hypot(*a) for a, b in zip(ours, theirs, strict=True))


def main() -> int:
    """Print the tables; return 1 if a bound is not kept."""
    pythons = interpreters()
    kept = True
    for name, network in networks(pythons):
        lines, fine = measure(network, pythons)
        kept &= fine
        print(f"\n{name}; seconds to start, then milliseconds (medians), megabytes of a batch of 8 at most")
        heads = ["start", "1 image", "8 summed", "8 apart", "peak", "off"]
        print(f"{'':32}{heads[0]:>8}" + "".join(f"{head:>9}" for head in heads[1:]))
        print("\n".join(lines), flush=True)
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
