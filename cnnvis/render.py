"""``cnnvis render``: pictures of volumes as viewers show them, still or in motion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .option_types import OneOf

if TYPE_CHECKING:
    from PIL.Image import Image

    from render_presets import Fitted, View

    from .frames import Frames

_SIZE, _SIZE_OF_GIF = (800, 600), (480, 360)
_TURN = 36
_TURN_RATE, _SERIES_RATE = 12.0, 1.0


class _PictureSize(click.ParamType):
    """``WIDTHxHEIGHT`` in pixels."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        width, _, height = str(value).partition("x")
        # more digits are out of range anyway
        if not all(side.isascii() and side.isdecimal() and len(side) < 7 for side in (width, height)):
            self.fail(f"{value!r} is not WIDTHxHEIGHT such as 800x600", param, ctx)
        return int(width), int(height)


@click.command()
@click.argument("volume_paths", metavar="VOLUME...", nargs=-1, required=True, type=options.file_path)
@click.option("-o", "--out", required=True, type=options.file_path, metavar="OUT.png|.gif|.mp4")
@options.picture_preset
@click.option("--size", type=_PictureSize(), help="In pixels. Default: 800x600, for a GIF 480x360.")
@click.option("--azimuth", type=float, metavar="DEG", help="How far to the right one stands. Default: 30.")
@click.option("--elevation", type=float, metavar="DEG", help="How far above. Default: 20.")
@click.option("--zoom", type=float, metavar="X", help="Default: 1, which shows all; 2 is twice as large.")
@click.option(
    "--background",
    metavar="NAME|#rrggbb",
    help="dark, black, grey, light, white or any colour; text and lines follow. Default: dark.",
)
@click.option("--axes", is_flag=True, help="Label the axes: positions in the image, channels.")
@click.option("--no-outline", is_flag=True, help="Leave the edges of the volume's box out.")
@click.option("--no-legend", is_flag=True, help="Leave the strip with source, range and colours out.")
@click.option("--turn", type=int, metavar="N", help="Pictures of a whole turn. Default: 36.")
@click.option("--frame", type=int, metavar="N", help="Only frame N of a series, counted from 0.")
@click.option("--fps", type=float, metavar="N", help="Pictures a second. Default: 12; of a series, 1.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME",
    help="What a frame is called, one for each in turn. Default: the name of its image, or of its file.",
)
@click.option(
    "--with",
    "renderer",
    type=OneOf("renderer", lambda: ("vtk", "paraview")),
    default="vtk",
    show_default=True,
    help="paraview: by its pvbatch and the script that `cnnvis preset` writes, to compare.",
)
@options.quiet
def command(
    volume_paths: tuple[Path, ...],
    out: Path,
    preset: str | Path | None,
    size: tuple[int, int] | None,
    no_outline: bool,
    no_legend: bool,
    turn: int | None,
    frame: int | None,
    fps: float | None,
    labels: tuple[str, ...],
    renderer: str,
    quiet: bool,
    **view: Any,
) -> None:
    """Render volumes off-screen, by VTK, with the transfer function that the viewers get.

    A .png is one picture. A .gif or .mp4 of one volume is a turntable; of several volumes, or of a series in
    any of the formats of `cnnvis series`, it plays them in the same colours from the same place. MP4 needs
    the program ffmpeg.

    Needs no display; where no OpenGL library is installed, a projection is drawn without one.

    \b
    Examples:
      cnnvis render conv1.nrrd -o conv1.png
      cnnvis render grad.nrrd -o grad.png --preset signed --size 1600x1200 --axes --background light
      cnnvis render conv1.nrrd -o conv1.gif --turn 48 --elevation 30
      cnnvis render persian.nrrd pembroke.nrrd chihuahua.nrrd -o dogs.gif
      cnnvis render dogs.seq.nrrd -o pembroke.png --frame 1
      cnnvis render conv1.nrrd -o paraview.png --with paraview
    """
    from render_presets import View, key_colors, save_movie

    from .frames import open_frames
    from .pictures import fitted_by_name, save_png
    from .progress import progress

    given = {name: value for name, value in view.items() if value is not None}
    seen = View(outline=not no_outline, **given)
    look = _Look(size or (_SIZE_OF_GIF if _kind(out) == ".gif" else _SIZE), not no_legend, seen)
    _check(out, look.size, turn, fps, renderer)
    whole = open_frames(volume_paths, labels)
    shown = whole if frame is None else whole.only(frame)
    _check_count(shown, out, turn)
    count = _count(shown, out, turn)
    with progress(1 + count, "pictures", quiet) as done:
        fitted = fitted_by_name(whole.volumes, whole.source, preset)
        done()
        if renderer == "paraview":
            path = save_png(_by_paraview(shown, fitted, look, volume_paths[0], preset), out)
        elif _kind(out) == ".png":
            path = save_png(next(_series(shown, fitted, look)), out)
        else:
            series = len(shown.volumes) > 1
            pictures = _series(shown, fitted, look) if series else _turntable(shown, fitted, look, count)
            rate = fps or (_SERIES_RATE if series else _TURN_RATE)
            keep = key_colors(fitted, seen.theme)
            path = save_movie(_counted(pictures, done), out, look.size, count, rate, keep)
    options.print_paths([path])


@dataclass(frozen=True)
class _Look:
    """What all pictures of a call have in common."""

    size: tuple[int, int]
    legend: bool
    view: View


def _kind(out: Path) -> str:
    return out.suffix.lower()


def _check(out: Path, size: tuple[int, int], turn: int | None, fps: float | None, renderer: str) -> None:
    """Fail before anything is read if what is wanted cannot be."""
    from render_presets import MOVIES, check_movie

    if _kind(out) not in (".png", *MOVIES):
        raise click.ClickException(f"{out}: pictures are written as .png, {' or '.join(MOVIES)}")
    if _kind(out) == ".png" and not (turn is None and fps is None):
        raise click.ClickException(f"{out}: is one picture: --turn and --fps go with {' or '.join(MOVIES)}")
    if _kind(out) != ".png" and renderer == "paraview":
        raise click.ClickException(f"{out}: --with paraview draws one picture, a .png")
    if _kind(out) != ".png":
        check_movie(out, size, 1, _TURN_RATE if fps is None else fps)


def _check_count(shown: Frames, out: Path, turn: int | None) -> None:
    count = len(shown.volumes)
    if count > 1 and _kind(out) == ".png":
        raise click.ClickException(
            f"{shown.source}: has {count} frames: --frame N draws one of them, "
            f"{out.with_suffix('.gif')} plays all"
        )
    if count > 1 and turn is not None:
        raise click.ClickException(
            f"{shown.source}: has {count} frames: a turntable shows one, which --frame N chooses"
        )


def _count(shown: Frames, out: Path, turn: int | None) -> int:
    """Return how many pictures there will be."""
    if _kind(out) == ".png" or len(shown.volumes) > 1:
        return len(shown.volumes)
    return _TURN if turn is None else turn


def _series(shown: Frames, fitted: Fitted, look: _Look) -> Iterator[Image]:
    from render_presets import animate

    return animate(shown.volumes, fitted, look.size, look.legend, look.view, shown.labels)


def _turntable(shown: Frames, fitted: Fitted, look: _Look, count: int) -> Iterator[Image]:
    from render_presets import turn

    return turn(shown.volumes[0], fitted, count, look.size, look.legend, look.view, _label(shown))


def _by_paraview(shown: Frames, fitted: Fitted, look: _Look, path: Path, preset: str | Path | None) -> Image:
    from render_presets import render_by_paraview

    # a frame is not a file that ParaView could open
    name = None if preset in (None, "auto") else str(preset)
    source = None if shown.labels else (path, name)
    return render_by_paraview(
        shown.volumes[0], fitted, look.size, look.legend, look.view, source, _label(shown)
    )


def _label(shown: Frames) -> str:
    return shown.labels[0] if shown.labels else ""


def _counted(pictures: Iterator[Image], done: Callable[[], object]) -> Iterator[Image]:
    for picture in pictures:
        done()
        yield picture
