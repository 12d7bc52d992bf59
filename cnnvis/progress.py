"""A progress bar on standard error, for work of more than two seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def progress(work: Iterable[T], what: str, quiet: bool, total: int | None = None) -> Iterable[T]:
    """Return `work` with a progress bar, which stays away from anything but a terminal."""
    if quiet or not sys.stderr.isatty():
        return work
    from tqdm import tqdm

    return tqdm(work, desc=what, total=total, delay=2, file=sys.stderr, leave=False)
