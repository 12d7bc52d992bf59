"""The page as text: all parts in one file, under a policy that lets nothing else run or be fetched."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from converters.errors import CnnVisError

from ..drawing import BACKGROUND, OUTLINE
from ..montage import NOT_FINITE
from ..texture import HEADROOM

SCRIPTS = (
    *("vtk.min.js", "values.js", "transfer.js", "camera.js", "reveal.js"),
    *("solid.js", "slice.js", "maps.js", "app.js"),
)
"""In the order in which they run; each adds one global."""

_LICENSES = "vtk.LICENSES.txt"
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def page(document: Mapping[str, Any], values: Sequence[str]) -> str:
    """Return the page.

    Parameters
    ----------
    document : mapping
        What `building` tells of the volumes; any text is shown as it is.
    values : sequence of str
        Base64, by the numbers that the document names.
    """
    scripts, style = [_part(name) for name in SCRIPTS], _part("page.css")
    look = {
        "background": BACKGROUND,
        "outline": OUTLINE,
        "not_finite": NOT_FINITE,
        "headroom": HEADROOM,
    }
    parts = {
        "policy": _policy(scripts, style),
        "title": html.escape(_valid(str(document["title"]))),
        "style": f"<style>{style}</style>",
        "licenses": html.escape(_part(_LICENSES)),
        "document": _data("document", _json({**document, "look": look})),
        "values": "\n".join(_data(f"values-{number}", text) for number, text in enumerate(values)),
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    return _PLACE.sub(lambda place: parts[place[1]], _part("page.html"))


def _part(name: str) -> str:
    text = (resources.files(__package__) / "page" / name).read_text(encoding="utf-8")
    if name.endswith((".js", ".css")) and re.search(r"</(script|style)|<!--", text, re.IGNORECASE):
        raise CnnVisError(f"{name} cannot stand in a page: it holds the end of its own element")
    return text


def _policy(scripts: Sequence[str], style: str) -> str:
    """Return a Content-Security-Policy: these scripts and this style, and no network at all."""
    allowed = " ".join(map(_hash, scripts))
    sources = {
        "default-src": "'none'",
        "script-src": allowed,
        "style-src": _hash(style),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{kind} {source}" for kind, source in sources.items())


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _data(identity: str, text: str) -> str:
    return f'<script type="text/plain" id="{identity}">{text}</script>'


def _json(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    # nothing in it may look like the end of its element
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _valid(text: str) -> str:
    """Return text with the bytes of file names that are no UTF-8 replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
