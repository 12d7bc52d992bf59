"""The script that `paraview.script` fills in; text, since it runs in ParaView's Python and not in ours."""

SCRIPT = '''"""Shows a volume of CNN-VIS in ParaView 5.11 or later, upright: row 0 on top, slice 0 in front.

    pvpython SCRIPT                       opens a window
    pvbatch SCRIPT --screenshot OUT.png   draws a picture; --help tells of its size and camera
    paraview --script=SCRIPT              in the script's folder; or View > Python Shell > Run Script
"""

import argparse
import itertools
import math
import os
import sys

from paraview import simple

@CONSTANTS@

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--screenshot", metavar="OUT.png")
parser.add_argument("--size", default="800x600", help="width x height in pixels")
parser.add_argument("--azimuth", type=float, default=AZIMUTH, help="degrees to the right; 0 looks along +z")
parser.add_argument("--elevation", type=float, default=ELEVATION, help="degrees above")
parser.add_argument("--bare", action="store_true", help="only the volume: no colour bar, no outline")
options = parser.parse_known_args(sys.argv[1:])[0]
size = [int(side) for side in options.size.split("x")]

# with --script, ParaView's window tells a script neither its own name nor its arguments
folder = os.path.dirname(os.path.abspath(__file__)) if "__file__" in globals() else os.getcwd()
path = os.path.join(folder, VOLUME)
if not os.path.isfile(path):
    raise FileNotFoundError(path + ": no such file; keep script and volume together, start ParaView there")
# ParaView 5.11 does not know the extension .vtkhdf
is_hdf = path.endswith((".hdf", ".vtkhdf"))
source = simple.VTKHDFReader(FileName=[path]) if is_hdf else simple.OpenDataFile(path)
if source is None:
    raise RuntimeError(path + ": ParaView has no reader for this file")
simple.RenameSource(os.path.basename(VOLUME), source)
source.UpdatePipeline()
# each format has its own name for the array
array = source.GetPointDataInformation().GetArray(0).GetName()

simple._DisableFirstRenderCameraReset()
view = simple.GetActiveViewOrCreate("RenderView")
view.UseColorPaletteForBackground = 0
view.Background = BACKGROUND
view.OrientationAxesVisibility = 0
view.ViewSize = size

display = simple.Show(source, view)
x0, x1, y0, y1, z0, z1 = source.GetDataInformation().GetBounds()
if x0 < x1 and y0 < y1 and z0 < z1:
    display.SetRepresentationType("Volume")
    display.ScalarOpacityUnitDistance = UNIT_DISTANCE
    display.InterpolationType = INTERPOLATION
    display.Shade = 0
else:
    # a single slice has no depth to look through
    display.SetRepresentationType("Surface")
    display.InterpolateScalarsBeforeMapping = 1
    display.Ambient, display.Diffuse = 1.0, 0.0
# separate: other volumes may have an array of the same name
simple.ColorBy(display, ("POINTS", array), separate=True)
colors = simple.GetColorTransferFunction(array, display, separate=True)
colors.AutomaticRescaleRangeMode = "Never"
colors.ColorSpace = "RGB"
colors.RGBPoints = COLORS
opacities = simple.GetOpacityTransferFunction(array, display, separate=True)
opacities.Points = OPACITIES
bar = simple.GetScalarBar(colors, view)
bar.Title, bar.ComponentTitle = TITLE, ""
bar.Orientation, bar.ScalarBarLength, bar.ScalarBarThickness = "Horizontal", 0.22, 10
bar.TitleFontSize, bar.LabelFontSize = 13, 12
bar.WindowLocation = "Lower Right Corner"
display.SetScalarBarVisibility(view, not options.bare)

outline = simple.Show(simple.Outline(Input=source), view)
outline.AmbientColor = outline.DiffuseColor = OUTLINE
outline.Ambient, outline.Diffuse = 1.0, 0.0
outline.Visibility = not options.bare

# The camera looks along +z with -y up, turned by the angles, from where the whole box is just in the picture:
# a corner p is, seen from the place d on the axis through c, if |p - c| <= slope * (depth - d).
a, e = math.radians(options.azimuth), math.radians(options.elevation)
ahead = (-math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e))
right = (math.cos(a), 0.0, math.sin(a))
down = (math.sin(a) * math.sin(e), math.cos(e), -math.cos(a) * math.sin(e))
slope = math.tan(math.radians(VIEW_ANGLE) / 2) * FILL
corners = list(itertools.product((x0, x1), (y0, y1), (z0, z1)))
depths = [sum(n * s for n, s in zip(ahead, p)) for p in corners]
middle = sum(depths) / 8
focus, starts = [middle * n for n in ahead], [middle - 1e-6]
for axis, part in ((right, slope * size[0] / size[1]), (down, slope)):
    across = [sum(n * s for n, s in zip(axis, p)) for p in corners]
    most = max(s - part * d for s, d in zip(across, depths))
    least = min(s + part * d for s, d in zip(across, depths))
    focus = [f + (most + least) / 2 * n for f, n in zip(focus, axis)]
    starts.append((least - most) / (2 * part))
view.CameraFocalPoint = focus
view.CameraPosition = [f + (min(starts) - middle) * n for f, n in zip(focus, ahead)]
view.CameraViewUp = [0.0, -1.0, 0.0]
view.CameraViewAngle = VIEW_ANGLE
view.CameraParallelProjection = 0
view.CenterOfRotation = focus

simple.SetActiveSource(source)
simple.Render(view)
if options.screenshot:
    simple.SaveScreenshot(options.screenshot, view, ImageResolution=size)
elif sys.argv[0]:
    # not in ParaView's own window, which has an event loop already
    simple.Interact(view)
'''
