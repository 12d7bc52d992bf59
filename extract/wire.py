"""Protobuf's wire format, walked in place: where each field lies, with nothing copied.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

Buffer = bytes | bytearray | memoryview | mmap.mmap

VARINT, FIXED64, BYTES, GROUP, _GROUP_END, FIXED32 = range(6)
_FIXED_SIZE = {FIXED64: 8, FIXED32: 4}
# Bytes of a varint of 64 bits.
_LONGEST_VARINT = 10
_LARGEST_TAG = 2**32 - 1
# Protobuf's own limit of groups in groups.
_DEEPEST = 100


class WireError(ValueError):
    """Bytes that are no message of protobuf; the text says where, and the caller knows which file."""


class Field(NamedTuple):
    """A field of a message.

    Parameters
    ----------
    number : int
        Its number in the message's definition.
    kind : int
        Its wire type: VARINT, FIXED64, BYTES, GROUP or FIXED32.
    begin : int
        Where its tag begins in the buffer.
    start, end : int
        The bytes of its value in the buffer; those of BYTES and GROUP without length and closing tag. Values
        of a FIXED64 or FIXED32 field that follow each other come as one: each with its tag, of one byte,
        before it, but for the first, whose tag lies before `start`.
    value : int
        Of a VARINT its value, unsigned, of 64 bits; of others 0.
    """

    number: int
    kind: int
    begin: int
    start: int
    end: int
    value: int


def fields(buffer: Buffer, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """Walk over the fields of a message.

    Parameters
    ----------
    buffer : bytes-like or memory map
        What holds the message.
    start, end : int
        Where the message lies in it; all of it by default.

    Yields
    ------
    Field
        Each field as it comes; a repeated one several times.

    Raises
    ------
    WireError
        When the walk comes to bytes that are no field, or to one that reaches beyond the end.
    """
    at, end = start, len(buffer) if end is None else end
    while at < end:
        field = _field(buffer, at, end)
        yield field
        at = _after(buffer, field, end) if field.kind == GROUP else field.end


def varints(buffer: Buffer, start: int, end: int) -> Iterator[int]:
    """Yield the unsigned values of a packed field of varints.

    Parameters
    ----------
    buffer : bytes-like or memory map
        What holds it.
    start, end : int
        Where its value lies.

    Raises
    ------
    WireError
        When the last one has no end.
    """
    while start < end:
        value, start = _varint(buffer, start, end)
        yield value


def signed(value: int, bits: int = 64) -> int:
    """Return what a VARINT of type int32 or int64 means.

    Parameters
    ----------
    value : int
        The unsigned value of the field.
    bits : int
        32 or 64; higher bits are dropped, as protobuf does.
    """
    value &= (1 << bits) - 1
    return value - (value >> (bits - 1) << bits)


def varint(value: int) -> bytes:
    """Return a number from 0 to 2**64 - 1 as a varint."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _field(buffer: Buffer, at: int, end: int) -> Field:
    tag, start = _varint(buffer, at, end)
    number, kind = tag >> 3, tag & 7
    if not number or tag > _LARGEST_TAG:
        raise WireError(f"no field begins at byte {at}")
    if kind == VARINT:
        value, stop = _varint(buffer, start, end)
        return Field(number, kind, at, start, stop, value)
    if kind == BYTES:
        size, start = _varint(buffer, start, end)
        stop = start + size
    elif kind in _FIXED_SIZE:
        stop = start + _FIXED_SIZE[kind]
    elif kind == GROUP:
        stop = _group_end(buffer, number, start, end)
    else:
        raise WireError(f"no field begins at byte {at}")
    if kind in _FIXED_SIZE and start == at + 1:
        stop = _run_end(buffer, tag, stop, 1 + _FIXED_SIZE[kind], end)
    if stop > end:
        raise WireError(
            f"field {number} at byte {at} claims {stop - start} bytes where {end - start} are left"
        )
    return Field(number, kind, at, start, stop, 0)


def _varint(buffer: Buffer, at: int, end: int) -> tuple[int, int]:
    """Return a varint and where it ends."""
    if at < end and buffer[at] < 0x80:
        return buffer[at], at + 1
    value = 0
    for index in range(at, min(at + _LONGEST_VARINT, end)):
        byte = buffer[index]
        value |= (byte & 0x7F) << 7 * (index - at)
        if byte < 0x80:
            return value & (1 << 64) - 1, index + 1
    raise WireError(f"the number at byte {at} has no end")


def _run_end(buffer: Buffer, tag: int, stop: int, stride: int, end: int) -> int:
    """Return where a run of fields with the same tag ends, of which the first ends at `stop`."""
    window = 1
    while stop < end:
        tags = bytes(buffer[stop : min(stop + window * stride, end) : stride])
        same = len(tags) - len(tags.lstrip(bytes([tag])))
        stop += same * stride
        if same < len(tags):
            break
        window *= 2
    return stop


def _group_end(buffer: Buffer, number: int, at: int, end: int) -> int:
    """Return where the closing tag of a group begins."""
    open_groups = [number]
    while at < end:
        tag, start = _varint(buffer, at, end)
        if tag & 7 == GROUP:
            open_groups.append(tag >> 3)
            if len(open_groups) > _DEEPEST:
                raise WireError(f"more than {_DEEPEST} groups lie in each other at byte {at}")
            at = start
        elif tag & 7 == _GROUP_END:
            if open_groups.pop() != tag >> 3:
                raise WireError(f"the group that ends at byte {at} never began")
            if not open_groups:
                return at
            at = start
        else:
            at = _field(buffer, at, end).end
    raise WireError(f"group {number} has no end")


def _after(buffer: Buffer, group: Field, end: int) -> int:
    return _varint(buffer, group.end, end)[1]
