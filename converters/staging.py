"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yield a new folder inside `folder`; what is written there moves into `folder` if all goes well.

    Parameters
    ----------
    folder : Path
        Where the files shall appear; it must exist. Files of the same name are replaced.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    staged = Path(tempfile.mkdtemp(prefix=".cnnvis-", dir=folder))
    try:
        yield staged
        for file in sorted(staged.iterdir()):
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
