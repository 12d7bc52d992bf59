"""Where things are in a prototxt: the layer around a place, and what the schema does not have.

The parser of protobuf stops at the first unknown field or value and does not know about layers. This walk
over the text tells both, and never fails: it is there to explain what the parser has refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from .unknown import Unknown

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

_TOKEN = re.compile(
    r"""#[^\n]*|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|[{}<>\[\]:,;]|[^\s{}<>\[\]:,;"'#]+"""
)
_LAYERS = {"layer", "layers"}


@dataclass
class LayerSpan:
    """A layer in the text.

    Parameters
    ----------
    line : int
        Where it begins, from 1.
    name : str
        Its name; empty if it has none.
    """

    line: int
    name: str = ""


@dataclass(frozen=True)
class Scan:
    """What a walk over a prototxt found.

    Parameters
    ----------
    layers : list of LayerSpan
        Its layers, in their order.
    unknown : list of Unknown
        Fields, and values of enumerations, that the schema does not have, in their order.
    fields : list of str
        The network's own fields.
    """

    layers: list[LayerSpan] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)

    def layer_at(self, line: int) -> str | None:
        """Return the name of the last layer that begins at or before a line, or None."""
        before = [span for span in self.layers if span.line <= line]
        return before[-1].name if before else None


class _Token(NamedTuple):
    """A piece of the text, its line, from 1, and where in the text it begins."""

    text: str
    line: int
    start: int

    @property
    def is_string(self) -> bool:
        return self.text[0] in "\"'"


@dataclass
class _Frame:
    """An open message; `kind` is None in one that is not known."""

    kind: Descriptor | None
    layer: int | None
    field: str = ""
    value_next: bool = False
    in_list: bool = False


def scan(text: str, kind: Descriptor) -> Scan:
    """Walk over a message in text format.

    Parameters
    ----------
    text : str
        The message.
    kind : Descriptor
        What it is: the descriptor of ``NetParameter``.

    Returns
    -------
    Scan
        What is in it, as far as braces tell.
    """
    found = Scan()
    stack = [_Frame(kind, None)]
    for token in _tokens(text):
        top = stack[-1]
        if token.text in "{<":
            stack.append(_opened(found, top, token.line, outermost=len(stack) == 1))
        elif token.text in "}>":
            del stack[max(len(stack) - 1, 1) :]
            stack[-1].value_next = False
        elif token.text in "[]":
            top.in_list = token.text == "["
            top.value_next = False
        elif token.text == ":":
            top.value_next = True
        elif token.text in ",;-":
            continue
        elif top.value_next or top.in_list or token.is_string:
            top.value_next = False
            _note_name(found, top, token)
            _note_value(found, top, token)
        else:
            top.field = token.text
            _note_field(found, top, token, outermost=len(stack) == 1)
    return found


def _tokens(text: str) -> list[_Token]:
    """Return the tokens of a text, comments left out."""
    tokens, line, seen = [], 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        if not match[0].startswith("#"):
            tokens.append(_Token(match[0], line, match.start()))
    return tokens


def _opened(found: Scan, parent: _Frame, line: int, *, outermost: bool) -> _Frame:
    parent.value_next = False
    if outermost and parent.field in _LAYERS:
        found.layers.append(LayerSpan(line))
        return _Frame(_kind_of(parent), len(found.layers) - 1)
    return _Frame(_kind_of(parent), parent.layer)


def _kind_of(parent: _Frame) -> Descriptor | None:
    described: Any = parent.kind.fields_by_name.get(parent.field) if parent.kind is not None else None
    return described.message_type if described is not None else None


def _note_field(found: Scan, frame: _Frame, token: _Token, *, outermost: bool) -> None:
    if outermost:
        found.fields.append(frame.field)
    if frame.kind is not None and frame.field not in frame.kind.fields_by_name:
        known = tuple(frame.kind.fields_by_name)
        found.unknown.append(
            Unknown(frame.kind.name, frame.field, token.line, frame.layer, known, start=token.start)
        )


def _note_value(found: Scan, frame: _Frame, token: _Token) -> None:
    """Keep a value that its enumeration does not have."""
    described: Any = frame.kind.fields_by_name.get(frame.field) if frame.kind is not None else None
    if frame.kind is None or described is None or described.enum_type is None or token.is_string:
        return
    enum = described.enum_type
    numbers = map(str, enum.values_by_number)
    if token.text not in enum.values_by_name and token.text not in numbers:
        known = tuple(enum.values_by_name)
        found.unknown.append(
            Unknown(frame.kind.name, frame.field, token.line, frame.layer, known, token.text, token.start)
        )


def _note_name(found: Scan, frame: _Frame, token: _Token) -> None:
    """Keep a layer's name; one of the oldest form has it in the ``layer`` inside."""
    of_layer = frame.kind is not None and frame.kind.name.endswith("LayerParameter")
    if of_layer and frame.field == "name" and frame.layer is not None:
        found.layers[frame.layer].name += token.text.strip("\"'")
