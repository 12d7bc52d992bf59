import time

import pytest
from google.protobuf import empty_pb2, unknown_fields
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from extract import wire
from extract.wire import BYTES, FIXED32, FIXED64, GROUP, VARINT, WireError

_SIZES = {FIXED64: 8, FIXED32: 4}


def _ours(buffer, start=0, end=None):
    """The fields as protobuf lists unknown ones: values of runs apart, groups as lists."""
    listed = []
    for item in wire.fields(buffer, start, end):
        body = bytes(buffer[item.start : item.end])
        if item.kind == VARINT:
            listed.append((item.number, item.kind, item.value))
        elif item.kind == GROUP:
            listed.append((item.number, item.kind, _ours(buffer, item.start, item.end)))
        elif item.kind == BYTES:
            listed.append((item.number, item.kind, body))
        else:
            size = _SIZES[item.kind]
            values = [body[i : i + size] for i in range(0, len(body), size + 1)]
            listed += [(item.number, item.kind, int.from_bytes(value, "little")) for value in values]
    return listed


def _protobufs(buffer):
    message = empty_pb2.Empty()
    message.ParseFromString(buffer)
    return _listed(unknown_fields.UnknownFieldSet(message))


def _listed(fields):
    return [
        (f.field_number, f.wire_type, _listed(f.data) if f.wire_type == GROUP else f.data) for f in fields
    ]


def _numbers(listed):
    for number, kind, value in listed:
        yield number
        yield from _numbers(value) if kind == GROUP else ()


def _tag(number, kind):
    return wire.varint(number << 3 | kind)


_NUMBERS = st.integers(1, 5) | st.integers(1, 2**29 - 1)
_PAYLOADS = st.one_of(
    st.integers(0, 2**64 - 1).map(lambda value: (VARINT, wire.varint(value))),
    st.binary(min_size=8, max_size=8).map(lambda body: (FIXED64, body)),
    st.binary(min_size=4, max_size=4).map(lambda body: (FIXED32, body)),
    st.binary(max_size=200).map(lambda body: (BYTES, wire.varint(len(body)) + body)),
)
_FIELDS = st.tuples(_NUMBERS, _PAYLOADS).map(lambda field: _tag(field[0], field[1][0]) + field[1][1])
_GROUPS = st.recursive(
    st.lists(_FIELDS, max_size=4).map(b"".join),
    lambda inner: st.tuples(_NUMBERS, inner).map(lambda g: _tag(g[0], GROUP) + g[1] + _tag(g[0], 4)),
    max_leaves=4,
)
_MESSAGES = st.lists(_FIELDS | _GROUPS, max_size=12).map(b"".join)


@given(_MESSAGES)
def test_fields_are_those_that_protobuf_finds(message):
    assert _ours(message) == _protobufs(message)
    assert _ours(b"before" + message + b"after", 6, 6 + len(message)) == _protobufs(message)


@given(_MESSAGES, st.data())
@settings(max_examples=300)
def test_of_damaged_messages_nothing_is_read_that_protobuf_reads_otherwise(message, data):
    damaged = bytearray(message)
    for _ in range(data.draw(st.integers(0, 3)) if message else 0):
        damaged[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    try:
        expected = _protobufs(damaged)
    except DecodeError:
        expected = None
    try:
        found = _ours(damaged)
    except WireError:
        found = None
    # protobuf lets field 0, which there is not, pass inside a group that it does not know
    assert found == expected or (found is None and 0 in _numbers(expected))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\x08", "the number at byte 1 has no end"),
        (b"\x08\x80", "the number at byte 1 has no end"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "the number at byte 1 has no end"),
        (b"\x00\x01", "no field begins at byte 0"),
        (b"\x08\x01\x0e", "no field begins at byte 2"),
        (b"\x0f", "no field begins at byte 0"),
        (b"\x0c", "no field begins at byte 0"),
        (b"\x0a\x05abcd", "field 1 at byte 0 claims 5 bytes where 4 are left"),
        (
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            "claims 18446744073709551615 bytes where 0 are left",
        ),
        (b"\x0d\x01\x02\x03", "field 1 at byte 0 claims 4 bytes where 3 are left"),
        (b"\x0d1234\x0d123", "field 1 at byte 0 claims 9 bytes where 8 are left"),
        (b"\x09\x01\x02\x03", "field 1 at byte 0 claims 8 bytes where 3 are left"),
        (b"\x0b\x08\x01", "group 1 has no end"),
        (b"\x0b\x14", "the group that ends at byte 1 never began"),
        (b"\x0b" * 200, "more than 100 groups"),
        (b"\x80\x80\x80\x80\x80\x01\x00", "no field begins at byte 0"),
    ],
)
def test_damage_is_told_with_its_place(message, reason):
    with pytest.raises(WireError, match=reason):
        list(wire.fields(message))


def test_no_field_reaches_beyond_the_given_end():
    message = b"\x0a\x04abcd\x0d1234\x0d1234"
    assert [(f.number, f.begin, f.start, f.end) for f in wire.fields(message)] == [
        (1, 0, 2, 6),
        (1, 6, 7, 16),
    ]
    assert [(f.number, f.begin, f.start, f.end) for f in wire.fields(message, 0, 11)] == [
        (1, 0, 2, 6),
        (1, 6, 7, 11),
    ]
    with pytest.raises(WireError, match="claims 4 bytes where 3 are left"):
        list(wire.fields(message, 0, 5))


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**31, 2**63, 2**64 - 1])
def test_varints_are_written_as_protobuf_does(value):
    assert _protobufs(b"\x08" + wire.varint(value)) == [(1, VARINT, value)]
    assert (
        list(wire.varints(b"-" + wire.varint(value) * 2, 1, 1 + 2 * len(wire.varint(value)))) == [value] * 2
    )


def test_signed_numbers():
    assert [wire.signed(value) for value in (5, 2**64 - 1, 2**63)] == [5, -1, -(2**63)]
    # of an int32 protobuf takes the lower half
    assert [wire.signed(value, 32) for value in (5, 2**64 - 1, 2**32 - 2, 2**32 + 7)] == [5, -1, -2, 7]


def test_finds_the_weights_of_an_onnx_model_in_its_file(tmp_path):
    import numpy as np
    import onnx

    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    graph = onnx.helper.make_graph([], "g", [], [], [onnx.numpy_helper.from_array(values, "w")])
    data = onnx.helper.make_model(graph).SerializeToString()

    (found,) = [
        raw
        for graph in wire.fields(data)
        if (graph.number, graph.kind) == (7, BYTES)
        for tensor in wire.fields(data, graph.start, graph.end)
        if (tensor.number, tensor.kind) == (5, BYTES)
        for raw in wire.fields(data, tensor.start, tensor.end)
        if (raw.number, raw.kind) == (9, BYTES)
    ]
    np.testing.assert_array_equal(np.frombuffer(data[found.start : found.end], "<f4"), values.ravel())


def test_a_million_values_with_a_tag_each_are_one_field_in_no_time():
    message = b"\x2dABCD" * 10**6 + b"\x08\x01"
    begin = time.process_time()
    run, last = wire.fields(message)
    assert time.process_time() - begin < 1
    assert (run.start, run.end, last.number) == (1, 5 * 10**6, 1)
