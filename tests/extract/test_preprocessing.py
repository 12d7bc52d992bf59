"""Settings, presets and the arithmetic of preprocessing."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.errors import CnnVisWarning
from extract.errors import ImageError
from extract.images import to_input
from extract.preprocessing import PRESETS, Preprocessing, configure, normalize, preset
from extract.sources import find_images
from tests.extract.caffe_files import MEAN, picture, write_mean, write_picture

VALUES = np.arange(3 * 5 * 7, dtype=np.uint8).reshape(3, 5, 7) * 2

# each preset on the values 0, 100 and 255 of channels 0, 1 and 2 of the network, worked out by hand
BY_HAND = {
    "unit": [[0, 100 / 255, 1]] * 3,
    "raw": [[0, 100, 255]] * 3,
    "tf": [[-1, -27.5 / 127.5, 1]] * 3,
    "lite": [[-127 / 128, -27 / 128, 1]] * 3,
    "caffe": [[-104, -4, 151], [-117, -17, 138], [-123, -23, 132]],
    "torch": [
        [-0.485 / 0.229, (100 / 255 - 0.485) / 0.229, 0.515 / 0.229],
        [-0.456 / 0.224, (100 / 255 - 0.456) / 0.224, 0.544 / 0.224],
        [-0.406 / 0.225, (100 / 255 - 0.406) / 0.225, 0.594 / 0.225],
    ],
}


def test_every_preset_is_tried() -> None:
    assert set(BY_HAND) == set(PRESETS)


@pytest.mark.parametrize("name", BY_HAND)
def test_presets_by_hand(name: str) -> None:
    values = np.array([[[0, 100, 255]]] * 3, np.uint8)
    result = normalize(values, preset(name))
    assert result.dtype == np.float32
    # one rounding to float32
    np.testing.assert_allclose(result[:, 0], BY_HAND[name], rtol=1.2e-7, atol=1e-9)


def test_torch_as_torchvision_computes_it() -> None:
    """ToTensor and Normalize, in float32 step by step."""
    expected = VALUES.astype(np.float32) / np.float32(255)
    mean, std = ([[[n]] for n in numbers] for numbers in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    expected = (expected - np.array(mean, np.float32)) / np.array(std, np.float32)
    # float32 steps round up to three times, of values up to 2.7
    np.testing.assert_allclose(normalize(VALUES, preset("torch")), expected, atol=1e-6)


def test_a_mean_image(tmp_path: Path) -> None:
    mean = np.linspace(0, 100, VALUES.size).reshape(VALUES.shape)
    np.save(tmp_path / "mean.npy", mean)
    result = normalize(VALUES, Preprocessing(scale=2, mean=tmp_path / "mean.npy", std=4))
    # the mean is read as float32
    expected = (2 * VALUES.astype(float) - mean) / 4
    np.testing.assert_allclose(result, expected, atol=2e-5)


@pytest.mark.parametrize("shape", [(3,), (3, 1, 1)])
def test_a_mean_file_of_one_number_a_channel(tmp_path: Path, shape: tuple) -> None:
    np.save(tmp_path / "mean.npy", np.array([104, 117, 123.0]).reshape(shape))
    from_file = normalize(VALUES, Preprocessing(scale=1, mean=tmp_path / "mean.npy"))
    np.testing.assert_array_equal(from_file, normalize(VALUES, preset("caffe")))


def test_a_mean_of_caffe(tmp_path: Path) -> None:
    mean = np.linspace(0, 100, VALUES.size, dtype=np.float32).reshape(VALUES.shape)
    write_mean(tmp_path / "mean.binaryproto", mean)
    np.save(tmp_path / "mean.npy", mean[np.newaxis])
    settings = Preprocessing(scale=1, mean=tmp_path / "mean.binaryproto")
    expected = VALUES.astype(np.float64) - mean
    np.testing.assert_array_equal(normalize(VALUES, settings), expected.astype(np.float32))
    from_npy = normalize(VALUES, replace(settings, mean=tmp_path / "mean.npy"))
    np.testing.assert_array_equal(from_npy, expected.astype(np.float32))


def test_a_mean_image_is_cut_as_its_picture(tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", MEAN)
    settings = Preprocessing(scale=1, mean=tmp_path / "mean.npy", resize="stretch", stretch_to=(7, 10))
    values = np.full((3, 4, 5), 200, np.uint8)
    # (7 - 4) // 2 = 1, (10 - 5) // 2 = 2
    np.testing.assert_array_equal(normalize(values, settings), 200 - MEAN[:, 1:5, 2:7])


def test_a_mean_image_is_averaged(tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", MEAN)
    settings = Preprocessing(scale=1, mean=tmp_path / "mean.npy", mean_per_channel=True)
    expected = VALUES - MEAN.astype(float).mean(1).mean(1).reshape(3, 1, 1)
    np.testing.assert_allclose(normalize(VALUES, settings), expected, rtol=1e-6)
    numbers = Preprocessing(scale=1, mean=(1, 2, 3))
    np.testing.assert_array_equal(
        normalize(VALUES, replace(numbers, mean_per_channel=True)), normalize(VALUES, numbers)
    )


@pytest.mark.parametrize("settings", [Preprocessing(), Preprocessing(resize="stretch", stretch_to=(9, 9))])
def test_a_mean_image_of_another_size_is_resized_as_pycaffe_does(
    tmp_path: Path, settings: Preprocessing
) -> None:
    """The golden is ``transformer.mean["data"][0]`` after `set_mean`; see test_bilinear for the versions."""
    np.save(tmp_path / "mean.npy", MEAN)
    with pytest.warns(
        CnnVisWarning, match=r"mean\.npy: this mean image of 7 x 10 is resized to .* 9 x 12, as"
    ):
        result = normalize(np.zeros((3, 9, 12), np.uint8), replace(settings, mean=tmp_path / "mean.npy"))
    first = [50.25, 54.917, 60.102, 65.287, 70.472, 75.657, 80.843, 86.028, 91.213, 96.398, 101.583, 101.583]
    last = [66.546, 72.694, 77.88, 83.065, 88.25, 93.435, 98.62, 103.806, 108.991, 114.176, 119.361, 117.88]
    np.testing.assert_allclose(-result[0, [0, -1]], [first, last], atol=1e-3)


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (5, 7, 3), (4,), (3, 5), (), (1, 3, 1, 5, 7)])
def test_a_mean_file_of_another_shape(tmp_path: Path, shape: tuple) -> None:
    np.save(tmp_path / "mean.npy", np.zeros(shape))
    with pytest.raises(
        ImageError,
        match=r"mean\.npy: a mean of shape .* does not fit an input of 3 channels: it takes \(3,\)",
    ):
        normalize(VALUES, Preprocessing(mean=tmp_path / "mean.npy"))


def test_bad_mean_files(tmp_path: Path) -> None:
    for name, data in {"mean.npy": b"no", "mean.binaryproto": b"\xff" * 9}.items():
        path = tmp_path / name
        with pytest.raises(ImageError, match=rf"{name}: no such file"):
            normalize(VALUES, Preprocessing(mean=path))
        path.write_bytes(data)
        with pytest.raises(ImageError, match=name):
            normalize(VALUES, Preprocessing(mean=path))
    write_mean(tmp_path / "mean.binaryproto", np.full((3, 5, 7), np.nan))
    with pytest.raises(ImageError, match="105 of 105 values are NaN"):
        normalize(VALUES, Preprocessing(mean=tmp_path / "mean.binaryproto"))


def test_the_input_scale_comes_last() -> None:
    settings = Preprocessing(scale=2, mean=(1, 2, 3), std=(4, 5, 6), input_scale=0.017)
    shift, divisor = (np.reshape(numbers, (3, 1, 1)) for numbers in ([1, 2, 3], [4, 5, 6]))
    expected = (2 * VALUES.astype(float) - shift) / divisor * 0.017
    np.testing.assert_allclose(normalize(VALUES, settings), expected, rtol=2e-7)


def test_the_caffe_preset_is_what_pycaffe_computes(tmp_path: Path) -> None:
    """Goldens: the first row of each channel of Transformer's `preprocess`, set up as in Caffe's examples.

    That is transpose (2, 0, 1), channel_swap (2, 1, 0), raw_scale 255, and the mean; see test_bilinear for
    the versions. The picture's size is the input's, then it is not.
    """
    path = write_picture(tmp_path / "a.png", picture(5, 7))
    goldens: dict[tuple[int, ...], list] = {
        (1, 3, 5, 7): [
            [42, 10, -22, -54, -86, 133, 101],
            [-44, -76, -108, 111, 79, 47, 15],
            [-123, 96, 64, 32, 0, -32, -64],
        ],
        (1, 3, 3, 4): [
            [39, -17, -73, 90.625],
            [-47, -82.083, 81.542, 36],
            [-31.875, 69, 13, -43],
        ],
    }
    (source,) = find_images([path])
    for shape, rows in goldens.items():
        array = to_input(source, preset("caffe"), shape).array
        np.testing.assert_allclose(array[:, 0], rows, atol=1e-3)
    slower = to_input(source, replace(preset("caffe"), input_scale=0.017), (1, 3, 3, 4)).array
    np.testing.assert_allclose(slower[0, 0], [0.663, -0.289, -1.241, 1.541], atol=1e-3)


def test_numbers_for_another_count_of_channels() -> None:
    with pytest.raises(ImageError, match="mean has 3 numbers, the network's input 1 channels"):
        normalize(VALUES[:1], preset("torch"))
    with pytest.raises(ImageError, match="std has 2 numbers, the network's input 3 channels"):
        normalize(VALUES, Preprocessing(std=(1, 2)))


def test_one_number_stands_for_all() -> None:
    settings = Preprocessing(size=224, background=7, fill=114)  # type: ignore[arg-type]
    assert settings.size == (224, 224)
    assert settings.background == (7, 7, 7)
    assert settings.fill == (114, 114, 114)


BAD: list[tuple[str, Any]] = [
    *[
        ("size", value)
        for value in (0, -5, (224, 0), (224, 32769), (1, 2, 3), 22.5, "224", True, (), math.nan)
    ],
    ("resize", "zoom"),
    ("resize", None),
    *[("stretch_to", value) for value in (0, (256, 0), "256")],
    *[("short_side", value) for value in (0, -1, 40000, 1.5, "256")],
    *[("crop_fraction", value) for value in (0, -1, 1.01, 1e-9, math.nan, "0.9")],
    ("interpolation", "cubic"),
    ("interpolation", []),
    ("channels", "RGBA"),
    *[("scale", value) for value in (0, math.inf, "1", None, True)],
    *[("mean", value) for value in (math.nan, (), (1, "2"), None, {"r": 1}, ((1, 2), (3, 4)))],
    *[("mean_per_channel", value) for value in (1, "yes", None)],
    *[("input_scale", value) for value in (0, math.nan, (1, 2), None)],
    *[("std", value) for value in (0, (1, 0, 1), math.inf, None, "std.npy")],
    *[("background", value) for value in (-1, 256, (1, 2), "white", 1.5, (0, 0, 300))],
    ("fill", None),
    *[("axes", value) for value in ("xy", "xxy", "zyxc", "abc", "XYZ", 3, "ctzyx", "")],
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_settings_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(ImageError) as caught:
        Preprocessing(**{name: value})
    assert str(caught.value).startswith(f"preprocessing: {name} takes ")
    assert repr(value) in str(caught.value)


def test_configure_starts_from_a_preset(tmp_path: Path) -> None:
    settings = configure({"preset": "torch", "size": [96, 128], "mean": "mean.npy"}, tmp_path)
    assert settings.std == (0.229, 0.224, 0.225)
    assert settings.crop_fraction == 0.875
    assert settings.size == (96, 128)
    assert settings.mean == tmp_path / "mean.npy"
    assert configure({}) == Preprocessing()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "trch"}, "unknown preprocessing preset 'trch'; did you mean 'torch'"),
        ({"preset": 5}, "unknown preprocessing preset '5'; known are unit, raw, torch"),
        ({"maen": 5}, "unknown preprocessing setting 'maen'; did you mean 'mean'"),
        ({"Preset": "torch"}, "unknown preprocessing setting 'Preset'; did you mean 'preset'"),
        ({"zzzzz": 5}, "unknown preprocessing setting 'zzzzz'; known are preset, size, resize"),
        ({"mean": {}}, "mean takes a finite number, or one a channel, or a .npy or .binaryproto file"),
        ({"size": [1, 2, 3]}, "preprocessing: size takes height and width"),
    ],
)
def test_configure_names_what_is_wrong(settings: dict, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        configure(settings)


def test_facts_are_json_and_name_the_mean_file(tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", np.zeros(3))
    settings = Preprocessing(size=(5, 7), mean=tmp_path / "mean.npy", std=(1, 2, 3))
    facts = settings.facts
    digest = hashlib.sha256((tmp_path / "mean.npy").read_bytes()).hexdigest()
    assert facts["mean"] == {"file": "mean.npy", "sha256": digest}
    assert facts["size"] == [5, 7]
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.parametrize("name", PRESETS)
def test_facts_rebuild_the_settings(name: str) -> None:
    assert Preprocessing(**json.loads(json.dumps(PRESETS[name].facts))) == PRESETS[name]
