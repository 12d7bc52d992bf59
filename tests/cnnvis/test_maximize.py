"""Images that excite neurons, at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from converters import read
from tests.extract.nets import model_of, save, toy


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the toy network; commands run inside it."""
    monkeypatch.chdir(tmp_path)
    save(toy(), tmp_path)
    return tmp_path


def sums(*shape: int | None) -> onnx.ModelProto:
    """Return a network whose one map is the sum of neighbours in the first channel."""
    rank = len(shape) - 1
    weights = np.zeros((1, shape[0], *[2] * rank), np.float32)
    weights[0, 0] = 1
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], "sums")
    return model_of([node], {"x": ["N", *shape]}, ["y"], {"w": weights})


def test_the_image_that_a_sum_likes_best_is_white(cnnvis, here):
    done = cnnvis("maximize", "net.onnx", "--target", "conv1:0", "--preprocess", "unit", "-o", "out")
    assert done.code == 0, done.err
    names = [Path(path).name for path in done.out]
    stem = "model-net_target-conv1%3A0_max"
    assert names == [f"{stem}.nrrd", f"{stem}.nrrd.json", f"{stem}.npy", f"{stem}.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(f"out/{stem}.png")), np.full((3, 3), 255))
    facts = json.loads(Path(f"out/{stem}.nrrd.json").read_text())["facts"]
    assert facts["score"]["end"] == pytest.approx(4)
    assert facts["target"] == "conv1:0"
    assert facts["method"]["steps"] == 200
    assert facts["preprocessing"]["scale"] == pytest.approx(1 / 255)


def test_the_array_excites_the_neuron_as_the_side_car_says(cnnvis, here):
    cnnvis("maximize", "net.onnx", "--target", "fc:1", "--preprocess", "unit", "--steps", "20", "-o", "out")
    volume = read("out/model-net_target-fc%3A1_max.nrrd")
    done = cnnvis(
        "activations",
        "net.onnx",
        "--image",
        "out/model-net_target-fc%3A1_max.npy",
        "--layer",
        "fc",
        "-o",
        "acts",
    )
    assert done.code == 0, done.err
    (path,) = [path for path in done.out if path.endswith("_act.nrrd")]
    assert read(path).data.ravel()[1] == pytest.approx(volume.facts["score"]["end"], rel=1e-5)


def test_values_that_the_preprocessing_turns_round(cnnvis, here):
    words = ("--preprocess", "unit", "--input-scale", "-1", "-o", "out")
    done = cnnvis("maximize", "net.onnx", "--target", "conv1:0", "--target", "conv1:0", *words)
    assert done.code == 0, done.err
    (path,) = [path for path in done.out if path.endswith(".png")]
    np.testing.assert_array_equal(np.asarray(Image.open(path)), 0)


def test_any_blur_is_done(cnnvis, here):
    words = ("--preprocess", "unit", "--blur", "1e12", "--steps", "4", "-o", "out")
    assert cnnvis("maximize", "net.onnx", "--target", "conv1:0", *words).code == 0


def test_colours_are_in_the_networks_order(cnnvis, here):
    save(sums(3, 5, 7), here, "blue.onnx")
    words = ("--preprocess", "raw", "--channels", "BGR", "--jitter", "1", "-o", "out")
    done = cnnvis("maximize", "blue.onnx", "--target", "sums:0", *words)
    assert done.code == 0, done.err
    pixels = np.asarray(Image.open(done.out[-1]))
    assert pixels.shape == (5, 7, 3)
    np.testing.assert_array_equal(pixels[..., 2], 255)
    assert pixels[..., :2].max() < 20


def test_3d_networks_give_volumes(cnnvis, here):
    save(sums(1, None, None, None), here, "solid.onnx")
    words = ("--size", "4x5x6", "--steps", "5", "--format", "nii.gz", "-o", "out")
    done = cnnvis("maximize", "solid.onnx", "--target", "sums:0", *words)
    assert done.code == 0, done.err
    assert [Path(path).suffix for path in done.out] == [".gz", ".json", ".npy"]
    volume = read(done.out[0])
    assert volume.size == (6, 5, 4)
    assert volume.facts["score"]["end"] > volume.facts["score"]["start"]


def test_seeds_choose_the_image(cnnvis, here):
    def image(seed: int) -> bytes:
        words = ("--steps", "3", "--preprocess", "unit", "--seed", seed, "-o", "out")
        cnnvis("maximize", "net.onnx", "--target", "fc:0", *words)
        return Path("out/model-net_target-fc%3A0_max.npy").read_bytes()

    assert image(1) == image(1) != image(2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "fc:7"), "'fc:7': index 7 is beyond axis 1, of size 2"),
        (("--target", "fd:0"), "no layer or tensor 'fd'"),
        (("--target", "fc:0", "--decay", "2"), "'--decay': 2.0 is not in the range"),
        (("--target", "fc:0", "--size", "9x9"), "input 'x'"),
    ],
)
def test_bad_calls_are_one_line(cnnvis, here, words, message):
    done = cnnvis("maximize", "net.onnx", *words, "--preprocess", "unit", "-o", "out")
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert not Path("out").exists()
