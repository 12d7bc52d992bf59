"""Gradients of every case against those of real Caffe, stored in tests/caffe/gradient_goldens.

Needs no Caffe. Where Caffe is wrong or refuses, central differences in float64 say what is right.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from extract import Model
from tests.caffe.cases import all_cases
from tests.caffe.gradients import JOINED, Asked, deviations, joined, known_cases, ours, refused, standalone
from tests.caffe.harness import Answer, difference, feeds, load, put_case
from tests.caffe.make_goldens import read_golden
from tests.caffe.make_gradient_goldens import golden_names, read_gradients
from tests.extract.differentiate.check import check

CASES = all_cases()
# Cases where a function steps, which central differences see.
STEPS = [
    "activation-threshold-kinks",
    "reduction-argmax-ties",
    "reduction-argmax-ties-axis",
    "reduction-argmax-ties-axis-top",
    "reduction-argmax-ties-top",
    "reduction-argmax-ties-values",
]
BEYOND_CAFFE = [n for n in known_cases() if (deviations(n) or refused(n)) and n not in STEPS]
EMPTY_WINDOWS = [n for n in golden_names() if n.startswith("pooling-max-empty")]


@pytest.fixture
def asked(name: str, tmp_path: Path) -> Asked:
    put_case(tmp_path, name, CASES[name])
    return Asked(name, tmp_path / f"{name}.prototxt")


@pytest.fixture
def answer(name: str, tmp_path: Path) -> Answer:
    return read_golden(name, tmp_path)


@pytest.fixture
def model(asked: Asked, answer: Answer) -> Model:
    return load(asked.prototxt, answer)


def test_every_case_has_a_golden_or_a_reason() -> None:
    assert golden_names() == sorted(name for name in known_cases() if refused(name) is None)


@pytest.mark.parametrize("name", golden_names())
def test_gradients_are_those_of_caffe(name: str, model: Model, answer: Answer) -> None:
    """All but those where Caffe is known to go astray, and it must do so in just these."""
    caffes = read_gradients(name)
    found = ours(model, answer, caffes.seeds, list(caffes.values))
    wrong = {
        tensor: line for tensor, value in caffes.values.items() if (line := difference(found[tensor], value))
    }
    assert wrong.keys() == deviations(name).keys(), wrong


@pytest.mark.parametrize("name", BEYOND_CAFFE)
def test_central_differences_say_so_too(name: str, asked: Asked, model: Model, answer: Answer) -> None:
    proto = joined(standalone(model), asked.outputs())
    check(proto, feeds(model, answer), asked.tensors(), JOINED, per_image=False, directions=1, entries=2)


@pytest.mark.parametrize("name", STEPS)
def test_steps_pass_nothing_on(name: str, asked: Asked, model: Model, answer: Answer) -> None:
    (output,) = asked.outputs()
    seed = np.ones_like(answer.blobs[output])
    if "values" in name:
        # the indices; behind them come the values
        seed[:, 1] = 0
    gradient = ours(model, answer, {output: seed}, ["data"])["data"]
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("name", EMPTY_WINDOWS)
def test_windows_without_a_pixel_pass_nothing_on(name: str, model: Model, answer: Answer) -> None:
    """Caffe writes their gradients in front of the picture's, so they are 0 in the stored cotangents."""
    (tensor, seed), *_ = read_gradients(name).seeds.items()
    nowhere = answer.blobs[tensor] == -np.finfo(np.float32).max
    assert nowhere.any()
    results = [
        ours(model, answer, {tensor: np.where(nowhere, given, seed).astype(np.float32)}, ["data"])["data"]
        for given in (0, 1)
    ]
    np.testing.assert_array_equal(*results)
