"""Train the network of fashion.prototxt on Fashion-MNIST: ``python -m benchmarks.fashion_mnist.train``.

The gradients are those of `extract.differentiate.backward`: the graph of the loss and of its gradients runs
in onnxruntime with the parameters as inputs, and numpy takes the steps. Seeded; it writes a caffemodel.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from converters.errors import CnnVisWarning
from converters.staging import staging
from extract import Model, activations, load_model
from extract.caffe.schema import message
from extract.differentiate import backward
from extract.idx import read_idx
from extract.runner import Runner

from . import CLASSES, DATA, PROTOTXT, WEIGHTS

if TYPE_CHECKING:
    import onnx

    Parameters = dict[str, NDArray[np.float32]]

EPOCHS, BATCH = 3, 64
RATE, MOMENTUM, DECAY = 0.02, 0.9, 5e-4
SEED = 1
# What the network must reach on the pictures that it was not trained on.
WANTED = 0.88
SCORES, WISHES, LOSS = "fc4", "wishes", "log_likelihood"


def pictures(part: str) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the pictures of a part, (N, 1, 28, 28) from 0 to 1, and their classes."""
    images = read_idx(DATA / f"{part}-images-idx3-ubyte.gz")
    labels = read_idx(DATA / f"{part}-labels-idx1-ubyte.gz")
    return np.divide(images[:, np.newaxis], 255, dtype=np.float32), labels


def with_loss(model: Model) -> onnx.ModelProto:
    """Return the graph of the gradients of the mean log-likelihood, with the parameters as its inputs."""
    import onnx

    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    graph, kind = proto.graph, onnx.TensorProto.FLOAT
    graph.node.extend(
        [
            onnx.helper.make_node("LogSoftmax", [SCORES], ["logarithms"], axis=1),
            onnx.helper.make_node("Mul", ["logarithms", WISHES], ["wished"]),
            onnx.helper.make_node("ReduceMean", ["wished"], [LOSS], axes=[0, 1], keepdims=0),
        ]
    )
    graph.input.append(onnx.helper.make_tensor_value_info(WISHES, kind, ["N", len(CLASSES)]))
    parameters = set(model.parameters.values())
    stored = [tensor for tensor in graph.initializer if tensor.name in parameters]
    for tensor in stored:
        graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, kind, tensor.dims))
        graph.initializer.remove(tensor)
    return backward(proto, LOSS, sorted(parameters))


def shuffled(count: int, chance: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Yield the numbers of all pictures in batches, in a new order."""
    order = chance.permutation(count)
    for start in range(0, count, BATCH):
        yield order[start : start + BATCH]


def train(model: Model) -> Parameters:
    """Return the parameters after all epochs of gradient descent with momentum, the rate falling to 0."""
    x, labels = pictures("train")
    wishes = np.eye(len(CLASSES), dtype=np.float32)[labels]
    values = {tensor: np.array(value) for tensor, value in model.values([*model.parameters.values()]).items()}
    runner = Runner(with_loss(model), PROTOTXT.parent, [LOSS, *(f"grad:{name}" for name in values)])
    speeds = {name: np.zeros_like(value) for name, value in values.items()}
    # the mean is also over the classes, of which one counts
    seed = {f"seed:{LOSS}": np.array(len(CLASSES), np.float32)}
    chance = np.random.default_rng(SEED)
    step, steps = 0, EPOCHS * -(-len(x) // BATCH)
    for epoch in range(EPOCHS):
        begin, losses = time.perf_counter(), []
        for chosen in shuffled(len(x), chance):
            feeds = {"data": x[chosen], WISHES: wishes[chosen], **seed, **values}
            likelihood, *slopes = runner.run(feeds)
            losses.append(-len(CLASSES) * float(likelihood))
            rate = RATE * (1 - step / steps)
            for name, slope in zip(values, slopes, strict=True):
                speeds[name] = MOMENTUM * speeds[name] + rate * (slope - DECAY * values[name])
                values[name] = values[name] + speeds[name]
            step += 1
        seconds = time.perf_counter() - begin
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return values


def save(model: Model, values: Parameters, path: Path) -> None:
    """Write parameters as a .caffemodel."""
    net = message("NetParameter")
    net.name = "fashion"
    for layer in model.layers.values():
        if layer.named_parameters:
            stored = net.layer.add(name=layer.name, type=layer.operator)
            for tensor in layer.parameters:
                blob = stored.blobs.add()
                blob.shape.dim.extend(values[tensor].shape)
                blob.data.extend(values[tensor].ravel().tolist())
    with staging(path.parent) as folder:
        (folder / path.name).write_bytes(net.SerializeToString())


def accuracy(model: Model) -> float:
    """Return which part of the test pictures a network knows."""
    x, labels = pictures("t10k")
    found = [
        activations(model, x[start : start + 500], [SCORES])[SCORES].argmax(axis=1)
        for start in range(0, len(x), 500)
    ]
    return float(np.mean(np.concatenate(found) == labels))


def main() -> int:
    """Train, write, and test; return 1 if the network is not good enough."""
    import warnings

    # that its weights are those of its fillers is what is wanted here
    warnings.simplefilter("ignore", CnnVisWarning)
    model = load_model(PROTOTXT)
    save(model, train(model), WEIGHTS)
    right = accuracy(load_model(PROTOTXT, WEIGHTS))
    print(f"{WEIGHTS}: {100 * right:.2f} % of the test pictures right")
    return int(right < WANTED)


if __name__ == "__main__":
    sys.exit(main())
