"""The views of a scene: camera and background of the 3-D view, and what the slice views show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from converters.volume import Vector, Volume

from ..camera import camera, corners
from ..drawing import BACKGROUND
from ..scene import numbers
from .nodes import node, ras

SLICES = {
    "Red": ("R", "Axial", 2, ((-1, 0, 0), (0, 1, 0), (0, 0, 1))),
    "Green": ("G", "Coronal", 1, ((-1, 0, 0), (0, 0, 1), (0, 1, 0))),
    "Yellow": ("Y", "Sagittal", 0, ((0, -1, 0), (0, 0, 1), (-1, 0, 0))),
}
"""Slicer's slice views: label, orientation, the axis that is cut, and right, up and ahead in RAS."""

OVER = 0.5
"""Opacity of what lies over the first volume in the slice views."""

_FOUR_UP = "3"
_MARGIN = 1.1


def is_flat(volume: Volume) -> bool:
    """Whether a volume has a single slice along one of its axes: there is no depth to look through."""
    return min(volume.size) == 1


def view_nodes(volumes: Sequence[Volume], ids: Sequence[str]) -> list[str]:
    """Return layout, 3-D view, camera and slice views, all aimed at the volumes.

    The camera looks along +z of LPS with -y up, which are superior and anterior in Slicer's RAS: row 0 is on
    top, x goes right; so it is in Slicer's axial view. The slices go through the middle voxel of the first
    volume, which is the background, and hold all; the second is the foreground. Slicer itself does not fit
    the views of a scene. Where all volumes are flat, the 3-D view shows their slice.
    """
    layout = node(
        "Layout",
        id="vtkMRMLLayoutNodevtkMRMLLayoutNode",
        name="Layout",
        singletonTag="vtkMRMLLayoutNode",
        currentViewArrangement=_FOUR_UP,
    )
    selection = node(
        "Selection",
        id="vtkMRMLSelectionNodeSingleton",
        name="Selection",
        singletonTag="Singleton",
        activeVolumeID=ids[-1],
    )
    return [layout, selection, *_space(volumes), *_slices(volumes, ids)]


def _space(volumes: Sequence[Volume]) -> list[str]:
    """Return the 3-D view with its camera."""
    eye = camera(volumes[0] if len(volumes) == 1 else box(volumes))
    background = numbers(*BACKGROUND)
    view = node(
        "View",
        id="vtkMRMLViewNode1",
        name="View1",
        singletonTag="1",
        layoutName="1",
        layoutLabel="1",
        backgroundColor=background,
        backgroundColor2=background,
        # they are of the body and of no size that a volume has
        boxVisible="false",
        axisLabelsVisible="false",
        # rays that start at the same depth draw rings
        volumeRenderingSurfaceSmoothing="1",
    )
    aim = node(
        "Camera",
        id="vtkMRMLCameraNode1",
        name="Camera",
        singletonTag="1",
        position=numbers(*ras(eye.position)),
        focalPoint=numbers(*ras(eye.focal_point)),
        viewUp=numbers(*ras(eye.view_up)),
        viewAngle=numbers(eye.view_angle),
    )
    return [view, aim]


def _slices(volumes: Sequence[Volume], ids: Sequence[str]) -> list[str]:
    shown = {"backgroundVolumeID": ids[0]}
    if len(ids) > 1:
        shown |= {"foregroundVolumeID": ids[1], "foregroundOpacity": numbers(OVER)}
    flat = all(map(is_flat, volumes))
    nodes = []
    for color, (label, orientation, axis, axes) in SLICES.items():
        center, side = _aim(volumes, axis)
        pose = np.column_stack([*axes, ras(center)])
        nodes += [
            node(
                "Slice",
                id=f"vtkMRMLSliceNode{color}",
                name=color,
                singletonTag=color,
                layoutName=color,
                layoutLabel=label,
                orientation=orientation,
                orientationReference=orientation,
                fieldOfView=numbers(side, side, 1),
                dimensions="256 256 1",
                sliceToRAS=numbers(*pose.ravel(), 0, 0, 0, 1),
                sliceVisibility="true" if flat and volumes[0].size[axis] == 1 else "false",
            ),
            node(
                "SliceComposite",
                id=f"vtkMRMLSliceCompositeNode{color}",
                name="SliceComposite",
                singletonTag=color,
                layoutName=color,
                **shown,
            ),
        ]
    return nodes


def _aim(volumes: Sequence[Volume], axis: int) -> tuple[Vector, float]:
    """Return the middle of a slice across an axis, in LPS, and the side of the square that holds it."""
    points = np.concatenate([corners(volume) for volume in volumes])
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    first = volumes[0]
    center[axis] = (first.affine @ (*(count // 2 for count in first.size), 1))[axis]
    lengths = np.delete(np.ptp(points, axis=0), axis)
    voxel = max(max(volume.spacing) for volume in volumes)
    x, y, z = center.tolist()
    return (x, y, z), _MARGIN * (float(lengths.max()) + voxel)


def box(volumes: Sequence[Volume]) -> Volume:
    """Return an empty volume whose outermost voxels' centres are the corners of the box around volumes."""
    points = np.concatenate([corners(volume) for volume in volumes])
    lengths = np.ptp(points, axis=0)
    x, y, z = points.min(axis=0).tolist()
    dx, dy, dz = (length or 1.0 for length in lengths.tolist())
    data = np.zeros([1 if length == 0 else 2 for length in lengths[::-1]], np.float32)
    return Volume(data, (dx, dy, dz), (x, y, z))
