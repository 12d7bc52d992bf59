"""Writing a volume in every asked format, with presets for the viewers that open it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from converters.errors import VolumeError

if TYPE_CHECKING:
    from converters import Volume


@dataclass(frozen=True)
class Target:
    """A format to write: its extension with the dot, and further headers over the same binary."""

    extension: str
    headers: tuple[str, ...] = ()


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
    preset : str or None
        Transfer function for viewers' presets; None for no presets, ``auto`` to choose by the values.

    Raises
    ------
    PresetError
        If there is no such preset.
    """

    folder: Path
    targets: Sequence[Target]
    dtype: str | None = None
    preset: str | None = None

    def __post_init__(self) -> None:
        if self.preset not in (None, "auto"):
            from render_presets import load

            load(self.preset)

    def write(self, volume: Volume, stem: str) -> list[Path]:
        """Write the volume under the file name `stem` and return all paths."""
        from converters import write

        paths = []
        for target in self.targets:
            path = self.folder / (stem + target.extension)
            paths += write(volume, path, dtype=self.dtype, headers=target.headers)
            if self.preset is not None:
                paths += self._presets(path)
        return paths

    def _presets(self, path: Path) -> list[Path]:
        from render_presets import write_presets

        return write_presets(path, None, self.folder, None if self.preset == "auto" else self.preset)


def targets(words: Sequence[str]) -> list[Target]:
    """Return the formats that words such as ``nii.gz`` or ``vox+mhd`` name.

    Raises
    ------
    VolumeError
        If a word names no known format.
    """
    from converters import extensions

    result = []
    for word in words:
        first, *headers = word.lower().split("+")
        extension = "." + first.lstrip(".")
        if extension not in extensions():
            known = " ".join(e.lstrip(".") for e in extensions())
            raise VolumeError(f"unknown format {word!r}; known are {known}")
        if headers and extension != ".vox":
            raise VolumeError(f"{word!r}: only vox takes further headers, as in vox+mhd+nhdr")
        result.append(Target(extension, tuple(headers)))
    return result
