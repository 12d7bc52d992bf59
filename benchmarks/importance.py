"""Scores of filters of whole networks: beside real Caffe's backward, and how many pictures a second.

``python -m benchmarks.importance``: grad_l2 of all layers of CaffeNet is compared, picture by picture, with
the norms of the gradients that real Caffe computes (``make real-caffe``; without it only speed is measured).
Then scores of a batch are timed, beside the way without further nodes in the graph: gradients of all weights
for each picture, reduced by numpy.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extract import Model, gradients, load_model
from extract.filters import Filters, find_filters
from extract.gradients import Differentiator
from extract.importance.rows import Table
from extract.targets import scores, targets_of

from .engines import caffe_python, runs
from .networks import caffenet, caffenet_prototxts

EFFICIENTNET = Path("demo/model/efficientnet-lite0.onnx")
CLASSES = (281, 0, 999)
BATCH, RUNS = 8, 3
# Of a layer's largest score: both engines add float32 products in orders of their own.
OFF = 1e-4
CHEAP = ("grad_l2", "taylor_act", "taylor_weight", "act_mean", "act_max")


def main() -> int:
    """Print what is found; return 1 if Caffe and we differ."""
    agree = True
    for name, files, size in networks():
        model = load_model(*files)
        filters = find_filters(model, ["*"])
        if name == "CaffeNet":
            agree = compare(model, files, filters, size)
        convolutions = [one for one in filters if len(one.shape) == 4]
        for what, seconds in (
            (f"grad_l2 of {len(filters)} layers", timed(model, filters, ["grad_l2"], size)),
            (f"{len(CHEAP)} criteria of {len(filters)} layers", timed(model, filters, CHEAP, size)),
            (f"grad_l2 of {len(convolutions)} convolutions", timed(model, convolutions, ["grad_l2"], size)),
            (f"the same by numpy, of {len(convolutions)}", timed_apart(model, convolutions, size)),
        ):
            print(f"{name}: {what}: {BATCH / seconds:.1f} pictures a second", flush=True)
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    return 0 if agree else 1


def networks() -> Iterator[tuple[str, tuple[Path, Path | None], int]]:
    """Yield name, files and size of pictures of each network that is there."""
    python = caffe_python()
    prototxts = caffenet_prototxts(python) if runs(python, "import caffe") else None
    if prototxts is None:
        print("without CaffeNet: make real-caffe")
    else:
        yield "CaffeNet", caffenet(prototxts), 227
    yield "EfficientNet-Lite0", (EFFICIENTNET, None), 224


def compare(model: Model, files: tuple[Path, Path | None], filters: Sequence[Filters], size: int) -> bool:
    """Return whether grad_l2 of each picture and layer is the norm of Caffe's gradient; print how far off."""
    os.environ.setdefault("CNNVIS_CAFFE_PYTHON", caffe_python())
    caffe = load_model(*files, engine="pycaffe")
    table = Table(model, None, filters, ["grad_l2"])
    x = images(len(CLASSES), size)
    rows = np.concatenate([table.rows(x[i : i + 1], np.array([k])) for i, k in enumerate(CLASSES)])
    target = f"tensor:{scores(model)}"
    worst = dict.fromkeys((one.layer for one in filters), 0.0)
    for image, index in enumerate(CLASSES):
        found = gradients(
            caffe, x[image : image + 1], f"{target}:{index}", [f"{name}.weight" for name in worst]
        )
        for one in filters:
            wanted = norms(one, found[f"{one.layer}.weight"])[0]
            own = rows[image, table.columns["grad_l2", one.layer]]
            worst[one.layer] = max(worst[one.layer], float(abs(own - wanted).max() / wanted.max()))
    told = ", ".join(f"{layer} {off:.1e}" for layer, off in worst.items())
    print(
        f"CaffeNet: grad_l2 of {len(CLASSES)} pictures is off real Caffe's, of a layer's largest, by {told}"
    )
    return max(worst.values()) < OFF


def timed(model: Model, filters: Sequence[Filters], criteria: Sequence[str], size: int) -> float:
    """Return the seconds that rows of a batch take."""
    table, x = Table(model, None, filters, criteria), images(BATCH, size)
    classes = np.arange(BATCH)
    return median(lambda: table.rows(x, classes))


def timed_apart(model: Model, filters: Sequence[Filters], size: int) -> float:
    """Return the seconds that gradients for each picture of a batch take, with their norms by numpy."""
    names = {f"{one.layer}.weight": one for one in filters}
    target = targets_of(model, f"tensor:{scores(model)}:{CLASSES[0]}")
    prepared, x = Differentiator(model, target, list(names)), images(BATCH, size)
    return median(lambda: [norms(names[name], found) for name, found in prepared.run(x).items()])


def median(run: Callable[[], object]) -> float:
    """Return the median of the seconds of some runs, after one to warm up."""
    run()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def norms(filters: Filters, found: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the norm of each filter's gradient, shape (N, filters)."""
    squares: NDArray[np.float64] = np.sum(np.square(filters.rows(found), dtype=np.float64), axis=-1)
    return np.sqrt(squares)


def images(count: int, size: int) -> NDArray[np.float32]:
    """Return seeded inputs."""
    return np.random.default_rng(0).normal(0, 50, (count, 3, size, size)).astype(np.float32)


if __name__ == "__main__":
    sys.exit(main())
