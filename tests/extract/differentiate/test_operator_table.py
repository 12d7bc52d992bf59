"""The table of operators is up to date, and what the standard calls differentiable is in it."""

from __future__ import annotations

import pytest

from .operator_table import FILE, differentiable, is_covered, table


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == table(), (
        "out of date: python -m tests.extract.differentiate.operator_table"
    )


@pytest.mark.parametrize("name", sorted(differentiable()))
def test_what_the_standard_calls_differentiable_is_covered(name: str) -> None:
    assert is_covered(name)
