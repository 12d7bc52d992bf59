"""Gradients of a class neuron to all convolutions' weights, by one engine, in a process of its own.

``PYTHON -m benchmarks.gradient_engine ENGINE MODEL WEIGHTS SIZE``, in any Python from 3.9 that has the engine
(WEIGHTS is empty where the model holds them), computes them for one image, and then answers a command a line:
``one`` (an image), ``summed`` (a batch, its gradients summed) or ``apart`` (a batch, a gradient an image); at
the first of each also what they are. Answers are JSON; times are in seconds, memory in bytes.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .caffe_engine import batch, peak

CLASS = 281
BATCH = 8
PROJECTIONS = 4
# A prime, so that the signs fall otherwise on each filter.
_PERIOD = 9973

# What computes gradients, a list of arrays, one a convolution; of a batch, and for each mode.
Modes = Mapping[str, Callable[[Any], Any]]


def _ours(files: tuple[str, str]) -> tuple[str, Modes]:
    import onnxruntime

    from extract.gradients import Differentiator
    from extract.targets import scores, targets_of

    model, convolutions = _loaded(files)
    names = [f"{layer.name}.weight" for layer in convolutions]
    target = targets_of(model, f"tensor:{scores(model)}:{CLASS}")
    made: dict[str, Any] = {}

    def run(mode: str, x: Any) -> Any:
        reduce = "sum" if mode == "summed" else None
        if mode not in made:
            made.clear()
            made[mode] = Differentiator(model, target, names, reduce=reduce)
        found = made[mode].run(x)
        return [found[name][0] if mode == "one" else found[name] for name in names]

    version = f"cnnvis, onnxruntime {onnxruntime.__version__}"
    return version, {mode: lambda x, m=mode: run(m, x) for mode in ("one", "summed", "apart")}


def _loaded(files: tuple[str, str]) -> tuple[Any, list[Any]]:
    """Return a model and its convolutions."""
    from extract import load_model

    path, weights = files
    model = load_model(path, weights or None)
    return model, [layer for layer in model.layers.values() if layer.operator in ("Conv", "Convolution")]


def _torch(files: tuple[str, str]) -> tuple[str, Modes]:
    import torch

    from extract.graph import cut
    from extract.targets import scores

    from .torch_network import TorchNetwork

    model, convolutions = _loaded(files)
    proto = cut(model.proto, [scores(model)])
    network = TorchNetwork(proto, model.values([tensor.name for tensor in proto.graph.initializer]))
    weights = [network.constants[layer.parameters[0]].requires_grad_() for layer in convolutions]

    def summed(x: Any) -> Any:
        return torch.autograd.grad(network(torch.from_numpy(x))[:, CLASS].sum(), weights)

    def apart(x: Any) -> Any:
        rows = [summed(x[i : i + 1]) for i in range(len(x))]
        return [torch.stack([row[i] for row in rows]) for i in range(len(weights))]

    return f"torch {torch.__version__}", {"one": summed, "summed": summed, "apart": apart}


def _caffe(files: tuple[str, str]) -> tuple[str, Modes]:
    caffe = importlib.import_module("caffe")
    net = caffe.Net(files[0], files[1], caffe.TEST)
    kinds = {name: net.layers[i].type for i, name in enumerate(net._layer_names)}
    names = [name for name, kind in kinds.items() if kind == "Convolution"]
    last = [name for name, kind in kinds.items() if kind == "InnerProduct"][-1]

    def summed(x: Any) -> Any:
        data = net.blobs[net.inputs[0]]
        if data.data.shape != x.shape:
            data.reshape(*x.shape)
        data.data[...] = x
        net.forward(end=last)
        net.clear_param_diffs()
        net.blobs[last].diff[...] = 0
        net.blobs[last].diff[:, CLASS] = 1
        net.backward(start=last)
        return [net.params[name][0].diff.copy() for name in names]

    def apart(x: Any) -> Any:
        rows = [summed(x[i : i + 1]) for i in range(len(x))]
        return [np.stack([row[i] for row in rows]) for i in range(len(names))]

    return f"Caffe {caffe.__version__}", {"one": summed, "summed": summed, "apart": apart}


ENGINES = {"cnnvis": _ours, "torch": _torch, "caffe": _caffe}


def projections(gradients: Any) -> list[list[float]]:
    """Return what tells gradients from others in few numbers: of each, its sums with random signs."""
    signs = np.random.RandomState(0).choice((-1.0, 1.0), (PROJECTIONS, _PERIOD))
    found = []
    for gradient in gradients:
        values = np.asarray(gradient).ravel()
        whole = np.zeros(-(-values.size // _PERIOD) * _PERIOD, np.float32)
        whole[: values.size] = values
        rows = whole.reshape(-1, _PERIOD).sum(axis=0, dtype=np.float64)
        found.append((signs @ rows).tolist())
    return found


def main(name: str, model: str, weights: str, size: int) -> None:
    """Say what loading and the first gradients take; then answer commands."""
    start = time.perf_counter()
    version, modes = ENGINES[name]((model, weights))
    modes["one"](batch(1, size))
    _answer({"version": version, "start": time.perf_counter() - start})
    shown: set[str] = set()
    for line in sys.stdin:
        mode = line.strip()
        x = batch(1 if mode == "one" else BATCH, size)
        start = time.perf_counter()
        gradients = modes[mode](x)
        answer: dict[str, Any] = {"seconds": time.perf_counter() - start, "peak": peak()}
        if mode not in shown:
            answer["values"] = projections(gradients)
            shown.add(mode)
        del gradients
        _answer(answer)


def _answer(value: dict[str, Any]) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    engine, network, stored, pixels = sys.argv[1:]
    main(engine, network, stored, int(pixels))
