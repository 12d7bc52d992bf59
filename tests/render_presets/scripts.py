"""What our scripts for ParaView say, read without ParaView."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any


def volumes(script: Path) -> list[dict[str, Any]]:
    """Return the volumes that a script shows: file, title, colours and so on."""
    for node in ast.parse(script.read_text(encoding="ascii")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "VOLUMES":
            told: list[dict[str, Any]] = ast.literal_eval(node.value)
            return told
    raise AssertionError(f"{script}: no VOLUMES")
