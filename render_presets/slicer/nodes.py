"""The nodes of MRML, 3D Slicer's scenes: XML elements of which all facts are attributes."""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

from converters.volume import Vector

from ..errors import PresetError

_IN_PATHS = str.maketrans({letter: f"%{ord(letter):02X}" for letter in "% '\"<>"})
"""What Slicer encodes in file names; it decodes nothing else, so the rest stays as it is."""

_NO_XML = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What XML cannot hold, and control characters that no one misses."""

_IN_FACTS = str.maketrans({"%": "%25", ";": "%3B"})
"""The semicolon ends a fact."""


def node(tag: str, **attributes: str) -> str:
    """Return an element; without control characters."""
    return f"<{tag} " + " ".join(f"{key}={_quoted(value)}" for key, value in attributes.items()) + "/>"


def references(**roles: str | list[str]) -> str:
    """Return what the attribute ``references`` says: the ids of nodes, by the part that they play."""
    joined = {role: ids if isinstance(ids, str) else " ".join(ids) for role, ids in roles.items()}
    return "".join(f"{role}:{ids};" for role, ids in joined.items())


def facts(**told: str) -> str:
    """Return what the attribute ``attributes`` says: facts that Slicer shows and keeps with a node."""
    return ";".join(f"{key}:{value.translate(_IN_FACTS)}" for key, value in told.items())


def file_name(path: str) -> str:
    """Return a path, relative to the scene and with forward slashes, as a storage node has it.

    Raises
    ------
    PresetError
        See `checked`.
    """
    return checked(path).translate(_IN_PATHS)


def checked(path: str) -> str:
    """Return a path that Slicer finds again.

    Raises
    ------
    PresetError
        If it holds a control character, a backslash, which Slicer takes for a slash, or bytes that are no
        UTF-8.
    """
    if _NO_XML.search(path) or "\\" in path:
        raise PresetError(f"{path!r}: 3D Slicer finds no file of this name; call it without such letters")
    return path


def ras(vector: Vector) -> Vector:
    """Turn an LPS vector into RAS; without negative zeros."""
    x, y, z = vector
    return 0.0 - x, 0.0 - y, z


def _quoted(value: str) -> str:
    return quoteattr(_NO_XML.sub("", value))
