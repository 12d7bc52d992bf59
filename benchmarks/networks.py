"""Networks that benchmarks run: files, made once where no package has them."""

from __future__ import annotations

import gzip
import re
import subprocess
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from converters.errors import CnnVisWarning
from converters.staging import staging
from extract import load_model
from tests.helpers import ROOT

from .caffemodel import write_caffemodel

FOLDER = ROOT / ".cache" / "benchmarks"
# Of ResNet-50: blocks of each stage, and channels within its blocks.
_STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))
_WIDENING = 4


def caffenet_prototxts(caffe_python: str) -> Path | None:
    """Return the folder of CaffeNet's prototxts that comes with Debian's Caffe; None if it is not there."""
    script = "import sys; print(sys.prefix)"
    prefix = subprocess.run([caffe_python, "-c", script], capture_output=True, text=True, check=True).stdout
    folder = Path(prefix.strip(), "share/doc/caffe-doc/models/bvlc_reference_caffenet")
    return folder if folder.is_dir() else None


def caffenet(prototxts: Path) -> tuple[Path, Path]:
    """Return CaffeNet for a picture at a time, with weights from the fillers of its training, made once."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    deploy, weights = FOLDER / "caffenet.prototxt", FOLDER / "caffenet.caffemodel"
    deploy.write_text(re.sub(r"(shape: \{ dim: )\d+", r"\g<1>1", (prototxts / "deploy.prototxt").read_text()))
    if not weights.exists():
        training = FOLDER / "caffenet-train_val.prototxt"
        training.write_bytes(gzip.decompress((prototxts / "train_val.prototxt.gz").read_bytes()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CnnVisWarning)
            model = load_model(training)
        with staging(FOLDER) as staged:
            write_caffemodel(
                staged / weights.name,
                ((layer.name, map(model.value, layer.parameters)) for layer in model.layers.values()),
            )
    return deploy, weights


def for_convolutions_only(deploy: Path) -> Path:
    """Return a prototxt with which Caffe goes back to the weights of convolutions, and computes no more.

    Its last inner product counts as a loss, which makes Caffe go back at all; biases and the weights of inner
    products do not learn.
    """
    text = deploy.read_text()
    text = re.sub(r'type: "InnerProduct"', r"\g<0> param { lr_mult: 0 } param { lr_mult: 0 }", text)
    text = re.sub(r'type: "Convolution"', r"\g<0> param { lr_mult: 1 } param { lr_mult: 0 }", text)
    text = re.sub(r'name: "fc8"', r"\g<0> loss_weight: 1", text)
    path = deploy.with_name(f"{deploy.stem}-backward.prototxt")
    path.write_text(text)
    return path


def resnet50() -> Path:
    """Return ResNet-50 in ONNX, with seeded weights, made once.

    The strides are those of its later form, in the 3 x 3 convolutions. Source: K. He, X. Zhang, S. Ren,
    J. Sun, *Deep Residual Learning for Image Recognition*, CVPR 2016, arXiv:1512.03385, table 1.
    """
    path = FOLDER / "resnet50.onnx"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        with staging(FOLDER) as staged:
            onnx.save(_Builder().resnet50(), staged / path.name)
    return path


class _Map(NamedTuple):
    name: str
    channels: int


class _Builder:
    """Nodes and weights of a network while it grows."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def resnet50(self) -> onnx.ModelProto:
        x = self._convolution("stem", _Map("image", 3), 64, 7, 2)
        pooled = self._node("MaxPool", "pool", x.name, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
        x = _Map(pooled, 64)
        for stage, (blocks, channels) in enumerate(_STAGES):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                x = self._block(f"stage{stage}.{block}", x, channels, stride, project=not block)
        mean = self._node("GlobalAveragePool", "mean", x.name)
        flat = self._node("Flatten", "flat", mean)
        weight = self._weight("fc.weight", (1000, x.channels))
        self._node("Gemm", "fc", flat, weight, self._uniform("fc.bias", 1000, -0.1, 0.1), transB=1)
        graph = onnx.helper.make_graph(
            self._nodes,
            "ResNet-50",
            [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N", 3, 224, 224])],
            [onnx.helper.make_tensor_value_info("fc", onnx.TensorProto.FLOAT, ["N", 1000])],
            self._weights,
        )
        return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)

    def _block(self, name: str, x: _Map, channels: int, stride: int, project: bool) -> _Map:
        a = self._convolution(f"{name}.a", x, channels, 1)
        b = self._convolution(f"{name}.b", a, channels, 3, stride)
        c = self._convolution(f"{name}.c", b, channels * _WIDENING, 1, rectified=False)
        short = (
            self._convolution(f"{name}.short", x, c.channels, 1, stride, rectified=False) if project else x
        )
        added = self._node("Add", f"{name}.sum", c.name, short.name)
        return _Map(self._node("Relu", f"{name}.relu", added), c.channels)

    def _convolution(
        self, name: str, x: _Map, channels: int, size: int, stride: int = 1, rectified: bool = True
    ) -> _Map:
        weight = self._weight(f"{name}.weight", (channels, x.channels, size, size))
        made = self._node("Conv", name, x.name, weight, strides=[stride] * 2, pads=[size // 2] * 4)
        ranges = {"scale": (0.8, 1.2), "bias": (-0.1, 0.1), "mean": (-0.1, 0.1), "variance": (0.8, 1.2)}
        values = [self._uniform(f"{name}.{key}", channels, *ends) for key, ends in ranges.items()]
        made = self._node("BatchNormalization", f"{name}.norm", made, *values)
        return _Map(self._node("Relu", f"{name}.relu", made) if rectified else made, channels)

    def _node(self, operator: str, name: str, *inputs: str, **attributes: Any) -> str:
        self._nodes.append(onnx.helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def _weight(self, name: str, shape: tuple[int, ...]) -> str:
        deviation = (2 / np.prod(shape[1:])) ** 0.5
        return self._stored(name, deviation * self._random.standard_normal(shape))

    def _uniform(self, name: str, size: int, low: float, high: float) -> str:
        return self._stored(name, self._random.uniform(low, high, size))

    def _stored(self, name: str, values: np.ndarray) -> str:
        self._weights.append(onnx.numpy_helper.from_array(values.astype(np.float32), name))
        return name
