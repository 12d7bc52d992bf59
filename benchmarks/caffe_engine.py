"""A Caffe network in one engine, in a process of its own.

``PYTHON -m benchmarks.caffe_engine ENGINE PROTOTXT CAFFEMODEL LAYER SIZE``, in any Python from 3.9 that has
the engine, loads the network, runs it up to a layer, and then answers a command a line: ``load``, or the size
of a batch. Answers are JSON; times are in seconds, memory in bytes.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Forward = Callable[[Any], Any]


class Engine(NamedTuple):
    """What tells its version, loads a network, and makes a function of it: from input to a layer's output."""

    version: Callable[[], str]
    load: Callable[[str, str], Any]
    prepare: Callable[[Any, str], Forward]


def _our_version() -> str:
    import onnxruntime

    return f"cnnvis, onnxruntime {onnxruntime.__version__}"


def _our_load(prototxt: str, caffemodel: str) -> Any:
    from extract import load_model

    return load_model(prototxt, caffemodel)


def _our_forward(model: Any, layer: str) -> Forward:
    from extract import Extractor

    extractor = Extractor(model, [layer])
    return lambda x: extractor.run(x)[layer]


def _caffe_version() -> str:
    return f"Caffe {importlib.import_module('caffe').__version__}"


def _caffe_load(prototxt: str, caffemodel: str) -> Any:
    caffe = importlib.import_module("caffe")
    return caffe.Net(prototxt, caffemodel, caffe.TEST)


def _caffe_forward(net: Any, layer: str) -> Forward:
    def forward(x: Any) -> Any:
        data = net.blobs[net.inputs[0]]
        data.reshape(*x.shape)
        data.data[...] = x
        return net.forward(end=layer)[layer]

    return forward


def _opencv_version() -> str:
    return f"OpenCV {importlib.import_module('cv2').__version__}"


def _opencv_load(prototxt: str, caffemodel: str) -> Any:
    return importlib.import_module("cv2").dnn.readNetFromCaffe(prototxt, caffemodel)


def _opencv_forward(net: Any, layer: str) -> Forward:
    def forward(x: Any) -> Any:
        net.setInput(x)
        return net.forward(layer)

    return forward


ENGINES = {
    "cnnvis": Engine(_our_version, _our_load, _our_forward),
    "caffe": Engine(_caffe_version, _caffe_load, _caffe_forward),
    "opencv": Engine(_opencv_version, _opencv_load, _opencv_forward),
}


def batch(images: int, size: int) -> Any:
    """Return the same noise for all engines, shape (N, 3, H, W), float32, about as large as pixels."""
    values = 50 * np.random.RandomState(0).standard_normal((images, 3, size, size))
    return values.astype(np.float32)


def peak() -> int:
    """Return the most memory that this process held."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def serve(engine: Engine, files: tuple[str, str], layer: str, size: int, commands: Iterable[str]) -> None:
    """Print the first result, and what it took; then answer commands."""
    one = batch(1, size)
    forward = engine.prepare(engine.load(*files), layer)
    values = forward(one).ravel().tolist()
    _answer({"peak": peak(), "values": values, "version": engine.version()})
    for command in commands:
        if command.strip() == "load":
            # one network at a time
            del forward
            start = time.perf_counter()
            net = engine.load(*files)
            loaded = time.perf_counter()
            forward = engine.prepare(net, layer)
            del net
            forward(one)
            _answer({"load": loaded - start, "result": time.perf_counter() - start})
        else:
            x = batch(int(command), size)
            start = time.perf_counter()
            forward(x)
            _answer({"forward": time.perf_counter() - start})


def _answer(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    name, prototxt, caffemodel, last, pixels = sys.argv[1:]
    serve(ENGINES[name], (prototxt, caffemodel), last, int(pixels), sys.stdin)
