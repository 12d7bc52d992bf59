"""Finding the files that hold inputs, and naming them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import ImageError
from .pictures import picture_extensions

VOLUME_EXTENSIONS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")


@dataclass(frozen=True)
class ImageSource:
    """A file that holds an input, or one of several inputs in a .npy file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Short, and unique among the sources that were found together.
    item : int, optional
        Which input of the file, where it holds several.
    digest : str, optional
        SHA-256 of the file, if it is already known.
    """

    path: Path
    name: str
    item: int | None = None
    digest: str | None = None

    @property
    def kind(self) -> str:
        """What the file is by its name: "array", "volume" or "picture"."""
        name = self.path.name.lower()
        if name.endswith(".npy"):
            return "array"
        return "volume" if name.endswith(VOLUME_EXTENSIONS) else "picture"


def find_images(paths: Sequence[Path]) -> list[ImageSource]:
    """Find the inputs that files and folders hold.

    Parameters
    ----------
    paths : sequence of Path
        Files of any name; and folders, which stand for the pictures, .npy files and volumes directly in them,
        by their extensions, in natural order (img2 before img10), hidden files left out.

    Returns
    -------
    list of ImageSource
        In the order given, each file once. A source is named by its file's stem; where that is not unique by
        the file's name; else by the shortest end of its path that is.

    Raises
    ------
    ImageError
        If there are no paths, one does not exist, or a folder holds none of these files.
    """
    if not paths:
        raise ImageError("no image is given")
    files: dict[Path, Path] = {}
    for path in paths:
        for file in _images_in(path) if path.is_dir() else [path]:
            if not file.is_file():
                raise ImageError(f"{file}: no such file")
            # symbolic links stay: their own names count, not those of their targets
            files.setdefault(Path(os.path.abspath(file)), file)  # noqa: PTH100
    return [ImageSource(file, name) for file, name in zip(files.values(), _names(list(files)), strict=True)]


def _images_in(folder: Path) -> list[Path]:
    extensions = (*picture_extensions(), ".npy", *VOLUME_EXTENSIONS)
    try:
        entries = [entry for entry in folder.iterdir() if entry.is_file()]
    except OSError as error:
        raise ImageError(f"{folder}: cannot be read ({error.strerror})") from error
    shown = (entry for entry in entries if not entry.name.startswith("."))
    files = [entry for entry in shown if entry.name.lower().endswith(extensions)]
    if not files:
        raise ImageError(f"{folder}: no picture, .npy file or volume in this folder")
    return sorted(files, key=lambda file: natural_order(file.name))


def natural_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a key that sorts names as people do: img2 before img10."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name


def _names(files: Sequence[Path]) -> list[str]:
    """Name absolute paths as shortly as they differ, upper and lower case taken as one."""
    choices = [_choices(file) for file in files]
    levels = [0] * len(files)
    while True:
        names = [of_file[level] for of_file, level in zip(choices, levels, strict=True)]
        uses = Counter(name.casefold() for name in names)
        raised = [
            min(level + (uses[name.casefold()] > 1), len(of_file) - 1)
            for name, level, of_file in zip(names, levels, choices, strict=True)
        ]
        if raised == levels:
            return names
        levels = raised


def _choices(file: Path) -> list[str]:
    """Return the names that a file may get, from the shortest on."""
    lower = file.name.lower()
    volume = next((end for end in VOLUME_EXTENSIONS if lower.endswith(end)), "")
    stem = file.name[: -len(volume)] if volume else file.stem
    tails = ["/".join(file.parts[-count:]) for count in range(1, len(file.parts))]
    return [stem or file.name, *tails]
