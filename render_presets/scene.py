"""What a viewer is told: a volume file, and how its numbers shall look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from converters.volume import Volume

from .transfer import Fitted


@dataclass(frozen=True)
class Scene:
    """A volume file, or a series, as a viewer shall show it.

    Parameters
    ----------
    path : Path
        The file itself.
    file : str
        Its path from the folder of the preset, with forward slashes.
    volume : Volume
        What the file holds, `Volume.encoding` included; of a series, the first frame.
    fitted : Fitted
        In the numbers that the viewer sees: stored ones or values. Fitted to all frames alike.
    title : str
        What the numbers are, in words.
    frames : tuple of str
        What the frames of a series are called; none for a single volume.
    """

    path: Path
    file: str
    volume: Volume
    fitted: Fitted
    title: str
    frames: tuple[str, ...] = ()


def numbers(*values: float) -> str:
    """Return numbers as plain text with blanks between, exact enough for float32."""
    return " ".join(f"{value:.12g}" for value in values)
