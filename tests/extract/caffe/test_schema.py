"""The schema against the descriptor of real Caffe (goldens/make_schema.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from extract.caffe.fork_messages import FORK_MESSAGES
from extract.caffe.messages import MESSAGES
from extract.caffe.schema import message

GOLDEN = json.loads((Path(__file__).parent / "goldens" / "schema.json").read_text())
FIELDS = [line for line in GOLDEN if len(line) > 3]
ENUM_VALUES = [line for line in GOLDEN if len(line) == 3]
# Of solvers, their snapshots and databases: never read through the schema.
LEFT_OUT = {"caffe.SolverParameter", "caffe.SolverState", "caffe.Datum", "caffe.BlobProtoVector"}
OPTIONAL, REQUIRED, REPEATED = 1, 2, 3


def described(name: str) -> Any:
    return message(name.removeprefix("caffe.")).DESCRIPTOR


def field_of(name: str, field: Any) -> list[Any]:
    inner = field.message_type or field.enum_type
    required = name == "caffe.ClipParameter"
    label = REPEATED if field.is_repeated else REQUIRED if required else OPTIONAL
    default = field.default_value if field.has_default_value else None
    kind = inner.full_name if inner else field.type
    return [name, field.number, field.name, label, kind, field.GetOptions().packed, default]


@pytest.mark.parametrize("name", sorted({line[0] for line in FIELDS} - LEFT_OUT))
def test_message_has_the_fields_of_caffe_and_declared_additions_only(name: str) -> None:
    theirs = sorted(line for line in FIELDS if line[0] == name)
    added = {
        line.split()[1]
        for line in FORK_MESSAGES.get(name.removeprefix("caffe."), "").splitlines()
        if line.strip() and not line.strip().startswith("enum ")
    }
    ours = sorted(field_of(name, f) for f in described(name).fields if f.name not in added)
    assert ours == theirs
    assert added.isdisjoint(line[2] for line in theirs)


def test_nothing_but_what_is_left_out_is_missing() -> None:
    assert {line[0] for line in FIELDS} - {f"caffe.{name}" for name in MESSAGES} == LEFT_OUT


@pytest.mark.parametrize(
    "name", sorted({line[0] for line in ENUM_VALUES if line[0].rpartition(".")[0] not in LEFT_OUT})
)
def test_enumeration_has_the_values_of_caffe(name: str) -> None:
    parent, _, enum = name.rpartition(".")
    if parent == "caffe":
        ours = described("NetState").fields_by_name["phase"].enum_type
    else:
        ours = described(parent).enum_types_by_name[enum]
    theirs = {line[2]: line[1] for line in ENUM_VALUES if line[0] == name}
    assert theirs.items() <= {value.name: value.number for value in ours.values}.items()


def test_pool_is_private() -> None:
    from google.protobuf import descriptor_pool

    message("NetParameter")
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("caffe.NetParameter")


def test_ceil_mode_of_forks_does_not_take_the_number_of_round_mode() -> None:
    pooling = message("PoolingParameter")
    pooling.ParseFromString(b"\x68\x01")
    assert pooling.round_mode == pooling.RoundMode.Value("FLOOR")
    assert pooling.ceil_mode
    assert not pooling.HasField("ceil_mode")
