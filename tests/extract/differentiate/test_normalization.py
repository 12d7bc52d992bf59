"""Gradients of normalizations."""

from __future__ import annotations

import numpy as np
import pytest

from extract.differentiate import SharedGradientError

from .check import check, check_node, node_model
from .gradient_of import gradient_of
from .numbers import positive, values
from .oracle import check_against

SHAPES = [(3, 4), (3, 4, 5), (3, 4, 3, 5), (2, 3, 2, 3, 2)]


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_normalization(shape: tuple[int, ...]) -> None:
    c = shape[1]
    weights = {
        "scale": values(c),
        "bias": values(c, seed=1),
        "mean": values(c, seed=2),
        "variance": positive(c),
    }
    check_node("BatchNormalization", {"x": values(*shape)}, weights, per_image=True, epsilon=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_normalization_in_training(shape: tuple[int, ...]) -> None:
    c = shape[1]
    weights = {
        "scale": values(c),
        "bias": values(c, seed=1),
        "mean": values(c, seed=2),
        "variance": positive(c),
    }
    options = {"outputs": 3, "training_mode": 1, "momentum": 0.7}
    check_node("BatchNormalization", {"x": values(*shape)}, weights, **options)
    with pytest.raises(SharedGradientError, match="images depend on each other"):
        check_node("BatchNormalization", {"x": values(*shape)}, weights, per_image=True, **options)


def test_batch_normalization_of_any_size() -> None:
    weights = {
        "scale": values(4),
        "bias": values(4, seed=1),
        "mean": values(4, seed=2),
        "variance": positive(4),
    }
    check_node("BatchNormalization", {"x": values(3, 4, 5, 2)}, weights, open_axes=(0, 2, 3), per_image=True)


def test_batch_normalization_by_a_scale_of_the_graph() -> None:
    inputs = {
        "x": values(3, 4, 5),
        "scale": values(4),
        "bias": values(4, seed=1),
        "mean": values(4, seed=2),
        "variance": positive(4),
    }
    check_node("BatchNormalization", inputs, open_axes=None)


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_instance_normalization(shape: tuple[int, ...]) -> None:
    weights = {"scale": values(shape[1]), "bias": values(shape[1], seed=1)}
    check_node("InstanceNormalization", {"x": values(*shape)}, weights, per_image=True, epsilon=0.01)


def check_groups(shape: tuple[int, ...], parts: int, opset: int, open_axes: tuple[int, ...]) -> None:
    weights = {"scale": values(parts), "bias": values(parts, seed=1)}
    inputs = {"x": values(*shape)}
    options = {"num_groups": 2, "opset": opset, "open_axes": open_axes}
    proto, feeds = node_model("GroupNormalization", inputs, weights, **options)
    # onnx's inference finds neither type nor shape
    proto.graph.output[0].type.CopyFrom(proto.graph.input[0].type)
    check(proto, feeds, per_image=True)


def test_group_normalization_by_groups() -> None:
    check_groups((3, 4, 5, 2), 2, 18, (0,))


@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.parametrize("open_axes", [(0,), (0, 2, 3)])
def test_group_normalization_by_channels(shape: tuple[int, ...], open_axes: tuple[int, ...]) -> None:
    check_groups((*shape[:1], 4, *shape[2:]), 4, 21, open_axes)


@pytest.mark.parametrize("axis", [-1, 1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_layer_normalization(axis: int, bias: bool) -> None:
    shape = (3, 4, 5)[axis:]
    weights = {"scale": values(*shape), **({"bias": values(*shape, seed=1)} if bias else {})}
    check_node("LayerNormalization", {"x": values(3, 4, 5)}, weights, axis=axis, per_image=True)


def test_layer_normalization_over_images() -> None:
    check_node("LayerNormalization", {"x": values(3, 4)}, {"scale": values(3, 4)}, axis=0)


@pytest.mark.parametrize("open_axes", [(0,), (0, 1, 2)])
def test_layer_normalization_with_statistics(open_axes: tuple[int, ...]) -> None:
    options = {"outputs": 3, "axis": 1, "open_axes": open_axes, "per_image": False}
    check_node("LayerNormalization", {"x": values(3, 4, 5)}, {"scale": values(4, 5)}, **options)


def test_half_precision() -> None:
    x, scale = values(3, 8).astype(np.float16), values(8).astype(np.float16)
    check_node("LayerNormalization", {"x": x}, {"scale": scale})


@pytest.mark.parametrize("axis", [-1, 1])
def test_rms_normalization(axis: int) -> None:
    weights = {"scale": values(*(3, 4, 5)[axis:])}
    check_node("RMSNormalization", {"x": values(3, 4, 5)}, weights, axis=axis, opset=23, per_image=True)


@pytest.mark.parametrize(("shape", "axes"), [((3, 2, 4, 5), None), ((3, 2, 4), [1, -1])])
def test_mean_variance_normalization(shape: tuple[int, ...], axes: list[int] | None) -> None:
    over = (0, 2, 3) if axes is None else tuple(axes)

    def standardized(x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(over, keepdims=True)
        return centred / (np.sqrt((centred**2).mean(over, keepdims=True)) + 1e-9)

    options = {} if axes is None else {"axes": axes}
    check_against(standardized, "MeanVarianceNormalization", {"x": values(*shape)}, **options)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("axis", [1, -1])
def test_lp_normalization(p: int, axis: int) -> None:
    def normalized(x: np.ndarray) -> np.ndarray:
        return x / np.linalg.norm(x, p, axis, keepdims=True)

    check_against(normalized, "LpNormalization", {"x": values(3, 4, 5)}, p=p, axis=axis)


@pytest.mark.parametrize("p", [1, 2])
def test_lp_normalization_of_zeros_has_slope_0(p: int) -> None:
    assert (
        gradient_of("LpNormalization", {"x": np.zeros((2, 3), np.float32)}, wrt="x", p=p).tolist()
        == [[0, 0, 0]] * 2
    )


def lrn(size: int, alpha: float, beta: float, bias: float, x: np.ndarray) -> np.ndarray:
    """Return what the ONNX standard says of LRN."""
    result = np.zeros_like(x)
    for c in range(x.shape[1]):
        first, last = max(0, c - (size - 1) // 2), min(x.shape[1] - 1, c + -(-(size - 1) // 2))
        power = (x[:, first : last + 1] ** 2).sum(axis=1)
        result[:, c] = x[:, c] / (bias + alpha / size * power) ** beta
    return result


@pytest.mark.parametrize("size", [1, 3, 5, 11])
@pytest.mark.parametrize("beta", [0.75, 0.6])
def test_lrn(size: int, beta: float) -> None:
    def forward(x: np.ndarray) -> np.ndarray:
        return lrn(size, 0.7, beta, 1.3, x)

    check_against(forward, "LRN", {"x": values(2, 7, 3, 4)}, size=size, alpha=0.7, beta=beta, bias=1.3)


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 3), (2, 5, 3, 2), (2, 5, 2, 3, 2)])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_lrn_of_any_window_and_rank(shape: tuple[int, ...], size: int) -> None:
    # onnxruntime knows only odd windows and pictures
    runtime = size % 2 == 1 and len(shape) == 4
    check_node("LRN", {"x": values(*shape)}, size=size, alpha=0.7, beta=0.75, bias=1.3, runtime=runtime)
