"""Gradients by real Caffe behind the same call: names, targets, images and errors mean the same."""

from __future__ import annotations

import fnmatch
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from converters.errors import CnnVisWarning
from extract import Model, ModelError, load_model
from extract.attribution import METHODS
from extract.caffe.rules import rules
from extract.check import check_gradients
from extract.gradients import Differentiator, gradients
from extract.graph import cut, tensors_of
from extract.targets import targets_of
from tests.caffe.cases import all_cases
from tests.caffe.gradients import Asked, deviations
from tests.caffe.harness import Answer, Arrays, differences, feeds, put_case
from tests.caffe.make_goldens import read_golden
from tests.caffe.make_gradient_goldens import golden_names
from tests.extract.caffe.nets import NINE, TOY, write_net, write_weights

pytestmark = pytest.mark.usefixtures("one_process")

CASES = all_cases()
# Layers in place, blobs that several layers read, shared weights, odd and repeated names, several inputs and
# outputs, files of all generations, and sequences, whose rows are no images of their own.
PATTERNS = (
    *(
        "activation-in-place-many",
        "activation-prelu-shared",
        "affine-scale-in-place",
        "aliasing-flatten-both",
    ),
    *("aliasing-split-twice", "convolution-deconvolution-group", "convolution-shared-weights"),
    *("elementwise-residual", "normalization-lrn-within", "pooling-mask-plain", "recurrent-lstm"),
    *("recurrent-rnn-maps", "networks-in-place-*", "networks-inception", "networks-names-[er]*"),
    *("networks-outputs-several", "networks-re*", "networks-shared", "networks-s[pq]*", "networks-v[01]"),
)
NAMES = [name for name in golden_names() if any(fnmatch.fnmatchcase(name, p) for p in PATTERNS)]

# In place twice, and weights that no file holds.
NET = f"""
{TOY}
layer {{ name: "hidden" type: "InnerProduct" bottom: "conv1" top: "hidden"
         inner_product_param {{ num_output: 5 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "scale" type: "Power" bottom: "hidden" top: "hidden"
         power_param {{ power: 2 scale: 0.1 shift: 1 }} }}
layer {{ name: "tanh" type: "TanH" bottom: "hidden" top: "hidden" }}
layer {{ name: "sum" type: "Concat" bottom: "hidden" bottom: "fc" top: "sum" }}
layer {{ name: "less" type: "Power" bottom: "sum" top: "sum" power_param {{ scale: 0.01 }} }}
layer {{ name: "prob" type: "Softmax" bottom: "sum" top: "prob" }}
"""
WRT = (
    *("data", "conv1", "relu1", "blob:conv1", "conv1@conv1", "hidden", "scale", "blob:hidden", "fc"),
    *("conv1.weight", "conv1.bias", "fc.weight", "hidden.weight", "hidden.bias"),
)
BATCH = np.concatenate([NINE, 8 - NINE, NINE[..., ::-1]])


def both(path: Path, weights: Path | None) -> list[Model]:
    """Load a network for each engine."""
    return [load_model(path, weights, engine=engine) for engine in ("onnxruntime", "pycaffe")]


@pytest.fixture
def models(tmp_path: Path) -> list[Model]:
    with pytest.warns(CnnVisWarning, match="no weights for hidden"):
        return both(write_net(tmp_path, NET), write_weights(tmp_path))


def compare(
    models: Sequence[Model], x: Arrays | NDArray[np.float32], target: object, wrt: Sequence[str]
) -> None:
    """Assert that both engines give the same gradients, one an image and summed."""
    for reduce in (None, "sum"):
        ours, caffes = (gradients(model, x, target, wrt, reduce=reduce) for model in models)  # type: ignore[arg-type]
        assert list(ours) == list(caffes) == list(wrt)
        assert differences(ours, caffes) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore::converters.errors.CnnVisWarning")
def test_gradients_of_cases(name: str, tmp_path: Path) -> None:
    put_case(tmp_path, name, CASES[name])
    asked = Asked(name, tmp_path / f"{name}.prototxt")
    answer = read_golden(name, tmp_path)
    models = both(asked.prototxt, answer.caffemodel)
    wrt = [f"tensor:{tensor}" for tensor in asked.tensors() if tensor not in deviations(name)]
    compare(models, feeds(models[0], answer), _several(models[0], asked, answer), wrt)


def _several(model: Model, asked: Asked, answer: Answer) -> list[tuple[float, str]]:
    """Return an element, a channel's mean and a channel's maximum of each output, with random weights."""
    rng = np.random.default_rng(zlib.crc32(asked.name.encode()))
    blobs = {tensor: blob for blob, tensor in model.source.blobs.items()}
    parts = []
    for tensor in asked.outputs_in_caffe():
        sizes = answer.blobs[blobs[tensor]].shape[1:]
        places = [
            ",".join(str(rng.integers(size)) for size in sizes),
            *map(str, rng.integers(sizes[0], size=2)),
        ]
        parts += [
            f"tensor:{tensor}:{place}{how}" for place, how in zip(places, ("", "", "@max"), strict=True)
        ]
    return [(float(rng.normal()), part) for part in parts]


@pytest.mark.parametrize(
    "target",
    [
        *("fc:0", ("fc", 1), "top", "prob:3", "conv1:0", "conv1:0@max", "conv1:0,1,0", "blob:hidden:2"),
        # ReLU makes all of the second map 0: all share the maximum
        *("blob:conv1:1@max", [(1, "conv1:0"), (-3, "conv1:0,0,1"), (2, "conv1:1@max")]),
        # one tensor lies on the way to the other
        [(2, "sum:1"), (0.5, "fc:0"), (-1, "scale:3"), (3, "conv1@conv1:0")],
    ],
    ids=str,
)
def test_targets_of_all_forms(models: list[Model], target: object) -> None:
    tensors = [one.tensor for one in targets_of(models[0], target)]  # type: ignore[arg-type]
    known = tensors_of(cut(models[0].proto, tensors))
    compare(models, BATCH, target, [name for name in WRT if models[0].tensor(name) in known])


def test_layers_that_are_not_known_here(
    models: list[Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = gradients(models[0], NINE, "prob:1", WRT)
    monkeypatch.delitem(rules(), "TanH")
    monkeypatch.delitem(rules(), "Power")
    with pytest.warns(CnnVisWarning, match="no weights for hidden"):
        model = load_model(tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel", engine="pycaffe")
    assert differences(gradients(model, NINE, "prob:1", WRT), expected) == []


@pytest.mark.parametrize(
    ("target", "wrt", "reduce"),
    [
        ("fd:0", "data", None),
        ("fc", "data", None),
        ("fc:2", "data", None),
        ("fc:0,0", "data", None),
        ("fc:0@least", "data", None),
        ("conv1.weight:0", "data", None),
        ("fc:0", "conv1.weigh", None),
        ("fc:0", "blob:conv", None),
        ("fc:0", "hidden.weight", None),
        ("conv1:0", "relu1", None),
        ("fc:0", "data", "mean"),
    ],
)
def test_wrong_calls_are_told_alike(models: list[Model], target: str, wrt: str, reduce: str | None) -> None:
    messages = []
    for model in models:
        with pytest.raises(ModelError) as caught:
            gradients(model, NINE, target, [wrt], reduce=reduce)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("method", ["times-input", "smooth-grad", "integrated-gradients", "grad-cam"])
def test_methods_over_plain_gradients(models: list[Model], method: str) -> None:
    ours, caffes = (METHODS[method](model, "prob:1", ["conv1"]).run(BATCH).values for model in models)
    assert differences(ours, caffes) == []


def test_what_caffe_has_not(models: list[Model]) -> None:
    model = models[1]
    for method in ("deconvnet", "guided-backprop"):
        with pytest.raises(ModelError, match=r"deploy\.prototxt: Caffe goes back .* onnxruntime engine$"):
            METHODS[method](model, "fc:0", ["data"])
    with pytest.raises(ModelError, match=r"deploy\.prototxt: .*name the target as NAME:INDEX"):
        METHODS["smooth-grad"](model, "top", ["data"])
    with pytest.raises(ModelError, match=r"deploy\.prototxt: Caffe computes these gradients without a graph"):
        _ = Differentiator(model, targets_of(model, "fc:0"), ["data"]).graph
    with pytest.raises(ModelError, match="without a graph"):
        check_gradients(model, NINE, "fc:0", ["data"])


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ('type: "ArgMax" bottom: "fc"', "Not Implemented Yet"),
        (
            'type: "Embed" bottom: "data" embed_param { num_output: 2 input_dim: 9 bias_term: false }',
            r"Check failed: .*Can't backpropagate to EmbedLayer input\.",
        ),
    ],
    ids=["ArgMax", "Embed"],
)
@pytest.mark.filterwarnings("ignore:.*no weights for no way")
def test_a_layer_that_caffe_does_not_differentiate_is_named(tmp_path: Path, layer: str, reason: str) -> None:
    path = write_net(tmp_path, f'{TOY}layer {{ name: "no way" top: "fc2" {layer} }}')
    model = load_model(path, write_weights(tmp_path), engine="pycaffe")
    message = rf"deploy\.prototxt: Caffe stopped on the way back through layer 'no way': {reason}$"
    with pytest.raises(ModelError, match=message):
        gradients(model, NINE, "fc2:0", ["data"])
    # the next call gets a new process
    assert gradients(model, NINE, "fc:0", ["fc.bias"])["fc.bias"].tolist() == [[1, 0]]


def test_inputs_that_hold_no_row_for_each_image(tmp_path: Path) -> None:
    name = "movement-concat-axis-0"
    put_case(tmp_path, name, CASES[name])
    answer = read_golden(name, tmp_path)
    model = load_model(tmp_path / f"{name}.prototxt", engine="pycaffe")
    with pytest.raises(ModelError, match=r"'top:1': has 7 rows for 5 images"):
        gradients(model, feeds(model, answer), "top:1", ["data"])
