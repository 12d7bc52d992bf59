"""Parsing without weights: they are found in the file itself, whatever else it holds."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from extract import activations, load_model
from extract.external import entries, is_askew, is_external
from extract.lean_onnx import parse
from tests.extract.nets import model_of, save

TABLE = (np.arange(5 * 700, dtype=np.float32).reshape(5, 700) % 251) / 8


def table_net(name: str, table: TensorProto) -> onnx.ModelProto:
    """Return y = x @ table; the length of the node's name moves the table's place in the file."""
    proto = model_of([helper.make_node("MatMul", ["x", "table"], ["y"], name)], {"x": [1, 5]}, ["y"], {})
    proto.graph.initializer.append(table)
    return proto


@pytest.mark.parametrize("name", ["n", "nn", "nnn", "nnnn"])
def test_weights_stay_in_the_file_at_even_and_odd_places(tmp_path, name):
    path = save(table_net(name, numpy_helper.from_array(TABLE, "table")), tmp_path)
    (tensor,) = parse(path).graph.initializer
    place = entries(tensor)
    assert place["location"] == path.name
    offset = int(place["offset"])
    assert path.read_bytes()[offset : offset + int(place["length"])] == TABLE.tobytes()
    assert is_askew(tensor) == (offset % 4 != 0)
    got = activations(load_model(path), np.eye(5)[[3]], [name])[name]
    np.testing.assert_array_equal(got, TABLE[[3]])
    np.testing.assert_array_equal(load_model(path).value(f"{name}.weight"), TABLE)


def test_all_else_is_as_onnx_parses_it(tmp_path):
    proto = table_net("n", numpy_helper.from_array(TABLE, "table"))
    proto.doc_string = "what a model is for"
    proto.metadata_props.add(key="a", value="b")
    proto.graph.value_info.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 700]))
    path = save(proto, tmp_path)
    lean, plain = parse(path), onnx.load(path)
    for each in (lean, plain):
        del each.graph.initializer[:]
    assert lean == plain


def typed(dtype: int = TensorProto.FLOAT) -> TensorProto:
    return helper.make_tensor("table", dtype, [5, 700], TABLE.ravel())


def doubled() -> TensorProto:
    """Return a tensor that says of too many values that it holds them."""
    tensor = numpy_helper.from_array(TABLE, "table")
    tensor.dims[0] = 6
    return tensor


@pytest.mark.parametrize("tensor", [typed(), typed(TensorProto.BFLOAT16), doubled()])
def test_what_is_no_plain_array_of_bytes_is_parsed(tmp_path, tensor):
    path = save(table_net("n", tensor), tmp_path)
    (parsed,) = parse(path).graph.initializer
    assert not is_external(parsed)
    assert parsed == tensor


def test_small_weights_are_parsed(tmp_path):
    path = save(table_net("n", numpy_helper.from_array(TABLE[:, :200], "table")), tmp_path)
    assert not is_external(parse(path).graph.initializer[0])


def test_unknown_fields_groups_among_them_are_passed_over(tmp_path):
    path = save(table_net("n", numpy_helper.from_array(TABLE, "table")), tmp_path)
    # field 900 as a group that holds field 1 = 5, as protobuf 2 wrote them
    path.write_bytes(bytes([0xA3, 0x38, 0x08, 0x05, 0xA4, 0x38]) + path.read_bytes())
    np.testing.assert_array_equal(load_model(path).value("table"), TABLE)


def test_halves_stay_in_the_file_too(tmp_path):
    half = np.float16
    path = save(table_net("n", numpy_helper.from_array(TABLE.astype(half), "table")), tmp_path)
    model = load_model(path)
    assert is_external(model.proto.graph.initializer[0])
    got = activations(model, np.eye(5)[[3]], ["n"])["n"]
    np.testing.assert_array_equal(got, TABLE[[3]].astype(half).astype(np.float32))
