"""What a file looks like that is no model; test_caffemodel.py has more of them."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from extract.caffe.content import CAFFEMODEL, HDF5, ONNX, kind_of_file, other_text
from tests.extract.caffe.texts import GOLDENS, INPUT


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tiny.caffemodel", CAFFEMODEL),
        ("v0.caffemodel", CAFFEMODEL),
        ("tiny.caffemodel.h5", HDF5),
        ("tiny.solverstate", "the state of a solver (.solverstate)"),
        ("mean.binaryproto", "a single blob, such as a mean (.binaryproto)"),
        ("phases.prototxt", "a network's description, a prototxt"),
    ],
)
def test_kind_of_files_of_caffe(name: str, kind: str) -> None:
    found = kind_of_file(GOLDENS / name)
    assert found is not None
    assert found.startswith(kind)


def test_kind_of_an_onnx_model(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", values[:1], values[1:])), tmp_path / "m"
    )
    assert kind_of_file(tmp_path / "m") == ONNX


@pytest.mark.parametrize("data", [b"", b"\xff\x00\xff\x00"])
def test_kind_that_is_not_known(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert kind_of_file(path) is None
    assert kind_of_file(tmp_path) is None
    assert kind_of_file(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (" <html>", "a web page or other markup"),
        ('{"layers": []}', "JSON"),
        ("[[1, 2]]", "JSON"),
        ("; a comment\n\n[net]\nbatch=1", "a configuration in sections, such as Darknet's .cfg"),
        (INPUT, None),
        ("# [net]\n" + INPUT, None),
        ("layers < >", None),
    ],
)
def test_text_that_cannot_be_a_prototxt(text: str, kind: str | None) -> None:
    assert other_text(text) == kind
