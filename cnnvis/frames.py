"""The volumes that a command is given: one, or the frames of a series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from converters import Volume


@dataclass(frozen=True)
class Frames:
    """One volume, or several of one layer and one geometry.

    Parameters
    ----------
    source : str
        What to call them in messages.
    volumes : sequence of Volume
        3-D; they may be read anew each time.
    labels : tuple of str
        One for each frame of a series; none for a volume that stands alone.
    """

    source: str
    volumes: Sequence[Volume]
    labels: tuple[str, ...] = ()

    def only(self, index: int) -> Frames:
        """Return one frame, with its label.

        Raises
        ------
        click.ClickException
            If there is no such frame.
        """
        count = len(self.labels)
        if not 0 <= index < count:
            has = f"has frames 0 to {count - 1}, not {index}" if count else "is one volume and has no frames"
            raise click.ClickException(f"{self.source}: {has}")
        return Frames(self.source, [self.volumes[index]], (self.labels[index],))


def open_frames(paths: Sequence[Path], labels: Sequence[str] = ()) -> Frames:
    """Return the frames of files: a volume each, or one that holds a volume or a series.

    Parameters
    ----------
    paths : sequence of Path
        Of several, and of a list of files, one is held at a time; a file with frames is held as a whole.
    labels : sequence of str
        What to call the frames, instead of what the files say.

    Raises
    ------
    click.ClickException
        If there are labels for a volume that stands alone, or another number of them.
    CnnVisError
        If a file cannot be read, or the volumes do not go together.
    """
    from converters import Volume, series
    from converters.volume_files import VolumeFiles

    if len(paths) > 1:
        volumes = VolumeFiles(paths)
        gathered = series.gather(volumes, [str(path) for path in paths], labels)
        return Frames(f"{paths[0]} and {len(paths) - 1} more", volumes, gathered.labels)
    (path,) = paths
    opened = series.opened(path)
    if isinstance(opened, Volume):
        if labels:
            raise click.ClickException(f"{path}: is one volume, so its frames need no --label")
        return Frames(str(path), [opened])
    if labels and len(labels) != opened.frames:
        raise click.ClickException(f"{path}: {len(labels)} labels for {opened.frames} frames")
    return Frames(str(path), opened.volumes, tuple(labels) or opened.labels)
