"""What the commands importance and ablate make of a network, a set and values of further inputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from tests.extract.nets import model_of, save

RNG = np.random.default_rng(5)
COUNT = 7
GATES = RNG.normal(size=(1, 4, 1, 1)).astype(np.float32)
WEIGHTS = {
    "w": RNG.normal(size=(4, 1, 3, 3)).astype(np.float32),
    "fw": RNG.normal(size=(4, 3)).astype(np.float32),
}
SCORED = ("grad_l2", "taylor_act", "taylor_weight", "ablation")


def _gated(folder: Path, constant: bool) -> Path:
    """A network that multiplies 4 channels by a number each: a constant, or a second input."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv1"),
        helper.make_node("Relu", ["c"], ["r"], "relu1"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"),
        # behind the pool, as a filter's map goes through constants, but not through inputs
        helper.make_node("Mul", ["p", "gates"], ["m"], "gated"),
        helper.make_node("Flatten", ["m"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "fw"], ["y"], "fc"),
    ]
    inputs = {"x": ["N", 1, 7, 11]} | ({} if constant else {"gates": GATES.shape})
    weights = WEIGHTS | ({"gates": GATES} if constant else {})
    return save(model_of(nodes, inputs, ["y"], weights), folder)


@pytest.mark.parametrize("command", ["importance", "ablate"])
def test_an_input_that_is_fed_counts_as_a_constant_of_the_graph(cnnvis, tmp_path, command):
    x = np.random.default_rng(6).normal(size=(COUNT, 1, 7, 11)).astype(np.float32)
    np.savez(tmp_path / "set.npz", images=x, labels=np.arange(COUNT) % 3)
    np.save(tmp_path / "gates.npy", GATES)
    words = ("--set", tmp_path / "set.npz", "--layer", "conv1", "--by", ",".join(SCORED))

    def run(name: str, constant: bool, *more: object) -> dict:
        out = tmp_path / name
        result = cnnvis(command, _gated(tmp_path, constant), *words, *more, "-o", out)
        assert (result.code, result.err) == (0, "")
        table = {"importance": "*_importance.json", "ablate": "*_removal.json"}[command]
        return json.loads(next(out.glob(table)).read_text())

    values = {"importance": _scores, "ablate": _neurons}[command]
    wanted = values(run("constant", True))
    fed = run("fed", False, "--feed", f"gates={tmp_path / 'gates.npy'}")
    # onnxruntime may fuse a constant into other nodes: float32 rounds otherwise
    np.testing.assert_allclose(values(fed), wanted, rtol=1e-5, atol=1e-6)
    assert np.abs(wanted).max(axis=-1).min() > 0.01
    assert fed["feeds"]["gates"]["file"] == "gates.npy"
    result = cnnvis(command, _gated(tmp_path, constant=False), *words, "-o", tmp_path / "none")
    assert (result.code, "x, gates are left: use --feed" in result.err) == (2, True)
    assert not (tmp_path / "none").exists()


def _scores(told: dict) -> np.ndarray:
    by_criterion = told["layers"]["conv1"]["scores"]
    return np.array([by_criterion[name][label]["score"] for name in SCORED for label in ("0", "all")])


def _neurons(told: dict) -> np.ndarray:
    return np.array([curve["neuron"] for curve in told["curves"] if curve["criterion"] in SCORED])


@pytest.mark.parametrize(
    ("shape", "note"), [(("N", 7, 11), ""), (("N", 1, 7, 11), "pictures go in as grey from 0 to 1")]
)
def test_bytes_are_told_to_be_pictures_where_they_are(cnnvis, tmp_path, shape, note):
    x = np.random.default_rng(7).integers(0, 256, (COUNT, 7, 11), np.uint8)
    np.savez(tmp_path / "set.npz", images=x, labels=np.arange(COUNT) % 2)
    kernel = RNG.normal(size=(2, 7, 3) if len(shape) == 3 else (2, 1, 7, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv1"),
        helper.make_node("GlobalMaxPool", ["c"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["y"], "flat"),
    ]
    net = save(model_of(nodes, {"x": shape}, ["y"], {"w": kernel}), tmp_path)
    words = ("--set", tmp_path / "set.npz", "--layer", "conv1", "--by", "act_max", "-o", tmp_path)
    result = cnnvis("importance", net, *words, "--volume", "none")
    assert (result.code, note in result.err, bool(result.err)) == (0, True, bool(note))
    told = json.loads(next(tmp_path.glob("*_importance.json")).read_text())
    # by hand: both kernels are as high as their input, and slide along its width
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), 3, axis=2)
    maps = np.einsum("nhwk,fhk->nfw", windows, kernel.reshape(2, 7, 3).astype(np.float64))
    unit = 255 if note else 1
    np.testing.assert_allclose(
        told["layers"]["conv1"]["scores"]["act_max"]["all"]["score"],
        maps.max(axis=2).mean(axis=0) / unit,
        rtol=1e-5,
    )
