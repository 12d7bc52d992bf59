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
from tests.extract.nets import model_of, save

RNG = np.random.default_rng(8)
COUNT = 60


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Path:
    """A network of one convolution with 8 filters, of which the last is zero, and 3 classes."""
    kernels = RNG.normal(size=(8, 1, 3, 3)).astype(np.float32)
    kernels[7] = 0
    proto = model_of(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], "conv1"),
            helper.make_node("Relu", ["c"], ["r"], "relu1"),
            helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"),
            helper.make_node("Flatten", ["p"], ["f"], "flat"),
            helper.make_node("Gemm", ["f", "fw"], ["y"], "fc"),
        ],
        {"x": ["N", 1, 7, 11]},
        ["y"],
        {"w": kernels, "fw": RNG.normal(size=(8, 3)).astype(np.float32)},
    )
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
    stem = "model-net_layer-conv1"
    labels = ("all", "1")
    assert names == {
        *(f"{stem}_removal-curves.csv", f"{stem}_removal.csv", f"{stem}_removal.json"),
        *(f"{stem}_class-{label}_removal-curves.png" for label in labels),
    }
    told = json.loads((tmp_path / "out" / f"{stem}_removal.json").read_text())
    table = {(row["class"], row["criterion"]): row for row in told["table"]}
    assert table.keys() == {(a, b) for a in labels for b in ("taylor_act", "weight_l2", "random")}
    row = table["all", "taylor_act"]
    # every fifth label is another one, and the filter that is zero already changes nothing
    assert row["error"] == row["error_without_least"] == 0.2
    assert row["pictures"] == COUNT
    assert table["all", "random"]["spread_least_first"] > 0
    assert -1 <= table["1", "weight_l2"]["spearman"] <= 1
    curve = next(
        c for c in told["curves"] if (c["criterion"], c["label"], c["most"]) == ("weight_l2", "all", False)
    )
    assert curve["threshold"][0] == 0
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
    found = {}
    for way, more in {"own": (), "given": ("--scores", scores), "mean": ("--replace", "mean")}.items():
        result = cnnvis("ablate", net, *words, "--by", "act_mean", *more, "-o", tmp_path / way)
        assert (result.code, result.err) == (0, "")
        told = json.loads((tmp_path / way / "model-net_layer-conv1_removal.json").read_text())
        found[way] = told["curves"]
    # batches of other sizes round otherwise
    for own, given in zip(found["own"], found["given"], strict=True):
        assert own["wrong"] == given["wrong"]
        np.testing.assert_allclose(own["threshold"], given["threshold"], rtol=1e-6)
    first, last = ([c["neuron"][place] for c in found["mean"]] for place in (0, -1))
    assert first == [c["neuron"][0] for c in found["own"]]
    # without any map as it was, the network says the same of all pictures, but not 0
    assert all(value != 0 for value in last)


def test_ablate_tells_what_is_wrong(cnnvis, net, pictures, tmp_path):
    for words, message in {
        ("--layer", "relu1"): "layer 'relu1' (Relu) has no filters",
        ("--layer", "conv1", "--by", "taylor"): "taylor",
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
    told = json.loads((tmp_path / "out" / "model-net_layer-conv1_removal.json").read_text())
    assert told["table"][0]["pictures"] == COUNT - 1
    assert len(told["left_out"]) == 2
