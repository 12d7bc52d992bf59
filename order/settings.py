"""What settings are, as people and JSON files give them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard


def is_whole(value: Any) -> TypeGuard[int]:
    """Return whether a setting is a whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether a setting is a finite number."""
    return (is_whole(value) or isinstance(value, float)) and abs(value) <= sys.float_info.max


def is_list(value: Any, of: Callable[[Any], bool]) -> TypeGuard[Sequence[Any]]:
    """Return whether a setting is a list of such values; a text is none."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes) and all(map(of, value))
