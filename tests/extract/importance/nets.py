"""A network with layers of every kind that has filters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from extract import Model, load_model
from tests.extract.nets import model_of, save

CLASSES = 5
SIZE = (3, 7, 11)
LAYERS = ("conv", "grouped", "transposed", "gemm", "product")


def mixed(batch: int | str = "N") -> onnx.ModelProto:
    """Return Conv, BatchNormalization, Relu, grouped Conv and ConvTranspose, Gemm, MatMul and Add."""
    random = np.random.default_rng(7)

    def weight(*shape: int) -> np.ndarray:
        return random.normal(0, 1.5 / np.sqrt(np.prod(shape[1:]) or 1), shape).astype(np.float32)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "conv", strides=[1, 2]),
        helper.make_node("BatchNormalization", ["c1", "scale", "shift", "mean", "var"], ["n1"], "norm"),
        helper.make_node("Relu", ["n1"], ["r1"], "relu"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "grouped", group=2),
        helper.make_node("Sigmoid", ["c2"], ["s2"], "sigmoid"),
        helper.make_node("ConvTranspose", ["s2", "w3", "b3"], ["c3"], "transposed", group=2),
        helper.make_node("Flatten", ["c3"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "w4", "b4"], ["g"], "gemm", alpha=0.5, beta=2.0),
        helper.make_node("Relu", ["g"], ["r4"], "relu4"),
        helper.make_node("MatMul", ["r4", "w5"], ["m"], "product"),
        helper.make_node("Add", ["m", "b5"], ["scores"], "bias"),
        helper.make_node("Softmax", ["scores"], ["y"], "soft"),
    ]
    weights = {
        "w1": weight(4, 3, 2, 3),
        "b1": weight(4),
        "scale": 1 + weight(4) ** 2,
        "shift": weight(4),
        "mean": weight(4),
        "var": 1 + weight(4) ** 2,
        "w2": weight(6, 2, 3, 2),
        "w3": weight(6, 3, 2, 2),
        "b3": weight(6),
        "w4": weight(6 * 5 * 5, 8),
        "b4": weight(8),
        "w5": weight(8, CLASSES),
        "b5": weight(CLASSES),
    }
    return model_of(nodes, {"x": [batch, *SIZE]}, ["y"], weights)


def mixed_model(folder: Path, batch: int | str = "N") -> Model:
    """Return it loaded."""
    return load_model(save(mixed(batch), folder, f"mixed{batch}.onnx"))


def images(count: int) -> np.ndarray:
    """Return inputs of the network."""
    return np.random.default_rng(3).normal(size=(count, *SIZE)).astype(np.float32)
