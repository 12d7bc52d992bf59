"""File names that say what a file holds: ``model-M_img-I_layer-L[_order-O]_Q.EXT``, as in BIDS."""

from __future__ import annotations

import hashlib
import json
import re
import string
from collections import Counter
from collections.abc import Iterable, Iterator

# "%" starts a code; all that some file system or viewer stumbles over is encoded too.
_PLAIN = frozenset(string.ascii_letters + string.digits + ".-=,")
# where an underscore is followed by this, a reader takes it for the start of the next entity
_ENTITY = re.compile(r"[a-z]+-")
# File systems take 255 bytes; room for extension, preset and side-car.
_LONGEST = 200
_LONGEST_QUANTITY = 80


def file_stem(quantity: str, *, hashed: bool = False, **entities: str | None) -> str:
    """Return a file name without extension.

    Parameters
    ----------
    quantity : str
        What the values are: ``act``, ``weight``; stands last.
    hashed : bool
        Put ``~`` and the first 8 digits of the SHA-256 of the exact names before the quantity: for the names
        that `clashing` finds. Names too long for a file system, which are cut, and names with line breaks,
        which `encode` does not keep, have them in any case.
    **entities : str or None
        Key and value of each entity, in this order; None leaves it out. Other characters than ASCII letters,
        digits and ``.-=,_`` are percent-encoded as UTF-8, and so is an underscore that looks as if an entity
        followed. The quantity has none, so that a name reads from its end.
    """
    given = {key: value for key, value in entities.items() if value is not None}
    head = [
        piece
        for number, (key, value) in enumerate(given.items())
        for piece in (*("_" if number else ""), *key, "-", *_pieces(value))
    ]
    named = list(_pieces(quantity, underscores=False))
    last = "_" * bool(given) + "".join(named)
    exact = (quantity, *given.values())
    too_long = len("".join(head)) + len(last) > _LONGEST
    if not (hashed or too_long or any(c in name for name in exact for c in "\r\n")):
        return "".join(head) + last
    digest = hashlib.sha256(json.dumps([quantity, given]).encode()).hexdigest()[:8]
    tail = f"~{digest}_{_cut(named, _LONGEST_QUANTITY)}"
    return _cut(head, _LONGEST - len(tail)) + tail


def clashing(names: Iterable[str]) -> frozenset[str]:
    """Return the names that differ from another one in upper and lower case only.

    File systems of macOS and Windows take their files for one; `file_stem` keeps them apart by ``hashed``.

    Parameters
    ----------
    names : iterable of str
        All names of a network, and not only those that are asked for: a layer's file is then called the same
        whatever else is exported.
    """
    different = set(names)
    uses = Counter(encode(name).lower() for name in different)
    return frozenset(name for name in different if uses[encode(name).lower()] > 1)


def encode(value: str) -> str:
    """Return `value` percent-encoded, without a leading dot; line breaks become blanks: BagIt bars them."""
    return "".join(_pieces(value))


def _pieces(value: str, underscores: bool = True) -> Iterator[str]:
    """Yield the code of each character."""
    for place, c in enumerate(value):
        plain = c in _PLAIN and not (place == 0 and c == ".")
        if plain or (c == "_" and underscores and not _ENTITY.match(value, place + 1)):
            yield c
        else:
            # a lone surrogate stands for a byte of a file name that is no UTF-8
            code = (" " if c in "\r\n" else c).encode("utf-8", "surrogateescape")
            yield "".join(f"%{byte:02X}" for byte in code)


def _cut(pieces: Iterable[str], longest: int) -> str:
    """Return as many whole pieces as there is room for."""
    text = ""
    for piece in pieces:
        if len(text) + len(piece) > longest:
            break
        text += piece
    return text
