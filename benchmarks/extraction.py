"""All convolutions of EfficientNet-Lite0, against a bare onnxruntime session with the same outputs.

``python -m benchmarks.extraction``: in one process, warm, in turn, the median of 20; writing is left out.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from extract import Extractor, load_model

MODEL = Path("demo/model/efficientnet-lite0.onnx")
RUNS = 20
# What the outputs may cost over those of a bare session, at batch 1.
BOUND = 1.15


def bare_session(path: Path, outputs: list[str]) -> Callable[[np.ndarray], object]:
    """Return a function that runs the model in a default session with more outputs."""
    proto = onnx.load(path)
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    name = session.get_inputs()[0].name
    return lambda x: session.run(outputs, {name: x})


def seconds(work: Callable[[np.ndarray], object], x: np.ndarray) -> float:
    """Return the time of one run."""
    start = time.perf_counter()
    work(x)
    return time.perf_counter() - start


def main() -> int:
    """Print the table, with medians of the ratios of neighbouring runs; return 1 if over the bound."""
    model = load_model(MODEL)
    convolutions = [layer for layer in model.layers.values() if layer.operator == "Conv"]
    extractor = Extractor(model, [layer.name for layer in convolutions])
    bare = bare_session(MODEL, [layer.outputs[0] for layer in convolutions])
    print(f"{len(convolutions)} convolutions; median of {RUNS} runs, milliseconds an image")
    print(f"{'batch':>5} {'extract':>9} {'bare':>9} {'ratio':>7}")
    ratios = {}
    for batch in (1, 4):
        x = np.random.default_rng(0).random((batch, 3, 224, 224), dtype=np.float32)
        seconds(extractor.run, x), seconds(bare, x)
        pairs = [(seconds(extractor.run, x), seconds(bare, x)) for _ in range(RUNS)]
        ours, theirs = (1e3 * statistics.median(times) / batch for times in zip(*pairs, strict=True))
        ratios[batch] = statistics.median(a / b for a, b in pairs)
        print(f"{batch:>5} {ours:>9.1f} {theirs:>9.1f} {ratios[batch]:>7.3f}")
    kept = ratios[1] <= BOUND
    print(f"ratio at batch 1: {ratios[1]:.3f}, {'within' if kept else 'over'} the bound of {BOUND}")
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
