"""Each criterion against its formula, worked out from weights, maps and gradients one by one."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from extract import Model, ModelError, activations, gradients, load_model
from extract.filters import filters_of, find_filters
from extract.importance.criteria import CRITERIA, OfPictures, OfWeights
from extract.importance.rows import Table
from extract.runner import Runner
from extract.targets import targets_of
from tests.extract.importance.nets import LAYERS, images, mixed, mixed_model
from tests.extract.nets import model_of, save

COUNT = 3
CLASSES = np.array([4, 0, 2])
IN_ONE_PASS = [name for name, criterion in CRITERIA.items() if isinstance(criterion, OfPictures)]
# What is shown of each layer: behind normalization and activation function where these follow it directly.
SHOWN = {"conv": "r1", "grouped": "s2", "transposed": "c3", "gemm": "r4", "product": "scores"}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    return mixed_model(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def table(model: Model) -> Table:
    return Table(model, None, find_filters(model, LAYERS), [*IN_ONE_PASS, "ablation"])


@pytest.fixture(scope="module")
def rows(table: Table) -> np.ndarray:
    return table.rows(images(COUNT), CLASSES)


@pytest.fixture(scope="module")
def slopes(model: Model) -> list[dict[str, np.ndarray]]:
    """For each image the gradients of its class with respect to weights and maps of all layers."""
    wrt = [*(f"{layer}.weight" for layer in LAYERS), *(f"tensor:{name}" for name in SHOWN.values())]
    x = images(COUNT)
    return [
        {name: values[0] for name, values in gradients(model, x[i : i + 1], f"bias:{k}", wrt).items()}
        for i, k in enumerate(CLASSES)
    ]


def _maps(model: Model, layer: str, values: np.ndarray) -> np.ndarray:
    """Return maps, or gradients of such, with a row a filter, in float64."""
    filters = filters_of(model, layer)
    return np.moveaxis(values, filters.channel_axis, 0).reshape(filters.count, -1).astype(np.float64)


FORMULAS = {
    "grad_l2": lambda w, dw, a, da: np.sqrt((dw**2).sum(axis=1)),
    "taylor_weight": lambda w, dw, a, da: abs((w * dw).sum(axis=1)),
    "taylor_act": lambda w, dw, a, da: abs((a * da).sum(axis=1)),
    "act_mean": lambda w, dw, a, da: a.mean(axis=1),
    "act_max": lambda w, dw, a, da: a.max(axis=1),
}


@pytest.mark.parametrize("criterion", IN_ONE_PASS)
def test_criteria_follow_their_formulas_for_every_kind_of_layer(
    model: Model, table: Table, rows: np.ndarray, slopes: list[dict[str, np.ndarray]], criterion: str
) -> None:
    maps = activations(model, images(COUNT), [f"tensor:{name}" for name in SHOWN.values()])
    for layer in LAYERS:
        filters, shown = filters_of(model, layer), f"tensor:{SHOWN[layer]}"
        weight = filters.rows(model.value(f"{layer}.weight").astype(np.float64))
        wanted = [
            FORMULAS[criterion](
                weight,
                filters.rows(found[f"{layer}.weight"].astype(np.float64)),
                _maps(model, layer, maps[shown][i]),
                _maps(model, layer, found[shown]),
            )
            for i, found in enumerate(slopes)
        ]
        own = rows[:, table.columns[criterion, layer]]
        # float32: sums of up to 150 products of order 1, whose terms cancel
        np.testing.assert_allclose(own, wanted, rtol=2e-5, atol=2e-6 * np.abs(wanted).max())


def test_rows_do_not_depend_on_the_batch_nor_on_a_batch_size_that_the_network_fixes(
    table: Table, rows: np.ndarray, tmp_path: Path
) -> None:
    by_two = mixed_model(tmp_path, 2)
    fixed = Table(by_two, None, find_filters(by_two, LAYERS), [*IN_ONE_PASS, "ablation"])
    x = images(COUNT)
    one_and_two = np.concatenate([table.rows(x[a:b], CLASSES[a:b]) for a, b in ((0, 1), (1, 3))])
    # rounding alone: onnxruntime blocks matrix products by their size
    for found in (one_and_two, fixed.rows(x, CLASSES)):
        np.testing.assert_allclose(found, rows, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", LAYERS)
def test_ablation_is_the_drop_of_the_neuron_with_weights_and_bias_set_to_zero(
    model: Model, table: Table, rows: np.ndarray, tmp_path: Path, layer: str
) -> None:
    filters, x = filters_of(model, layer), images(COUNT)
    own = rows[:, table.columns["ablation", layer]]
    proto = mixed()
    stored = {tensor.name: tensor for tensor in proto.graph.initializer}
    last = filters.count - 1
    for name in filter(None, (filters.weight, filters.bias)):
        values = filters.without(onnx.numpy_helper.to_array(stored[name]), [last])
        stored[name].CopyFrom(onnx.numpy_helper.from_array(values, name))
    onnx.save(proto, tmp_path / "without.onnx")
    scores = [
        activations(m, x, ["bias"])["bias"][np.arange(COUNT), CLASSES]
        for m in (model, load_model(tmp_path / "without.onnx"))
    ]
    # differences of numbers of order 1
    np.testing.assert_allclose(own[:, last], scores[0] - scores[1], rtol=0, atol=5e-6)


def test_layers_of_large_networks_hold_their_sessions_one_after_the_other(
    model: Model, table: Table, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extract.ablation._HELD", 0)
    lean = Table(model, None, find_filters(model, LAYERS), ["ablation"])
    before = _runners()
    found = lean.rows(images(COUNT), CLASSES)
    assert _runners() == before
    np.testing.assert_allclose(found, rows[:, -found.shape[1] :], rtol=1e-5, atol=1e-6)


def _runners() -> int:
    gc.collect()
    return sum(isinstance(thing, Runner) for thing in gc.get_objects())


@pytest.mark.parametrize("target", ["bias:3", "relu:1"])
def test_a_target_takes_the_place_of_the_classes(model: Model, target: str) -> None:
    filters, x = find_filters(model, ["conv"]), images(COUNT)
    found = Table(model, targets_of(model, target), filters, ["grad_l2", "ablation"]).rows(
        x, np.zeros(COUNT, int)
    )
    slopes = gradients(model, x, target, ["conv.weight"])["conv.weight"]
    np.testing.assert_allclose(found[:, :4], np.linalg.norm(filters[0].rows(slopes), axis=2), rtol=2e-5)
    if target == "relu:1":
        # the mean of a map depends on its own filter alone
        assert not found[:, [4, 6, 7]].any()
        assert found[:, 5].all()


def test_classes_may_be_those_of_another_layer(model: Model) -> None:
    filters, x = find_filters(model, ["conv"]), images(COUNT)
    names = ["grad_l2", "ablation"]
    found = Table(model, model.tensor("gemm"), filters, names).rows(x, CLASSES)
    for image, index in enumerate(CLASSES):
        alone = Table(model, targets_of(model, f"gemm:{index}"), filters, names)
        wanted = alone.rows(x[image : image + 1], np.zeros(1, int))
        np.testing.assert_allclose(found[image : image + 1], wanted, rtol=1e-5, atol=1e-6)


def test_taylor_act_is_taylor_weight_with_the_bias_where_a_relu_follows(
    model: Model, table: Table, rows: np.ndarray
) -> None:
    filters = filters_of(model, "gemm")
    found = gradients(model, images(1), f"bias:{CLASSES[0]}", ["gemm.weight", "gemm.bias"])
    both = (filters.rows(model.value("gemm.weight")) * filters.rows(found["gemm.weight"][0])).sum(axis=1)
    both += model.value("gemm.bias") * found["gemm.bias"][0]
    np.testing.assert_allclose(rows[0, table.columns["taylor_act", "gemm"]], abs(both), rtol=1e-4, atol=1e-5)


def test_criteria_of_weights_look_at_no_picture(model: Model) -> None:
    for layer in LAYERS:
        filters = filters_of(model, layer)
        weight = model.value(f"{layer}.weight")
        norm, random = (CRITERIA[name] for name in ("weight_l2", "random"))
        assert isinstance(norm, OfWeights)
        assert isinstance(random, OfWeights)
        flat = filters.rows(weight)
        np.testing.assert_allclose(norm.compute(filters, weight, 0), np.linalg.norm(flat, axis=1), rtol=1e-6)
        first, again, other = (random.compute(filters, weight, seed) for seed in (0, 0, 1))
        assert (first == again).all()
        assert (first != other).all()
        assert (random.compute(replace(filters, layer="other"), weight, 0) != first).all()


@pytest.mark.parametrize("criterion", ["act_mean", "ablation"])
def test_a_class_beyond_the_last_one_is_an_error(model: Model, criterion: str) -> None:
    table = Table(model, None, find_filters(model, ["conv"]), [criterion])
    with pytest.raises(ModelError, match="class 5 is none of its 5 classes"):
        table.rows(images(1), np.array([5]))


def test_a_layer_with_several_rows_for_each_image_is_named(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["c"], "first"),
        helper.make_node("Reshape", ["c", "rows"], ["r"], "apart"),
        helper.make_node("Gemm", ["r", "v"], ["s"], "second"),
        helper.make_node("Reshape", ["s", "images"], ["y"], "together"),
    ]
    weights = {"rows": np.array([-1, 2]), "images": np.array([-1, 6])}
    weights |= {"w": np.ones((3, 4), np.float32), "v": np.ones((2, 3), np.float32)}
    model = load_model(save(model_of(nodes, {"x": ["N", 3]}, ["y"], weights), tmp_path))
    table = Table(model, None, find_filters(model, ["first", "second"]), ["act_mean"])
    with pytest.raises(ModelError, match=r"net\.onnx: the output of layer 'second' has not one row for each"):
        table.rows(np.ones((2, 3)), np.array([0, 1]))


def test_images_that_meet_in_the_network_run_one_by_one(tmp_path: Path) -> None:
    # x + mean of the batch: the gradient of an image's score depends on the others
    weights = {"w": np.arange(12, dtype=np.float32).reshape(4, 3), "axes": np.array([0])}
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["m"], "mean"),
        helper.make_node("Add", ["x", "m"], ["d"], "add"),
        helper.make_node("Gemm", ["d", "w"], ["y"], "fc"),
    ]
    model = load_model(save(model_of(nodes, {"x": ["N", 4]}, ["y"], weights, opset=18), tmp_path))
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    table = Table(model, None, find_filters(model, ["fc"]), ["grad_l2"])
    rows = table.rows(x, np.array([0, 1, 2]))
    # by itself, an image is its batch's mean: d = 2 x, and d score_k / d w[:, k] = d
    np.testing.assert_allclose(rows, np.eye(3) * 2 * np.linalg.norm(x, axis=1), rtol=1e-6)


def test_images_that_meet_in_batches_of_a_fixed_size_have_no_gradients_of_their_own(tmp_path: Path) -> None:
    weights = {"w": np.ones((4, 3), np.float32)}
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["s"], "fc"),
        helper.make_node("Softmax", ["s"], ["y"], "among_images", axis=0),
    ]
    model = load_model(save(model_of(nodes, {"x": [2, 4]}, ["y"], weights), tmp_path))
    table = Table(model, "y", find_filters(model, ["fc"]), ["grad_l2"])
    with pytest.raises(
        ModelError, match=r"net\.onnx: takes 2 images at a time, and does not keep them apart"
    ):
        table.rows(np.ones((3, 4)), np.array([0, 1, 2]))


def test_a_further_input_may_be_the_same_for_all_images(tmp_path: Path) -> None:
    weights = {"w": np.arange(1, 13, dtype=np.float32).reshape(4, 3)}
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["s"], "fc"),
        helper.make_node("Mul", ["s", "k"], ["y"], "scaled"),
    ]
    model = load_model(save(model_of(nodes, {"x": ["N", 4], "k": [1, 3]}, ["y"], weights), tmp_path))
    x, k = np.random.default_rng(0).normal(size=(3, 4)), np.array([[2.0, 3, 5]])
    table = Table(model, None, find_filters(model, ["fc"]), ["grad_l2", "ablation"])
    rows = table.rows({"x": x, "k": k}, np.array([0, 1, 2]))
    np.testing.assert_allclose(rows[:, :3], np.diag(k[0] * np.linalg.norm(x, axis=1)), rtol=1e-6)
    np.testing.assert_allclose(rows[:, 3:], np.diag((x @ weights["w"] * k).diagonal()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [[], [3], ["M", 3], [4, 3], [1, 3], ["N", 3]])
@pytest.mark.parametrize("batch", ["N", 2])
def test_a_further_input_is_the_same_for_any_number_of_images(
    tmp_path: Path, shape: list[int | str], batch: int | str
) -> None:
    weights = {"w": np.arange(1, 13, dtype=np.float32).reshape(4, 3), "axes": np.array([0])}
    several = shape in (["M", 3], [4, 3])
    most = helper.make_node("ReduceMax", ["k", "axes"], ["m"], "most")
    nodes = [
        *([most] if several else []),
        helper.make_node("Gemm", ["x", "w"], ["s"], "fc"),
        helper.make_node("Mul", ["s", "m" if several else "k"], ["y"], "scaled"),
    ]
    inputs = {"x": [batch, 4], "k": [batch if size == "N" else size for size in shape]}
    model = load_model(save(model_of(nodes, inputs, ["y"], weights, opset=18), tmp_path))
    random, count = np.random.default_rng(0), 4
    x, classes = random.normal(size=(count, 4)), np.array([0, 1, 2, 0])
    k = random.uniform(1, 2, [4 if several else 3 if size == 3 else 1 for size in shape[:1]] + shape[1:])
    names = ["ablation"] if batch == 2 and shape != ["N", 3] else ["grad_l2", "ablation"]
    table = Table(model, None, find_filters(model, ["fc"]), names)
    rows = table.rows({"x": x, "k": k}, classes)
    factors = np.broadcast_to(k.max(axis=0) if k.ndim == 2 else k, 3)
    own = np.eye(3)[classes]
    norms = own * factors * np.linalg.norm(x, axis=1, keepdims=True)
    drops = own * factors * (x @ weights["w"])
    wanted = np.concatenate([norms, drops], axis=1)[:, -rows.shape[1] :]
    # float32: sums of four products
    np.testing.assert_allclose(rows, wanted, rtol=1e-5, atol=1e-5)
    parts = [table.rows({"x": x[a:b], "k": k}, classes[a:b]) for a, b in ((0, 1), (1, 4))]
    np.testing.assert_allclose(np.concatenate(parts), wanted, rtol=1e-5, atol=1e-5)
