"""Gradients at the command line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from converters import read
from extract import load_model
from extract.differentiate.registry import Entry, entries
from extract.gradients import Differentiator, gradients
from tests.extract.nets import NINE, model_of, save, toy
from tests.extract.segmentation import CHANNELS, SIZES, segmentation
from tests.extract.test_gradients import AT_CONV1, AT_KERNELS, AT_X
from tests.extract.test_pycaffe import modules  # noqa: F401  (a fixture)
from tests.extract.test_pycaffe_gradients import PROTOTXT


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the toy network and an input; commands run inside it."""
    monkeypatch.chdir(tmp_path)
    save(toy(), tmp_path)
    np.save("nine.npy", NINE[0])
    return tmp_path


CALL = ("gradients", "net.onnx", "--image", "nine.npy", "--target", "fc:0", "-o", "out")


def volumes(done):
    return {
        Path(path).name.split("layer-")[1]: read(path) for path in done.out if path.endswith("_grad.nrrd")
    }


def test_gradients_of_filters_layers_and_inputs(cnnvis, here):
    done = cnnvis(*CALL, "--wrt", "conv*.weight", "--wrt", "conv1", "--wrt", "x")
    assert done.code == 0, done.err
    found = volumes(done)
    assert list(found) == [
        "conv1_param-weight_target-fc%3A0_grad.nrrd",
        "conv1_target-fc%3A0_grad.nrrd",
        "x_target-fc%3A0_grad.nrrd",
    ]
    weight, layer, image = found.values()
    np.testing.assert_array_equal(weight.data, AT_KERNELS[0, :, 0])
    assert weight.labels == ("0,0", "1,0")
    np.testing.assert_array_equal(layer.data, AT_CONV1[0])
    np.testing.assert_array_equal(image.data, AT_X[0])
    assert layer.facts["target"] == "fc:0"
    assert layer.facts["quantity"] == "grad"


def test_the_layers_geometry_is_that_of_its_activations(cnnvis, here):
    grad = volumes(cnnvis(*CALL, "--wrt", "conv1"))["conv1_target-fc%3A0_grad.nrrd"]
    done = cnnvis("activations", "net.onnx", "--image", "nine.npy", "--layer", "conv1", "-o", "out")
    (path,) = [path for path in done.out if path.endswith("_act.nrrd")]
    act = read(path)
    assert (grad.origin, grad.spacing, grad.direction) == (act.origin, act.spacing, act.direction)


def test_a_3d_network_on_a_nifti_volume(cnnvis, tmp_path, monkeypatch):
    nibabel = pytest.importorskip("nibabel")
    monkeypatch.chdir(tmp_path)
    net = save(segmentation(), tmp_path)
    values = np.random.default_rng(2).standard_normal((CHANNELS, *SIZES), np.float32)
    affine = np.array([[-2, 0, 0, 10], [0, -3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(values.T, affine), "head.nii.gz")
    given = ("net.onnx", "--image", "head.nii.gz", "--axes", "czyx", "-o", "out", "--format", "nii.gz")
    names = ["volume", "down1", "up0_up", "down1.weight"]
    wrt = [word for name in names for word in ("--wrt", name)]
    done = cnnvis("gradients", *given, "--target", "prob:1,2,7,9", *wrt)
    assert done.code == 0, done.err
    found = [nibabel.load(path) for path in done.out if path.endswith("_grad.nii.gz")]
    expected = gradients(load_model(net), values[np.newaxis], "prob:1,2,7,9", names)
    for image, name in zip(found, names, strict=True):
        wanted = expected[name][0].reshape(-1, *expected[name].shape[-3:])
        np.testing.assert_array_equal(image.get_fdata(dtype=np.float32).T, wanted, err_msg=name)
    # each unit of down1 lies at every other voxel
    np.testing.assert_allclose(found[0].affine, affine)
    np.testing.assert_allclose(found[1].affine, affine @ np.diag([2, 2, 2, 1]))
    done = cnnvis("activations", *given, "--layer", "up0_up")
    (path,) = [path for path in done.out if path.endswith("_act.nii.gz")]
    np.testing.assert_array_equal(found[2].affine, nibabel.load(path).affine)


def test_the_graph_can_be_kept_for_other_tools(cnnvis, here):
    done = cnnvis(*CALL, "--wrt", "conv1.weight", "--save-graph", "grad.onnx")
    assert done.code == 0, done.err
    assert "grad.onnx" in done.out
    onnx.checker.check_model("grad.onnx", full_check=True)
    session = onnxruntime.InferenceSession("grad.onnx", providers=["CPUExecutionProvider"])
    feeds = {"x": NINE, "seed:objective": np.ones(1, np.float32)}
    (found,) = session.run(["grad:conv1_w"], feeds)
    np.testing.assert_array_equal(found, AT_KERNELS)


@pytest.fixture
def in_caffe(here, modules, monkeypatch):  # noqa: F811
    """The words of a call for a Caffe network, which a stand-in for Caffe runs."""
    monkeypatch.setenv("PYTHONPATH", str(modules), prepend=os.pathsep)
    monkeypatch.setenv("CNNVIS_CAFFE_PYTHON", sys.executable)
    Path("net.prototxt").write_text(PROTOTXT.replace("dim: 3 dim: 2", "dim: 1 dim: 3 dim: 2"))
    np.save("six.npy", np.arange(6, dtype=np.float32).reshape(1, 3, 2))
    words = "gradients net.prototxt --engine pycaffe --image six.npy --target two:0,1,0 --wrt one -o out"
    return words.split()


def test_gradients_by_caffe(cnnvis, in_caffe):
    done = cnnvis(*in_caffe)
    assert done.code == 0, done.err
    volume = volumes(done)["one_target-two%3A0,1,0_grad.nrrd"]
    np.testing.assert_array_equal(volume.data, [[[0, 0], [1, 0], [0, 0]]])
    assert volume.facts["model"]["engine"] == "pycaffe"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--save-graph", "new/grad.onnx"), "Caffe computes these gradients without a graph"),
        (("--provider", "CPUExecutionProvider"), "Caffe computes these gradients, which has no --provider"),
        (("--check",), "Caffe computes these gradients without a graph"),
        (("--method", "guided-backprop"), "Caffe goes back through layers by their own rules"),
    ],
)
def test_what_caffe_has_not(cnnvis, in_caffe, words, message):
    done = cnnvis(*in_caffe, *words)
    assert done.code == 2
    assert f"net.prototxt: {message}" in done.err
    assert len(done.err.splitlines()) == 1
    assert not Path("out").exists()
    assert not Path("new").exists()


def test_the_preset_is_symmetric_about_zero(cnnvis, here):
    done = cnnvis(*CALL, "--wrt", "conv1.weight", "--preset", "signed")
    (path,) = [path for path in done.out if path.endswith(".paraview.json")]
    points = json.loads(Path(path).read_text())[0]["RGBPoints"][::4]
    assert points[0] == -points[-1]


def test_the_side_car_says_how_complete_integrated_gradients_are(cnnvis, here):
    np.save("twice.npy", 2 * NINE[0])
    done = cnnvis(*CALL, "--wrt", "x", "--image", "twice.npy", "--method", "integrated-gradients")
    assert done.code == 0, done.err
    first, second = (read(path) for path in done.out if path.endswith("_integrated-gradients.nrrd"))
    for volume in (first, second):
        report = volume.facts["report"]
        assert volume.data.sum() == pytest.approx(report["score"] - report["baseline_score"], rel=0.05)
    assert second.facts["report"]["score"] > first.facts["report"]["score"]


@pytest.mark.parametrize(
    ("method", "expected"), [("times-input", AT_X[0] * NINE[0]), ("guided-backprop", AT_X[0])]
)
def test_methods_are_switches(cnnvis, here, method, expected):
    done = cnnvis(*CALL, "--wrt", "x", "--method", method)
    assert done.code == 0, done.err
    (path,) = [path for path in done.out if path.endswith(f"_{method}.nrrd")]
    volume = read(path)
    np.testing.assert_array_equal(volume.data, expected)
    assert volume.facts["method"]["method"] == method
    assert "arXiv" in volume.facts["method"]["reference"]


def test_check_compares_with_central_differences(cnnvis, here):
    done = cnnvis(*CALL, "--wrt", "conv1.weight", "--wrt", "x", "--check")
    assert done.code == 0, done.err
    head, columns, *rows, end = done.err.splitlines()
    assert "12 comparisons, tolerance 1e-06" in head
    assert "s" in head.split("about ")[1]
    assert columns.split() == ["float32", "float64", "difference", "apart", "allowed"]
    assert len(rows) == 12
    assert end == "12 agree, 0 lie at kinks, where there is no derivative"
    assert volumes(done)["x_target-fc%3A0_grad.nrrd"].facts["check"]["comparisons"] == 12


def test_check_points_kinks_out(cnnvis, here):
    # the second window of the sums is at the kink of ReLU
    image = NINE[0] + 1
    image[0, :2, 1:] = 0
    np.save("nine.npy", image)
    done = cnnvis(*CALL, "--wrt", "x", "--check")
    assert done.code == 0, done.err
    *rows, end = done.err.splitlines()[2:]
    kinks = sum("kink: a convention" in row for row in rows)
    assert 0 < kinks < len(rows)
    assert end.startswith(f"{len(rows) - kinks} agree, {kinks} lie at kinks")


def test_a_check_of_kinks_alone_is_none(cnnvis, here):
    np.save("nine.npy", np.zeros_like(NINE[0]))
    done = cnnvis(*CALL, "--wrt", "x", "--target", "relu1:0", "--check")
    assert done.code == 2
    assert "nothing could be checked of x: all comparisons lie at kinks" in done.err.splitlines()[-1]
    assert not Path("out").exists()


def test_check_where_the_network_takes_four_images_at_a_time(cnnvis, here):
    save(toy(x=[4, 1, 3, 3]), here)
    done = cnnvis(*CALL, "--wrt", "conv1.weight", "--wrt", "conv1", "--wrt", "x", "--check")
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1].startswith("18 agree, 0 lie at kinks")


def test_what_is_written_is_checked_too(cnnvis, here, monkeypatch):
    run = Differentiator.run
    monkeypatch.setattr(
        Differentiator, "run", lambda self, x: {name: 1.1 * v for name, v in run(self, x).items()}
    )
    done = cnnvis(*CALL, "--wrt", "x", "--check")
    assert done.code == 1
    assert "comparisons disagree, first that of 'x'" in done.err


def test_a_wrong_gradient_is_told(cnnvis, here, monkeypatch):
    rule = entries()["Flatten"].rule
    twice = Entry(lambda step: [step.add("Add", *[g] * 2) for g in rule(step)], per_image=True)
    monkeypatch.setitem(entries(), "Flatten", twice)
    done = cnnvis(*CALL, "--wrt", "x", "--check")
    assert done.code == 1
    assert "comparisons disagree, first that of 'x', direction 1: gradient" in done.err
    assert not Path("out").exists()


def test_the_graph_is_that_of_the_method(cnnvis, here):
    for method in ("plain", "deconvnet"):
        done = cnnvis(*CALL, "--wrt", "x", "--method", method, "--save-graph", f"{method}.onnx")
        assert done.code == 0, done.err
    assert Path("plain.onnx").read_bytes() != Path("deconvnet.onnx").read_bytes()


def test_a_failed_call_keeps_no_graph(cnnvis, here):
    done = cnnvis(*CALL, "--wrt", "x", "--save-graph", "new/grad.onnx", "--image", "missing.npy")
    assert done.code == 2
    assert not Path("new").exists()


def test_gradients_that_need_no_value_of_the_image(cnnvis, here):
    done = cnnvis(*CALL, "--wrt", "flat")
    assert done.code == 0, done.err
    (volume,) = volumes(done).values()
    np.testing.assert_array_equal(volume.data.ravel(), np.arange(8))


def test_each_image_has_its_own_row_of_what_is_fed(cnnvis, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    product = onnx.helper.make_node("Mul", ["x", "m"], ["y"], "product")
    save(model_of([product], {"x": ["N", 1, 2, 3], "m": ["N", 1, 2, 3]}, ["y"], {}), tmp_path)
    images = np.arange(18, dtype=np.float32).reshape(3, 1, 2, 3)
    np.save("images.npy", images)
    np.save("m.npy", 10 + images)
    words = ("--target", "product:0,1,2", "--wrt", "x", "--feed", "m=m.npy", "-o", "out", "--batch", "2")
    done = cnnvis("gradients", "net.onnx", "--image", "images.npy", *words)
    assert done.code == 0, done.err
    found = [read(path).data[0, 1, 2] for path in done.out if path.endswith("_grad.nrrd")]
    np.testing.assert_array_equal(found, [15, 21, 27])
    np.save("m.npy", images[:2])
    done = cnnvis("gradients", "net.onnx", "--image", "images.npy", *words)
    assert done.code == 2
    assert "--feed m has 2 rows for 3 images" in done.err


def test_filters_of_3d_networks_are_refused_by_formats_of_one_volume(cnnvis, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = np.ones((2, 1, 2, 2, 2), np.float32)
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], "conv")
    save(model_of([node], {"x": ["N", 1, 3, 3, 3]}, ["y"], {"w": weights}), tmp_path)
    np.save("x.npy", np.ones((1, 3, 3, 3), np.float32))
    words = ("--target", "conv:0", "--wrt", "x", "--wrt", "conv.weight", "--layout", "channels")
    done = cnnvis("gradients", "net.onnx", "--image", "x.npy", *words, "--format", "mha", "-o", "out")
    assert done.code == 2
    assert "use --layout mosaic, or one of the formats" in done.err
    assert not Path("out").exists()


@pytest.mark.parametrize("transposed", [False, True])
def test_norms_of_filters(cnnvis, tmp_path, monkeypatch, transposed):
    monkeypatch.chdir(tmp_path)
    values = np.arange(2 * 3 * 2 * 3, dtype=np.float32).reshape((2, 3, 2, 3))
    node = onnx.helper.make_node(
        "ConvTranspose" if transposed else "Conv", ["x", "w"], ["y"], "conv", pads=[0, 1, 0, 1]
    )
    save(model_of([node], {"x": ["N", values.shape[not transposed], 5, 4]}, ["y"], {"w": values}), tmp_path)
    done = cnnvis("weights", "net.onnx", "--layer", "conv", "--layout", "norm", "-o", "out")
    assert done.code == 0, done.err
    norms = np.sqrt((values**2).sum(axis=0 if transposed else 1))
    volume = read(done.out[0])
    np.testing.assert_allclose(volume.data, norms, rtol=1e-6)
    assert volume.facts["layout"]["axes"] == ["kernel x", "kernel y", "output"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--check", "--method", "grad-cam"),
            "--check is for gradients themselves, and method grad-cam is none",
        ),
        (("--provider", "Nope"), "onnxruntime has no provider 'Nope' here; it has"),
        (
            ("--method", "times-input", "--save-graph", "g.onnx"),
            "method times-input does more than run one graph",
        ),
        (("--target", "fc"), "'fc' is no target: NAME:INDEX"),
        (("--target", "fc:7"), "'fc:7': index 7 is beyond axis 1, of size 2"),
        (("--target", "fd:0"), "no layer or tensor 'fd'; nearest: f, fc"),
        (("--target", "conv1:0", "--wrt", "fc.weight"), "the target does not depend on 'fc.weight'"),
        (("--wrt", "conv9"), "no layer or tensor 'conv9'"),
        (("--method", "guided"), "unknown method 'guided'; did you mean 'guided-backprop'?"),
    ],
)
def test_bad_calls_are_one_line(cnnvis, here, words, message):
    done = cnnvis(*CALL, "--wrt", "x", *words)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert not Path("out").exists()
