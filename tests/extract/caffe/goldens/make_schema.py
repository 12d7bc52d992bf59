"""Makes the golden of the schema with real Caffe: ``CAFFE_PYTHON make_schema.py FOLDER``.

A line a field of each message that Caffe's own descriptor has: message, number, name, label, type, packed or
not, default; and a line a value of each enumeration. The one here comes from Debian 11's python3-caffe
1.0.0+git20180821.99bd997-8 (caffe.__version__ 1.0.0).
"""

import json
import sys
from pathlib import Path

from caffe.proto import caffe_pb2


def field_line(message, field):
    """Return what a field is."""
    inner = field.message_type or field.enum_type
    kind = inner.full_name if inner else field.type
    default = field.default_value if field.has_default_value else None
    return [message, field.number, field.name, field.label, kind, field.GetOptions().packed, default]


def enum_lines(enum):
    """Return the values of an enumeration."""
    return [[enum.full_name, value.number, value.name] for value in enum.values]


def main():
    """Write the golden."""
    lines = [line for enum in caffe_pb2.DESCRIPTOR.enum_types_by_name.values() for line in enum_lines(enum)]
    for message in caffe_pb2.DESCRIPTOR.message_types_by_name.values():
        lines += [line for enum in message.enum_types for line in enum_lines(enum)]
        lines += [field_line(message.full_name, field) for field in message.fields]
    text = ",\n".join(map(json.dumps, lines))
    (Path(sys.argv[1]) / "schema.json").write_text("[\n" + text + "\n]\n")


main()
