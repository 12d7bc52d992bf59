"""Shows volumes of CNN-VIS in ParaView 5.11 or later, upright: row 0 on top, slice 0 in front.

    pvpython SCRIPT                       opens a window
    pvbatch SCRIPT --screenshot OUT.png   draws a picture; --help tells what else it draws. Most builds of
                                          ParaView want a display for it: xvfb-run -a pvbatch SCRIPT ...
    paraview --script=SCRIPT              in the script's folder; or View > Python Shell > Run Script

In ParaView's window, the eyes in the pipeline browser show and hide volumes, outlines and slices; slices move
by their property VOI. A series plays by the buttons on top.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paraview import servermanager, simple

Vector = Sequence[float]

# What is shown, and how; "show" may be "volume", "slices", "both" or "nothing".
# <scene>
VOLUMES: list[dict[str, Any]] = []
BACKGROUND = OUTLINE = INK = [0.0, 0.0, 0.0]
AZIMUTH = ELEVATION = VIEW_ANGLE = FILL = STEEP = 1.0
# </scene>

BAR_LENGTH, BAR_GAP, ROOM_FOR_BARS = 0.22, 0.08, 0.12
LETTER_WIDTH = 6.5
LONGEST_NAME = 60
NAME_CORNERS = ["Upper Left Corner", "Upper Right Corner", "Upper Center"]


def main() -> None:
    """Load all volumes, show them, and draw what the command line asks for."""
    options = read_options()
    # ParaView's own window tells a script neither its name nor its arguments
    in_window = not sys.argv[0]
    size = [int(side) for side in options.size.split("x")]
    simple._DisableFirstRenderCameraReset()
    view = simple.GetActiveViewOrCreate("RenderView")
    view.UseColorPaletteForBackground = 0
    view.Background = BACKGROUND
    view.OrientationAxesVisibility = 0
    if in_window:
        size = list(view.ViewSize)
    else:
        view.ViewSize = size

    sources = [load(volume) for volume in VOLUMES]
    boxes = [box(volume["size"], source) for volume, source in zip(VOLUMES, sources)]
    ways = [options.show or volume["show"] for volume in VOLUMES]
    shown = []
    for volume, source, outline, way in zip(VOLUMES, sources, boxes, ways):
        colors = show_volume(volume, source, view, way)
        outlined = way in ("volume", "both") or (way == "slices" and len(VOLUMES) == 1)
        # it would hide a row of voxels
        outlined = outlined and not is_line(volume["size"])
        show_outline(outline, view, outlined and not options.bare)
        if way != "nothing":
            shown.append((volume, source, colors))
    legend = not (options.bare or options.no_legend)
    if legend:
        show_bars([(volume, colors) for volume, _, colors in shown], view, size[0])
        show_frame_names([(source, volume) for volume, source, _ in shown], view)
    crowded = len(shown) > 1 or any("(" in volume["title"] for volume, _, _ in shown)
    room = ROOM_FOR_BARS if crowded and legend else 0.0
    look_at([corner for outline in boxes for corner in corners(outline)], view, size, options, room)

    simple.SetActiveSource(sources[0])
    times = max((steps(source) for source in sources), key=len)
    if not 0 <= options.step < len(times):
        raise ValueError(f"--step {options.step}: there are {len(times)}, the first one is 0")
    # the time goes from step to step only, as nothing lies between
    scene = simple.GetAnimationScene()
    scene.UpdateAnimationUsingDataTimeSteps()
    scene.PlayMode = "Snap To TimeSteps"
    scene.AnimationTime = times[options.step]
    if options.screenshot:
        simple.SaveScreenshot(options.screenshot, view, ImageResolution=size)
    if options.animation:
        pattern = Path(options.animation)
        for step, time in enumerate(times):
            scene.AnimationTime = time
            path = pattern.with_name(f"{pattern.stem}_{step:03}{pattern.suffix}")
            simple.SaveScreenshot(str(path), view, ImageResolution=size)
    if in_window:
        simple.Render(view)
    elif not (options.screenshot or options.animation):
        simple.Interact(view)


def read_options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--screenshot", metavar="OUT.png", help="draw a picture")
    parser.add_argument(
        "--animation", metavar="OUT.png", help="draw all steps: OUT_000.png, OUT_001.png, ..."
    )
    parser.add_argument("--step", type=int, default=0, help="which step of a series to show; from 0")
    parser.add_argument("--size", default="800x600", help="width x height in pixels")
    parser.add_argument(
        "--azimuth", type=float, default=AZIMUTH, help="degrees to the right of the view along +z"
    )
    parser.add_argument("--elevation", type=float, default=ELEVATION, help="degrees above it")
    parser.add_argument("--show", choices=["volume", "slices", "both"], help="how to show all volumes")
    parser.add_argument("--no-legend", action="store_true", help="no colour bars, no names of frames")
    parser.add_argument("--bare", action="store_true", help="only the volumes: no outlines either")
    return parser.parse_known_args(sys.argv[1:])[0]


def load(volume: dict[str, Any]) -> Any:
    """Return the source for a volume's file, which lies in its place relative to the script."""
    script = globals().get("__file__")
    path = (Path(script).absolute().parent if script else Path.cwd()) / volume["file"]
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file; keep script and volume together, start ParaView there"
        )
    if is_hdf(volume):
        check_steps(path, volume)
        # ParaView 5.11 does not know the extension .vtkhdf
        source = simple.VTKHDFReader(FileName=[str(path)])
    else:
        source = simple.OpenDataFile(str(path))
    if source is None:
        raise RuntimeError(f"{path}: ParaView has no reader for this file")
    simple.RenameSource(path.name, source)
    source.UpdatePipeline()
    return source


def is_hdf(volume: dict[str, Any]) -> bool:
    """Tell whether a volume's file is a VTKHDF one."""
    return Path(volume["file"]).suffix.lower() in (".hdf", ".vtkhdf")


def check_steps(path: Path, volume: dict[str, Any]) -> None:
    """Raise RuntimeError if ParaView cannot play the steps in a VTKHDF file."""
    if volume["frames"] and simple.GetParaViewVersion() < (5, 12):
        raise RuntimeError(f"{path}: needs ParaView 5.12 or later; older ones play .pvd")
    # the reader of 5.13 and 6.1 loses the direction, and a build with assertions ends at the second step
    if volume["frames"] and volume["turned"]:
        raise RuntimeError(f"{path}: ParaView cannot turn the axes of steps in such a file; it can in .pvd")


def steps(source: Any) -> list[float]:
    """Return the times of a source, of one without time 0 only."""
    return list(getattr(source, "TimestepValues", None) or [0.0])


def show_volume(volume: dict[str, Any], source: Any, view: Any, way: str) -> Any:
    """Show a volume, three slices through its middle, or both; the rest is there but hidden.

    Returns its colours, which all share.
    """
    # each format has its own name for the array
    array = source.GetPointDataInformation().GetArray(0).GetName()
    display = simple.Show(source, view)
    # separate: other volumes may have an array of the same name
    simple.ColorBy(display, ("POINTS", array), separate=True)
    colors = simple.GetColorTransferFunction(array, display, separate=True)
    colors.AutomaticRescaleRangeMode = "Never"
    colors.ColorSpace = "RGB"
    colors.RGBPoints = volume["colors"]
    opacities = simple.GetOpacityTransferFunction(array, display, separate=True)
    opacities.Points = volume["opacities"]
    if min(volume["size"]) == 1:
        # a single slice has no depth to look through
        flat_look(display, volume)
        display.Visibility = way != "nothing"
        if len(VOLUMES) > 1:
            # the others begin where it lies, and often right behind it
            display.Opacity = 0.5
        return colors
    display.SetRepresentationType("Volume")
    display.ScalarOpacityUnitDistance = volume["unit distance"]
    display.InterpolationType = volume["interpolation"]
    display.Shade = 0
    display.Visibility = way in ("volume", "both")
    for axis, name in enumerate("xyz"):
        ends = [end for count in volume["size"] for end in (0, count - 1)]
        ends[2 * axis] = ends[2 * axis + 1] = volume["size"][axis] // 2
        cut = simple.ExtractSubset(Input=source, VOI=ends)
        simple.RenameSource(f"{Path(volume['file']).name} slice {name}", cut)
        face = simple.Show(cut, view)
        flat_look(face, volume)
        face.ColorArrayName = ["POINTS", array]
        face.LookupTable = colors
        face.Visibility = way in ("slices", "both")
    return colors


def flat_look(display: Any, volume: dict[str, Any]) -> None:
    """Show a slice in its colours as they are, without light."""
    display.SetRepresentationType("Surface")
    # between labels lie no others: there, colours fade into each other
    display.InterpolateScalarsBeforeMapping = volume["interpolation"] == "Linear"
    display.Ambient, display.Diffuse, display.Specular = 1.0, 0.0, 0.0
    # of a row of voxels
    display.LineWidth = 6


def box(size: Sequence[int], source: Any) -> Any:
    """Return a source with the corners of a volume only; ParaView's own outlines do not turn with it."""
    ends = [end for count in size for end in (0, count - 1)]
    rates = [max(count - 1, 1) for count in size]
    names = ("SampleRateI", "SampleRateJ", "SampleRateK")
    if is_line(size):
        # Debian's ParaView 5.11 ends when it extracts a part of one
        outline = simple.Outline(Input=source)
    else:
        outline = simple.ExtractSubset(Input=source, VOI=ends, IncludeBoundary=1, **dict(zip(names, rates)))
    simple.RenameSource("outline", outline)
    return outline


def is_line(size: Sequence[int]) -> bool:
    """Tell whether a volume is a single row of voxels."""
    return sorted(size)[:2] == [1, 1]


def corners(outline: Any) -> list[Vector]:
    """Return the places of the corners that `box` found."""
    image = servermanager.Fetch(outline)
    return [image.GetPoint(index) for index in range(image.GetNumberOfPoints())]


def show_outline(outline: Any, view: Any, visible: bool) -> None:
    """Show the edges of a box."""
    display = simple.Show(outline, view)
    display.SetRepresentationType("Wireframe")
    display.ColorArrayName = ["POINTS", ""]
    display.AmbientColor = display.DiffuseColor = OUTLINE
    display.Ambient, display.Diffuse = 1.0, 0.0
    display.Visibility = visible


def show_bars(bars: Sequence[tuple[dict[str, Any], Any]], view: Any, width: int) -> None:
    """Show colour bars side by side below, the first one at the right, and those without room above."""
    # what is said of stored numbers gets a line of its own, which is still wider than the bar
    titles = [list(map(shortened, volume["title"].replace(" (", "\n(").splitlines())) for volume, _ in bars]
    letters = max((len(line) for title in titles for line in title), default=0)
    wide = max(BAR_LENGTH, LETTER_WIDTH * letters / width)
    in_a_row = max(1, int(1 / (wide + BAR_GAP)))
    for place, (title, (volume, colors)) in enumerate(zip(titles, bars)):
        row, column = divmod(place, in_a_row)
        bar = simple.GetScalarBar(colors, view)
        bar.Title, bar.ComponentTitle = plain("\n".join(title)), ""
        bar.Orientation, bar.ScalarBarLength, bar.ScalarBarThickness = "Horizontal", BAR_LENGTH, 10
        bar.TitleFontSize, bar.LabelFontSize = 13, 12
        bar.TitleColor = bar.LabelColor = INK
        largest = max(abs(volume["colors"][0]), abs(volume["colors"][-4]))
        digits = ".0f" if 1000 <= largest < 1e6 else ".3g"
        # ParaView 6.1 has formats of another kind
        bar.RangeLabelFormat = f"{{:{digits}}}" if "{" in bar.RangeLabelFormat else f"%{digits}"
        left = 0.96 - wide / 2 - (wide + BAR_GAP) * column - BAR_LENGTH / 2
        bar.WindowLocation = "Any Location"
        bar.Position = [max(0.01, left), 0.01 + 0.13 * row]
        bar.Visibility = 1


def show_frame_names(series: Sequence[tuple[Any, dict[str, Any]]], view: Any) -> None:
    """Show what the frame is called that a series is at; series with the same names share them."""
    told: list[list[str]] = []
    for source, volume in series:
        frames = volume["frames"]
        # up to 5.13 at least, the reader tells the time of the step before
        if is_hdf(volume) and simple.GetParaViewVersion() < (6, 1):
            continue
        if not frames or frames in told or len(told) == len(NAME_CORNERS):
            continue
        name = simple.PythonAnnotation(Input=source, ArrayAssociation="Field Data")
        # ParaView evaluates this at each step; it cuts expressions at " and ", which escapes hide from it
        names = ascii([plain(shortened(frame)) for frame in frames]).replace(" and", "\\x20and")
        name.Expression = names + "[t_index]"
        simple.RenameSource("name of the frame", name)
        display = simple.Show(name, view)
        display.WindowLocation = NAME_CORNERS[len(told)]
        display.FontSize, display.Color = 16, INK
        told.append(frames)


def plain(text: str) -> str:
    """Return text of which ParaView takes no part for a formula."""
    return text.replace("$", "\\$")


def shortened(text: str) -> str:
    """Return text that fits into the picture."""
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 3] + "..."


def look_at(
    points: Sequence[Vector], view: Any, size: Sequence[int], options: argparse.Namespace, room: float
) -> None:
    """Place the camera where all points are just in the picture, above a part of its height kept free.

    It looks along +z with -y up, turned by the angles. A point p is seen, from the place d on the axis
    through c, if c - slope * (depth - d) <= p <= c + slope * (depth - d), across and down.
    """
    a, e = math.radians(options.azimuth), math.radians(options.elevation)
    ahead = (-math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e))
    right = (math.cos(a), 0.0, math.sin(a))
    down = (math.sin(a) * math.sin(e), math.cos(e), -math.cos(a) * math.sin(e))
    slope = math.tan(math.radians(VIEW_ANGLE) / 2) * FILL
    depths = [dot(ahead, point) for point in points]
    middle = sum(depths) / len(depths)
    starts, limits = [middle - 1e-6], []
    for axis, before, after in (
        (right, slope * size[0] / size[1], slope * size[0] / size[1]),
        (down, slope, slope * (1 - 2 * room)),
    ):
        across = [dot(axis, point) for point in points]
        least = min(s + before * d for s, d in zip(across, depths))
        most = max(s - after * d for s, d in zip(across, depths))
        starts.append((least - most) / (before + after))
        limits.append((axis, least, most, after - before))
    start = min(starts)
    focus = [middle * n for n in ahead]
    for axis, least, most, more in limits:
        focus = [f + (least + most + more * start) / 2 * n for f, n in zip(focus, axis)]
    view.CameraFocalPoint = focus
    view.CameraPosition = [f + (start - middle) * n for f, n in zip(focus, ahead)]
    # from straight above or below, -y lies along the view
    steep = abs(options.elevation) >= STEEP
    view.CameraViewUp = [-n for n in down] if steep else [0.0, -1.0, 0.0]
    view.CameraViewAngle = VIEW_ANGLE
    view.CameraParallelProjection = 0
    view.CenterOfRotation = focus


def dot(one: Vector, other: Vector) -> float:
    """Return the inner product of two vectors."""
    return sum(a * b for a, b in zip(one, other))


main()
