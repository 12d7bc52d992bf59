"""What the one pass over the pictures makes of rows: intervals by picture, what was seen, other inputs."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from extract import ImageError, ModelError, load_model
from extract.filters import find_filters
from extract.importance import ALL, Study, importance
from extract.importance.moments import poisson_weights
from extract.importance.rows import Table
from extract.labelled import read_labelled
from extract.preprocessing import Preprocessing
from tests.extract.importance.nets import images, mixed_model
from tests.extract.nets import model_of, save

LABELS = ["b", "a", "b", "c", "b", "a", "b"]
NEURONS = {"a": 4, "b": 0, "c": 2}


def _set(folder: Path, x: np.ndarray, labels: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    np.savez(folder / "set.npz", x=x, y=labels)
    return folder / "set.npz"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    x = images(len(LABELS))
    x[4] = np.nan
    model, pictures = mixed_model(folder), read_labelled(_set(folder, x, LABELS))
    filters = find_filters(model, ["gemm"])
    return Study(
        model, pictures, NEURONS, filters, ["grad_l2"], Preprocessing(), batch=2, replicates=60, seed=3
    )


def test_intervals_are_those_of_weights_by_number_of_picture_and_seed(study: Study) -> None:
    table = Table(study.model, None, study.filters, study.criteria)
    rows = table.rows(images(len(LABELS)), np.array([NEURONS[label] for label in LABELS]))
    for seed in (3, 4):
        found = importance(replace(study, seed=seed))
        for label in ("a", "b", ALL):
            # picture 4 is NaN
            own = [n for n, other in enumerate(LABELS) if n != 4 and label in (other, ALL)]
            weights = poisson_weights(own, 60, seed)
            weights = weights[:, weights.any(axis=0)]
            means = weights.T @ rows[own] / weights.sum(axis=0)[:, np.newaxis]
            estimate = found.estimates["grad_l2", "gemm", label]
            assert estimate.count == len(own)
            # rows of other batches differ by rounding
            np.testing.assert_allclose(estimate.low, np.percentile(means, 2.5, axis=0), rtol=1e-5)
            np.testing.assert_allclose(estimate.high, np.percentile(means, 97.5, axis=0), rtol=1e-5)


def test_contents_are_those_of_names_labels_and_pictures(study: Study) -> None:
    x, text = images(len(LABELS)), ""
    for number in (1, 5, 0, 2, 6, 3):
        digest = hashlib.sha256(x[number].tobytes()).hexdigest()
        text = hashlib.sha256("\0".join([text, str(number), LABELS[number], digest]).encode()).hexdigest()
    assert importance(study).contents == text


def test_what_is_wrong_with_the_network_ends_a_run(study: Study) -> None:
    with pytest.raises(ModelError, match="class 9 is none of its 5 classes"):
        importance(replace(study, neurons={**NEURONS, "c": 9}))


def test_pictures_feed_one_input_with_its_channels_where_they_belong(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], "turn", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["c"], "conv"),
        helper.make_node("Mul", ["c", "k"], ["m"], "scaled"),
        helper.make_node("Flatten", ["m"], ["y"], "flat"),
    ]
    weights = {"w": np.random.default_rng(1).normal(size=(4, 3, 5, 7)).astype(np.float32)}
    inputs = {"x": ["N", 5, 7, 3], "k": [1, 4, 1, 1]}
    model = load_model(save(model_of(nodes, inputs, ["y"], weights), tmp_path))
    x = np.random.default_rng(2).normal(size=(3, 3, 5, 7)).astype(np.float32)
    pictures = read_labelled(_set(tmp_path, x, ["0", "1", "1"]))
    filters = find_filters(model, ["conv"])
    study = Study(model, pictures, {"0": 0, "1": 1}, filters, ["taylor_weight"], Preprocessing())
    with pytest.raises(ImageError, match="feed one input, and x, k are left"):
        importance(study)
    k = np.arange(1, 5, dtype=np.float32).reshape(1, 4, 1, 1)
    found = importance(replace(study, fixed={"k": k}))
    # a kernel as large as the picture: a class is a filter's sum of products, times its factor
    wanted = np.abs(np.einsum("nchw,fchw->nf", x, weights["w"])) * k.ravel() * np.eye(4)[[0, 1, 1]]
    for label, own in (("0", wanted[:1]), ("1", wanted[1:]), (ALL, wanted)):
        mean = found.estimates["taylor_weight", "conv", label].mean
        np.testing.assert_allclose(mean, own.mean(axis=0), rtol=1e-5)
