"""Gradients of a 3-D segmentation network."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from extract import Model, load_model
from extract.check import check_gradients
from extract.gradients import gradients
from tests.extract.segmentation import CHANNELS, SIZES, segmentation

X = np.random.default_rng(1).standard_normal((3, CHANNELS, *SIZES), np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    file = tmp_path_factory.mktemp("net") / "segmentation.onnx"
    onnx.save(segmentation(), file)
    return load_model(file)


# a voxel's probability, the mean and the maximum of a channel of the scores, a maximum in the middle
@pytest.mark.parametrize("target", ["prob:1,2,7,9", "out:2", "out:2@max", "bottom:3@max"])
def test_gradients_are_those_of_central_differences(model: Model, target: str) -> None:
    before = target.startswith("bottom")
    weights = [name for name in model.parameters if not before or name.startswith(("down", "bottom."))]
    names = [*weights, "volume", "down1"]
    rows = check_gradients(model, X[:1], target, names, directions=1, entries=1)
    smooth = [row for row in rows if not row.kink]
    assert [row for row in smooth if not row.agrees] == []
    assert {row.name for row in smooth} == set(names)


def test_gradients_are_shaped_as_what_they_are_of(model: Model) -> None:
    found = gradients(model, X, "out:2", ["volume", "bottom", "up1_up.weight", "out.bias"])
    shapes = {name: value.shape for name, value in found.items()}
    quarter = tuple(size // 4 for size in SIZES)
    assert shapes == {
        "volume": X.shape,
        "bottom": (3, 8, *quarter),
        "up1_up.weight": (3, 8, 6, 2, 2, 2),
        "out.bias": (3, 3),
    }


def test_a_batch_gives_what_each_volume_gives(model: Model) -> None:
    names = [*model.parameters, "volume", "bottom"]
    together = gradients(model, X, "prob:1,2,7,9", names)
    for i, volume in enumerate(X):
        for name, (alone,) in gradients(model, volume[np.newaxis], "prob:1,2,7,9", names).items():
            np.testing.assert_allclose(
                together[name][i], alone, rtol=0, atol=1e-5 * np.abs(alone).max(), err_msg=name
            )
