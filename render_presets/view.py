"""From where a volume is seen, and what is drawn around it."""

from __future__ import annotations

from dataclasses import dataclass

from .camera import AZIMUTH, ELEVATION, FILL
from .errors import PresetError
from .theme import Theme, theme

_ZOOM = (0.1, 20.0)
_ROOM_FOR_AXES = 0.85
"""Part of the picture's size that the volume keeps where its axes are labelled."""


@dataclass(frozen=True)
class View:
    """From where a volume is seen, and what is drawn around it.

    Parameters
    ----------
    azimuth, elevation : float
        Degrees that the camera stands to the right of and above the view along +z; elevation in -90..90.
    zoom : float
        How much larger than it fits in the picture, 0.1 to 20.
    background : str
        Its name, or ``#rrggbb``; see `theme.backgrounds`. Text and lines get colours that go with it.
    axes : bool
        Whether the box's edges are labelled: names, units, numbers at the ends.
    outline : bool
        Whether the edges of the box are drawn.

    Raises
    ------
    PresetError
        If a number is out of its range, or there is no such background.
    """

    azimuth: float = AZIMUTH
    elevation: float = ELEVATION
    zoom: float = 1.0
    background: str = "dark"
    axes: bool = False
    outline: bool = True

    def __post_init__(self) -> None:
        if not -360 <= self.azimuth <= 360:
            raise PresetError(f"azimuth is in -360..360 degrees, not {self.azimuth:g}")
        if not -90 <= self.elevation <= 90:
            raise PresetError(f"elevation is in -90..90 degrees, not {self.elevation:g}")
        if not _ZOOM[0] <= self.zoom <= _ZOOM[1]:
            raise PresetError(f"zoom is in {_ZOOM[0]:g}..{_ZOOM[1]:g}, not {self.zoom:g}")
        theme(self.background)

    @property
    def theme(self) -> Theme:
        """The colours that go with the background."""
        return theme(self.background)

    @property
    def fill(self) -> float:
        """Part of the picture that the volume fills in the narrower direction, but for the zoom."""
        return FILL * _ROOM_FOR_AXES if self.axes else FILL
