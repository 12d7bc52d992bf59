"""Pictures of volumes: volume rendering where OpenGL is found, else a plain projection."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from converters.errors import CnnVisWarning
from converters.volume import Volume

from .axes import label_axes
from .camera import Camera, camera, turntable
from .drawing import STRIP, add_label, check_frames, check_size, stacked, strip
from .errors import PresetError
from .painter import NoPictureError, Painter
from .projection import project
from .texture import thickened
from .transfer import Fitted
from .view import View

if TYPE_CHECKING:
    from PIL.Image import Image

TURNS = (2, 720)
"""How many pictures a turntable may have."""


def render(
    volume: Volume,
    fitted: Fitted,
    size: tuple[int, int] = (800, 600),
    legend: bool = True,
    view: View | None = None,
) -> Image:
    """Draw a volume, upright and a little from the right and from above.

    Parameters
    ----------
    volume : Volume
        Of three axes. NaN and infinite values are transparent; the legend tells how many there are.
    fitted : Fitted
        The transfer function, fitted to this volume.
    size : tuple of int
        Width and height of the whole picture in pixels.
    legend : bool
        Whether a strip at the bottom tells source, size, range and colours.
    view : View, optional
        From where, and on which background.

    Returns
    -------
    PIL.Image.Image
        RGB.

    Warns
    -----
    CnnVisWarning
        If VTK cannot draw here, so that the picture is a projection; the message tells what is missing.

    Raises
    ------
    PresetError
        If the volume has frames, or the size is below 200 x 150 or above 4096 x 4096.
    """
    return next(animate([volume], fitted, size, legend, view))


def animate(
    volumes: Sequence[Volume],
    fitted: Fitted,
    size: tuple[int, int] = (800, 600),
    legend: bool = True,
    view: View | None = None,
    labels: Sequence[str] = (),
) -> Iterator[Image]:
    """Draw the frames of a series, one after another, from the same place in the same colours.

    Parameters
    ----------
    volumes : sequence of Volume
        Of three axes and one size. Each is taken once, and one is held at a time.
    fitted : Fitted
        The transfer function, fitted to all of them: ``fit(function, *volumes)``.
    size, legend, view
        As in `render`.
    labels : sequence of str
        What to write in the upper left corner of each picture, such as the name of a frame's image.

    Returns
    -------
    iterator of PIL.Image.Image
        RGB, one for each volume; they are drawn as they are taken.

    Warns
    -----
    CnnVisWarning
        As `render`, once.

    Raises
    ------
    PresetError
        If the picture's size is out of range; as pictures are taken, if the volumes differ in size or have
        frames themselves.
    """
    return _frames(volumes, fitted, _Canvas(size, legend, view or View()), labels)


def turn(
    volume: Volume,
    fitted: Fitted,
    count: int = 36,
    size: tuple[int, int] = (800, 600),
    legend: bool = True,
    view: View | None = None,
    label: str = "",
) -> Iterator[Image]:
    """Draw a volume from all around, as on a turntable.

    Parameters
    ----------
    volume, fitted, size, legend, view
        As in `render`. All pictures have the same scale.
    count : int
        How many pictures make a whole turn. The camera goes to the right.
    label : str
        What to write in the upper left corner of each picture.

    Returns
    -------
    iterator of PIL.Image.Image
        RGB; they are drawn as they are taken.

    Raises
    ------
    PresetError
        If the volume has frames, or a number is out of its range; as pictures are taken, if VTK cannot draw
        here: a projection does not turn.
    """
    if not TURNS[0] <= count <= TURNS[1]:
        raise PresetError(f"a turntable has {TURNS[0]} to {TURNS[1]} pictures, not {count}")
    check_frames(volume)
    return _turned(volume, fitted, count, _Canvas(size, legend, view or View()), label)


@dataclass(frozen=True)
class _Canvas:
    """A picture before it is drawn."""

    size: tuple[int, int]
    legend: bool
    view: View

    def __post_init__(self) -> None:
        check_size(self.size)

    @property
    def inner(self) -> tuple[int, int]:
        """Width and height without the strip."""
        return (self.size[0], self.size[1] - STRIP) if self.legend else self.size

    @property
    def aspect(self) -> float:
        return self.inner[0] / self.inner[1]

    def seen(self, painter: Painter, eye: Camera, volume: Volume) -> Image:
        """Return what a camera sees of the volume that the painter has."""
        from PIL import Image

        picture = Image.fromarray(painter.draw(eye))
        if self.view.axes:
            label_axes(picture, volume, eye, self.view.theme)
        return picture

    def strip(self, volume: Volume, fitted: Fitted) -> Image | None:
        """Return the strip below pictures of a volume, if there is one."""
        return strip(self.size[0], volume, fitted, self.view.theme) if self.legend else None

    def finished(self, picture: Image, below: Image | None, label: str) -> Image:
        """Return the picture with its label and its strip."""
        if label:
            add_label(picture, label, self.view.theme)
        return picture if below is None else stacked(picture, below)


def _frames(
    volumes: Sequence[Volume], fitted: Fitted, canvas: _Canvas, labels: Sequence[str]
) -> Iterator[Image]:
    view, size, able = canvas.view, None, True
    with Painter(fitted, canvas.inner, view.theme, view.outline) as painter:
        for index in range(len(volumes)):
            volume = volumes[index]
            check_frames(volume)
            if size is None:
                size = volume.size
                eye = camera(
                    thickened(volume), canvas.aspect, view.azimuth, view.elevation, view.zoom, view.fill
                )
            if volume.size != size:
                raise PresetError(f"frame {index} has the size {volume.size}, the first one {size}")
            if able:
                try:
                    painter.show(volume)
                    picture = canvas.seen(painter, eye, volume)
                except NoPictureError as reason:
                    able = False
                    note = f"a plain projection instead of a 3-D picture: {reason}"
                    warnings.warn(note, CnnVisWarning, stacklevel=3)
            if not able:
                picture = project(volume, fitted, canvas.inner, view.theme, view.outline)
            below = canvas.strip(volume, fitted)
            # or there would be two while the next one is read
            del volume
            yield canvas.finished(picture, below, labels[index] if labels else "")


def _turned(volume: Volume, fitted: Fitted, count: int, canvas: _Canvas, label: str) -> Iterator[Image]:
    view = canvas.view
    eyes = turntable(
        thickened(volume), count, canvas.aspect, view.azimuth, view.elevation, view.zoom, view.fill
    )
    below = canvas.strip(volume, fitted)
    with Painter(fitted, canvas.inner, view.theme, view.outline) as painter:
        try:
            painter.show(volume)
            for eye in eyes:
                yield canvas.finished(canvas.seen(painter, eye, volume), below, label)
        except NoPictureError as reason:
            raise PresetError(f"without VTK there is no turntable: {reason}") from reason
