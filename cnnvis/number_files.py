"""Files that hold a list of numbers."""

from __future__ import annotations

import json
import tokenize
from pathlib import Path

from converters.errors import CnnVisError

# Beyond these, whole numbers have neighbours that no float64 tells from them.
_LARGEST = 2**53


def read_numbers(path: Path) -> list[float]:
    """Return the numbers of a .npy file, of a JSON list, or of text with blanks or commas between.

    Whole numbers of JSON and text stay whole.

    Raises
    ------
    CnnVisError
        If the file holds no such list.
    OSError
        If it cannot be read.
    """
    import numpy as np

    try:
        if path.suffix.lower() == ".npy":
            values = np.load(path, allow_pickle=False)
            if not isinstance(values, np.ndarray):
                raise ValueError("it is an archive of arrays")
            if values.ndim != 1 or values.dtype.kind not in "iuf":
                raise ValueError(f"its array has shape {values.shape} and type {values.dtype}")
            numbers: list[float] = values.tolist()
            return numbers
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix.lower() == ".json" else [_number(w) for w in _words(text)]
        if not isinstance(found, list) or any(type(n) not in (int, float) for n in found):
            raise ValueError("it holds something else")
        if any(abs(n) > _LARGEST for n in found if isinstance(n, int)):
            raise ValueError("a whole number has more than 16 digits")
    except (ValueError, EOFError, RecursionError, tokenize.TokenError, SyntaxError) as error:
        raise CnnVisError(f"{path}: not a list of numbers: {error}") from error
    return found


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _number(word: str) -> float:
    try:
        return int(word)
    except ValueError:
        return float(word)
