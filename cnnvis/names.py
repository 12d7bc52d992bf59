"""File names that say what a file holds: ``model-M_img-I_layer-L[_order-O]_Q.EXT``, as in BIDS."""

from __future__ import annotations

import hashlib
import string

# "_" ends an entity, "%" starts a code; all that some file system or viewer stumbles over is encoded too.
_PLAIN = frozenset(string.ascii_letters + string.digits + ".-+=,")
# File systems take 255 bytes; room for extension, preset and side-car.
_LONGEST = 200


def file_stem(quantity: str, **entities: str | None) -> str:
    """Return a file name without extension.

    Parameters
    ----------
    quantity : str
        What the values are: ``act``, ``weight``; stands last.
    **entities : str or None
        Key and value of each entity, in this order; None leaves it out. Other characters than ASCII letters,
        digits and ``.-+=,`` are percent-encoded as UTF-8. Names too long for a file system are cut and end in
        the first 8 digits of the whole name's SHA-256.
    """
    parts = [f"{key}-{encode(value)}" for key, value in entities.items() if value is not None]
    stem = "_".join([*parts, encode(quantity)])
    if len(stem) <= _LONGEST:
        return stem
    digest = hashlib.sha256(stem.encode()).hexdigest()[:8]
    return f"{stem[: _LONGEST - len(quantity) - 10].rstrip('%')}~{digest}_{encode(quantity)}"


def encode(value: str) -> str:
    """Return `value` percent-encoded, without a leading dot; line breaks become blanks: BagIt bars them."""
    value = value.replace("\r", " ").replace("\n", " ")
    text = "".join(c if c in _PLAIN else "".join(f"%{byte:02X}" for byte in c.encode()) for c in value)
    return "%2E" + text[1:] if text.startswith(".") else text
