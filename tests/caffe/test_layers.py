"""Every case in real Caffe, live: against our importer, and against the stored goldens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.caffe.cases import all_cases
from tests.caffe.harness import Answer, Refusal, ask, compare, differences, of_fork, put_case
from tests.caffe.make_goldens import read_golden

CASES = all_cases()
KNOWN = [name for name, case in CASES.items() if not of_fork(case)]
FORKS = [name for name, case in CASES.items() if of_fork(case)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cases")


@pytest.fixture(scope="module")
def answers(caffe_python: str, folder: Path) -> dict[str, Answer | Refusal]:
    for name, case in CASES.items():
        put_case(folder, name, case)
    return ask(caffe_python, folder)


def _answer(answers: dict[str, Answer | Refusal], name: str) -> Answer:
    answer = answers[name]
    assert isinstance(answer, Answer), answer
    return answer


@pytest.mark.parametrize("name", KNOWN)
def test_every_blob_is_what_caffe_computes(
    name: str, answers: dict[str, Answer | Refusal], folder: Path
) -> None:
    assert compare(folder / f"{name}.prototxt", _answer(answers, name), CASES[name].skip) == []


@pytest.mark.parametrize("name", KNOWN)
def test_goldens_are_what_this_caffe_computes(
    name: str, answers: dict[str, Answer | Refusal], tmp_path: Path
) -> None:
    answer, golden = _answer(answers, name), read_golden(name, tmp_path)
    assert differences(golden.first, answer.first) == []
    assert differences(golden.blobs, answer.blobs) == []


@pytest.mark.parametrize("name", FORKS)
def test_caffe_refuses_what_only_forks_have(name: str, answers: dict[str, Answer | Refusal]) -> None:
    assert isinstance(answers[name], Refusal)
