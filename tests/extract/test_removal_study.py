"""Orders and curves over a set, beside networks whose weights are zero from outside, picture by picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper

from extract import activations, load_model
from extract.filters import filters_of
from extract.importance import ALL, Study
from extract.labelled import read_labelled
from extract.preprocessing import preset
from extract.removal import Curve
from extract.removal_study import Trial, computed_scores, mean_maps, removal_curves, trials
from tests.extract.nets import model_of, save

COUNT, FILTERS = 24, 5
LABELS = {"a": 0, "b": 1, "c": 2}
SCORES = {
    ("act_mean", "conv", ALL): np.array([3.0, 1.0, 5.0, 1.0, 2.0]),
    ("act_mean", "conv", "b"): np.array([1.0, 2.0, 0.5, 9.0, 2.0]),
}
# from the table above, by hand; of equal scores the lower number goes first from either end
ORDERS = {
    (ALL, "least"): [1, 3, 4, 0, 2],
    (ALL, "most"): [2, 0, 4, 1, 3],
    ("b", "least"): [2, 0, 1, 4, 3],
    ("b", "most"): [3, 1, 4, 0, 2],
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two stages of convolutions, so that each picture has its own right and wrong answers."""
    random = np.random.default_rng(12)
    proto = model_of(
        [
            helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv"),
            helper.make_node("Relu", ["c"], ["r"], "relu"),
            helper.make_node("Conv", ["r", "v"], ["d"], "next"),
            helper.make_node("GlobalAveragePool", ["d"], ["p"], "pool"),
            helper.make_node("Flatten", ["p"], ["y"], "flat"),
        ],
        {"x": ["N", 2, 5, 7]},
        ["y"],
        {
            "w": random.normal(size=(FILTERS, 2, 3, 3)).astype(np.float32),
            "b": random.normal(size=FILTERS).astype(np.float32),
            "v": random.normal(size=(3, FILTERS, 3, 3)).astype(np.float32),
        },
    )
    folder = tmp_path_factory.mktemp("study")
    labels = np.array(list(LABELS))[random.integers(0, 3, COUNT)]
    np.savez(folder / "s.npz", x=random.normal(size=(COUNT, 2, 5, 7)).astype(np.float32), y=labels)
    model = load_model(save(proto, folder))
    pictures = read_labelled(folder / "s.npz")
    return Study(model, pictures, LABELS, [filters_of(model, "conv")], ["act_mean"], preset("raw"), batch=5)


def answers(study: Study, removed: list[int], label: str, folder: Path) -> tuple[int, float]:
    """Return the number of wrong pictures and the mean neuron of a network with zeroed weights and biases."""
    proto = type(study.model.proto)()
    proto.CopyFrom(study.model.proto)
    for tensor in proto.graph.initializer:
        if tensor.name in ("w", "b"):
            values = numpy_helper.to_array(tensor).copy()
            values[removed] = 0
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with np.load(study.pictures.path) as arrays:
        own = np.full(COUNT, True) if label == ALL else arrays["y"] == label
        x, classes = arrays["x"][own], np.array([LABELS[name] for name in arrays["y"][own]])
    scores = activations(load_model(save(proto, folder, "zeroed.onnx")), x, ["y"])["y"]
    return int((scores.argmax(axis=1) != classes).sum()), float(scores[range(len(x)), classes].mean())


def test_filters_go_by_the_scores_of_whose_pictures_count(study: Study) -> None:
    found = trials(study, study.filters[0], [ALL, "b"], SCORES, orders=1)
    told = {
        (trial.label, "most" if trial.most else "least"): order.tolist() for trial, order in found.items()
    }
    assert told == ORDERS


def test_curves_are_those_of_zeroed_networks(study: Study, tmp_path: Path) -> None:
    (filters,) = study.filters
    orders = trials(study, filters, [ALL, "b"], SCORES, orders=1)
    seen: list[int] = []
    curves, faults = removal_curves(study, {"conv": orders}, {"conv": range(FILTERS + 1)}, {}, seen.append)
    assert (faults, sum(seen)) == ((), COUNT)
    assert len(curves["conv"]) == len(ORDERS)
    for trial, curve in curves["conv"].items():
        order = ORDERS[trial.label, "most" if trial.most else "least"]
        expected = [answers(study, order[:count], trial.label, tmp_path) for count in range(FILTERS + 1)]
        assert curve.wrong.tolist() == [wrong for wrong, _ in expected]
        np.testing.assert_allclose(curve.neuron, [neuron for _, neuron in expected], rtol=1e-5, atol=1e-6)
    by_end: dict[tuple[str, bool], Curve] = {(t.label, t.most): c for t, c in curves["conv"].items()}
    assert by_end[ALL, False].pictures == COUNT > by_end["b", False].pictures > 0
    assert by_end[ALL, False].wrong.tolist() != by_end[ALL, True].wrong.tolist()


def test_orders_of_one_class_see_its_pictures_alone(study: Study) -> None:
    (filters,) = study.filters
    orders = {"conv": trials(study, filters, ["b"], SCORES, orders=1)}
    curves, faults = removal_curves(study, orders, {"conv": [0, 5]}, {})
    assert faults == ()
    of_b = study.pictures.labels.count("b")
    assert {trial.label: curve.pictures for trial, curve in curves["conv"].items()} == {"b": of_b}


def test_means_of_maps_are_those_of_all_pictures(study: Study) -> None:
    with np.load(study.pictures.path) as arrays:
        maps = activations(study.model, arrays["x"], ["conv"])["conv"]
    np.testing.assert_allclose(mean_maps(study)["conv"], maps.mean(axis=(0, 2, 3)), rtol=1e-5)


def test_pictures_without_scores_are_told_batch_by_batch(study: Study, tmp_path: Path) -> None:
    with np.load(study.pictures.path) as arrays:
        x, labels = arrays["x"].copy(), arrays["y"]
    # all of a, so that whole batches of five count for nothing, and one of b
    bad = {*np.flatnonzero(labels == "a").tolist(), int(np.flatnonzero(labels == "b")[1])}
    assert len(bad) > 2 * study.batch
    # too large to be squared and summed, but a number
    x[sorted(bad)] = 3e38
    np.savez(tmp_path / "s.npz", x=x, y=labels)
    (filters,) = study.filters
    spoilt = replace(study, pictures=read_labelled(tmp_path / "s.npz"))
    scores = {**SCORES, ("act_mean", "conv", "a"): SCORES["act_mean", "conv", ALL]}
    orders = {"conv": trials(study, filters, [ALL, "a", "b"], scores, orders=1)}
    means = mean_maps(spoilt)
    curves, faults = removal_curves(spoilt, orders, {"conv": [0, 2]}, means)
    assert {fault.name for fault in faults} == {*map(str, bad), "a"}
    assert "no picture of class 'a' counts" in faults[-1].reason
    counts = {trial.label: curve.pictures for trial, curve in curves["conv"].items()}
    assert counts == {ALL: COUNT - len(bad), "b": int((labels == "b").sum()) - 1}
    good = [number for number in range(COUNT) if number not in bad]
    maps = activations(study.model, x[good], ["conv"])["conv"]
    np.testing.assert_allclose(means["conv"], maps.mean(axis=(0, 2, 3)), rtol=1e-5)
    assert all(np.isfinite(curve.neuron).all() for curve in curves["conv"].values())


def test_random_orders_are_others_for_each_number_and_seed(study: Study) -> None:
    def orders(seed: int) -> list[list[int]]:
        asked = replace(study, criteria=["random"], seed=seed)
        found = trials(asked, study.filters[0], [ALL], {}, orders=4)
        assert all(
            found[Trial("random", ALL, True, number)].tolist()
            == found[Trial("random", ALL, False, number)].tolist()[::-1]
            for number in range(4)
        )
        return [order.tolist() for trial, order in found.items() if not trial.most]

    every = [tuple(order) for seed in range(3) for order in orders(seed)]
    assert orders(1) == orders(1)
    # of 120 orders, 12 may be alike by chance, but not one for each seed
    assert len(set(every)) >= 10


def test_scores_that_are_known_are_not_computed(study: Study) -> None:
    known = {**SCORES, ("ablation", "conv", ALL): np.arange(5.0), ("ablation", "conv", "b"): np.arange(5.0)}
    done: list[int] = []
    found, faults = computed_scores(study, [ALL, "b"], known, done.append)
    assert (faults, sum(done)) == ((), COUNT)
    assert found == known
    found, _ = computed_scores(study, [ALL], SCORES)
    assert found["act_mean", "conv", ALL] is SCORES["act_mean", "conv", ALL]
    drops = found["ablation", "conv", ALL]
    assert drops.shape == (FILTERS,)
    assert np.ptp(drops) > 0
    # nothing is compared with the oracle where all orders are random
    assert computed_scores(replace(study, criteria=["random"]), [ALL], {}) == ({}, ())
