"""The pycaffe engine with real Caffe: blobs, gradients, crashes.

What it must give comes from real Caffe too, driven without the engine: by `PLAIN`, on the unchanged file.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from extract.caffe.importer import import_net
from extract.caffe.prototxt import read_net
from extract.errors import ModelError
from extract.pycaffe import CaffeNet, CaffeProcess, edits
from extract.pycaffe.runner import PycaffeRunner

# Runs a prototxt on random inputs; writes its weights, its inputs and all blobs.
PLAIN = """
import sys
import numpy
import caffe
folder = sys.argv[1]
caffe.set_random_seed(7)
net = caffe.Net(folder + "/net.prototxt", caffe.TEST)
draw = numpy.random.RandomState(5)
for layer in net.layers:
    for blob in layer.blobs:
        blob.data[...] = draw.normal(size=blob.data.shape)
fed = {name: draw.normal(size=net.blobs[name].data.shape) for name in net.inputs}
for name, value in fed.items():
    net.blobs[name].data[...] = value
net.forward()
net.save(folder + "/net.caffemodel")
numpy.savez(folder + "/blobs.npz", **{name: blob.data for name, blob in net.blobs.items()})
"""

IN_PLACE = """
name: "chain"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 7 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" relu_param { negative_slope: 0.1 } }
layer { name: "drop1" type: "Dropout" bottom: "conv1" top: "conv1" }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "side" type: "Convolution" bottom: "conv1" top: "side"
  convolution_param { num_output: 2 kernel_h: 1 kernel_w: 3 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool1" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
V1 = """
input: "data" input_dim: 2 input_dim: 3 input_dim: 9 input_dim: 7
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 } blobs_lr: 1 blobs_lr: 2 }
layers { name: "relu1" type: RELU bottom: "conv1" top: "conv1" }
layers { name: "fc" type: INNER_PRODUCT bottom: "conv1" top: "fc" inner_product_param { num_output: 5 } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" include { phase: TEST } }
"""
V0 = """
input: "data" input_dim: 2 input_dim: 3 input_dim: 9 input_dim: 7
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "pad1" }
layers { bottom: "pad1" top: "conv1"
  layer { name: "conv1" type: "conv" num_output: 4 kernelsize: 3 stride: 2 } }
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "fc" type: "innerproduct" num_output: 5 } bottom: "conv1" top: "fc" }
"""
ODD_NAMES = """
layer { name: "Bild 1" type: "Input" top: "Bild 1" input_param { shape { dim: 1 dim: 2 dim: 5 dim: 4 } } }
layer { name: "größe/3×3 a" type: "Convolution" bottom: "Bild 1" top: "größe/3×3"
  convolution_param { num_output: 3 kernel_size: 3 } }
layer { name: "größe/ReLU" type: "ReLU" bottom: "größe/3×3" top: "größe/3×3" }
layer { name: "" type: "AbsVal" bottom: "größe/3×3" top: "a:b.c" }
"""

Array = NDArray[np.float32]
Load = Callable[..., CaffeNet]


@pytest.fixture
def load(caffe: CaffeProcess, tmp_path: Path) -> Load:
    """Return a function that loads a prototxt's text into Caffe, cut to what some tensors need."""

    def loaded(text: str, tensors: Sequence[str] | None = None, weights: Path | None = None) -> CaffeNet:
        path = tmp_path / "net.prototxt"
        path.write_text(text, encoding="utf-8")
        net = read_net(path)
        return caffe.load(path, weights, edits(net, import_net(net).layers, tensors))

    return loaded


def plain(python: str, folder: Path, text: str) -> Mapping[str, Array]:
    """Run unchanged Caffe on a prototxt; return its blobs, and leave net.caffemodel in the folder."""
    (folder / "net.prototxt").write_text(text, encoding="utf-8")
    script = folder / "plain.py"
    script.write_text(PLAIN)
    done = subprocess.run([python, str(script), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "blobs.npz", allow_pickle=False) as blobs:
        return dict(blobs)


def draw(net: CaffeNet, seed: int = 3) -> dict[str, Array]:
    """Give a network random parameters; return random inputs for it."""
    generator = np.random.default_rng(seed)
    normal = lambda shape: generator.normal(size=shape).astype("f")  # noqa: E731
    net.set_values({name: normal(shape) for name, shape in net.parameters.items()})
    return {name: normal(net.blobs[name]) for name in net.inputs}


def close(found: Array, expected: NDArray[np.floating]) -> None:
    """Assert equality to 1e-5 of the largest value, the project's bound."""
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("text", [IN_PLACE, V1, V0, ODD_NAMES], ids=["in-place", "V1", "V0", "names"])
def test_final_blobs_are_those_of_plain_caffe(
    caffe_python: str, load: Load, tmp_path: Path, text: str
) -> None:
    expected = plain(caffe_python, tmp_path, text)
    net = load(text, weights=tmp_path / "net.caffemodel")
    final = [name for name in net.blobs if name in expected]
    assert len(final) > 2
    found = net.forward({name: expected[name] for name in net.inputs}, final)
    for name, values in zip(final, found, strict=True):
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_layers_in_place_leave_what_they_read(load: Load) -> None:
    net = load(IN_PLACE)
    feeds = draw(net)
    names = ["conv1@conv1", "conv1@relu1", "conv1@drop1", "conv1"]
    conv, relu, drop, scale = net.forward(feeds, names)
    factor, bias = (v[:, None, None] for v in net.values(["scale1.weight", "scale1.bias"]))
    assert conv.min() < 0
    np.testing.assert_allclose(relu, np.where(conv > 0, conv, np.float32(0.1) * conv), rtol=1e-6)
    np.testing.assert_array_equal(drop, relu)
    close(scale, factor * drop + bias)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }"), ("Flatten", ""), ("Split", "")],
)
def test_a_layer_in_place_changes_no_other_blob_that_shares_its_memory(
    load: Load, kind: str, parameters: str
) -> None:
    net = load(
        f"""
        layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 3 dim: 5 dim: 4 }} }} }}
        layer {{ name: "up" type: "Power" bottom: "x" top: "up" power_param {{ shift: 1 }} }}
        layer {{ name: "same" type: "{kind}" bottom: "up" top: "same" {parameters} }}
        layer {{ name: "relu" type: "ReLU" bottom: "same" top: "same" }}
        """
    )
    feeds = draw(net)
    up, same, relu = net.forward(feeds, ["up", "same@same", "same"])
    assert up.min() < 0
    np.testing.assert_array_equal(up, feeds["x"] + 1)
    np.testing.assert_array_equal(same.ravel(), up.ravel())
    np.testing.assert_array_equal(relu, np.maximum(same, 0))


def test_batches_and_pictures_of_any_size(load: Load) -> None:
    net = load(IN_PLACE, ["pool1", "side"])
    feeds = draw(net)
    both = net.forward(feeds, ["pool1", "side"])
    for count in (1, 3, 2):
        x = np.resize(feeds["data"], (count, 3, 9, 7))
        for found, expected in zip(net.forward({"data": x}, ["pool1", "side"]), both, strict=True):
            close(found, np.resize(expected, (count, *expected.shape[1:])))
    (larger,) = net.forward({"data": np.ones((1, 3, 12, 20))}, ["side"])
    assert larger.shape == (1, 2, 6, 8)


# Of second degree in every single parameter and input value, so that central differences are exact whatever
# their step: a wide one leaves only the rounding of float32.
QUADRATIC = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 5 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv" param { name: "w" }
  convolution_param { num_output: 3 kernel_size: 3 pad: 1 } }
layer { name: "square" type: "Power" bottom: "conv" top: "conv"
  power_param { power: 2 scale: 0.5 shift: 0.2 } }
layer { name: "again" type: "Convolution" bottom: "x" top: "again" param { name: "w" }
  convolution_param { num_output: 3 kernel_size: 3 pad: 1 bias_term: false } }
layer { name: "sum" type: "Eltwise" bottom: "conv" bottom: "again" top: "sum"
  eltwise_param { coeff: 1 coeff: -2 } }
layer { name: "pool" type: "Pooling" bottom: "sum" top: "pool"
  pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "flat" type: "Flatten" bottom: "sum" top: "flat" }
layer { name: "fc" type: "InnerProduct" bottom: "flat" top: "fc" inner_product_param { num_output: 4 } }
layer { name: "late" type: "InnerProduct" bottom: "fc" top: "late" inner_product_param { num_output: 3 } }
"""
SEEDED = ("fc", "flat", "pool", "conv@conv")
STEP = 0.5


def test_gradients_are_central_differences(load: Load) -> None:
    net = load(QUADRATIC)
    feeds = draw(net)
    generator = np.random.default_rng(11)
    seeds = {name: generator.normal(size=net.blobs[name]).astype("f") for name in SEEDED}

    def loss(x: Array) -> float:
        found = net.forward({"x": x}, SEEDED)
        return sum(float(np.vdot(f.astype("d"), seeds[n])) for n, f in zip(SEEDED, found, strict=True))

    def parameter_loss(name: str, value: Array) -> float:
        net.set_values({name: value})
        return loss(feeds["x"])

    def differences(function: Callable[[Array], float], at: Array) -> NDArray[np.float64]:
        steps = STEP * np.eye(at.size, dtype="f").reshape(at.size, *at.shape)
        return np.array([function(at + s) - function(at - s) for s in steps]).reshape(at.shape) / (2 * STEP)

    names = ["conv.weight", "conv.bias", "fc.weight", "fc.bias"]
    values = dict(zip(names, net.values(names), strict=True))
    loss(feeds["x"])
    found = dict(zip(["x", *names], net.backward(seeds, ["x", *names]), strict=True))
    close(found["x"], differences(loss, feeds["x"]))
    for name, value in values.items():
        close(found[name], differences(lambda v, name=name: parameter_loss(name, v), value))
        net.set_values({name: value})


def test_gradients_of_blobs_on_the_way(load: Load) -> None:
    net = load(QUADRATIC)
    (own,) = net.forward(draw(net), ["conv@conv"])
    fc = np.random.default_rng(2).normal(size=(2, 4)).astype("f")
    wrt = ["late", "flat", "sum", "conv", "again", "conv@conv", "fc.bias"]
    late, flat, total, square, again, conv, bias = net.backward({"fc": fc}, wrt)
    (weight,) = net.values(["fc.weight"])
    assert not late.any()
    close(flat, fc @ weight)
    np.testing.assert_array_equal(total.ravel(), flat.ravel())
    np.testing.assert_array_equal(square, total)
    np.testing.assert_array_equal(again, -2 * total)
    close(conv, square * (0.5 * own + 0.2))
    close(bias, fc.sum(0))


def test_a_seed_leaves_the_gradient_of_a_blob_above_that_shares_its_memory(load: Load) -> None:
    net = load(QUADRATIC)
    net.forward(draw(net), [])
    fc, total = np.ones((2, 4), "f"), np.ones(net.blobs["sum"], "f")
    (alone,) = net.backward({"fc": fc}, ["flat"])
    flat, summed = net.backward({"fc": fc, "sum": total}, ["flat", "sum"])
    np.testing.assert_array_equal(flat, alone)
    np.testing.assert_array_equal(summed.ravel(), alone.ravel() + 1)


def test_gradients_neither_pile_up_nor_linger(load: Load) -> None:
    net = load(QUADRATIC)
    net.forward(draw(net), [])
    wrt = ["conv.weight", "conv", "fc.weight"]
    fc = np.ones((2, 4), "f")
    first = net.backward({"fc": fc}, wrt)
    for found, expected in zip(net.backward({"fc": fc}, wrt), first, strict=True):
        np.testing.assert_array_equal(found, expected)
    weight, conv, unused = net.backward({"conv@conv": np.zeros(net.blobs["conv"], "f")}, wrt)
    assert not weight.any()
    assert not conv.any()
    assert not unused.any()


def test_gradients_of_parameters_are_sums_over_the_batch(load: Load) -> None:
    net = load(QUADRATIC, ["fc"])
    x = draw(net)["x"]
    fc = np.random.default_rng(2).normal(size=(2, 4)).astype("f")
    single = []
    for i in range(2):
        net.forward({"x": x[i : i + 1]}, [])
        single.append(net.backward({"fc": fc[i : i + 1]}, ["conv.weight", "x"]))
    net.forward({"x": x}, [])
    weight, inputs = net.backward({"fc": fc}, ["conv.weight", "x"])
    close(weight, single[0][0] + single[1][0])
    close(inputs, np.concatenate([single[0][1], single[1][1]]))


TRAIN_VAL = """
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 6 mean_value: 1 mean_value: 2 mean_value: 3 }
  data_param { source: "a" batch_size: 8 } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 6 mean_value: 1 mean_value: 2 mean_value: 3 }
  data_param { source: "b" batch_size: 2 } }
layer { name: "noise" type: "Dropout" bottom: "data" top: "data" include { phase: TRAIN } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" param { lr_mult: 0 } propagate_down: false
  inner_product_param { num_output: 3 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def test_a_network_for_training_is_cut_to_what_can_be_fed(load: Load) -> None:
    net = load(TRAIN_VAL)
    x = draw(net)["data"]
    weight, bias = net.values(["fc.weight", "fc.bias"])
    (fc,) = net.forward({"data": x}, ["fc"])
    close(fc, x.reshape(2, -1) @ weight.T + bias)
    found_x, found_weight = net.backward({"fc": np.ones((2, 3), "f")}, ["data", "fc.weight"])
    close(found_x.reshape(2, -1), np.tile(weight.sum(0), (2, 1)))
    close(found_weight, np.tile(x.reshape(2, -1).sum(0), (3, 1)))


UNKNOWN = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "abs" type: "AbsVal" bottom: "x" top: "abs" }
layer { name: "odd one" type: "Frobnicate" bottom: "x" top: "odd" }
"""


def test_a_layer_that_caffe_does_not_know_is_one_clear_line(load: Load) -> None:
    with pytest.raises(ModelError) as caught:
        load(UNKNOWN)
    assert str(caught.value) == (
        "Caffe stopped: Check failed: registry.count(type) == 1 (0 vs. 1) Unknown layer type: Frobnicate"
    )
    # the next network gets a new process, and this one does without that layer
    (found,) = load(UNKNOWN, ["abs"]).forward({"x": np.array([[-2, 3]])}, ["abs"])
    assert found.tolist() == [[2, 3]]


def test_a_layer_that_caffe_refuses_is_named(caffe: CaffeProcess, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(ODD_NAMES, encoding="utf-8")
    net = read_net(path)
    change = edits(net, import_net(net).layers)
    # the importer would refuse this too, so it does not get to see it
    path.write_text(ODD_NAMES.replace("kernel_size: 3", "kernel_size: 3 group: 2"), encoding="utf-8")
    with pytest.raises(ModelError, match=r"^Caffe stopped at layer 'größe/3×3 a': Check failed: .*multiples"):
        caffe.load(path, None, change)


def test_shapes_that_do_not_fit_are_one_clear_line(load: Load) -> None:
    net = load(IN_PLACE)
    with pytest.raises(ModelError, match=r"^Caffe stopped: Check failed: .*Input size incompatible with .*$"):
        net.forward({"data": np.zeros((1, 2, 9, 7))}, ["prob"])
    with pytest.raises(ModelError, match="ended: load the network again"):
        net.forward({"data": np.zeros((1, 3, 9, 7))}, ["prob"])


def test_weights_that_are_missing_or_of_other_shapes(caffe_python: str, load: Load, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.caffemodel: no such file"):
        load(IN_PLACE, weights=tmp_path / "gone.caffemodel")
    plain(caffe_python, tmp_path, IN_PLACE)
    with pytest.raises(
        ModelError, match=r"^\S*net\.caffemodel: Caffe stopped: Cannot copy param 0 .*'conv1'"
    ):
        load(IN_PLACE.replace("num_output: 4", "num_output: 6"), weights=tmp_path / "net.caffemodel")


def test_wrong_names_and_seeds(load: Load) -> None:
    net = load(QUADRATIC, ["fc"])
    net.forward(draw(net), [])
    assert "late" not in net.blobs
    with pytest.raises(ModelError, match="no blob 'late'"):
        net.forward({}, ["late"])
    with pytest.raises(ModelError, match="at least one seed"):
        net.backward({}, ["x"])
    with pytest.raises(ModelError, match=r"seed of fc has shape \(1, 4\), not \(2, 4\)"):
        net.backward({"fc": np.ones((1, 4))}, ["x"])
    with pytest.raises(ModelError, match=r"no parameter 'late\.weight'"):
        net.values(["late.weight"])
    with pytest.raises(ModelError, match="'nothing' is no blob or parameter"):
        load(QUADRATIC, ["nothing"])


def test_a_layer_without_a_gradient_is_one_clear_line(load: Load) -> None:
    net = load(
        """
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
        layer { name: "best" type: "ArgMax" bottom: "x" top: "best" }
        """
    )
    net.forward(draw(net), [])
    with pytest.raises(ModelError, match=r"^Caffe stopped on the way back through layer 'best': Not Imp"):
        net.backward({"best": np.ones(net.blobs["best"])}, ["x"])


def test_odd_names_of_folders_and_files(caffe: CaffeProcess, caffe_python: str, tmp_path: Path) -> None:
    folder = tmp_path / "große Ordner, 1"
    folder.mkdir()
    expected = plain(caffe_python, folder, ODD_NAMES)
    carrier = folder / "mit Netz.caffemodel"
    (folder / "net.caffemodel").rename(carrier)
    net = read_net(folder / "net.prototxt")
    layers = import_net(net).layers
    # a caffemodel carries its network, here with Caffe's own Split layers; its layers are those of the file
    for file in (folder / "net.prototxt", carrier):
        loaded = caffe.load(file, carrier, edits(net, layers))
        (found,) = loaded.forward({"Bild 1": expected["Bild 1"]}, ["a:b.c"])
        np.testing.assert_array_equal(found, expected["a:b.c"])


def test_many_networks_in_one_process(load: Load) -> None:
    nets = [load(IN_PLACE) for _ in range(3)]
    feeds = [draw(net, seed) for seed, net in enumerate(nets)]
    found = [net.forward(feed, ["fc"])[0] for net, feed in zip(nets, feeds, strict=True)]
    del nets[0]
    again = [net.forward(feed, ["fc"])[0] for net, feed in zip(nets, feeds[1:], strict=True)]
    np.testing.assert_array_equal(again, found[1:])


def test_the_runner_takes_the_place_of_onnxruntimes(load: Load) -> None:
    net = load(QUADRATIC, ["fc", "sum"])
    weight = np.random.default_rng(0).normal(size=(4, 60)).astype("f")
    net.set_values({"fc.weight": weight, "fc.bias": np.ones(4, "f")})
    runner = PycaffeRunner(net, ["fc", "sum"])
    assert runner.outputs == ["fc", "sum"]
    assert runner.inputs == {"x": "tensor(float)"}
    fc, total = runner.run({"x": np.ones((1, 3, 5, 4)), "unused": np.ones(2)})
    close(fc, total.reshape(1, -1) @ weight.T + 1)
