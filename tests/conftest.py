"""What holds for all tests."""

from __future__ import annotations

import locale
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _own_locale() -> Iterator[None]:
    """Undo what a native library does to the locale of this process: text that tests write stays UTF-8."""
    yield
    locale.setlocale(locale.LC_CTYPE, "")
