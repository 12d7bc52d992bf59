"""Whole networks whose gradients are checked, in full size and as smaller copies that take a second each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from extract import Model, load_model
from extract.check import Row, check_gradients
from extract.gradients import Differentiator
from extract.graph import cut, tensors_of
from extract.targets import Wanted, targets_of
from tests.extract.networks import LIGHT, SIDE, freed, light
from tests.models import trained, trained_caffe

# The size of smaller pictures; the others of the light graphs need twice that for their last pooling.
_SMALL = 32
_DOWN_TO_ONE = ("densenet121", "resnet50", "shufflenet", "vgg19")
# How many times as narrow layers become, if not 4 times: more where there are many, and normalization keeps
# their units from being all 0; less where groups would be of odd widths.
_DIVISORS = {"densenet121": 8, "inception_v2": 8, "shufflenet": 2}
_FILTERS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "InnerProduct", "Convolution")


@dataclass(frozen=True)
class Network:
    """A network to check.

    Parameters
    ----------
    name : str
        What it is called.
    make : callable
        Loads it: given a folder to write into, and whether it is to be a smaller copy.
    target : Wanted
        What is differentiated.
    open_size : tuple of int
        Height and width of the picture where the network leaves them open.
    """

    name: str
    make: Callable[[Path, bool], Model]
    target: Wanted = "top"
    open_size: tuple[int, int] = (23, 19)

    def images(self, model: Model, count: int) -> NDArray[np.float32]:
        """Return random pictures, channels first."""
        (fed,) = model.inputs
        sizes = iter(self.open_size)
        shape = [size or next(sizes) for size in fed.shape[1:]]
        if fed.channels_last:
            shape = [shape[-1], *shape[:-1]]
        return np.random.default_rng(1).standard_normal((count, *shape), np.float32)

    def wrt(self, model: Model) -> list[str]:
        """Return what is checked: the first, a middle and the last filters, two other weights, the input."""
        known = tensors_of(cut(model.proto, [target.tensor for target in targets_of(model, self.target)]))
        filters, others = [], []
        for name, tensor in model.parameters.items():
            layer, _, role = name.rpartition(".")
            if tensor in known and role in ("weight", "bias"):
                kind = model.layers[layer].operator in _FILTERS and role == "weight"
                (filters if kind else others).append(name)
        chosen = [filters[0], filters[len(filters) // 2], filters[-1], others[0], others[-1]]
        return [*dict.fromkeys(chosen), model.inputs[0].name]

    def rows(self, model: Model) -> list[Row]:
        """Compare gradients with central differences: a random direction and the largest entry for each."""
        return check_gradients(
            model, self.images(model, 1), self.target, self.wrt(model), directions=1, entries=1
        )

    def batch_difference(self, model: Model) -> float:
        """Return how far the gradients of four images are from those of each alone, of the largest value."""
        names, x = self.wrt(model), self.images(model, 4)
        differentiator = Differentiator(model, targets_of(model, self.target), names)
        together = differentiator.run(x)
        differences = [
            np.abs(together[name][i] - alone).max() / np.abs(alone).max()
            for i, image in enumerate(x)
            for name, (alone,) in differentiator.run(image[np.newaxis]).items()
        ]
        return float(np.max(differences))


def _light(name: str) -> Network:
    def make(folder: Path, small: bool) -> Model:
        divisor = _DIVISORS.get(name, 4)
        proto = light(name, _SMALL if name in _DOWN_TO_ONE else 2 * _SMALL, divisor) if small else light(name)
        return _saved(freed(proto), folder, name)

    return Network(f"light_{name}", make)


def _trained(name: str, **settings: Wanted) -> Network:
    def make(folder: Path, small: bool) -> Model:
        proto = freed(onnx.load(trained(name)))
        return _saved(_on_small_pictures(proto) if small else proto, folder, name)

    return Network(name, make, **settings)  # type: ignore[arg-type]


def _caffe(folder: Path, small: bool) -> Model:
    prototxt, weights = trained_caffe("open-nsfw")
    if not small:
        return load_model(prototxt, weights)
    text = prototxt.read_text()
    for old, new in (
        ("dim: 1 dim: 3 dim: 224 dim: 224", f"dim: 4 dim: 3 dim: {_SMALL} dim: {_SMALL}"),
        ("pool: AVE\n    kernel_size: 7", f"pool: AVE\n    kernel_size: {_SMALL // 32}"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "open-nsfw.prototxt").write_text(text)
    return load_model(folder / "open-nsfw.prototxt", weights)


def _on_small_pictures(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Fit a model to smaller pictures, if it takes those of `SIDE`."""
    sizes = proto.graph.input[0].type.tensor_type.shape.dim
    if SIDE not in [size.dim_value for size in sizes]:
        return proto
    for size in sizes:
        if size.dim_value == SIDE:
            size.dim_value = _SMALL
    for node in proto.graph.node:
        for attribute in node.attribute:
            if node.op_type == "AveragePool" and attribute.name == "kernel_shape":
                attribute.ints[:] = [_SMALL // 32] * 2
    return proto


def _saved(proto: onnx.ModelProto, folder: Path, name: str) -> Model:
    onnx.save(proto, folder / f"{name}.onnx")
    return load_model(folder / f"{name}.onnx")


NETWORKS = (
    *map(_light, LIGHT),
    _trained("efficientnet-lite0"),
    _trained("open-nsfw"),
    Network("open-nsfw (Caffe)", _caffe),
    _trained("mnist-conv"),
    # heat map of centres, and of the sizes of faces, at one place
    _trained("centerface", target=[(1.0, "537:0"), (0.5, "538:1,3,2")]),
    _trained("pnet"),
    _trained("rnet"),
    _trained("onet"),
)
