"""Gradients of activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from scipy.special import erf

from extract.differentiate import NoGradientError, backward

from .check import check_node, node_model
from .gradient_of import gradient_of

_RNG = np.random.default_rng(3)


def _away_from(*kinks: float, shape: tuple[int, ...] = (2, 3, 5)) -> np.ndarray:
    """Return numbers of which none lies within 0.01 of a kink."""
    x = _RNG.uniform(-4.5, 4.5, shape)
    for kink in kinks:
        x = np.where(np.abs(x - kink) < 0.01, kink + 0.05, x)
    return x.astype(np.float32)


_CASES: list[tuple[str, dict[str, Any], tuple[float, ...]]] = [
    ("Relu", {}, (0,)),
    ("LeakyRelu", {}, (0,)),
    ("LeakyRelu", {"alpha": 0.3}, (0,)),
    ("LeakyRelu", {"alpha": -1.5}, (0,)),
    ("ThresholdedRelu", {}, (1,)),
    ("ThresholdedRelu", {"alpha": -0.5}, (-0.5,)),
    ("Elu", {}, (0,)),
    ("Elu", {"alpha": 0.7}, (0,)),
    ("Selu", {}, (0,)),
    ("Selu", {"alpha": 0.7, "gamma": 1.9}, (0,)),
    ("Celu", {}, (0,)),
    ("Celu", {"alpha": 0.7}, (0,)),
    ("Gelu", {"opset": 20}, ()),
    ("Gelu", {"opset": 20, "approximate": "tanh"}, ()),
    ("HardSigmoid", {}, (-2.5, 2.5)),
    ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}, (-0.4 / 0.3, 2)),
    ("HardSwish", {}, (-3, 3)),
    ("Sigmoid", {}, ()),
    ("Tanh", {}, ()),
    ("Softplus", {}, ()),
    ("Softsign", {}, (0,)),
    ("Mish", {}, ()),
    ("Shrink", {}, (-0.5, 0.5)),
    ("Shrink", {"lambd": 1.5, "bias": 0.7}, (-1.5, 1.5)),
    ("Identity", {}, ()),
]


@pytest.mark.parametrize(("operator", "attributes", "kinks"), _CASES)
def test_activations(operator: str, attributes: dict[str, Any], kinks: tuple[float, ...]) -> None:
    check_node(operator, {"x": _away_from(*kinks)}, **attributes)


@pytest.mark.parametrize("alpha", [1.0, 1.7])
def test_swish(alpha: float) -> None:
    # operator set 24 and 28: onnxruntime 1.32 has no kernels of them
    check_node("Swish", {"x": _away_from()}, alpha=alpha, opset=24, runtime=False)
    check_node("SwiGLU", {"a": _away_from(), "b": _away_from()}, alpha=alpha, opset=28, runtime=False)


def test_gelu_against_scipy() -> None:
    x = np.linspace(-3, 3, 11)
    step = 1e-5

    def gelu(v: np.ndarray) -> np.ndarray:
        return v * (1 + erf(v / np.sqrt(2))) / 2

    found = gradient_of("Gelu", {"x": x}, wrt="x", opset=20)

    # rounding of 1e-16 over the step, and its square
    assert found == pytest.approx((gelu(x + step) - gelu(x - step)) / (2 * step), abs=1e-9)


@pytest.mark.parametrize("shape", [(3, 1), (1,), (1, 3, 1), (3, 5)])
def test_slopes_of_prelu(shape: tuple[int, ...]) -> None:
    x, slope = _away_from(0), _RNG.uniform(-0.5, 0.5, shape).astype(np.float32)

    check_node("PRelu", {"x": x}, {"slope": slope}, per_image=True)
    check_node("PRelu", {"x": x, "slope": slope})


@pytest.mark.parametrize("low", [-1.5, None])
@pytest.mark.parametrize("high", [2.0, None])
def test_clip(low: float | None, high: float | None) -> None:
    bounds = {"low": low, "high": high}
    limits = {name: value if value is None else np.float32(value) for name, value in bounds.items()}

    check_node("Clip", {"x": _away_from(-1.5, 2.0)}, limits, per_image=None if low is high is None else True)


# x and slopes at kinks. Those of Relu, LeakyRelu and Elu, and below of PRelu and Clip, are what real Caffe
# 1.0 gave (a net of one layer, `net.backward()` with ones at its top); those of HardSigmoid, HardSwish and
# Shrink follow torch's sources (its versions differ in HardSwish: others give -1/2 and 3/2 at the kinks).
_KINKS: list[tuple[str, dict[str, Any], list[float], list[float]]] = [
    ("Relu", {}, [-1, 0, 1], [0, 0, 1]),
    ("LeakyRelu", {"alpha": 0.5}, [-1, 0, 1], [0.5, 0.5, 1]),
    ("ThresholdedRelu", {"alpha": 2.0}, [1, 2, 3], [0, 0, 1]),
    ("Elu", {"alpha": 0.5}, [0, 1], [0.5, 1]),
    ("Selu", {"alpha": 2.0, "gamma": 3.0}, [0, 1], [6, 3]),
    ("Celu", {"alpha": 2.0}, [0, 1], [1, 1]),
    ("HardSigmoid", {"alpha": 0.25, "beta": 0.5}, [-3, -2, 0, 2, 3], [0, 0, 0.25, 0, 0]),
    ("HardSwish", {}, [-4, -3, 0, 3, 4], [0, 0, 0.5, 1, 1]),
    ("Shrink", {"lambd": 0.5}, [-1, -0.5, 0, 0.5, 1], [1, 0, 0, 0, 1]),
    ("Softsign", {}, [-1, 0, 1], [0.25, 1, 0.25]),
]


@pytest.mark.parametrize(("operator", "attributes", "x", "slopes"), _KINKS)
def test_kinks(operator: str, attributes: dict[str, Any], x: list[float], slopes: list[float]) -> None:
    found = gradient_of(operator, {"x": np.array(x, np.float32)}, wrt="x", **attributes)

    assert found == pytest.approx(slopes, abs=1e-12)


def test_kinks_of_prelu() -> None:
    inputs = {"x": np.array([-2, 0, 2], np.float32), "slope": np.full(3, 0.5, np.float32)}

    assert gradient_of("PRelu", inputs, wrt="x").tolist() == [0.5, 0.5, 1]
    assert gradient_of("PRelu", inputs, wrt="slope").tolist() == [-2, 0, 0]


def test_the_bounds_of_clip_belong_to_its_inside() -> None:
    inputs = {"x": np.array([-2, -1, 0, 1, 2], np.float32)}
    bounds = {"low": np.float32(-1), "high": np.float32(1)}

    assert gradient_of("Clip", inputs, bounds, wrt="x").tolist() == [0, 1, 1, 1, 0]
    assert gradient_of("Clip", inputs, bounds, wrt="low") == 1
    assert gradient_of("Clip", inputs, bounds, wrt="high") == 1


def test_bounds_in_the_wrong_order_give_all_to_the_upper_one() -> None:
    inputs = {"x": np.array([-2, 0, 2], np.float32)}
    bounds = {"low": np.float32(1), "high": np.float32(-1)}

    assert gradient_of("Clip", inputs, bounds, wrt="x").tolist() == [0, 0, 0]
    assert gradient_of("Clip", inputs, bounds, wrt="low") == 0
    assert gradient_of("Clip", inputs, bounds, wrt="high") == 3


@pytest.mark.parametrize(("source", "to"), [(np.float32, 11), (np.float64, 1), (np.float16, 1)])
def test_casts(source: Any, to: int) -> None:
    check_node("Cast", {"x": _away_from().astype(source)}, to=to)


def test_a_cast_to_the_type_of_another_tensor() -> None:
    check_node("CastLike", {"x": _away_from(), "!like": np.zeros(2)})


def test_dropout_at_inference_is_the_identity() -> None:
    x = _away_from()

    check_node("Dropout", {"x": x})
    check_node("Dropout", {"x": x}, {"!ratio": np.float32(0.3)}, outputs=2)
    check_node("Dropout", {"x": x}, {"!ratio": np.float32(0.3), "!training": np.array(False)})


@pytest.mark.parametrize("ratio", [0.25, None])
@pytest.mark.parametrize("training", [True, False])
def test_dropout_follows_its_mask(ratio: float | None, training: bool) -> None:
    given = None if ratio is None else np.float32(ratio)
    proto, feeds = node_model(
        "Dropout", {"x": _away_from(), "ratio": given, "training": np.array(training)}, outputs=["y", "mask"]
    )
    session = onnxruntime.InferenceSession(backward(proto, "y", ["x"]).SerializeToString())
    seed = _away_from()

    gradient, mask = session.run(["grad:x", "mask"], {**feeds, "seed:y": seed})

    scale = 1 / (1 - (0.5 if ratio is None else ratio)) if training else 1.0
    assert mask.all() != training
    np.testing.assert_allclose(gradient, seed * mask * scale, rtol=1e-6)


def test_dropout_in_training_mode_without_a_mask_is_refused() -> None:
    inputs = {"x": _away_from(), "ratio": np.float32(0.5), "training": np.array(True)}

    with pytest.raises(NoGradientError, match="mask"):
        gradient_of("Dropout", inputs, ["ratio", "training"], wrt="x")
