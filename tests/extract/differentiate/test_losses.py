"""Gradients of losses of class scores."""

from __future__ import annotations

import numpy as np
import pytest

from extract.differentiate import NoGradientError

from .check import check_node
from .gradient_of import gradient_of

_RNG = np.random.default_rng(9)
_WEIGHTS = np.array([0.5, 2.0, 1.5], np.float32)


@pytest.mark.parametrize("operator", ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weights", [None, _WEIGHTS])
@pytest.mark.parametrize("ignored", [None, 1, -5])
@pytest.mark.parametrize("positions", [(), (2, 5)])
def test_losses(
    operator: str, reduction: str, weights: np.ndarray | None, ignored: int | None, positions: tuple[int, ...]
) -> None:
    scores = _RNG.normal(size=(4, 3, *positions)).astype(np.float32)
    labels = _RNG.integers(0, 3, (4, *positions))
    labels.flat[:2] = (2, 1 if ignored is None else ignored)

    check_node(
        operator,
        {"x": scores, "labels": labels},
        {"!weights": weights},
        reduction=reduction,
        **({} if ignored is None else {"ignore_index": ignored}),
    )


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_logarithms_that_cross_entropy_gives_too(reduction: str) -> None:
    scores = _RNG.normal(size=(4, 3, 2)).astype(np.float32)
    labels = _RNG.integers(0, 3, (4, 2)).astype(np.int32)

    check_node(
        "SoftmaxCrossEntropyLoss",
        {"x": scores, "labels": labels},
        outputs=["loss", "log"],
        reduction=reduction,
    )


def test_weights_of_classes_are_refused() -> None:
    inputs = {"x": np.zeros((2, 3), np.float32), "labels": np.zeros(2, np.int64)}

    with pytest.raises(NoGradientError, match="weights of its classes"):
        gradient_of("NegativeLogLikelihoodLoss", inputs, {"w": _WEIGHTS}, wrt="w")
