"""Layers without windows that only forks of Caffe have, against loops after their published C++ code.

Nobody packages these forks, so no oracle runs here. The loops follow the CPU code of eric612/MobileNet-YOLO
(ReLU6), hujie-frank/SENet (Axpy), weiliu89/caffe (Normalize), hszhao/PSPNet and alexgkendall/caffe-segnet
(BN) and NVIDIA/caffe (BatchNorm with scale_bias). They compute in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extract.caffe.importer import import_net
from extract.caffe.net import Net
from extract.caffe.prototxt import read_net
from extract.caffe.stored import StoredBlob, StoredWeights
from extract.runner import Runner
from extract.weight import Weight
from tests.caffe.cases import Case, all_cases
from tests.caffe.harness import difference, of_fork

Array = NDArray[Any]

MODULES = ("activation-", "affine-", "elementwise-", "normalization-")
CASES = {name: case for name, case in all_cases().items() if of_fork(case) and name.startswith(MODULES)}


def _relu6(layer: Any, bottoms: Sequence[Array], parameters: Sequence[Array]) -> list[Array]:
    (x,) = bottoms
    slope = layer.relu6_param.negative_slope
    y = np.zeros(x.shape)
    for at in np.ndindex(*x.shape):
        y[at] = min(max(float(x[at]), 0.0) + slope * min(float(x[at]), 0.0), 6.0)
    return [y]


def _axpy(layer: Any, bottoms: Sequence[Array], parameters: Sequence[Array]) -> list[Array]:
    scales, x, top = bottoms[0].ravel(), bottoms[1], np.array(bottoms[2], np.float64)
    for at in np.ndindex(*x.shape):
        top[at] += float(scales[at[0] * x.shape[1] + at[1]]) * float(x[at])
    return [top]


def _normalize(layer: Any, bottoms: Sequence[Array], parameters: Sequence[Array]) -> list[Array]:
    given = layer.norm_param
    x = bottoms[0].reshape(*bottoms[0].shape[:2], -1).astype(np.float64)
    scale = parameters[0]
    y = np.zeros(x.shape)
    for n in range(x.shape[0]):
        squares = [sum(value**2 for value in x[n, :, place]) for place in range(x.shape[2])]
        for c, place in np.ndindex(*x.shape[1:]):
            total = sum(squares) if given.across_spatial else squares[place]
            norm = math.sqrt(total + given.eps)
            y[n, c, place] = x[n, c, place] / norm * (scale if given.channel_shared else scale[c])
    return [y.reshape(bottoms[0].shape)]


def _batch_norm(layer: Any, bottoms: Sequence[Array], parameters: Sequence[Array]) -> list[Array]:
    x = bottoms[0]
    given = layer.batch_norm_param
    mean, variance, _, scale, bias = parameters
    in_training = layer.HasField("phase")
    statistics = _statistics(x) if in_training else list(zip(mean, variance, strict=True))
    return [_moved(x, statistics, max(given.eps, 1e-5), scale, bias)]


def _bn(layer: Any, bottoms: Sequence[Array], parameters: Sequence[Array]) -> list[Array]:
    x = bottoms[0]
    given = layer.bn_param
    learned = [parameter.ravel() for parameter in parameters]
    if len(learned) == 4:
        return [_moved(x, list(zip(learned[2], learned[3], strict=True)), given.eps, learned[0], learned[1])]
    if given.bn_mode == given.INFERENCE:
        return [_moved(x, [(0.0, 1.0)] * x.shape[1], 0.0, learned[0], learned[1])]
    statistics = _statistics(x)
    tops = [np.reshape([values[i] for values in statistics], (1, -1, 1, 1)) for i in range(2)]
    return [_moved(x, statistics, 1e-9, learned[0], learned[1]), *tops]


def _statistics(x: Array) -> list[tuple[float, float]]:
    """Return mean and variance of each channel."""
    result = []
    for c in range(x.shape[1]):
        values = [float(value) for value in x[:, c].ravel()]
        mean = sum(values) / len(values)
        result.append((mean, sum((value - mean) ** 2 for value in values) / len(values)))
    return result


def _moved(
    x: Array, statistics: Sequence[tuple[float, float]], eps: float, scale: Array, bias: Array
) -> Array:
    y = np.zeros(x.shape)
    for at in np.ndindex(*x.shape):
        mean, variance = statistics[at[1]]
        y[at] = (float(x[at]) - mean) / math.sqrt(variance + eps) * float(scale[at[1]]) + float(bias[at[1]])
    return y


REFERENCES: Mapping[str, Callable[[Any, Sequence[Array], Sequence[Array]], list[Array]]] = {
    "Axpy": _axpy,
    "BN": _bn,
    "BatchNorm": _batch_norm,
    "Normalize": _normalize,
    "ReLU6": _relu6,
}


@pytest.mark.parametrize("name", CASES)
def test_layers_compute_what_their_code_does(name: str, tmp_path: Path) -> None:
    prototxt = tmp_path / "net.prototxt"
    prototxt.write_text(CASES[name].prototxt)
    net = read_net(prototxt)
    (layer,) = net.layers
    parameters = _parameters(net)
    stored = {layer.name: tuple(StoredBlob(Weight(p.shape, lambda p=p: p)) for p in parameters)}
    given = _given(CASES[name])
    imported = import_net(net, StoredWeights(tmp_path / "net.caffemodel", stored))
    assert imported.filled == ()
    tensors = [imported.blobs[top] for top in layer.tops]
    ours = Runner(imported.proto, tmp_path, tensors).run(given)
    expected = REFERENCES[layer.type](layer.message, [given[blob] for blob in layer.bottoms], parameters)
    assert [difference(*pair) for pair in zip(ours, expected, strict=True)] == [None] * len(tensors)


def _parameters(net: Net) -> list[Array]:
    """Return values for a layer's parameters; they may be variances too."""
    random = np.random.default_rng(2)
    imported = import_net(net)
    shapes = {tensor.name: tuple(tensor.dims) for tensor in imported.proto.graph.initializer}
    return [
        random.uniform(0.5, 2, shapes[tensor]).astype(np.float32)
        for tensor in imported.layers[-1].parameters.values()
    ]


def _given(case: Case) -> dict[str, Array]:
    random = np.random.default_rng(1)
    return {
        blob: case.values.get(blob, random.standard_normal(shape).astype(np.float32))
        for blob, shape in case.inputs.items()
    }
