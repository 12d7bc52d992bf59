"""Model descriptions in TOML, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from extract.description import ModelDescription, read_description
from extract.errors import ModelError
from extract.preprocessing import Preprocessing, preset

WHOLE = """
model = "nets/deploy.prototxt"
weights = "nets/net.caffemodel"
labels = "labels.txt"

[input]
preset = "caffe"
size = [227, 227]
stretch_to = 256
mean = "mean.binaryproto"
mean_per_channel = true
input_scale = 0.017
interpolation = "bilinear-opencv"
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "net.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_whole_description(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("tabby\ntiger cat\n\nmönkey\n", encoding="utf-8")
    description = read_description(_write(tmp_path, WHOLE))
    assert description.model == tmp_path / "nets" / "deploy.prototxt"
    assert description.weights == tmp_path / "nets" / "net.caffemodel"
    assert description.labels == ("tabby", "tiger cat", "", "mönkey")
    assert description.preprocessing == Preprocessing(
        size=(227, 227),
        resize="stretch",
        stretch_to=(256, 256),
        interpolation="bilinear-opencv",
        channels="BGR",
        scale=1,
        mean=tmp_path / "mean.binaryproto",
        mean_per_channel=True,
        input_scale=0.017,
    )


def test_only_the_model_is_needed(tmp_path: Path) -> None:
    assert read_description(_write(tmp_path, 'model = "a.onnx"')) == ModelDescription(tmp_path / "a.onnx")


def test_absolute_paths_stay(tmp_path: Path) -> None:
    elsewhere = (tmp_path / "elsewhere" / "a.onnx").as_posix()
    assert read_description(_write(tmp_path, f'model = "{elsewhere}"')).model == Path(elsewhere)


def test_numbers_of_toml(tmp_path: Path) -> None:
    numbers = "size = 224\nscale = 1\nmean = [104, 117.5, 123]\nstd = 1\nshort_side = 256"
    text = f'model = "a.onnx"\n[input]\n{numbers}'
    settings = read_description(_write(tmp_path, text)).preprocessing
    assert settings == Preprocessing(size=(224, 224), scale=1.0, mean=(104.0, 117.5, 123.0), short_side=256)


def test_a_preset_alone(tmp_path: Path) -> None:
    text = 'model = "a.onnx"\ninput.preset = "lite"'
    assert read_description(_write(tmp_path, text)).preprocessing == preset("lite")


BAD = {
    "no model": ("", "the key 'model' is missing"),
    "no toml": ("model = ", "not a TOML file"),
    "twice": ('model = "a"\nmodel = "b"', "not a TOML file"),
    "unknown key": ('modle = "a.onnx"', "unknown key 'modle'; did you mean 'model'"),
    "unknown table": ('model = "a.onnx"\n[inputs]\nsize = 3', "unknown key 'inputs'; did you mean 'input'"),
    "unknown setting": (
        'model = "a.onnx"\n[input]\nsdt = 3',
        r"\[input\] unknown preprocessing setting 'sdt'; did you mean 'std'",
    ),
    "unknown preset": ('model = "a.onnx"\n[input]\npreset = "keras"', "unknown preprocessing preset 'keras'"),
    "bad size": ('model = "a.onnx"\n[input]\nsize = [0, 5]', r"size takes height and width .* not \[0, 5\]"),
    "a table as number": ('model = "a.onnx"\n[input]\nscale = {a = 1}', "scale takes a finite number"),
    "model is a number": ("model = 3", "model takes the path of a file, not 3"),
    "model is empty": ('model = ""', "model takes the path of a file, not ''"),
    "weights is a list": ('model = "a"\nweights = ["b"]', "weights takes the path of a file"),
    "input is text": ('model = "a"\ninput = "torch"', "input takes a table of settings, not 'torch'"),
    "no labels": ('model = "a"\nlabels = "missing.txt"', "missing.txt: labels cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_descriptions(tmp_path: Path, case: str) -> None:
    text, message = BAD[case]
    with pytest.raises(ModelError, match=message) as caught:
        read_description(_write(tmp_path, text))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "net.toml").write_bytes(b"\x08\x07\xff\xfe" * 20)
    with pytest.raises(ModelError, match=r"net\.toml: not a TOML file"):
        read_description(tmp_path / "net.toml")
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match=r"labels\.txt: labels cannot be read"):
        read_description(_write(tmp_path, 'model = "a"\nlabels = "labels.txt"'))
    with pytest.raises(ModelError, match="no such file"):
        read_description(tmp_path / "missing.toml")
    with pytest.raises(ModelError, match="is a folder"):
        read_description(tmp_path)
