"""Networks that we refuse as Caffe does, in real Caffe."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.caffe.harness import Answer, Refusal, ask, put_case
from tests.caffe.refused import refused_cases

REFUSED = refused_cases()


@pytest.fixture(scope="module")
def answers(caffe_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer | Refusal]:
    folder = tmp_path_factory.mktemp("refused")
    for name, case in REFUSED.items():
        put_case(folder, name, case)
    return ask(caffe_python, folder)


@pytest.mark.parametrize("name", REFUSED)
def test_caffe_refuses_it(name: str, answers: dict[str, Answer | Refusal]) -> None:
    assert isinstance(answers[name], Refusal)
