"""The command ablate: tables, pictures, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from extract import activations, load_model
from tests.extract.nets import classifier, model_of, save

RNG = np.random.default_rng(8)
COUNT = 60


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Path:
    """A network of one convolution with 8 filters, of which the last is zero, and 3 classes."""
    kernels = RNG.normal(size=(8, 1, 3, 3)).astype(np.float32)
    kernels[7] = 0
    proto = classifier(kernels, RNG.normal(size=(8, 3)).astype(np.float32))
    return save(proto, tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def pictures(net: Path) -> Path:
    """Inputs whose labels are what the network says, but for every fifth."""
    x = RNG.normal(size=(COUNT, 1, 7, 11)).astype(np.float32)
    labels = activations(load_model(net), x, ["fc"])["fc"].argmax(axis=1)
    labels[::5] = (labels[::5] + 1) % 3
    np.savez(net.parent / "set.npz", images=x, labels=labels)
    return net.parent / "set.npz"


def test_ablate_writes_tables_and_curves(cnnvis, net, pictures, tmp_path):
    words = ("--set", pictures, "--layer", "conv1", "--by", "taylor_act,weight_l2", "--orders", "3")
    result = cnnvis("ablate", net, *words, "--show", "1", "-o", tmp_path / "out")
    assert (result.code, result.err) == (0, "")
    names = {Path(line).name for line in result.out}
    assert names == {path.name for path in (tmp_path / "out").iterdir()}
    stem = "model-net_set-set.npz_layer-conv1"
    labels = ("all", "1")
    assert names == {
        *(f"{stem}_removal-curves.csv", f"{stem}_removal.csv", f"{stem}_removal.json"),
        *(f"{stem}_class-{label}_removal-curves.png" for label in labels),
    }
    told = json.loads((tmp_path / "out" / f"{stem}_removal.json").read_text())
    table = {(row["class"], row["criterion"]): row for row in told["table"]}
    assert table.keys() == {(a, b) for a in labels for b in ("taylor_act", "weight_l2", "random")}
    # arrays of numbers go in as they are
    assert told["settings"]["preprocessing"] is None
    row = table["all", "taylor_act"]
    # every fifth label is another one, and the filter that is zero already changes nothing
    assert row["error"] == row["error_without_least"] == 0.2
    assert row["pictures"] == COUNT
    assert table["all", "random"]["spread_least_first"] > 0
    for (label, criterion), row in table.items():
        for first in ("least", "most"):
            own = [
                c
                for c in told["curves"]
                if (c["class"], c["criterion"], c["first"]) == (label, criterion, first)
            ]
            assert [c["order"] for c in own] == list(range(3 if criterion == "random" else 1))
            errors = np.array([c["wrong"] for c in own]) / own[0]["pictures"]
            # all numbers from 0 to 8 are tried: the trapezoidal rule
            areas = (errors.sum(axis=1) - (errors[:, 0] + errors[:, -1]) / 2) / 8
            assert row[f"error_without_{first}"] == pytest.approx(errors[:, 1].mean())
            assert row[f"area_{first}_first"] == pytest.approx(areas.mean())
            spread = areas.std(ddof=1) if criterion == "random" else None
            assert row[f"spread_{first}_first"] == (None if spread is None else pytest.approx(spread))
    assert table["all", "taylor_act"]["area_least_first"] < table["all", "taylor_act"]["area_most_first"]
    curve = next(
        c for c in told["curves"] if (c["criterion"], c["class"], c["first"]) == ("weight_l2", "all", "least")
    )
    # no threshold removes all filters
    assert (curve["threshold"][0], curve["threshold"].pop()) == (0, None)
    assert curve["threshold"] == sorted(curve["threshold"])
    rows = list(csv.DictReader((tmp_path / "out" / f"{stem}_removal-curves.csv").open()))
    # criteria and orders of random, ways, classes, numbers of filters
    assert len(rows) == (2 + 3) * 2 * 2 * 9
    without_all = {r["neuron"] for r in rows if r["removed"] == "8"}
    assert without_all == {"0.0"}
    assert Image.open(tmp_path / "out" / f"{stem}_class-all_removal-curves.png").mode == "RGB"


def test_ablate_takes_scores_and_means(cnnvis, net, pictures, tmp_path):
    words = ("--set", pictures, "--layer", "conv1")
    assert cnnvis("importance", net, *words, "--by", "act_mean,ablation", "-o", tmp_path).code == 0
    scores = tmp_path / "model-net_set-set.npz_importance.json"
    ranks = {
        name: np.array(by_class["all"]["rank"])
        for name, by_class in json.loads(scores.read_text())["layers"]["conv1"]["scores"].items()
    }
    found = {}
    for way, more in {"own": (), "given": ("--scores", scores), "mean": ("--replace", "mean")}.items():
        result = cnnvis("ablate", net, *words, "--by", "act_mean", *more, "-o", tmp_path / way)
        assert (result.code, result.err) == (0, "")
        stem = "model-net_set-set.npz_layer-conv1" + "_replace-mean" * (way == "mean")
        told = json.loads((tmp_path / way / f"{stem}_removal.json").read_text())
        found[way] = told["curves"]
        row = next(row for row in told["table"] if row["criterion"] == "act_mean")
        # by hand, as there are no ties among 8 filters
        apart = np.square(ranks["act_mean"] - ranks["ablation"]).sum()
        assert row["spearman"] == pytest.approx(1 - 6 * apart / (8 * 63))
    # batches of other sizes round otherwise
    for own, given in zip(found["own"], found["given"], strict=True):
        assert own["wrong"] == given["wrong"]
        own, given = (np.array(curve["threshold"], float) for curve in (own, given))
        np.testing.assert_allclose(own, given, rtol=1e-6)
    first, last = ([c["neuron"][place] for c in found["mean"]] for place in (0, -1))
    assert first == [c["neuron"][0] for c in found["own"]]
    with np.load(pictures) as arrays:
        maps = activations(load_model(net), arrays["images"], ["conv1"])["conv1"]
        matrix = load_model(net).value("fc.weight")
        expected = (np.maximum(maps.mean(axis=(0, 2, 3)), 0) @ matrix)[arrays["labels"]].mean()
    np.testing.assert_allclose(last, expected, rtol=1e-5)


def test_no_run_replaces_what_it_does_not_make_again(cnnvis, net, pictures, tmp_path):
    def run(command, *words, code=0):
        result = cnnvis(command, net, "--set", pictures, *words, "-o", tmp_path)
        assert result.code == code, result.err
        return result.err

    run("importance", "--layer", "conv1", "--by", "act_mean,weight_l2")
    run("ablate", "--layer", "conv1", "--by", "weight_l2", "--show", "1")
    for command, words, lost in (
        (
            "importance",
            ("--layer", "fc", "--by", "act_mean,weight_l2"),
            "target 'class', criterion 'act_mean', layer 'conv1', class '0'",
        ),
        (
            "importance",
            ("--layer", "conv1", "--by", "act_mean"),
            "target 'class', criterion 'weight_l2', layer 'conv1', class '0'",
        ),
        (
            "ablate",
            ("--layer", "conv1", "--by", "weight_l2"),
            "target 'class', class '1', criterion 'weight_l2'",
        ),
        (
            "ablate",
            ("--layer", "conv1", "--by", "act_mean", "--show", "1"),
            "target 'class', class 'all', criterion 'weight_l2'",
        ),
    ):
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        assert f"holds {lost}, which would be lost: choose another -o" in run(command, *words, code=2)
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    other = ("--layer", "conv1", "--by", "act_mean,weight_l2", "--target", "fc")
    assert "holds target 'class'" in run("importance", *other, code=2)
    # the same again, and more, may be written
    run("importance", "--layer", "conv1", "--layer", "fc", "--by", "weight_l2,act_mean")
    run("ablate", "--layer", "conv1", "--by", "weight_l2,act_mean", "--show", "*")
    run("ablate", "--layer", "conv1", "--by", "act_mean", "--replace", "mean")


def test_norms_of_weights_are_scores_of_every_class(cnnvis, net, pictures, tmp_path):
    words = ("--set", pictures, "--layer", "conv1")
    by = ("--by", "weight_l2", "--show", "1")
    result = cnnvis("importance", net, *words, *by, "-o", tmp_path / "scores")
    assert result.code == 0
    assert any(line.endswith("_class-1_importance-grid.png") for line in result.out)
    assert cnnvis("importance", net, *words, "--by", "act_mean,ablation", "-o", tmp_path).code == 0
    (scores,) = tmp_path.glob("*_importance.json")
    by = ("--by", "weight_l2,act_mean", "--show", "1", "--scores", scores)
    assert cnnvis("ablate", net, *words, *by, "-o", tmp_path / "out").code == 0
    (table,) = (tmp_path / "out").glob("*_removal.json")
    rows = {(row["class"], row["criterion"]) for row in json.loads(table.read_text())["table"]}
    assert rows == {(a, b) for a in ("all", "1") for b in ("weight_l2", "act_mean", "random")}


def test_scores_of_something_else_are_told(cnnvis, net, pictures, tmp_path):
    words = ("--layer", "conv1", "--by", "act_mean,ablation")
    assert cnnvis("importance", net, "--set", pictures, *words, "-o", tmp_path).code == 0
    (scores,) = tmp_path.glob("*_importance.json")
    with np.load(pictures) as arrays:
        np.savez(tmp_path / "other.npz", **arrays)
    words = ("--layer", "conv1", "--by", "act_mean", "--scores", scores)
    assert cnnvis("ablate", net, "--set", pictures, *words, "-o", tmp_path / "same").err == ""
    err = cnnvis("ablate", net, "--set", tmp_path / "other.npz", *words, "-o", tmp_path / "other").err
    assert f"{scores}: are scores of another set than here" in err
    assert "another network" not in err
    err = cnnvis("ablate", net, "--set", pictures, *words, "--target", "fc", "-o", tmp_path / "fc").err
    assert f"{scores}: are scores of another neuron than here" in err
    swapped = ("--class", "0=2", "--class", "2=0")
    err = cnnvis("ablate", net, "--set", pictures, *words, *swapped, "-o", tmp_path / "swapped").err
    assert f"{scores}: class '0' is neuron 0 there, and 2 here" in err
    table = scores.with_suffix(".csv")
    words = ("--layer", "conv1", "--by", "act_mean", "--scores", table)
    err = cnnvis("ablate", net, "--set", pictures, *words, "-o", tmp_path / "csv").err
    assert f"{table}: does not tell of which network and pictures these scores are; {scores.name} does" in err


def test_pictures_with_scores_that_are_no_numbers_are_left_out(cnnvis, tmp_path):
    kernels = RNG.normal(size=(4, 1, 3, 3)).astype(np.float32)
    proto = model_of(
        [
            helper.make_node("Sqrt", ["x"], ["s"], "root"),
            helper.make_node("Conv", ["s", "w"], ["c"], "conv1"),
            helper.make_node("GlobalAveragePool", ["c"], ["p"], "pool"),
            helper.make_node("Flatten", ["p"], ["y"], "flat"),
        ],
        {"x": ["N", 1, 5, 7]},
        ["y"],
        {"w": kernels},
    )
    x = RNG.random((6, 1, 5, 7), dtype=np.float32)
    x[4] *= -1
    np.savez(tmp_path / "set.npz", images=x, labels=np.arange(6) % 2)
    words = ("--set", tmp_path / "set.npz", "--layer", "conv1", "--by", "act_mean")
    for command, way in {
        ("importance",): "zero",
        ("ablate",): "zero",
        ("ablate", "--replace", "mean"): "mean",
    }.items():
        name, *more = command
        result = cnnvis(name, save(proto, tmp_path), *words, *more, "-o", tmp_path / way)
        assert (result.code, "set.npz: picture 4: " in result.err, "NaN" in result.err) == (2, True, True)
    (path,) = (tmp_path / "zero").glob("*_removal.json")
    zero = json.loads(path.read_text())
    assert [row["pictures"] for row in zero["table"]] == [5] * 2
    assert [fault["name"] for fault in zero["left_out"]] == ["4"]
    (path,) = (tmp_path / "mean").glob("*_removal.json")
    mean = json.loads(path.read_text())
    # the mean maps are those of the pictures that count
    assert all(np.isfinite(curve["neuron"]).all() for curve in mean["curves"])
    (path,) = (tmp_path / "zero").glob("*_importance.json")
    assert json.loads(path.read_text())["set"]["pictures"] == 5


def test_the_layer_of_scores_may_be_named(cnnvis, tmp_path):
    kernels = RNG.normal(size=(4, 1, 3, 3)).astype(np.float32)
    proto = model_of(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], "conv1"),
            helper.make_node("GlobalAveragePool", ["c"], ["p"], "pool"),
            helper.make_node("Flatten", ["p"], ["main"], "main"),
            helper.make_node("Neg", ["main"], ["side"], "side"),
        ],
        {"x": ["N", 1, 5, 7]},
        ["main", "side"],
        {"w": kernels},
    )
    x = RNG.random((6, 1, 5, 7), dtype=np.float32)
    net = save(proto, tmp_path)
    labels = activations(load_model(net), x, ["side"])["side"].argmax(axis=1)
    np.savez(tmp_path / "set.npz", images=x, labels=labels)
    words = ("--set", tmp_path / "set.npz", "--layer", "conv1", "--by", "act_mean")
    for target, error in {"main": 1.0, "side": 0.0}.items():
        result = cnnvis("ablate", net, *words, "--target", target, "-o", tmp_path / target)
        assert (result.code, result.err) == (0, "")
        (path,) = (tmp_path / target).glob("*_removal.json")
        told = json.loads(path.read_text())
        assert (told["target"], told["table"][0]["error"]) == (target, error)
    result = cnnvis("ablate", net, *words, "--target", "sid", "-o", tmp_path / "none")
    assert (result.code, "side" in result.err) == (2, True)


def test_ablate_tells_what_is_wrong(cnnvis, net, pictures, tmp_path):
    for words, message in {
        ("--layer", "relu1"): "layer 'relu1' (Relu) has no filters",
        ("--layer", "conv1", "--by", "taylor"): "unknown name 'taylor'",
        ("--layer", "conv1", "--scores", net): f"{net}: cannot be read",
        ("--layer", "conv1", "--show", "9"): "no class '9'",
    }.items():
        result = cnnvis("ablate", net, "--set", pictures, *words, "-o", tmp_path / "out")
        assert (result.code, result.out) == (2, [])
        assert message in result.err
        assert not (tmp_path / "out").exists()
    bad = tmp_path / "bad.npz"
    with np.load(pictures) as arrays:
        images = arrays["images"].copy()
        images[3] = np.nan
        np.savez(bad, images=images, labels=arrays["labels"])
    words = (
        "--set",
        bad,
        "--layer",
        "conv1",
        "--layer",
        "relu1",
        "--by",
        "weight_l2",
        "-o",
        tmp_path / "out",
    )
    result = cnnvis("ablate", net, *words)
    assert result.code == 2
    assert "2 things are left out" in result.err
    told = json.loads((tmp_path / "out" / "model-net_set-bad.npz_layer-conv1_removal.json").read_text())
    assert told["table"][0]["pictures"] == COUNT - 1
    assert len(told["left_out"]) == 2
