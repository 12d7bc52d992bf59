"""What a viewer is told: a volume file, and how its numbers shall look."""

from __future__ import annotations

from dataclasses import dataclass

from converters.volume import Volume

from .transfer import Fitted


@dataclass(frozen=True)
class Scene:
    """A volume file as a viewer shall show it.

    Parameters
    ----------
    file : str
        Path of the volume file from the folder of the preset, with forward slashes.
    volume : Volume
        What the file holds, `Volume.encoding` included.
    fitted : Fitted
        In the numbers that the viewer sees: stored ones or values.
    title : str
        What the numbers are, in words.
    """

    file: str
    volume: Volume
    fitted: Fitted
    title: str


def numbers(*values: float) -> str:
    """Return numbers as plain text with blanks between, exact enough for float32."""
    return " ".join(f"{value:.12g}" for value in values)
