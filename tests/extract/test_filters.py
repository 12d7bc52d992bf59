"""What the filters of a layer are: without their weights and bias, their channels of the output are zero."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from extract import ModelError, UnknownNameError, activations, load_model
from extract.filters import filters_of, find_filters, search_filters
from tests.extract.nets import model_of, save, toy

RNG = np.random.default_rng(7)


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def node(operator, inputs, output="y", **attributes):
    return helper.make_node(operator, inputs, [output], "it", **attributes)


# nodes, weights, shape of x, filters
CASES = {
    "conv": ([node("Conv", ["x", "w", "b"])], {"w": values(5, 4, 2, 3), "b": values(5)}, (2, 4, 7, 9), 5),
    "no bias": ([node("Conv", ["x", "w"])], {"w": values(5, 4, 3)}, (2, 4, 7), 5),
    "grouped": ([node("Conv", ["x", "w"], group=2)], {"w": values(6, 2, 2, 3)}, (2, 4, 7, 9), 6),
    "depthwise": (
        [node("Conv", ["x", "w", "b"], group=4)],
        {"w": values(4, 1, 3, 3), "b": values(4)},
        (2, 4, 7, 9),
        4,
    ),
    "transposed": (
        [node("ConvTranspose", ["x", "w", "b"])],
        {"w": values(4, 5, 2, 3), "b": values(5)},
        (2, 4, 7, 9),
        5,
    ),
    "transposed in groups": (
        [node("ConvTranspose", ["x", "w"], group=2)],
        {"w": values(4, 3, 2, 3)},
        (2, 4, 7, 9),
        6,
    ),
    "gemm": (
        [node("Gemm", ["x", "w", "b"], alpha=0.5, beta=2.0)],
        {"w": values(7, 5), "b": values(1, 5)},
        (2, 7),
        5,
    ),
    "gemm transposed": ([node("Gemm", ["x", "w"], transB=1)], {"w": values(5, 7)}, (2, 7), 5),
    "matmul, add": (
        [node("MatMul", ["x", "w"], "m"), helper.make_node("Add", ["b", "m"], ["y"], "add")],
        {"w": values(7, 5), "b": values(5)},
        (2, 3, 7),
        5,
    ),
    "conv, add": (
        [node("Conv", ["x", "w"], "m"), helper.make_node("Add", ["m", "b"], ["y"], "add")],
        {"w": values(5, 4, 2, 3), "b": values(5, 1, 1)},
        (2, 4, 7, 9),
        5,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_zero_filters_make_zero_channels_and_leave_the_others(tmp_path, case):
    nodes, weights, shape, count = CASES[case]
    proto = model_of(nodes, {"x": shape}, ["y"], weights)
    model = load_model(save(proto, tmp_path))
    filters = filters_of(model, "it")
    assert (filters.count, filters.output, filters.bias) == (count, "y", "b" if "b" in weights else None)
    removed = [3, 1]
    for name in filter(None, (filters.weight, filters.bias)):
        stored = next(tensor for tensor in proto.graph.initializer if tensor.name == name)
        stored.CopyFrom(numpy_helper.from_array(filters.without(weights[name], removed), name))
    x = values(*shape)
    expected = np.moveaxis(activations(model, x, ["tensor:y"])["tensor:y"].copy(), filters.channel_axis, 0)
    expected[removed] = 0
    changed = load_model(save(proto, tmp_path, "changed.onnx"))
    got = np.moveaxis(activations(changed, x, ["tensor:y"])["tensor:y"], filters.channel_axis, 0)
    # the remaining filters are multiplied in the same order, perhaps in other blocks
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(got[[0, 2]]).min() > 0


@pytest.mark.parametrize("case", CASES)
def test_rows_are_the_filters(tmp_path, case):
    nodes, weights, shape, count = CASES[case]
    filters = filters_of(load_model(save(model_of(nodes, {"x": shape}, ["y"], weights), tmp_path)), "it")
    weight = weights["w"]
    rows = filters.rows(np.stack([weight, 2 * weight, 3 * weight]))
    assert rows.shape == (3, count, weight.size // count)
    for removed in range(count):
        gone = weight[filters.without(weight, [removed]) != weight]
        np.testing.assert_array_equal(np.sort(rows[1, removed]), np.sort(2 * gone))


def refused(tmp_path, nodes, weights, shape=(2, 4, 7, 9), **inputs):
    proto = model_of(nodes, {"x": shape, **inputs}, [nodes[-1].output[0]], weights)
    with pytest.raises(ModelError) as caught:
        filters_of(load_model(save(proto, tmp_path)), "it")
    assert str(caught.value).startswith(f"{tmp_path / 'net.onnx'}: layer 'it' (")
    return str(caught.value)


KERNEL = {"w": values(5, 4, 2, 3)}


def test_layers_without_filters(tmp_path):
    assert "has no filters; Conv" in refused(tmp_path, [node("Relu", ["x"])], {})
    assert "has no filters; Conv" in refused(tmp_path, [node("Mul", ["x", "w"])], {"w": values(9)})
    message = refused(tmp_path, [node("Conv", ["x", "k"])], {}, k=(5, 4, 2, 3))
    assert "not constant" in message
    message = refused(tmp_path, [node("MatMul", ["w", "x"])], {"w": values(3, 7)})
    assert "left factor" in message


def test_what_is_added_must_be_a_number_a_filter(tmp_path):
    assert "not one constant" in refused(
        tmp_path, [node("Gemm", ["x", "w", "b"])], {"w": values(7, 5), "b": values(1)}, (2, 7)
    )
    assert "not one constant" in refused(tmp_path, [node("Conv", ["x", "w", "c"])], KERNEL, c=(5,))


@pytest.mark.parametrize("shown", ["output", "reader", "neither"])
def test_an_add_is_a_bias_only_where_nothing_else_sees_what_it_adds_to(tmp_path, shown):
    nodes = [node("MatMul", ["x", "w"], "m"), helper.make_node("Add", ["m", "b"], ["y"], "add")]
    outputs = ["y"]
    if shown == "reader":
        nodes.append(helper.make_node("Relu", ["m"], ["r"], "relu"))
        outputs.append("r")
    elif shown == "output":
        outputs.append("m")
    proto = model_of(nodes, {"x": (2, 7)}, outputs, {"w": values(7, 5), "b": values(5)})
    filters = filters_of(load_model(save(proto, tmp_path)), "it")
    wanted = ("b", "y") if shown == "neither" else (None, "m")
    assert (filters.bias, filters.output) == wanted


def test_shared_weights(tmp_path):
    twice = [node("Conv", ["x", "w"], "a"), helper.make_node("Conv", ["x", "w"], ["y"], "second")]
    assert "shares its 'w', which 'it', 'second' read" in refused(tmp_path, twice, KERNEL)


def test_quantized_weights(tmp_path):
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], "back"),
        node("Conv", ["x", "d"]),
    ]
    stored = {"q": np.ones((5, 4, 2, 3), np.int8), "s": np.float32(0.5), "z": np.int8(0)}
    assert "quantized" in refused(tmp_path, nodes, stored)


def test_half_precision_weights_have_filters(tmp_path):
    proto = model_of([node("Conv", ["x", "w"])], {"x": (2, 4, 7, 9)}, ["y"], {"w": KERNEL["w"].astype("f2")})
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    proto.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    assert filters_of(load_model(save(proto, tmp_path)), "it").shape == (5, 4, 2, 3)


def test_patterns_find_layers_with_filters_only(tmp_path):
    model = load_model(save(toy(), tmp_path))
    assert [f.layer for f in find_filters(model, ["*"])] == ["conv1", "fc"]
    with pytest.raises(ModelError, match="'relu1' \\(Relu\\) has no filters"):
        find_filters(model, ["conv1", "relu1"])
    with pytest.raises(ModelError, match="'relu1' \\(Relu\\) has no filters"):
        find_filters(model, ["*l*"])
    with pytest.raises(ModelError, match="is no layer"):
        filters_of(model, "conv1_w")
    with pytest.raises(UnknownNameError, match="nearest: conv1"):
        filters_of(model, "conv2")


def test_filters_that_cannot_be_taken_apart_are_told_from_none(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "first"),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "w"], ["b"], "second"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], "back"),
        helper.make_node("Conv", ["b", "d"], ["c"], "whole"),
        helper.make_node("Conv", ["c", "own"], ["y"], "last"),
    ]
    quantized = {"q": np.ones((4, 4, 1, 1), np.int8), "s": np.float32(0.5), "z": np.int8(0)}
    weights = {"w": values(4, 4, 2, 3), "own": values(5, 4, 1, 1), **quantized}
    model = load_model(save(model_of(nodes, {"x": (2, 4, 7, 9)}, ["y"], weights), tmp_path))
    search = search_filters(model, ["*"])
    assert ([one.layer for one in search.filters], search.in_vain) == (["last"], None)
    assert {layer: reason.split(") ")[1] for layer, reason in search.refused.items()} == {
        "first": "shares its 'w', which 'first', 'second' read",
        "second": "shares its 'w', which 'first', 'second' read",
        "whole": "has quantized weights: its filters cannot be taken apart",
    }
    assert search_filters(model, ["last"]).refused == {}
    # patterns that find nothing, and the layers that one finds beside them
    search = search_filters(model, ["last", "rel*", "[rf]*"])
    assert [one.layer for one in search.filters] == ["last"]
    assert list(search.refused) == ["rel*", "first"]
    assert search.in_vain == search.refused["rel*"]
    assert "'relu' (Relu) has no filters" in search.refused["rel*"]
    assert [one.layer for one in find_filters(model, ["*", "last"])] == ["last"]
    for pattern in ("first", "[rf]*"):
        with pytest.raises(ModelError, match=r"'first' .*shares its 'w'"):
            find_filters(model, ["last", pattern])


CAFFE = """
input: "data" input_shape { dim: 2 dim: 4 dim: 7 dim: 9 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 3 group: 2 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "up" type: "Deconvolution" bottom: "conv" top: "up"
  convolution_param { num_output: 4 kernel_size: 3 group: 2 weight_filler { type: "xavier" } } }
layer { name: "rows" type: "InnerProduct" bottom: "data" top: "rows"
  inner_product_param { num_output: 5 axis: 3 transpose: true weight_filler { type: "xavier" } } }
layer { name: "scale" type: "Scale" bottom: "up" top: "up" }
"""


@pytest.mark.filterwarnings("ignore::converters.errors.CnnVisWarning")
def test_caffe_layers(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(CAFFE)
    model = load_model(path)
    conv, up, rows = find_filters(model, ["*"])
    assert (conv.shape, conv.axis, conv.count, conv.bias) == ((6, 2, 3, 3), 0, 6, "conv.bias")
    assert (up.shape, up.axis, up.groups, up.count) == ((6, 2, 3, 3), 1, 2, 4)
    assert (rows.shape, rows.axis, rows.count, rows.channel_axis) == ((9, 5), 1, 5, -1)
    assert conv.output == model.tensor("conv")
    with pytest.raises(ModelError, match="'scale' \\(Scale\\) has no filters"):
        filters_of(model, "scale")
