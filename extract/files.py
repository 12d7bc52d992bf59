"""Files of a user: whether they are there, and what they hold to the byte."""

from __future__ import annotations

import hashlib
from pathlib import Path

from converters.errors import CnnVisError

from .errors import ImageError


def check_file(path: Path, what: str, error: type[CnnVisError] = ImageError) -> None:
    """Make sure that there is a file.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it should be, for the error: ``"a picture"``.
    error : type
        What is raised.

    Raises
    ------
    CnnVisError
        Of the type `error`, if there is no such file, or a folder.
    """
    if not path.is_file():
        raise error(f"{path}: " + (f"is a folder, not {what}" if path.is_dir() else "no such file"))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Raises
    ------
    ImageError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror})") from error


def is_utf8(name: str) -> bool:
    """Return whether a file's name is UTF-8; on Linux it need not be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
