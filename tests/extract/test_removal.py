"""Curves of removal beside networks that are run once for each picture and each number of filters."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper

from extract import ModelError, activations, load_model
from extract.ablation import Ablation
from extract.filters import filters_of
from extract.importance.tables import ranks
from extract.removal import (
    Curve,
    Removal,
    error_by_threshold,
    least_first,
    most_first,
    numbers_to_remove,
    rank_correlation,
    thresholds,
)
from tests.extract.ablation_nets import CASES, network
from tests.extract.nets import model_of, save


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


def test_thresholds_part_no_equal_scores():
    scores = np.array([0.5, 0.0, 0.25, 0.0, 0.5, 0.125])
    assert thresholds(range(7), scores) == [0.0, None, 0.125, 0.25, 0.5, None, None]
    curve = Curve(6, tuple(range(7)), 10, np.array([0, 9, 1, 2, 3, 9, 8]), np.zeros(7))
    x, error = error_by_threshold(curve, scores)
    # up to 0 nothing goes; above 0 two filters, above 1/8 three, above 1/4 four, and above 1/2 all
    assert x.tolist() == [0, 0, 0.125, 0.125, 0.25, 0.25, 0.5, 0.5, 0.5]
    assert error.tolist() == [0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.8, 0.8]


def test_numbers_that_are_left_out_make_no_steps():
    curve = Curve(4, (0, 1, 3, 4), 10, np.array([0, 1, 3, 4]), np.zeros(4))
    x, error = error_by_threshold(curve, np.array([4.0, 1.0, 3.0, 2.0]))
    assert x.tolist() == [1, 1, 2, 4, 4, 4]
    assert error.tolist() == [0, 0.1, 0.1, 0.3, 0.4, 0.4]


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


def test_pictures_of_which_nothing_is_known_do_not_count(tmp_path):
    _, model, x = network(tmp_path, "flattened maps")
    filters = filters_of(model, "c")
    x[1] = np.nan
    removal = Removal(Ablation(model, filters), {"any": np.arange(6)}, [0, 6])
    right = activations(model, x, ["y"])["y"].argmax(axis=1)
    assert removal.add(x, right, ["any"]).tolist() == [True, False, True, True]
    curve = removal.curves()["any"]
    assert (curve.pictures, curve.wrong[0]) == (3, 0)
    assert np.isfinite(curve.neuron).all()


def test_scores_that_missing_filters_spoil_count_as_wrong(tmp_path):
    kernels = np.array([1.0, 2.0, 3.0], np.float32).reshape(3, 1, 1, 1)
    proto = model_of(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], "c"),
            helper.make_node("Log", ["c"], ["l"], "l"),
            helper.make_node("Flatten", ["l"], ["y"], "f"),
        ],
        {"x": ["N", 1, 1, 1]},
        ["y"],
        {"w": kernels},
    )
    model = load_model(save(proto, tmp_path))
    removal = Removal(Ablation(model, filters_of(model, "c")), {"up": np.array([0, 2, 1])}, [0, 1, 2, 3])
    counted = removal.add(np.ones((2, 1, 1, 1), np.float32), np.array([2, 2]), ["up"])
    assert counted.all()
    curve = removal.curves()["up"]
    # without filter 2, and without all, the neuron is the logarithm of 0
    assert curve.wrong.tolist() == [0, 0, 2, 2]
    assert curve.neuron.tolist() == [np.log(np.float32(3)), np.log(np.float32(3)), -np.inf, -np.inf]


def test_classes_and_scores_that_are_none_end_in_a_line(tmp_path):
    _, model, x = network(tmp_path, "flattened maps")
    filters = filters_of(model, "c")
    removal = Removal(Ablation(model, filters), {"any": np.arange(6)}, [0])
    with pytest.raises(ModelError, match=r"class 99 "):
        removal.add(x, np.full(len(x), 99), ["any"])
