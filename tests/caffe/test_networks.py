"""Whole networks, Caffe's own examples and trained ones, against real Caffe."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from extract import activations, load_model
from tests.caffe.cases import layer
from tests.caffe.harness import Answer, ask, differences, feeds, put_values, run
from tests.helpers import require
from tests.models import fetched, trained, trained_caffe

Shapes = Mapping[str, tuple[int, ...]]

# The values that Caffe's authors subtract: blue, green, red.
MEAN = np.array([104, 117, 123], np.float32)[:, None, None]
# A layer, as the official files have it: its first and its last line begin without a blank.
BLOCK = re.compile(r"^layers? *\{.*?^\}\n?", re.MULTILINE | re.DOTALL)
DATA = frozenset({"Data", "HDF5Data", "ImageData", "WindowData"})


@dataclass(frozen=True)
class Training:
    """A network as it was trained, with its data layers.

    Parameters
    ----------
    file : str
        Where caffe-doc has it.
    inputs : mapping of str to tuple of int
        Shapes of what its data layers make, labels last.
    dropped : tuple of str
        Blobs that Caffe computes in addition: losses and accuracies, and labels for them.
    """

    file: str
    inputs: Shapes
    dropped: tuple[str, ...] = ("label", "loss", "accuracy")


DEPLOYED = {
    "alexnet": "models/bvlc_alexnet/deploy.prototxt",
    "caffenet": "models/bvlc_reference_caffenet/deploy.prototxt",
    "caffenet-full-conv": "examples/net_surgery/bvlc_caffenet_full_conv.prototxt",
    "cifar10-full": "examples/cifar10/cifar10_full.prototxt",
    "cifar10-quick": "examples/cifar10/cifar10_quick.prototxt",
    "conv": "examples/net_surgery/conv.prototxt",
    "flickr-style": "models/finetune_flickr_style/deploy.prototxt.gz",
    "googlenet": "models/bvlc_googlenet/deploy.prototxt.gz",
    "lenet": "examples/mnist/lenet.prototxt",
    "rcnn": "models/bvlc_reference_rcnn_ilsvrc13/deploy.prototxt",
    "siamese": "examples/siamese/mnist_siamese.prototxt",
}

_CIFAR = {"data": (2, 3, 32, 32), "label": (2,)}
_IMAGENET = {"data": (1, 3, 227, 227), "label": (1,)}
_TABLE = {"data": (3, 4), "label": (3,)}
TRAINED = {
    "alexnet": Training("models/bvlc_alexnet/train_val.prototxt.gz", _IMAGENET),
    "autoencoder": Training(
        "examples/mnist/mnist_autoencoder.prototxt",
        {"data": (2, 1, 28, 28)},
        ("cross_entropy_loss", "l2_error"),
    ),
    "caffenet": Training("models/bvlc_reference_caffenet/train_val.prototxt.gz", _IMAGENET),
    "cifar10-full": Training("examples/cifar10/cifar10_full_train_test.prototxt", _CIFAR),
    "cifar10-quick": Training("examples/cifar10/cifar10_quick_train_test.prototxt", _CIFAR),
    "cifar10-sigmoid": Training("examples/cifar10/cifar10_full_sigmoid_train_test.prototxt", _CIFAR),
    "cifar10-sigmoid-bn": Training("examples/cifar10/cifar10_full_sigmoid_train_test_bn.prototxt", _CIFAR),
    "flickr-style": Training("models/finetune_flickr_style/train_val.prototxt.gz", _IMAGENET),
    "googlenet": Training(
        "models/bvlc_googlenet/train_val.prototxt.gz",
        {"data": (1, 3, 224, 224), "label": (1,)},
        ("label", *(f"loss{i}/{what}" for i in (1, 2, 3) for what in (f"loss{i}", "top-1", "top-5"))),
    ),
    "imagenet-val": Training("examples/feature_extraction/imagenet_val.prototxt", _IMAGENET),
    "lenet": Training("examples/mnist/lenet_train_test.prototxt", {"data": (2, 1, 28, 28), "label": (2,)}),
    "logistic": Training("examples/hdf5_classification/train_val.prototxt", _TABLE),
    "nonlinear": Training("examples/hdf5_classification/nonlinear_train_val.prototxt", _TABLE),
    "nonlinear-auto": Training("examples/hdf5_classification/nonlinear_auto_test.prototxt", _TABLE),
    "pascal": Training(
        "examples/finetune_pascal_detection/pascal_finetune_trainval_test.prototxt",
        _IMAGENET,
        # so Caffe names what a loss without a top makes
        ("label", "accuracy", "(automatic)"),
    ),
    "siamese": Training(
        "examples/siamese/mnist_siamese_train_test.prototxt",
        {"pair_data": (2, 2, 28, 28), "sim": (2,)},
        ("sim", "loss"),
    ),
}


@dataclass(frozen=True)
class Places:
    """Where Caffe's own files are: caffe-doc, and the Python package."""

    documents: Path
    package: Path

    def text(self, name: str) -> str:
        """Return a file of caffe-doc."""
        content = (self.documents / name).read_bytes()
        return (gzip.decompress(content) if name.endswith(".gz") else content).decode()

    @property
    def cat(self) -> Path:
        """Caffe's own picture."""
        return self.documents / "examples/images/cat.jpg"


def _pixels(picture: Path, size: int) -> NDArray[np.float32]:
    """Return a picture as Caffe's networks take it, but for the mean: blue, green, red."""
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    return np.ascontiguousarray(pixels[:, :, ::-1].transpose(2, 0, 1), np.float32)


@pytest.fixture(scope="module")
def places(caffe_python: str) -> Places:
    script = "import json, sys, caffe; print(json.dumps([sys.prefix, caffe.__path__[0]]))"
    output = subprocess.run([caffe_python, "-c", script], capture_output=True, text=True, check=True).stdout
    prefix, package = map(Path, json.loads(output))
    documents = prefix / "share/doc/caffe-doc"
    require(documents.is_dir(), "caffe-doc, the networks of Caffe's authors,")
    return Places(documents, package)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose weights do not stay."""
    yield tmp_path
    for file in tmp_path.rglob("*.caffemodel"):
        file.unlink()


def _ask(python: str, folder: Path) -> Answer:
    answer = ask(python, folder)["net"]
    assert isinstance(answer, Answer), answer
    return answer


@pytest.mark.parametrize("name", DEPLOYED)
def test_deployed_networks(name: str, caffe_python: str, places: Places, folder: Path) -> None:
    text, changed = re.subn(r"(shape: \{ dim: )\d+", r"\g<1>2", places.text(DEPLOYED[name]))
    assert changed == 1
    (folder / "net.prototxt").write_text(text)
    answer = _ask(caffe_python, folder)
    model = load_model(folder / "net.prototxt", answer.caffemodel)
    assert differences(run(model, feeds(model, answer)), answer.blobs) == []


@pytest.mark.parametrize("name", TRAINED)
def test_networks_with_data_layers(name: str, caffe_python: str, places: Places, folder: Path) -> None:
    training = TRAINED[name]
    # the deployed ones have fully connected layers of this size; they make 200 MB
    text = places.text(training.file).replace("num_output: 4096", "num_output: 64")
    (folder / "net.prototxt").write_text(_fed(text, training.inputs))
    labels = [blob for blob, shape in training.inputs.items() if len(shape) == 1]
    put_values(folder, "net", {f"input:{blob}": np.zeros(training.inputs[blob]) for blob in labels})
    answer = _ask(caffe_python, folder)
    original = folder / "original.prototxt"
    original.write_text(text)
    model = load_model(original, answer.caffemodel, size=next(iter(training.inputs.values())))
    assert differences(run(model, feeds(model, answer)), answer.blobs, training.dropped) == []


def _fed(text: str, inputs: Shapes) -> str:
    """Return a network's text with inputs in place of its data layers, which would need their databases."""
    header = "".join(layer("Input", _shape(shape), "", blob, blob) for blob, shape in inputs.items())
    return header + BLOCK.sub(lambda found: "" if _kind(found[0]) in DATA else found[0], text)


def _shape(shape: Iterable[int]) -> str:
    return f"input_param {{ shape {{ {' '.join(f'dim: {size}' for size in shape)} }} }}"


def _kind(block: str) -> str:
    found = re.search(r'^ *type: *"(\w+)"', block, re.MULTILINE)
    assert found, block
    return found[1]


def test_upstreams_job(caffe_python: str, places: Places, folder: Path) -> None:
    """CaffeNet's conv1 to conv5 of Caffe's cat, after and before their ReLU, which works in place."""
    names = [f"conv{number}" for number in range(1, 6)]
    text = places.text(DEPLOYED["caffenet"]).replace("dim: 10 ", "dim: 1 ")
    mean = np.load(places.package / "imagenet/ilsvrc_2012_mean.npy")
    cat = (_pixels(places.cat, 256) - mean)[None, :, 14:241, 14:241]
    second = folder / "raw"
    second.mkdir()
    for place in (folder, second):
        put_values(place, "net", {"input:data": cat})
    (folder / "net.prototxt").write_text(text)
    caffe = _ask(caffe_python, folder)
    assert caffe.caffemodel is not None
    (second / "net.caffemodel").hardlink_to(caffe.caffemodel)
    (second / "net.prototxt").write_text(_not_in_place(text, names))
    raw = _ask(caffe_python, second)
    assert differences(caffe.blobs, {b: raw.blobs[b] for b in caffe.blobs}) == []

    model = load_model(folder / "net.prototxt", caffe.caffemodel)
    blobs = run(model, {"data": cat}, names)
    layers = activations(model, cat, names)
    assert differences(blobs, {b: caffe.blobs[b] for b in names}) == []
    assert differences(layers, {name: raw.blobs[f"{name}/raw"] for name in names}) == []
    for name in names:
        np.testing.assert_array_equal(np.maximum(layers[name], 0), blobs[name])
        assert layers[name].min() < 0


def _not_in_place(text: str, names: Iterable[str]) -> str:
    """Return a network's text in which layers write ``NAME/raw``, and the ReLU behind each ``NAME``."""
    for name in names:
        relu = name.replace("conv", "relu")
        text, one = re.subn(rf'(name: "{name}".*?top: "{name})"', r'\1/raw"', text, count=1, flags=re.DOTALL)
        text, two = re.subn(
            rf'(name: "{relu}".*?bottom: "{name})"', r'\1/raw"', text, count=1, flags=re.DOTALL
        )
        assert (one, two) == (1, 1)
    return text


@dataclass(frozen=True)
class Photo:
    """How a trained network takes its picture: its size in pixels, and its values as (v - mean) * scale."""

    size: int
    mean: NDArray[np.float32] = field(default_factory=lambda: MEAN)
    scale: float = 1
    grey: bool = False

    def of(self, picture: Path) -> NDArray[np.float32]:
        """Return a picture, a batch of one."""
        pixels = _pixels(picture, self.size)
        if self.grey:
            pixels = pixels.mean(axis=0, keepdims=True)
        return ((pixels - self.mean) * np.float32(self.scale))[None]


_NONE = np.zeros((1, 1, 1), np.float32)
PHOTOS = {
    "open-nsfw": Photo(224),
    "face-ssd": Photo(300),
    "qr-detect": Photo(384, _NONE, 1 / 255, grey=True),
    "qr-sr": Photo(224, _NONE, 1 / 255, grey=True),
}


@pytest.mark.parametrize("name", PHOTOS)
def test_trained_networks(name: str, caffe_python: str, places: Places, folder: Path) -> None:
    prototxt, caffemodel = trained_caffe(name)
    (folder / "net.caffemodel").write_bytes(caffemodel.read_bytes())
    (folder / "net.prototxt").write_text(_known_to_caffe(prototxt.read_text()))
    put_values(folder, "net", {"input:data": PHOTOS[name].of(places.cat)})
    answer = _ask(caffe_python, folder)
    model = load_model(prototxt, caffemodel)
    assert differences(run(model, feeds(model, answer), answer.blobs), answer.blobs) == []


# Layers of SSD, which real Caffe 1.0 does not have.
HEAD = frozenset({"DetectionOutput", "Normalize", "Permute", "PriorBox"})


def _known_to_caffe(text: str) -> str:
    """Return a network's text without the layers that Caffe does not know, and those that need them."""
    missing: set[str] = set()

    def keep(found: re.Match[str]) -> str:
        block = found[0]
        if _kind(block) in HEAD or not missing.isdisjoint(re.findall(r'bottom: *"([^"]+)"', block)):
            missing.update(re.findall(r'top: *"([^"]+)"', block))
            return ""
        return block

    return BLOCK.sub(keep, text)


def test_open_nsfw_is_its_twin_in_onnx() -> None:
    """Another's conversion of the same network, by way of TensorFlow, which takes its channels last."""
    photo = PHOTOS["open-nsfw"].of(fetched("chelsea.png"))
    caffe = activations(load_model(*trained_caffe("open-nsfw")), photo, ["pool", "fc_nsfw"])
    model = load_model(trained("open-nsfw"))
    twin = activations(model, photo, ["tensor:pool/AvgPool:0", "tensor:fc_nsfw/BiasAdd:0"])
    pool = twin["tensor:pool/AvgPool:0"].reshape(caffe["pool"].shape)
    assert differences({"pool": caffe["pool"]}, {"pool": pool}) == []
    assert differences({"fc": caffe["fc_nsfw"]}, {"fc": twin["tensor:fc_nsfw/BiasAdd:0"]}) == []
