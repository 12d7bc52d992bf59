"""Gradients in real Caffe, live: the stored ones of the cases, and ours of Caffe's own networks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from extract import Model, load_model
from extract.errors import ModelError
from extract.filters import find_filters
from extract.gradients import gradients
from extract.importance.rows import Table
from extract.pycaffe import CaffeProcess
from tests.caffe.cases import all_cases
from tests.caffe.gradients import Asked, caffes, refused
from tests.caffe.harness import TOLERANCE, Answer, ask, difference, differences, put_case
from tests.caffe.make_goldens import read_golden
from tests.caffe.make_gradient_goldens import golden_names, read_gradients
from tests.caffe.test_networks import DEPLOYED, Places, places  # noqa: F401  (a fixture)

CASES = all_cases()
# Networks, and classes of theirs before softmax. In one as deep as GoogLeNet some value lies so near a kink
# that rounding decides on which side, and then Caffe's gradients and ours differ by a percent.
TARGETS = {"caffenet": ("fc8", 281), "cifar10-full": ("ip1", 3)}
# Sums of so many products in float32, in whatever order, may differ twice as much.
MANY_POSITIONS = 10_000


@pytest.mark.parametrize("name", golden_names())
def test_goldens_are_what_this_caffe_computes(name: str, caffe: CaffeProcess, tmp_path: Path) -> None:
    put_case(tmp_path, name, CASES[name])
    asked, golden = Asked(name, tmp_path / f"{name}.prototxt"), read_gradients(name)
    found = caffes(caffe, asked, read_golden(name, tmp_path), golden.seeds)
    assert differences(golden.values, found.values) == []


# one of each kind: each ends the process
@pytest.mark.parametrize("name", ["aliasing-reindex", "inner_product-embed", "movement-filter"])
def test_caffe_refuses_what_is_said_to_be_refused(name: str, caffe: CaffeProcess, tmp_path: Path) -> None:
    assert refused(name)
    put_case(tmp_path, name, CASES[name])
    with pytest.raises(ModelError, match=r"[Bb]ackprop"):
        caffes(caffe, Asked(name, tmp_path / f"{name}.prototxt"), read_golden(name, tmp_path))


@dataclass(frozen=True)
class Network:
    """One of the networks of Caffe's authors with seeded weights, and two pictures for it."""

    prototxt: Path
    answer: Answer
    scores: str
    index: int

    @property
    def target(self) -> str:
        return f"{self.scores}:{self.index}"

    @property
    def model(self) -> Model:
        return load_model(self.prototxt, self.answer.caffemodel)

    @property
    def model_in_caffe(self) -> Model:
        return load_model(self.prototxt, self.answer.caffemodel, engine="pycaffe")

    @property
    def x(self) -> np.ndarray:
        return np.asarray(self.answer.first["data"])


@pytest.fixture(scope="module", params=TARGETS)
def network(
    request: pytest.FixtureRequest,
    caffe_python: str,
    places: Places,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("network")
    prototxt = folder / "net.prototxt"
    text, changed = re.subn(r"(shape: \{ dim: )\d+", r"\g<1>2", places.text(DEPLOYED[request.param]))
    assert changed == 1
    prototxt.write_text(text)
    answer = ask(caffe_python, folder)["net"]
    assert isinstance(answer, Answer), answer
    yield Network(prototxt, answer, *TARGETS[request.param])
    for file in folder.iterdir():
        file.unlink()


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("reduce", [None, "sum"])
def test_gradients_of_a_class_are_those_of_caffe(network: Network, reduce: str | None) -> None:
    model = network.model
    convolutions = [name for name, layer in model.layers.items() if layer.operator == "Convolution"]
    assert len(convolutions) >= 3
    wrt = [f"{name}.{role}" for name in convolutions for role in ("weight", "bias")]
    names = [*wrt, *convolutions, "data"]
    ours, theirs = (
        gradients(engine, network.x, network.target, names, reduce=reduce)
        for engine in (model, network.model_in_caffe)
    )
    shapes = model.shapes({"data": network.x.shape})
    lines = []
    for name in names:
        layer = name.rpartition(".")[0]
        summed = np.prod([shapes[model.tensor(layer)][axis] for axis in (0, 2, 3)]) if layer else 0
        tolerance = TOLERANCE * (2 if summed > MANY_POSITIONS else 1)
        if line := difference(ours[name], theirs[name], tolerance):
            lines.append(f"{name}: {line}")
    assert lines == []


@pytest.mark.usefixtures("one_process")
def test_grad_l2_is_the_norm_of_caffes_gradients(network: Network) -> None:
    model, images = network.model, len(network.x)
    filters = [one for one in find_filters(model, ["*"]) if len(one.shape) == 4]
    table = Table(model, None, filters, ["grad_l2"])
    rows = table.rows(network.x, np.full(images, network.index))
    names = {f"{one.layer}.weight": one for one in filters}
    theirs = gradients(network.model_in_caffe, network.x, network.target, list(names))
    for name, one in names.items():
        wanted = np.linalg.norm(one.rows(theirs[name].astype(np.float64)), axis=2)
        assert wanted.shape == (images, one.count)
        assert np.ptp(wanted) > 0
        line = difference(rows[:, table.columns["grad_l2", one.layer]], wanted, TOLERANCE)
        assert not line, f"{name}: {line}"


def test_gradients_of_each_picture_are_those_of_one(network: Network) -> None:
    model, target = network.model, network.target
    names = [f"{name}.weight" for name, layer in model.layers.items() if layer.operator == "Convolution"]
    names.append("data")
    both = gradients(model, network.x, target, names)
    for i in range(2):
        one = gradients(model, network.x[i : i + 1], target, names, reduce="sum")
        for name in names:
            expected = one[name][0] if name == "data" else one[name]
            assert difference(both[name][i], expected) is None, name
