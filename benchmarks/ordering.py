"""Orders of slices: methods on CaffeNet's conv1, and 2,048 maps against scipy and a solver of tours.

``python -m benchmarks.ordering``. CaffeNet's maps are upstream's, looked for in CNNVIS_GOLDENS. The solver is
fast-tsp (``pip install fast-tsp``), which is given a minute; without it, its line is left out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import order
from converters import Volume
from extract import Extractor, load_model
from order.distances import mean_distances

MODEL = Path("demo/model/efficientnet-lite0.onnx")
PICTURE = Path("demo/model/chelsea.png")
GOLDENS = Path(os.environ.get("CNNVIS_GOLDENS", "../shared/data"))
COUNT = 2048
# All layers with maps of 28 x 28, before their rectifiers: 944 channels.
LAYERS = (
    *("blocks.3.depthwise.norm", "blocks.3.project.norm", "blocks.4.expand.norm"),
    *("blocks.4.depthwise.norm", "blocks.4.project.norm", "blocks.5.expand.norm"),
)
SOLVER_SECONDS = 60

Matrix = NDArray[np.float64]


def photographs() -> NDArray[np.float32]:
    """Return a cat, a temple and a flower as the network takes them: shape (3, 3, 224, 224)."""
    from sklearn.datasets import load_sample_images

    pictures = [Image.open(PICTURE).convert("RGB"), *map(Image.fromarray, load_sample_images().images)]
    inputs = []
    for picture in pictures:
        side = min(picture.size)
        left, top = ((length - side) // 2 for length in picture.size)
        square = picture.crop((left, top, left + side, top + side)).resize((224, 224))
        inputs.append((np.asarray(square, np.float32) - 127) / 128)
    return np.ascontiguousarray(np.stack(inputs).transpose(0, 3, 1, 2), dtype=np.float32)


def many_maps() -> NDArray[np.float32]:
    """Return 2,048 maps of 28 x 28 that vary, a seeded choice among all of the network's."""
    model = load_model(MODEL)
    outputs = Extractor(model, list(LAYERS)).run({model.inputs[0].name: photographs()})
    maps = np.concatenate([outputs[name].reshape(-1, 28, 28) for name in LAYERS])
    maps = maps[np.ptp(maps, axis=(1, 2)) > 1e-4]
    chosen: NDArray[np.float32] = maps[np.sort(np.random.default_rng(0).permutation(len(maps))[:COUNT])]
    return chosen


# What a process does that has nothing else to do: the best of three times, its path, the most memory it held.
_ALONE = """
import json, resource, sys, time
import numpy as np
import order
from converters import Volume
volume = Volume(np.load(sys.argv[1]))
times = []
for _ in range(3):
    start = time.perf_counter()
    ordering = order.by(sys.argv[2], volume)
    times.append(time.perf_counter() - start)
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([min(times), ordering.criteria["path length"], held]))
"""


def alone(maps: NDArray[np.float32], method: str) -> tuple[float, float, float]:
    """Return seconds, path length and megabytes of a method in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "maps.npy"
        np.save(file, maps)
        command = [sys.executable, "-c", _ALONE, str(file), method]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, length, held = json.loads(printed)
    return seconds, length, held


def scipy_leaf_order(distances: Matrix) -> tuple[float, float]:
    """Return seconds and path length of scipy's leaf order."""
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    start = time.perf_counter()
    condensed = squareform(distances, checks=False)
    leaves = leaves_list(optimal_leaf_ordering(linkage(condensed, "average"), condensed))
    return time.perf_counter() - start, length_of(distances, leaves)


def solver(distances: Matrix) -> float:
    """Return the path length that fast-tsp finds in a minute."""
    import fast_tsp

    # one more point, at no distance from any, makes an open path of its tour; it takes 16-bit numbers
    whole = np.pad(np.rint(distances * (65535 / distances.max())).astype(np.int64), ((1, 0), (1, 0)))
    tour = fast_tsp.find_tour(whole, duration_seconds=SOLVER_SECONDS)
    gap = tour.index(0)
    return length_of(distances, np.array(tour[gap + 1 :] + tour[:gap]) - 1)


def length_of(distances: Matrix, path: NDArray[np.intp]) -> float:
    return float(distances[path[1:], path[:-1]].sum())


def caffenet() -> bool:
    """Print the methods on upstream's maps; return whether the bounds are kept."""
    file = GOLDENS / "caffenet_conv1_cat.npy"
    if not file.is_file():
        print(f"CaffeNet's conv1: left out, no {file}")
        return True
    volume = Volume(np.load(file))
    methods: dict[str, dict[str, object]] = {
        name: {} for name in order.METHODS if name not in ("list", "importance")
    }
    # libraries load once
    order.compare([volume], methods)
    results = {result.ordering.method: result for result in order.compare([volume], methods)}
    print("CaffeNet's conv1, 96 maps of 55 x 55, correlation distance; the shortest path known is 50.70")
    print(f"{'method':<13} {'path':>7} {'adjacent r':>10} {'AR rate':>8} {'seconds':>8}")
    for name, result in results.items():
        found = result.criteria
        numbers = found["path length"], found["mean adjacent correlation"], found["anti-Robinson rate"]
        print(f"{name:<13} {numbers[0]:>7.2f} {numbers[1]:>10.3f} {numbers[2]:>8.3f} {result.seconds:>8.2f}")
    smooth, spectral = results["smooth"], results["spectral"]
    return all(
        (
            kept("smooth: path", smooth.criteria["path length"], 51.2),
            kept("smooth: seconds", smooth.seconds, 0.5),
            kept("spectral: anti-Robinson rate", spectral.criteria["anti-Robinson rate"], 0.325),
        )
    )


def thousands() -> bool:
    """Print what becomes of 2,048 maps; return whether the bounds are kept."""
    maps = many_maps()
    distances = mean_distances([Volume(maps)], np.arange(len(maps)), "correlation")
    print(
        f"\n{len(maps)} maps of 28 x 28, of EfficientNet-Lite0 for three photographs; each in its own process"
    )
    print(f"{'method':<26} {'path':>8} {'seconds':>8} {'MB':>6}")
    ours = {name: alone(maps, name) for name in ("smooth", "hierarchical", "spectral")}
    for name, (seconds, length, held) in ours.items():
        print(f"{name:<26} {length:>8.1f} {seconds:>8.2f} {held:>6.0f}")
    leaf_seconds, leaf_length = scipy_leaf_order(distances)
    print(f"{'scipy, average linkage':<26} {leaf_length:>8.1f} {leaf_seconds:>8.2f}")
    seconds, length, held = ours["smooth"]
    checks = [
        kept("smooth: seconds", seconds, 4),
        kept("smooth: megabytes", held, 400),
        kept("smooth: path over scipy's leaf order", length / leaf_length, 1),
        kept("smooth: time over scipy's leaf order", seconds / leaf_seconds, 1 / 5),
        kept("hierarchical: path over scipy's leaf order", ours["hierarchical"][1] / leaf_length, 1),
    ]
    if importlib.util.find_spec("fast_tsp"):
        best = solver(distances)
        print(f"{f'fast-tsp, {SOLVER_SECONDS} s':<26} {best:>8.1f}")
        checks.append(kept("smooth: path over the solver's", length / best, 1.03))
    return all(checks)


def kept(what: str, value: float, bound: float) -> bool:
    """Print a value and its bound; return whether it is kept."""
    print(f"  {what}: {value:.3f}, {'within' if value <= bound else 'OVER'} {bound:.3g}")
    return value <= bound


def main() -> int:
    """Print all tables; return 1 if a bound is not kept."""
    results = [caffenet(), thousands()]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())
