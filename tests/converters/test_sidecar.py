from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from converters import Encoding, VolumeError, sidecar
from tests.converters.round_trip import sample


def _document() -> dict[str, Any]:
    return sidecar.parse(sidecar.embed(sample((3, 4, 5)), Encoding("uint8", 0.5, -1)))


def test_embedded_and_written_documents_are_the_same(tmp_path: Path) -> None:
    sidecar.write(sample((3, 4, 5)), tmp_path / "a.nrrd", Encoding("uint8", 0.5, -1))
    assert sidecar.load(tmp_path / "a.nrrd") == _document()
    assert sidecar.load(tmp_path / "b.nrrd") is None


def test_embedded_documents_are_one_line_of_ascii() -> None:
    text = sidecar.embed(sample((3, 4, 5)).replace(name="é\n"), Encoding())
    assert text.isascii()
    assert text.isprintable()


def test_labels_that_do_not_fit_are_left_out() -> None:
    other = sample((5, 4, 5)).replace(labels=())
    adopted = sidecar.adopt(other, _document())
    assert adopted.labels == ("0", "1", "2", "3", "4")
    assert adopted.facts == sample((3, 4, 5)).facts


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"schema": "1"},
        {"name": 5},
        {"labels": "abc"},
        {"facts": []},
        {"geometry": {}},
        {"encoding": {}, "labels": None},
        {"encoding": {"dtype": "complicated", "slope": 1.0, "intercept": 0.0}},
        {"encoding": {"dtype": ["uint8"], "slope": 1.0, "intercept": 0.0}},
        {"encoding": {"dtype": "uint8", "slope": 0.0, "intercept": 0.0}},
        {"encoding": {"dtype": "uint8", "slope": float("nan"), "intercept": 0.0}},
        {"encoding": {"dtype": "uint8", "slope": "a", "intercept": 0.0}},
        {"encoding": {"dtype": "uint8", "scale": 1.0}},
    ],
    ids=json.dumps,
)
def test_other_documents_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(VolumeError, match="not a CNN-VIS side-car"):
        sidecar.parse(json.dumps(_document() | change))


@pytest.mark.parametrize("text", ["", "[]", "5", "{", "{}", "[" * 100000])
def test_what_is_no_document(text: str) -> None:
    with pytest.raises(VolumeError, match="not a CNN-VIS side-car"):
        sidecar.parse(text)


@pytest.mark.parametrize("content", [b"{}", b"\xff\xfe"])
def test_a_broken_side_car_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.vox.json").write_bytes(content)
    with pytest.raises(VolumeError, match=r"a\.vox\.json: "):
        sidecar.load(tmp_path / "a.vox")
