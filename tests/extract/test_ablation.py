"""Ablation beside the same networks with their filters zeroed, run as a whole."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from onnx import numpy_helper

from extract import ImageError, ModelError, activations, load_model
from extract.ablation import Ablation
from extract.filters import filters_of
from extract.splitting import split
from tests.extract.ablation_nets import CASES, CONV, FULL, HEAD, INTS, RELU, SCORES, W, network, node, values
from tests.extract.nets import model_of, save


def zeroed(folder, proto, filters, removed, x):
    """Return what the whole network puts out whose filters are zero."""
    changed = type(proto)()
    changed.CopyFrom(proto)
    for tensor in changed.graph.initializer:
        if tensor.name in (filters.weight, filters.bias):
            new = filters.without(numpy_helper.to_array(tensor), removed)
            tensor.CopyFrom(numpy_helper.from_array(new, tensor.name))
    return activations(load_model(save(changed, folder, "zeroed.onnx")), x, ["tensor:y"])["tensor:y"]


CHOICES = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1], [1, 0, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0]], bool)
SINGLE = np.concatenate([np.ones((1, 6), bool), ~np.eye(6, dtype=bool)])


@pytest.mark.parametrize("case", CASES)
def test_removed_filters_are_zeroed_filters(tmp_path, case, monkeypatch):
    proto, model, x = network(tmp_path, case)
    filters = filters_of(model, "y" if case == "the output itself" else "c")
    kept = CHOICES[:, : filters.count]
    # few choices and images at a time, so that the seams show
    monkeypatch.setattr("extract.ablation._TOGETHER", 1000)
    monkeypatch.setattr("extract.ablation._LARGEST", 5000)
    got = Ablation(model, filters, "tensor:y").run(x, kept)
    for number, choice in enumerate(kept):
        expected = zeroed(tmp_path, proto, filters, np.flatnonzero(~choice), x)
        # sums of up to 180 float32 products in another order
        np.testing.assert_allclose(got[:, number], expected, rtol=1e-5, atol=2e-5)
    assert np.abs(got[:, 0] - got[:, 1]).max() > 0.01


@pytest.mark.parametrize("case", ["convolution", "flattened maps", "matrix product"])
def test_single_filters_are_subtracted(tmp_path, case):
    """What is faster for choices that lack one filter at most comes to the same."""
    _, model, x = network(tmp_path, case)
    ablation = Ablation(model, filters_of(model, "c"), "tensor:y")
    single = np.concatenate([~np.eye(6, dtype=bool)[::-1], np.ones((1, 6), bool)])
    expected = ablation.run(x, np.concatenate([single, CHOICES]))[:, :7]
    np.testing.assert_allclose(ablation.run(x, single), expected, rtol=1e-5, atol=2e-5)


FIXED = [
    "convolution",
    "flattened maps",
    "a way around",
    "a shape that goes around",
    "several rows for each image",
]


# of large negative numbers, NaN: a root, and 0 / 0
NOT_FINITE = {
    "root": [node("Sqrt", ["c"], "p")],
    "quotient": [node("Softplus", ["c"], "s"), node("Div", ["s", "s"], "p")],
    "quotient of a constant": [node("Softplus", ["c"], "s"), node("Div", ["numbers", "s"], "p")],
}


@pytest.mark.parametrize("case", NOT_FINITE)
def test_what_is_no_number_goes_with_its_filter(tmp_path, case):
    weights = {**FULL, "b": np.array([-300, *[100] * 5], np.float32)}
    weights["numbers"] = np.array([0, *[100] * 5], np.float32).reshape(6, 1, 1)
    proto = model_of([CONV, *NOT_FINITE[case], *HEAD], {"x": ["N", 3, 7, 11]}, ["y"], weights)
    model, x = load_model(save(proto, tmp_path)), values(4, 3, 7, 11)
    filters = filters_of(model, "c")
    got = Ablation(model, filters, "tensor:y").run(x, SINGLE)
    assert np.isnan(got[:, [0, 2]]).all()
    # sums of 180 float32 products in another order
    expected = zeroed(tmp_path, proto, filters, [0], x)
    np.testing.assert_allclose(got[:, 1], expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("case", FIXED)
def test_networks_of_a_fixed_batch(tmp_path, case):
    _, free, x = network(tmp_path, case)
    _, fixed, _ = network(tmp_path, case, batch=3)
    filters = filters_of(free, "c")
    kept = CHOICES[:, : filters.count]
    expected = Ablation(free, filters, "tensor:y").run(x, kept)
    got = Ablation(fixed, filters_of(fixed, "c"), "tensor:y").run(x, kept)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("kept", [CHOICES, SINGLE], ids=["choices", "single"])
@pytest.mark.parametrize(
    ("case", "batch"),
    [("convolution", "N"), ("flattened maps", "N"), ("pointwise convolution", "N"), ("convolution", 3)],
)
def test_parts_are_small_and_hold_each_image_and_choice_once(tmp_path, monkeypatch, case, batch, kept):
    _, model, x = network(tmp_path, case, batch)
    filters = filters_of(model, "c")
    expected = Ablation(model, filters, "tensor:y").run(x, kept)
    for limit in ("_TOGETHER", "_LARGEST", "_AT_ONCE"):
        monkeypatch.setattr(f"extract.ablation.{limit}", 400)
    times = np.zeros(expected.shape[:2], int)
    for images, choices, part in Ablation(model, filters, "tensor:y").parts(x, kept):
        times[images, choices] += 1
        assert part.size <= 400 or part.shape[1] == 1
        assert batch != "N" or part.size <= 400 or len(part) == 1
        np.testing.assert_allclose(part, expected[images, choices], rtol=1e-5, atol=2e-5)
    assert (times == 1).all()


@pytest.mark.parametrize("shape", [["N", 4], [], [1, 4], ["M", 4]])
def test_further_inputs_may_be_the_same_for_all_images(tmp_path, shape):
    nodes = [*(CONV, *SCORES), node("Mul", ["q", "k"], "y")]
    proto = model_of(nodes, {"k": shape, "x": ["N", 3, 7, 11]}, ["y"], FULL)
    model = load_model(save(proto, tmp_path))
    x = {"x": values(4, 3, 7, 11), "k": values(1, 4) if shape else values()}
    filters = filters_of(model, "c")
    got = Ablation(model, filters, "tensor:y").run(x, SINGLE)
    for number in (0, 2):
        expected = zeroed(tmp_path, proto, filters, np.flatnonzero(~SINGLE[number]), x)
        np.testing.assert_allclose(got[:, number], expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("count", [1, 3, 4, 9])
@pytest.mark.parametrize("shape", [["M", 4], [4, 4], [4]])
@pytest.mark.parametrize("batch", ["N", 2])
def test_further_inputs_of_any_length_are_the_same_for_all_images(tmp_path, shape, batch, count):
    most = [node("ReduceMax", ["k", "zero"], "m")] if len(shape) == 2 else [node("Identity", ["k"], "m")]
    nodes = [*(CONV, *SCORES, *most), node("Mul", ["q", "m"], "y")]
    inputs = {"k": shape, "x": [batch, 3, 7, 11]}
    model = load_model(save(model_of(nodes, inputs, ["y"], {**FULL, **INTS}, opset=18), tmp_path))
    x, k = values(count, 3, 7, 11), values(*[4] * len(shape))
    got = Ablation(model, filters_of(model, "c"), "tensor:y").run({"x": x, "k": k}, SINGLE)
    scores = Ablation(model, filters_of(model, "c"), "tensor:q").run({"x": x, "k": k}, SINGLE)
    np.testing.assert_allclose(got, scores * (k.max(axis=0) if k.ndim == 2 else k), rtol=1e-5, atol=2e-5)


def with_factor(folder, shape):
    """Return a network whose scores are multiplied by a further input, prepared."""
    nodes = [*(CONV, *SCORES), node("Mul", ["q", "k"], "y")]
    model = load_model(save(model_of(nodes, {"k": shape, "x": ["N", 3, 7, 11]}, ["y"], FULL), folder))
    return Ablation(model, filters_of(model, "c"), "tensor:y")


@pytest.mark.parametrize("count", [1, 3, 4])
def test_what_is_for_all_images_has_no_row_for_some_of_them(tmp_path, count):
    feeds = {"x": values(count, 3, 7, 11), "k": values(4, 4)}
    with pytest.raises(ImageError, match=r"net\.onnx: input 'k' has a row for each .* fed 4 for all .* 1"):
        with_factor(tmp_path, ["N", 4]).run(feeds, SINGLE)


def test_images_are_given_first(tmp_path):
    feeds = {"k": values(), "x": values(4, 3, 7, 11)}
    with pytest.raises(ImageError, match=r"net\.onnx: input 'k' takes no images: they are to be given first"):
        with_factor(tmp_path, []).run(feeds, SINGLE)


@pytest.mark.parametrize("case", ["convolution", "local response, which mixes channels", "rows"])
def test_maps_become_what_they_are_told_to(tmp_path, case):
    _, model, x = network(tmp_path, case)
    filters = filters_of(model, "c")
    means = values(filters.count)
    got = Ablation(model, filters, "tensor:y", maps=means).run(x, CHOICES)
    (own,) = activations(model, x, [f"tensor:{filters.output}"]).values()
    for number, choice in enumerate(CHOICES):
        changed = np.moveaxis(own.copy(), filters.channel_axis, 0)
        changed[~choice] = means[~choice].reshape(-1, *(1,) * (own.ndim - 1))
        fed = np.moveaxis(changed, 0, filters.channel_axis)
        expected = activations(model, {"x": x, f"tensor:{filters.output}": fed}, ["tensor:y"])["tensor:y"]
        np.testing.assert_allclose(got[:, number], expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("case", ["two readers", "GELU of several nodes"])
def test_channels_are_apart_behind_functions_of_several_nodes(tmp_path, case):
    _, model, _ = network(tmp_path, case)
    shapes = model.shapes({"x": (1, 3, 7, 11)})
    parts = split(model, filters_of(model, "c"), "y", shapes)
    assert (parts.channels, parts.end, parts.sides) == ("y:shares", "y", ())


def test_what_is_shared_runs_once(tmp_path, monkeypatch):
    """The layers before the ablated one, and the channels behind it, run once for any number of choices."""
    from extract.runner import Runner

    _, model, x = network(tmp_path, "convolution")
    ablation = Ablation(model, filters_of(model, "c"), "tensor:y")
    ablation.run(x, CHOICES)
    runs = []
    plain = Runner.run
    monkeypatch.setattr(Runner, "run", lambda self, feeds: runs.append(self.outputs) or plain(self, feeds))
    monkeypatch.setattr(Runner, "__init__", None)
    ablation.run(x, CHOICES[np.full(50, 2)])
    assert runs == [["c"], ["q:shares"], ["y"]]


def test_sessions_do_not_grow_with_the_sizes_of_pictures(tmp_path):
    from extract.runner import Runner

    def runners():
        gc.collect()
        return sum(isinstance(thing, Runner) for thing in gc.get_objects())

    nodes = [CONV, RELU, node("GlobalAveragePool", ["r"], "p"), node("Flatten", ["p"], "y")]
    model = load_model(save(model_of(nodes, {"x": ["N", 3, "H", "W"]}, ["y"], W), tmp_path))
    ablation = Ablation(model, filters_of(model, "c"), "tensor:y")
    ablation.run(values(2, 3, 5, 7), CHOICES)
    first = runners()
    for size in range(6, 9):
        ablation.run(values(2, 3, size, 7), CHOICES)
    assert runners() == first


@pytest.mark.parametrize("kept", [CHOICES[:0], CHOICES[0], CHOICES[:, :5]])
def test_choices_of_another_shape_are_refused(tmp_path, kept):
    _, model, x = network(tmp_path, "flattened maps")
    ablation = Ablation(model, filters_of(model, "c"), "tensor:y")
    for method in (ablation.run, ablation.parts):
        with pytest.raises(ValueError, match=r"choices are of shape \(V, 6\), V >= 1, not \("):
            list(method(x, kept))


def test_what_cannot_be_done_is_told(tmp_path):
    _, model, x = network(tmp_path, "a way around")
    filters = filters_of(model, "c")
    with pytest.raises(ModelError, match="'a' does not depend on layer 'c'"):
        Ablation(model, filters, "a")
    with pytest.raises(ImageError, match="takes any x 3 x 7 x 11"):
        Ablation(model, filters, "y").run(x[:, :2], CHOICES[:, : filters.count])
    _, model, x = network(tmp_path, "several rows for each image")
    with pytest.raises(ModelError, match=r"net\.onnx: the output 'c' has not one row for each image"):
        Ablation(model, filters_of(model, "c"), "c").run(x, CHOICES)
