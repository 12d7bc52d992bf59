"""Each filter of a layer removed by itself: ours, a session rebuilt for each filter, and a loop in torch.

``python -m benchmarks.ablation``: on the network of benchmarks/fashion_mnist with the weights of its fillers,
all on the same pictures and weights in one process, each warm, in turn. A rebuilt session reads a graph whose
filter is zero; torch's loop zeroes the filter's weights and bias in place, runs the network, and puts them
back. torch comes with ``pip install torch``; without it, its column is left out.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import CnnVisWarning
from extract import Model, load_model
from extract.ablation import Ablation
from extract.filters import Filters, filters_of
from extract.pruning import pruned

from .fashion_mnist import PROTOTXT

LAYERS = ("conv1", "conv2", "fc3")
OUTPUT = "fc4"
PICTURES, BATCH, RUNS = 100, 50, 2
# How many times faster ours is than what, at least, for the filters of all three layers together.
BOUNDS = {"rebuilt": 20.0, "torch": 3.0}
# Of the largest score: float32 sums in other orders.
OFF = 1e-4

Floats = NDArray[np.float32]
Way = Callable[[], Floats]


def ours(model: Model, filters: Filters, x: Floats) -> Way:
    """Return what removes all filters of a layer, one by one: scores of shape (N, filters, classes)."""
    ablation, kept = Ablation(model, filters), ~np.eye(filters.count, dtype=bool)
    return lambda: np.concatenate([ablation.run(part, kept) for part in _batches(x)])


def rebuilt(model: Model, filters: Filters, x: Floats) -> Way:
    """Return what does so with a new session for each filter."""

    def run() -> Floats:
        columns = []
        for removed in range(filters.count):
            runner = pruned(model, {filters: [removed]}).runner([OUTPUT])
            columns.append(np.concatenate([runner.run({"data": part})[0] for part in _batches(x)]))
        return np.stack(columns, axis=1)

    return run


def in_torch(model: Model, filters: Filters, x: Floats) -> Way | None:
    """Return what does so in torch's eager mode; None without torch."""
    try:
        import torch
    except ImportError:
        return None
    network = _torch_network(model, torch)
    layer = dict(network.named_children())[filters.layer]
    parts = [torch.from_numpy(part) for part in _batches(x)]

    def run() -> Floats:
        columns = []
        with torch.inference_mode():
            for removed in range(filters.count):
                weight, bias = layer.weight[removed].clone(), layer.bias[removed].clone()
                layer.weight[removed], layer.bias[removed] = 0, 0
                columns.append(torch.cat([network(part) for part in parts]).numpy())
                layer.weight[removed], layer.bias[removed] = weight, bias
        return np.stack(columns, axis=1)

    return run


def _torch_network(model: Model, torch: Any) -> Any:
    nn = torch.nn
    layers = {
        "conv1": nn.Conv2d(1, 32, 5, padding=2),
        "relu1": nn.ReLU(),
        "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(32, 64, 5, padding=2),
        "relu2": nn.ReLU(),
        "pool2": nn.MaxPool2d(2),
        "flat": nn.Flatten(),
        "fc3": nn.Linear(3136, 128),
        "relu3": nn.ReLU(),
        "fc4": nn.Linear(128, 10),
    }
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    values = {name: torch.from_numpy(np.array(model.value(name))) for name in network.state_dict()}
    network.load_state_dict(values)
    return network.requires_grad_(False)


def _batches(x: Floats) -> list[Floats]:
    return [x[start : start + BATCH] for start in range(0, len(x), BATCH)]


def measure(ways: Mapping[str, Way]) -> tuple[dict[str, float], float]:
    """Return the median seconds of each way, in turn, and how far their results lie apart at most."""
    results = {name: way() for name, way in ways.items()}
    first = results["ours"]
    off = max(float(np.abs(other - first).max() / np.abs(first).max()) for other in results.values())
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(RUNS):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(own) for name, own in seconds.items()}, off


def main() -> int:
    """Print the table; return 1 if a bound is not kept or results differ."""
    # that its weights are those of its fillers is what is wanted here
    warnings.simplefilter("ignore", CnnVisWarning)
    model = load_model(PROTOTXT)
    x = np.random.default_rng(1).random((PICTURES, 1, 28, 28), dtype=np.float32)
    totals: dict[str, float] = {}
    fine = True
    print(f"\nEach filter removed by itself, {PICTURES} pictures; seconds, and times ours")
    for layer in LAYERS:
        filters = filters_of(model, layer)
        made = {"ours": ours(model, filters, x), "rebuilt": rebuilt(model, filters, x)}
        loop = in_torch(model, filters, x)
        ways = made if loop is None else {**made, "torch": loop}
        seconds, off = measure(ways)
        fine &= off <= OFF
        for name, own in seconds.items():
            totals[name] = totals.get(name, 0) + own
        print(_line(f"{layer}, {filters.count} filters", seconds) + f"{off:>9.0e} off", flush=True)
    print(_line("together", totals))
    if "torch" not in totals:
        print("without torch: pip install torch")
    missed = [
        name for name, bound in BOUNDS.items() if name in totals and totals[name] < bound * totals["ours"]
    ]
    for name in missed:
        print(f"bound missed: {BOUNDS[name]:g} times faster than {name}")
    return int(bool(missed) or not fine)


def _line(what: str, seconds: Mapping[str, float]) -> str:
    cells = [f"{name} {own:8.3f} ({own / seconds['ours']:6.1f} x)" for name, own in seconds.items()]
    return f"{what:20}" + "   ".join(cells)


if __name__ == "__main__":
    sys.exit(main())
