"""Gradients of the cases: what real Caffe computes, what we do, and where Caffe is not followed.

All outputs of a network, the blobs that no layer reads, are differentiated at once, each for a random
cotangent.
"""

from __future__ import annotations

import fnmatch
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from extract import Model
from extract.caffe.draft import ImportedLayer
from extract.caffe.importer import import_net
from extract.caffe.net import Net
from extract.caffe.prototxt import read_net
from extract.differentiate import backward
from extract.differentiate.upgrade import upgraded
from extract.pycaffe import CaffeProcess
from extract.pycaffe.edits import Edits, LayerEdit, edits
from extract.runner import Runner
from tests.caffe.cases import all_cases
from tests.caffe.harness import Answer, Arrays, feeds, of_fork

JOINED = "all outputs"
# What Caffe's pooling makes of a window outside of the picture. Its backward would then write outside of it.
_NOWHERE = np.finfo(np.float32).max

# Types of layers that are left out, with what needs them: "Not Implemented Yet", says Caffe.
_NO_BACKWARD = frozenset({"ArgMax", "Threshold"})

# Which bottom of a layer holds indices.
_INDICES_AT = {"BatchReindex": 1, "Embed": 0, "Filter": -1}

# Cases that real Caffe gives no gradients of, and why.
_INDICES = "Caffe refuses gradients with respect to indices, and force_backward asks for all of them"
_STEPS = "its only layer has no backward in Caffe"
_REFUSED = {
    "activation-threshold*": _STEPS,
    "aliasing-reindex*": _INDICES,
    "inner_product-embed*": _INDICES,
    "movement-batch-reindex*": _INDICES,
    "movement-filter*": _INDICES,
    "networks-captioning": _INDICES,
    "networks-regions": _INDICES,
    "reduction-argmax*": _STEPS,
}

# Outputs that are not differentiated in Caffe, which takes no notice of their cotangents: the last states
# that a recurrent layer exposes.
_UNHEARD = {"recurrent-*-exposed*": ("hT", "cT")}


@dataclass(frozen=True)
class Deviation:
    """Gradients in which we do not follow real Caffe, but mathematics.

    Parameters
    ----------
    case : str
        The case.
    tensors : str
        What is differentiated by, separated by blanks.
    reason : str
        What Caffe does.
    """

    case: str
    tensors: str
    reason: str


def _statistics(*layers: str) -> str:
    return " ".join(f"{layer}.{role}" for layer in layers for role in ("weight", "bias", "param2"))


_STATISTICS = "Caffe takes BatchNorm's statistics for constants"
_MARKS = "Caffe takes the marks of where sequences go on for constants"
_STATES = f"{_MARKS}, and gives no gradients of the first states that it is given"
_FRACTIONS = f"{_MARKS}, and forgets on the way back that they may be fractions"
_EPS = "Caffe's MVN divides by the standard deviation alone on the way back, without eps"
_DEVIATIONS = (
    Deviation("activation-in-place-many", _statistics("batchnorm0"), _STATISTICS),
    Deviation("affine-scale-in-place", _statistics("bn"), _STATISTICS),
    Deviation("aliasing-softmax", _statistics("bn"), _STATISTICS),
    Deviation("networks-in-place-three-times", _statistics("batchnorm_conv"), _STATISTICS),
    Deviation(
        "networks-residual",
        _statistics("batchnorm_a", "batchnorm_b", "batchnorm_c", "batchnorm_shortcut"),
        _STATISTICS,
    ),
    Deviation("networks-separable", _statistics("batchnorm_depthwise"), _STATISTICS),
    Deviation("normalization-batch-norm", _statistics("layer"), _STATISTICS),
    Deviation("normalization-batch-norm-eps", _statistics("layer"), _STATISTICS),
    Deviation("normalization-batch-norm-factor", _statistics("layer"), _STATISTICS),
    Deviation("normalization-batch-norm-five-axes", _statistics("layer"), _STATISTICS),
    Deviation("normalization-batch-norm-in-training-global", _statistics("layer"), _STATISTICS),
    Deviation("normalization-batch-norm-scale", _statistics("norm"), _STATISTICS),
    Deviation("normalization-batch-norm-two-axes", _statistics("layer"), _STATISTICS),
    Deviation("normalization-mvn-eps", "data", _EPS),
    Deviation("normalization-mvn-three-axes", "data", _EPS),
    Deviation("recurrent-lstm", "cont", _MARKS),
    Deviation("recurrent-lstm-exposed", "cont h0 c0", _STATES),
    Deviation("recurrent-lstm-exposed-static", "cont h0 c0", _STATES),
    Deviation("recurrent-lstm-fractions", "cont x layer.weight layer.bias layer.param2", _FRACTIONS),
    Deviation("recurrent-lstm-maps", "cont", _MARKS),
    Deviation("recurrent-lstm-one-stream", "cont", _MARKS),
    Deviation("recurrent-lstm-static", "cont", _MARKS),
    Deviation("recurrent-lstm-two", "cont", _MARKS),
    Deviation("recurrent-lstm-unit", "cont gates", _FRACTIONS),
    Deviation("recurrent-lstm-unit", "c1", "Caffe's outputs do not depend on each other; h1 is made of c1"),
    Deviation("recurrent-rnn", "cont", _MARKS),
    Deviation("recurrent-rnn-exposed", "cont h0", _STATES),
    Deviation("recurrent-rnn-exposed-static", "cont h0", _STATES),
    Deviation("recurrent-rnn-maps", "cont", _MARKS),
    Deviation("recurrent-rnn-static", "cont", _MARKS),
    Deviation("elementwise-max-ties", "a b", "Caffe prefers the second of equals; we share evenly"),
    Deviation("sources-parameter-shared", "w", "in Caffe this blob is the parameter, with all that reads it"),
)


def deviations(case: str) -> dict[str, str]:
    """Return the gradients of a case in which Caffe is not followed, and why."""
    return {
        tensor: deviation.reason
        for deviation in _DEVIATIONS
        if deviation.case == case
        for tensor in deviation.tensors.split()
    }


def refused(case: str) -> str | None:
    """Return why real Caffe gives no gradients of a case; None if it does."""
    return next((why for names, why in _REFUSED.items() if fnmatch.fnmatchcase(case, names)), None)


def _unread(layers: Sequence[LayerEdit]) -> list[str]:
    read = {bottom for layer in layers for bottom in layer.bottoms}
    return [top for layer in layers for top in layer.tops if top not in read]


@dataclass(frozen=True)
class Gradients:
    """Gradients of a network.

    Parameters
    ----------
    seeds : mapping of str to ndarray
        The cotangents of its outputs, by tensor.
    values : mapping of str to ndarray
        The gradients with respect to inputs, to what layers write, and to parameters, by tensor.
    """

    seeds: Arrays
    values: Arrays


@dataclass(frozen=True)
class Asked:
    """A network of a case, and what is asked of its gradients.

    Parameters
    ----------
    name : str
        The case.
    prototxt : Path
        Its file.
    """

    name: str
    prototxt: Path

    @cached_property
    def net(self) -> Net:
        return read_net(self.prototxt)

    @cached_property
    def layers(self) -> Sequence[ImportedLayer]:
        return import_net(self.net).layers

    @cached_property
    def whole(self) -> Edits:
        return edits(self.net, self.layers)

    def outputs(self) -> list[str]:
        """Return what no layer reads."""
        return _unread(self.whole.layers)

    def outputs_in_caffe(self) -> list[str]:
        """Return what no layer reads of what Caffe has a way back from."""
        unheard = {
            top for names, tops in _UNHEARD.items() if fnmatch.fnmatchcase(self.name, names) for top in tops
        }
        return [top for top in _unread(list(self._with_backward())) if top not in unheard]

    def tensors(self) -> list[str]:
        """Return the inputs, what layers write, and parameters, but for indices."""
        names = [value.blob for value in self.net.inputs]
        names += [tensor for layer in self.layers for tensor in (*layer.tensors, *layer.parameters.values())]
        indices = {
            layer.bottoms[_INDICES_AT[imported.type]]
            for layer, imported in zip(self.whole.layers, self.layers, strict=True)
            if imported.type in _INDICES_AT
        }
        return [name for name in dict.fromkeys(names) if name not in indices]

    def _with_backward(self) -> Iterator[LayerEdit]:
        lost: set[str] = set()
        for layer, imported in zip(self.whole.layers, self.layers, strict=True):
            if imported.type in _NO_BACKWARD or not lost.isdisjoint(layer.bottoms):
                lost.update(layer.tops)
            else:
                yield layer


def caffes(process: CaffeProcess, asked: Asked, answer: Answer, seeds: Arrays | None = None) -> Gradients:
    """Return the gradients that real Caffe computes.

    Parameters
    ----------
    process : CaffeProcess
        Caffe.
    asked : Asked
        The network.
    answer : Answer
        What Caffe made of it forward: its inputs and its weights are used.
    seeds : mapping of str to ndarray, optional
        Cotangents; by default random ones.

    Raises
    ------
    ModelError
        If Caffe refuses.
    """
    outputs = asked.outputs_in_caffe()
    part = edits(asked.net, asked.layers, outputs)
    made = [top for layer in part.layers for top in layer.tops]
    net = process.load(asked.prototxt, answer.caffemodel, part)
    values = net.forward({name: answer.first[name] for name in net.inputs}, outputs)
    if seeds is None:
        seeds = _random(asked.name, dict(zip(outputs, values, strict=True)))
    wrt = [*dict.fromkeys([*net.inputs, *made, *net.parameters])]
    return Gradients(seeds, dict(zip(wrt, net.backward(seeds, wrt), strict=True)))


def _random(name: str, values: Arrays) -> Arrays:
    """Return cotangents, 0 where an output stands for no window at all."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return {
        tensor: np.where(np.abs(value) == _NOWHERE, 0, rng.standard_normal(value.shape)).astype(np.float32)
        for tensor, value in values.items()
    }


def ours(model: Model, answer: Answer, seeds: Arrays, wrt: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the gradients that we compute, by onnxruntime."""
    graph = backward(joined(model.proto, list(seeds)), JOINED, wrt)
    runner = Runner(
        graph, model.source.folder, [f"grad:{tensor}" for tensor in wrt], weights=model.source.weights
    )
    cotangent = np.concatenate([seed.ravel() for seed in seeds.values()])
    values = runner.run({**feeds(model, answer), f"seed:{JOINED}": cotangent})
    return dict(zip(wrt, values, strict=True))


def joined(proto: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """Return a model with one more tensor, `JOINED`: all values of some others in a row."""
    result = onnx.ModelProto()
    result.CopyFrom(upgraded(proto))
    graph = result.graph
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1]), f"{JOINED}/flat"))
    rows = [f"{JOINED}/{i}" for i, _ in enumerate(tensors)]
    for tensor, row in zip(tensors, rows, strict=True):
        graph.node.append(onnx.helper.make_node("Reshape", [tensor, f"{JOINED}/flat"], [row]))
    graph.node.append(onnx.helper.make_node("Concat", rows, [JOINED], axis=0))
    return result


def standalone(model: Model) -> onnx.ModelProto:
    """Return a network's graph with its weights in it."""
    result = onnx.ModelProto()
    result.CopyFrom(model.proto)
    for tensor in result.graph.initializer:
        tensor.CopyFrom(onnx.numpy_helper.from_array(model.value(f"tensor:{tensor.name}"), tensor.name))
    return result


def known_cases() -> list[str]:
    """Return the names of the cases that real Caffe knows."""
    return [name for name, case in all_cases().items() if not of_fork(case)]
