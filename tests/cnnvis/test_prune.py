"""The command prune: what goes, what is told, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.extract.nets import classifier, model_of, save

RNG = np.random.default_rng(8)
KERNELS = RNG.normal(size=(8, 1, 3, 3)).astype(np.float32)
# The last filter is zero, and 2 and 4 have one norm.
KERNELS[7], KERNELS[4] = 0, -KERNELS[2]


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> Path:
    """A network of one convolution with 8 filters, and 3 classes."""
    proto = classifier(KERNELS, RNG.normal(size=(8, 3)).astype(np.float32))
    return save(proto, tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def scores(net: Path) -> Path:
    """Made-up scores of two layers, as `cnnvis importance` writes them; some are equal."""

    def of(values):
        return {label: {"score": list(np.roll(values, k))} for label, k in (("1", 1), ("all", 0))}

    layers = {
        "conv1": {"scores": {"act_max": of([3.0, 1, 2, 3, 0, 1, 3, 2])}},
        "fc": {"scores": {"act_max": of([1.0, 0, 2])}},
    }
    path = net.parent / "scores.json"
    path.write_text(json.dumps({"form": "cnnvis importance 1", "layers": layers}))
    return path


def told(out: Path) -> dict:
    return json.loads(Path(f"{out}.json").read_text())


def stored(path: Path, name: str) -> np.ndarray:
    (found,) = [t for t in onnx.load(path).graph.initializer if t.name == name]
    return onnx.numpy_helper.to_array(found)


def test_prune_by_number_fraction_threshold_and_list(cnnvis, net, tmp_path):
    norms = np.linalg.norm(KERNELS.reshape(8, -1), axis=1)
    order = np.argsort(norms, kind="stable")
    below = float(np.sort(norms)[3] / np.linalg.norm(norms)) + 1e-6
    for words, expected in {
        ("--number", 3): order[:3],
        ("--number", 3, "--first", "most"): order[-3:],
        ("--fraction", 0.3): order[:2],
        ("--below", below): order[:4],
        ("--filters", "6, 0 - 1"): [0, 1, 6],
        ("--number", 0): [],
    }.items():
        out = tmp_path / "pruned.onnx"
        result = cnnvis("prune", net, "--layer", "conv1", *words, "-o", out)
        assert (result.code, result.out) == (0, [str(out), f"{out}.json"])
        assert told(out)["removed"] == {"conv1": sorted(map(int, expected))}
        kept = np.isin(np.arange(8), expected, invert=True)
        np.testing.assert_array_equal(stored(out, "w"), KERNELS * kept[:, None, None, None])
        by_norms = {"file": None, "criterion": "weight_l2", "class": None}
        assert told(out)["scores"] == (None if "--filters" in words else by_norms)


def test_scores_of_a_file_and_which_they_were(cnnvis, net, scores, tmp_path):
    out = tmp_path / "pruned.onnx"
    # by hand: [3, 1, 2, 3, 0, 1, 3, 2], and rolled by one for class 1
    for words, gone, label in (
        (("--number", 2), [1, 4], "all"),
        (("--number", 2, "--first", "most"), [0, 3], "all"),
        (("--number", 4, "--first", "most"), [0, 2, 3, 6], "all"),
        (("--number", 2, "--class", "1"), [2, 5], "1"),
        (("--number", 5, "--criterion", "act_max"), [1, 2, 4, 5, 7], "all"),
    ):
        result = cnnvis("prune", net, "--layer", "conv1", "--scores", scores, *words, "-o", out)
        assert result.code == 0
        assert told(out)["removed"] == {"conv1": gone}
        assert told(out)["scores"] == {"file": "scores.json", "criterion": "act_max", "class": label}


def test_fractions_are_exact_and_thresholds_are_kept(cnnvis, tmp_path):
    # normalized, 3 and 4 are 0.6 and 0.8
    weights = np.zeros((100, 1, 1, 1), np.float32)
    weights[:2, 0, 0, 0] = 3, 4
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv1")
    net = save(model_of([node], {"x": ["N", 1, 5, 7]}, ["y"], {"w": weights}), tmp_path)
    for words, gone in (
        (("--fraction", 0.29), 29),
        (("--fraction", 0.57), 57),
        (("--fraction", 1), 100),
        (("--below", 0.6), 98),
        (("--below", 0.61), 99),
        (("--below", 0), 0),
    ):
        out = tmp_path / "pruned.onnx"
        assert cnnvis("prune", net, "--layer", "conv1", *words, "-o", out).code == 0
        assert len(told(out)["removed"]["conv1"]) == gone


def test_scores_are_not_replaced_by_what_is_written(cnnvis, net, scores, tmp_path):
    for name, out in (("pruned.onnx.json", "pruned.onnx"), ("pruned.onnx", "pruned.onnx")):
        own = tmp_path / name
        own.write_bytes(scores.read_bytes())
        words = ("--layer", "conv1", "--number", 1, "--scores", own, "-o", tmp_path / out)
        result = cnnvis("prune", net, *words)
        assert (result.code, f"{own}: would be replaced" in result.err) == (2, True)
        assert own.read_bytes() == scores.read_bytes()


def test_layers_that_cannot_be_pruned_are_told_under_a_pattern(cnnvis, tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "first"),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "w"], ["b"], "second"),
        helper.make_node("Conv", ["b", "own"], ["y"], "last"),
    ]
    weights = {"w": KERNELS[:1], "own": KERNELS[:4]}
    net = save(model_of(nodes, {"x": ["N", 1, 9, 11]}, ["y"], weights), tmp_path)
    out = tmp_path / "pruned.onnx"
    result = cnnvis("prune", net, "--layer", "*", "--filters", "0", "-o", out)
    assert result.code == 0
    assert told(out)["removed"] == {"last": [0]}
    notes = [line.split(": ", 2)[2] for line in result.err.splitlines()]
    shares = f"{net}: layer {{!r}} (Conv) shares its 'w', which 'first', 'second' read"
    assert notes == [
        *(f"left as it is: {shares.format(name)}" for name in ("first", "second")),
        "layer 'last': 1 of 4 filters removed",
    ]
    result = cnnvis("prune", net, "--layer", "first", "--filters", "0", "-o", tmp_path / "none.onnx")
    assert (result.code, "shares its 'w'" in result.err, result.out) == (2, True, [])


def test_weights_that_are_no_numbers_have_no_norms(cnnvis, tmp_path):
    weights = {"w": np.full((2, 1, 3, 3), np.nan, np.float32)}
    node = helper.make_node("Conv", ["x", "w"], ["y"], "conv1")
    net = save(model_of([node], {"x": ["N", 1, 9, 11]}, ["y"], weights), tmp_path)
    result = cnnvis("prune", net, "--layer", "conv1", "--number", 1, "-o", tmp_path / "pruned.onnx")
    assert (result.code, "weights of layer 'conv1' are NaN or infinite" in result.err) == (2, True)


def test_prune_tells_what_is_wrong(cnnvis, net, scores, tmp_path):
    out = tmp_path / "pruned.onnx"
    for words, message in {
        ("--number", 9): "has 8 filters, of which 9 cannot go",
        ("--filters", "8"): "has filters 0 to 7, not 8",
        **{
            ("--filters", text): f"{text!r} is no list of filters such as 0,7,12-15"
            # the last two are fullwidth and Arabic digits
            for text in ("a", "", "0-", "-1", "0--1", "1 2", "0,,1", "9" * 5000, "\uff11", "0-\u0663")
        },
        ("--number", 1, "--fraction", 0.5): "not 2 of them",
        (): "not 0 of them",
        ("--fraction", "nan"): "nan is not a finite number",
        ("--below", "nan"): "nan is not a finite number",
        ("--below", "inf"): "inf is not a finite number",
        (
            "--number",
            1,
            "--criterion",
            "grad_l2",
        ): "a criterion is one of weight_l2, random, not 'grad_l2'",
        ("--number", 1, "--class", "1"): "--class says whose scores of a file count",
        ("--number", 1, "--scores", net): f"{net}: cannot be read",
        ("--number", 1, "--scores", scores, "--class", "dog"): "no class 'dog': choose of 1, all",
        ("--below", 1, "--first", "most"): "--below removes what matters least",
        ("--filters", "1", "--scores", scores): "--filters needs no --scores",
        ("--filters", "1", "--first", "most"): "--filters needs no --first",
    }.items():
        result = cnnvis("prune", net, "--layer", "conv1", *words, "-o", out)
        assert (result.code, result.out) == (2, []), words
        assert message in result.err
    result = cnnvis("prune", net, "--layer", "conv1", "--number", 1, "-o", tmp_path / "x.caffemodel")
    assert (result.code, "only a Caffe network" in result.err) == (2, True)
    assert not any(tmp_path.iterdir())
