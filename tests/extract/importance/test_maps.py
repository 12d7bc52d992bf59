"""Which maps of a layer criteria look at: those behind normalization and activation function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper
from scipy.special import erf

from extract import Model, activations, load_model
from extract.filters import filters_of, find_filters
from extract.importance.graph import parts_of
from extract.importance.rows import Table
from extract.targets import targets_of
from tests.extract.nets import model_of, save
from tests.models import trained

Maps = NDArray[np.float64]

RNG = np.random.default_rng(5)
SIZE = (3, 5, 11)
FILTERS, CLASSES = 6, 4
CLASS = np.array([2, 0])


def values(*shape: int) -> NDArray[np.float32]:
    return RNG.normal(size=shape).astype(np.float32)


def chain(*steps: str) -> list[onnx.NodeProto]:
    """Return nodes, each written as ``output = Operator input ... axis=1``."""
    nodes = []
    for step in steps:
        output, operator, *rest = step.replace(" = ", " ").split()
        axis = {"axis": int(rest.pop().removeprefix("axis="))} if "axis=" in step else {}
        nodes.append(helper.make_node(operator, rest, [output], **axis))
    return nodes


X = RNG.normal(size=(2, *SIZE)).astype(np.float32)
CONV = helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", strides=[1, 2])
# of 3 x 5 x 11 maps, c is 6 x 4 x 5
WEIGHTS = {
    **{"w": values(FILTERS, 3, 2, 3) / 2, "b": values(FILTERS)},
    **{"small": values(FILTERS, FILTERS, 1, 1), "fw": values(FILTERS, CLASSES) * 3},
    **{"mean": values(FILTERS, 1, 1), "deviation": np.abs(values(1, FILTERS, 1, 1)) + 0.5},
    **{"scale": values(FILTERS, 1, 1), "shift": values(1, FILTERS, 1, 1), "slope": values(FILTERS, 1, 1)},
    **{"places": values(FILTERS, 4, 5), "rows": values(1, 1, 4, 1), "five": values(5)},
    **{name: np.array(value, np.float32) for name, value in {"half": 0.5, "one": 1, "two": 2}.items()},
    **{name: np.array(value, np.float32) for name, value in {"0": 0, "3": 3, "6": 6, "tenth": 0.1}.items()},
    **{"root2": np.array([np.sqrt(2)], np.float32), "root8pi": np.array(np.sqrt(2 / np.pi), np.float32)},
    **{"cubic": np.array(0.044715, np.float32)},
}
HEAD = [
    helper.make_node("GlobalAveragePool", ["a"], ["means"]),
    helper.make_node("Flatten", ["means"], ["flat"]),
    helper.make_node("Tanh", ["flat"], ["bent"]),
    helper.make_node("MatMul", ["bent", "fw"], ["y"], "fc"),
]


def of(name: str) -> Maps:
    return WEIGHTS[name].astype(np.float64)


def relu(x: Maps) -> Maps:
    return np.maximum(x, 0)


# Activation functions and normalizations as exporters write them, and what they mean.
COMPOSITES: dict[str, tuple[list[str], Callable[[Maps], Maps]]] = {
    "swish": (["s = Sigmoid c", "a = Mul c s"], lambda x: x / (1 + np.exp(-x))),
    "hard swish": (
        ["p = Add c 3", "q = Clip p 0 6", "r = Mul c q", "a = Div r 6"],
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
    ),
    "hard swish, divided first": (
        ["p = Add c 3", "q = Clip p 0 6", "r = Div q 6", "a = Mul r c"],
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
    ),
    "GELU": (
        ["p = Div c root2", "q = Erf p", "r = Add q one", "s = Mul c r", "a = Mul s half"],
        lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    ),
    # D. Hendrycks, K. Gimpel, Gaussian Error Linear Units, 2016, arXiv:1606.08415, section 2
    "GELU by tanh": (
        [
            *("p = Pow c 3", "q = Mul cubic p", "r = Add c q", "s = Mul r root8pi", "t = Tanh s"),
            *("u = Add one t", "v = Mul half c", "a = Mul v u"),
        ],
        lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    ),
    "Mish": (["p = Softplus c", "q = Tanh p", "a = Mul c q"], lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    "leaky ReLU": (["p = Mul c tenth", "a = Max c p"], lambda x: np.where(x > 0, x, 0.1 * x)),
    "PReLU": (
        ["p = Relu c", "m = Neg c", "q = Relu m", "r = Mul slope q", "a = Sub p r"],
        lambda x: np.where(x > 0, x, of("slope") * x),
    ),
    "batch normalization in parts": (
        ["p = Sub c mean", "q = Div p deviation", "r = Mul scale q", "s = Add r shift", "a = Relu s"],
        lambda x: relu((x - of("mean")) / of("deviation") * of("scale") + of("shift")),
    ),
    "a number that multiplies": (["p = Relu c", "a = Mul p two"], lambda x: 2 * relu(x)),
}


def network(folder: Path, steps: list[str]) -> Model:
    nodes = [CONV, *chain(*steps), *HEAD]
    return load_model(save(model_of(nodes, {"x": ["N", *SIZE]}, ["y"], WEIGHTS), folder))


@pytest.mark.parametrize("case", COMPOSITES)
def test_functions_of_several_nodes_are_passed(tmp_path: Path, case: str) -> None:
    """Means of maps, and slopes by central differences, in float64 from what the convolution makes."""
    steps, function = COMPOSITES[case]
    model = network(tmp_path, steps)
    table = Table(model, None, find_filters(model, ["conv"]), ["act_mean", "taylor_act"])
    assert table.maps == {"conv": "a"}
    rows = table.rows(X, CLASS)
    maps = function(activations(model, X, ["conv"])["conv"].astype(np.float64))
    # float32: 20 values of order 1 in a sum
    np.testing.assert_allclose(
        rows[:, table.columns["act_mean", "conv"]], maps.mean(axis=(2, 3)), rtol=1e-5, atol=1e-6
    )

    def neuron(maps: Maps) -> Maps:
        return (np.tanh(maps.mean(axis=(2, 3))) @ of("fw"))[np.arange(2), CLASS]

    own = rows[:, table.columns["taylor_act", "conv"]]
    for number in range(FILTERS):
        step = np.ones((FILTERS, 1, 1))
        step[number] += 1e-5
        wanted = abs(neuron(maps * step) - neuron(maps * (2 - step))) / 2e-5
        # the differences err by 1e-10; float32 sums of 20 terms
        np.testing.assert_allclose(own[:, number], wanted, rtol=2e-5, atol=2e-6)


# What makes of maps something else, and the tensor behind which they are no longer looked at.
ENDS: dict[str, tuple[list[str], str]] = {
    "sum with another branch": (["o = ReduceMax x", "n = Relu c", "p = Add n o", "a = Relu p"], "n"),
    "sum with what the layer read": (
        ["n = Mul c scale", "q = Conv n small", "p = Add q n", "a = Relu p"],
        "n",
    ),
    "squeeze and excitation": (
        [
            *("s = Sigmoid c", "m = Mul c s", "g = GlobalAveragePool m", "h = Conv g small"),
            *("i = Sigmoid h", "a = Mul m i"),
        ],
        "m",
    ),
    "concatenation": (["m = Neg c", "a = Max c m", "both = Concat a c axis=1"], "c"),
    "pool": (["r = Relu c", "p = GlobalMaxPool r", "a = Relu p"], "r"),
    "constants of places": (["r = Relu c", "a = Add r places"], "r"),
    "constants of rows": (["a = Mul c rows"], "c"),
    "constants of columns": (["r = Relu c", "a = Add r five"], "r"),
    "softmax": (["r = Relu c", "p = Softmax r axis=1", "a = Relu p"], "r"),
    "two ends": (["a = Relu c", "other = Tanh c"], "c"),
    "shape of the maps": (["h = Shape c", "r = Relu c", "a = Reshape r h"], "c"),
}


@pytest.mark.parametrize("case", ENDS)
def test_what_is_not_of_each_value_is_not_passed(tmp_path: Path, case: str) -> None:
    steps, wanted = ENDS[case]
    model = network(tmp_path, steps)
    table = Table(model, None, find_filters(model, ["conv"]), ["act_max"])
    assert table.maps == {"conv": wanted}
    maps = activations(model, X, [f"tensor:{wanted}"])[f"tensor:{wanted}"]
    np.testing.assert_allclose(table.rows(X, CLASS), maps.max(axis=(2, 3)), rtol=1e-6)


def test_maps_are_told_for_criteria_that_look_at_them(tmp_path: Path) -> None:
    model = network(tmp_path, COMPOSITES["swish"][0])
    filters = find_filters(model, ["conv", "fc"])
    assert Table(model, None, filters, ["act_mean", "grad_l2"]).maps == {"conv": "a", "fc": "y"}
    assert Table(model, None, filters, ["grad_l2", "taylor_weight", "ablation", "random"]).maps == {}


def test_a_neuron_before_the_activation_function_is_of_the_maps_there(tmp_path: Path) -> None:
    model = network(tmp_path, COMPOSITES["batch normalization in parts"][0])
    for tensor in ("c", "q"):
        target = targets_of(model, f"tensor:{tensor}:1")
        table = Table(model, target, [filters_of(model, "conv")], ["act_mean", "taylor_act"])
        assert table.maps == {"conv": tensor}
        rows = table.rows(X, np.zeros(2, int))
        maps = activations(model, X, [f"tensor:{tensor}"])[f"tensor:{tensor}"]
        np.testing.assert_allclose(rows[:, :FILTERS], maps.mean(axis=(2, 3)), rtol=1e-5, atol=1e-6)
        # the neuron is the mean of map 1, and falls by just that without it
        lost = np.abs(maps.mean(axis=(2, 3))) * (np.arange(FILTERS) == 1)
        np.testing.assert_allclose(rows[:, FILTERS:], lost, rtol=1e-5, atol=1e-6)


# Layers as rows (N, 6) and (N, 7, 6), what follows them, and which tensor holds their maps.
ROWS = {
    "swish of normalized rows": (
        2,
        ["n = BatchNormalization c g h m v", "s = Sigmoid n", "y = Mul s n"],
        "y",
    ),
    "constants of channels": (3, ["p = Mul c channels", "r = Relu p", "y = Add channels r"], "y"),
    "constants of tokens": (3, ["r = Relu c", "y = Mul r tokens"], "r"),
    "normalization of tokens": (3, ["r = Relu c", "y = BatchNormalization r g h m v"], "r"),
}


@pytest.mark.parametrize("case", ROWS)
def test_maps_of_rows_have_their_channels_last(tmp_path: Path, case: str) -> None:
    rank, steps, wanted = ROWS[case]
    size = 7 if rank == 3 else 6
    weights = {"rows": values(5, 6), "channels": values(1, 1, 6), "tokens": values(1, 7, 1)}
    weights |= {name: np.abs(values(size)) for name in ("g", "h", "m", "v")}
    nodes = [helper.make_node("MatMul", ["x", "rows"], ["c"], "fc"), *chain(*steps)]
    shape = ["N", 7, 5] if rank == 3 else ["N", 5]
    model = load_model(save(model_of(nodes, {"x": shape}, ["y"], weights), tmp_path))
    (part,) = parts_of(model, find_filters(model, ["fc"]), "y")
    assert part.maps == wanted


@pytest.mark.parametrize("by_batch", [0, 1])
def test_a_normalization_behind_the_activation_function_is_passed_unless_by_the_batch(
    tmp_path: Path, by_batch: int
) -> None:
    statistics = {name: np.ones(FILTERS, np.float32) for name in ("g", "h", "m", "v")}
    outputs = ["a", "am", "av"] if by_batch else ["a"]
    norm = helper.make_node("BatchNormalization", ["r", *statistics], outputs, training_mode=by_batch)
    nodes = [CONV, *chain("r = Relu c"), norm, *HEAD]
    proto = model_of(nodes, {"x": ["N", *SIZE]}, ["y"], WEIGHTS | statistics)
    model = load_model(save(proto, tmp_path))
    (part,) = parts_of(model, find_filters(model, ["conv"]), None)
    assert part.maps == ("r" if by_batch else "a")


def test_a_trained_mobilenets_maps_are_behind_each_activation_function() -> None:
    """The exporter wrote hard swish as Add, Clip, Mul and Div."""
    model = load_model(trained("text-direction"))
    found = {part.maps for part in parts_of(model, find_filters(model, ["*"]), None)}
    makers = {node.output[0]: node for node in model.proto.graph.node}
    swishes = {name for name in makers if name.startswith("hardswish_") and name.endswith(".tmp_0")}
    swishes = {name for name in swishes if makers[name].op_type == "Div"}
    bent = {name for name, node in makers.items() if node.op_type in ("Relu", "HardSigmoid")}
    assert (len(swishes), len(bent)) == (18, 24)
    assert found > swishes | bent


def test_efficientnets_maps_are_behind_each_relu6_or_else_the_normalization() -> None:
    model = load_model(trained("efficientnet-lite0"))
    found = {part.filters.layer: part.maps for part in parts_of(model, find_filters(model, ["*"]), None)}
    assert len(found) == 50
    assert found.pop("fc") == "fc"
    bent = {layer for layer in found if f"{layer}.relu6" in model.layers}
    assert len(bent) == 33
    assert found == {layer: f"{layer}.relu6" if layer in bent else f"{layer}.norm" for layer in found}
