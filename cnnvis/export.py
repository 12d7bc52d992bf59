"""Writing a volume in every asked format, with presets for the viewers that open it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from converters.errors import VolumeError

from .progress import note

if TYPE_CHECKING:
    from converters import Volume


@dataclass(frozen=True)
class Target:
    """A format to write: its extension with the dot, and further headers over the same binary."""

    extension: str
    headers: tuple[str, ...] = ()


class Writer(Protocol):
    """What takes the volumes of an export, one after another."""

    @property
    def folder(self) -> Path:
        """Where the files go."""
        ...

    def write(self, volume: Volume, stem: str, presets: bool = True) -> list[Path]:
        """Take a volume under the file name `stem`, and return the paths of what is written by now."""
        ...


@dataclass(frozen=True)
class Export:
    """How volumes are written.

    Parameters
    ----------
    folder : Path
        Where; it must exist.
    targets : sequence of Target
        The formats.
    dtype : str or None
        Stored type; None for each format's own.
    preset : str, Path or None
        Transfer function for viewers' presets; None for no presets, ``auto`` to choose by the values.

    Raises
    ------
    PresetError
        If there is no such preset.
    """

    folder: Path
    targets: Sequence[Target]
    dtype: str | None = None
    preset: str | Path | None = None

    def __post_init__(self) -> None:
        if self.preset not in (None, "auto"):
            from render_presets import load

            load(self.preset)

    @property
    def series(self) -> bool:
        """Whether all images go into one file."""
        return False

    @contextlib.contextmanager
    def session(self) -> Iterator[Writer]:
        """Yield what writes volumes."""
        yield self

    def check(self, frames: bool, instead: str = "--layout channels or mosaic") -> None:
        """Make sure, before anything is computed, that every format holds what is going to be written.

        Parameters
        ----------
        frames : bool
            Whether volumes of several frames are to come: feature maps or filters of a 3-D network.
        instead : str
            The option that would do without.

        Raises
        ------
        VolumeError
            If there are frames and a format does not hold them.
        """
        from converters import extensions, format_of

        able = [e.lstrip(".") for e in extensions() if format_of("x" + e).frames]
        for target in self.targets:
            name = target.extension.lstrip(".")
            if frames and name not in able:
                raise VolumeError(
                    f"--format {name}: holds one volume a file, and 3-D maps or filters become several: use "
                    f"{instead}, or one of the formats {' '.join(able)}"
                )

    def write(self, volume: Volume, stem: str, presets: bool = True) -> list[Path]:
        """Write the volume under the file name `stem` and return all paths.

        Parameters
        ----------
        volume : Volume
            What to write.
        stem : str
            The files' name without extension.
        presets : bool
            Whether viewers' presets are wanted for it, if for any.

        Warns
        -----
        CnnVisWarning
            If a file is replaced that was made of another model or image, or the volume has no finite value
            that a preset could be fitted to.
        """
        import numpy as np

        from converters import write

        known = bool(np.isfinite(volume.data).any())
        paths = []
        for target in self.targets:
            path = self.folder / (_safe(stem, target) + target.extension)
            _note_replaced(path, volume.facts)
            paths += write(volume, path, dtype=self.dtype, headers=target.headers)
            if presets:
                paths += self.presets(known, path)
        return paths

    def presets(self, known: bool, path: Path) -> list[Path]:
        """Write what viewers want beside a volume file, if it is wanted; return all paths.

        Parameters
        ----------
        known : bool
            Whether any value is finite.
        path : Path
            The file.
        """
        from render_presets import write_presets

        if self.preset is None:
            return []
        if not known:
            note(f"{path}: no value is finite, so viewers get no preset")
            return []
        return write_presets(path, None, self.folder, None if self.preset == "auto" else str(self.preset))


def _safe(stem: str, target: Target) -> str:
    """Return the stem with ``+`` for ``%`` where a MetaImage header names the binary.

    MetaIO takes a ``%`` in the name of a data file for a printf pattern. `names.encode` encodes ``+`` itself,
    so that no two names become one.
    """
    return stem.replace("%", "+") if "mhd" in target.headers else stem


def targets(words: Sequence[str]) -> list[Target]:
    """Return the formats that words such as ``nii.gz`` or ``vox+mhd`` name.

    Raises
    ------
    VolumeError
        If a word names no known format, or two would write the same file.
    """
    result = [_target(word) for word in words]
    if len(result) > 1:
        _check_apart(dict(zip(words, result, strict=True)))
    return result


def _target(word: str) -> Target:
    from converters import extensions, format_of

    first, *headers = word.lower().split("+")
    extension = "." + first.lstrip(".")
    if extension not in extensions():
        known = " ".join(e.lstrip(".") for e in extensions())
        raise VolumeError(f"unknown format {word!r}; known are {known}")
    able = format_of("x" + extension).headers
    if headers and not able:
        raise VolumeError(f"{word!r}: only vox takes further headers, as in vox+mhd+nhdr")
    for header in headers:
        if header not in able:
            raise VolumeError(f"{word!r}: unknown header {header!r}; known are {', '.join(able)}")
    return Target(extension, tuple(headers))


def _check_apart(wanted: Mapping[str, Target]) -> None:
    """Raise VolumeError if two formats write a file of the same name."""
    first: dict[str, str] = {}
    for word, target in wanted.items():
        for ending in _endings(target):
            other = first.setdefault(ending, word)
            if other != word:
                raise VolumeError(f"--format: {other} and {word} would both write the same {ending} file")


def _endings(target: Target) -> list[str]:
    """Return how the names of all files end that a format writes."""
    from converters import format_of

    companions = format_of("x" + target.extension).companions
    return list(dict.fromkeys((target.extension, *companions, *(f".{header}" for header in target.headers))))


def _note_replaced(path: Path, facts: Mapping[str, Any]) -> None:
    from converters import sidecar

    try:
        document = sidecar.load(path)
    except (VolumeError, OSError):
        return
    earlier = document["facts"] if document else {}
    for what in ("model", "image"):
        before, now = earlier.get(what), facts.get(what)
        if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
            continue
        if before.get("sha256") != now.get("sha256"):
            note(f"{path}: replaces the volume of another {what}, {before.get('file')}, SHA-256 differs")
