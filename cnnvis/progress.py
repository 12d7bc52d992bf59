"""A progress bar on standard error, for work of more than two seconds."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress(total: int, what: str, quiet: bool) -> Iterator[Callable[..., object]]:
    """Yield a function that counts a piece of work, or several, as done; only terminals get the bar."""
    if quiet or not sys.stderr.isatty():
        yield lambda count=1: None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=what, delay=2, file=sys.stderr, leave=False) as bar:
        yield bar.update
