"""Caffe's messages as protobuf classes, in a pool of their own: no other caffe.proto can clash with it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .fork_messages import FORK_MESSAGES
from .messages import MESSAGES, PHASES

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import EnumDescriptorProto, FieldDescriptorProto

_PACKAGE = "caffe"


def message(name: str) -> Any:
    """Return a new, empty message.

    Parameters
    ----------
    name : str
        Its type: ``NetParameter``, ``BlobProto``, ...

    Returns
    -------
    protobuf message
        It knows the fields of Caffe 1.0 and those of `FORK_MESSAGES`.
    """
    return _classes()[f"{_PACKAGE}.{name}"]()


@functools.cache
def _classes() -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package=_PACKAGE, syntax="proto2")
    _add_enum(file.enum_type, PHASES)
    for name, text in (*MESSAGES.items(), *FORK_MESSAGES.items()):
        _add_message(file.message_type, name, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClassesForFiles([file.name], pool)


def _add_message(messages: Any, name: str, text: str) -> None:
    """Add a message, or further fields to the one of that name."""
    kind = next((m for m in messages if m.name == name), None) or messages.add(name=name)
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    for line in lines:
        if line.startswith("enum "):
            _add_enum(kind.enum_type, line)
    enums = {enum.name for enum in kind.enum_type}
    for line in lines:
        if not line.startswith("enum "):
            _add_field(kind.field, name, enums, line)


def _add_enum(enums: Any, line: str) -> None:
    """Add ``enum NAME A=0 B=1``, or further values to the one of that name."""
    _, name, *values = line.split()
    enum: EnumDescriptorProto = next((e for e in enums if e.name == name), None) or enums.add(name=name)
    for value in values:
        label, _, number = value.partition("=")
        enum.value.add(name=label, number=int(number))


def _add_field(fields: Any, message: str, enums: set[str], line: str) -> None:
    """Add ``NUMBER NAME TYPE[*] [packed] [= DEFAULT]``."""
    declaration, has_default, default = line.partition(" =")
    number, name, kind, *options = declaration.split()
    field: FieldDescriptorProto = fields.add(name=name, number=int(number))
    field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
    kind = kind.rstrip("*")
    scalar = f"TYPE_{kind.upper()}"
    if scalar in field.Type.keys():  # noqa: SIM118  (an enumeration of protobuf is no mapping)
        field.type = field.Type.Value(scalar)
    else:
        path, _, inner = kind.rpartition(".")
        parent = path or (message if inner in enums else "")
        field.type_name = ".".join(filter(None, ("", _PACKAGE, parent, inner)))
        is_enum = inner in enums or path or inner == "Phase"
        field.type = field.TYPE_ENUM if is_enum else field.TYPE_MESSAGE
    if has_default:
        field.default_value = default.strip()
    field.options.packed = "packed" in options
