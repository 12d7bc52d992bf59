"""Curves of removal beside networks that are run once for each picture and each number of filters."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from extract import activations, load_model
from extract.ablation import Ablation
from extract.filters import filters_of
from extract.importance.tables import ranks
from extract.removal import Curve, Removal, least_first, most_first, numbers_to_remove, rank_correlation
from tests.extract.nets import save
from tests.extract.test_ablation import CASES, network


def test_curves_are_those_of_zeroed_networks(tmp_path):
    proto, model, _ = network(tmp_path, "convolution")
    filters = filters_of(model, "c")
    rng = np.random.default_rng(4)
    x = rng.normal(size=(7, *CASES["convolution"][2])).astype(np.float32)
    classes = rng.integers(0, 7, 7)
    orders = {"up": np.array([3, 0, 5, 1, 4, 2]), "down": np.array([2, 4, 1, 5, 0, 3])}
    removal = Removal(Ablation(model, filters, "tensor:y"), orders, [0, 1, 4, 6])
    removal.add(x[:4], classes[:4], ["up", "down"])
    removal.add(x[4:], classes[4:], ["down"])
    curves = removal.curves()
    assert (curves["up"].pictures, curves["down"].pictures) == (4, 7)
    stored = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    for key, count in {"up": 4, "down": 7}.items():
        for place, number in enumerate([0, 1, 4, 6]):
            for tensor in proto.graph.initializer:
                if tensor.name in ("w", "b"):
                    zeroed = filters.without(stored[tensor.name], orders[key][:number])
                    tensor.CopyFrom(numpy_helper.from_array(zeroed, tensor.name))
            changed = load_model(save(proto, tmp_path, "changed.onnx"))
            # the output is a map of each class
            scores = activations(changed, x[:count], ["y"])["y"].mean(axis=(2, 3))
            wrong = (scores.argmax(axis=1) != classes[:count]).sum()
            assert curves[key].wrong[place] == wrong
            neuron = scores[np.arange(count), classes[:count]].mean()
            np.testing.assert_allclose(curves[key].neuron[place], neuron, rtol=1e-5, atol=1e-5)
    assert curves["down"].wrong[0] != curves["down"].wrong[2]


def test_areas_are_mean_errors():
    curve = Curve(4, (0, 1, 3, 4), 10, np.array([0, 2, 6, 8]), np.zeros(4))
    assert curve.error.tolist() == [0, 0.2, 0.6, 0.8]
    # by hand: 0.1 / 4 + 0.4 * 2 / 4 + 0.7 / 4
    assert curve.area == pytest.approx(0.4)
    assert curve.at(3) == 2


def test_numbers_of_filters_that_are_tried():
    assert numbers_to_remove(5, 65) == (0, 1, 2, 3, 4, 5)
    found = numbers_to_remove(384, 20)
    assert len(found) <= 20
    assert {0, 1, 383, 384} <= set(found)
    assert max(np.diff(found)) < 25
    assert numbers_to_remove(1, 4) == (0, 1)


def test_orders_and_correlations_of_scores():
    scores = np.array([2.0, -1.0, 2.0, 0.0])
    assert least_first(scores).tolist() == [1, 3, 0, 2]
    assert most_first(scores).tolist() == np.argsort(ranks(scores)).tolist() == [0, 2, 3, 1]
    assert rank_correlation(np.array([1.0, 5.0, 2.0]), np.array([3.0, 90.0, 4.0])) == pytest.approx(1)
    # by hand: 1 - 6 * (1 + 1 + 4) / (3 * 8)
    assert rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 1.0])) == pytest.approx(-0.5)
    assert rank_correlation(np.ones(3), np.arange(3.0)) is None


def test_values_that_are_none_count_as_wrong(tmp_path):
    _, model, x = network(tmp_path, "flattened maps")
    filters = filters_of(model, "c")
    x[1] = np.nan
    removal = Removal(Ablation(model, filters), {"any": np.arange(6)}, [0])
    right = activations(model, x, ["y"])["y"].argmax(axis=1)
    removal.add(x, np.where(np.arange(4) == 1, 0, right), ["any"])
    assert removal.curves()["any"].wrong.tolist() == [1]
