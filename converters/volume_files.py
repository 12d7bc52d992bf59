"""Volume files as a sequence of volumes, of which one is held at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .errors import CnnVisError
from .registry import read
from .volume import Volume


def unchanged(volume: Volume) -> Volume:
    """Return the volume itself."""
    return volume


class VolumeFiles(Sequence[Volume]):
    """The volumes of files, read when they are needed.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    change : callable
        What becomes of each; an error of its gets the file's name.
    """

    def __init__(self, paths: Sequence[Path], change: Callable[[Volume], Volume] = unchanged) -> None:
        self._paths = paths
        self._change = change
        self._last: tuple[int, Volume] | None = None

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: Any) -> Any:
        # iteration asks for one too many, to find the end
        if self._last is None or self._last[0] != index:
            path = self._paths[index]
            self._last = None
            self._last = index, self._read(path)
        return self._last[1]

    def _read(self, path: Path) -> Volume:
        volume = read(path)
        try:
            return self._change(volume)
        except CnnVisError as error:
            raise type(error)(f"{path}: {error}") from error
