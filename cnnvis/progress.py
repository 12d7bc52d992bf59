"""What a command tells on its way: notes, and a progress bar for work of more than two seconds."""

from __future__ import annotations

import contextlib
import sys
import warnings
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


def note(message: str) -> None:
    """Tell the user something although the work goes on."""
    from converters.errors import CnnVisWarning

    warnings.warn(message, CnnVisWarning, stacklevel=2)
