"""3D Slicer's scenes (.mrml): volumes and series by our transfer functions, in slices and in depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from ..scene import Scene, numbers
from ..transfer import Fitted
from .nodes import facts, file_name, node, references
from .property import look, step_length
from .rays import shader_property
from .views import is_flat, view_nodes

CONTEXT = 0.1
"""Part of its density that the first of several volumes has in depth, as the others lie in it."""

_TELLING = 0.5
"""How far colours must differ, in one channel at least, to tell values in slices."""

_FAINT = 0.05
"""Part of its highest opacity below which a transfer function hardly shows a value."""

_COLORS = 256
_USER = "13"
_FRAMES_A_SECOND = "2"


def write_mrml(scenes: Sequence[Scene], path: Path) -> None:
    """Write a scene of volumes and series that lie over each other; the first is the one below.

    Parameters
    ----------
    scenes : sequence of Scene
        Their files as the scene shall name them.
    path : Path
        The ``.mrml`` file; of a single volume, its ``.sp`` is put beside it.
    """
    shader = "" if len(scenes) > 1 else f"{path.name}.sp"
    if shader:
        path.with_name(shader).write_text(shader_property(scenes[0].volume), encoding="utf-8", newline="\n")
    path.write_text(mrml(scenes, shader=shader), encoding="utf-8", newline="\n")


def mrml(scenes: Sequence[Scene], stills: Sequence[str] = (), shader: str = "") -> str:
    """Return a scene: volumes, colours, volume rendering, camera, slice views, and players of series.

    Transfer functions and colours lie in the scene itself, in the form that all versions read.

    Parameters
    ----------
    scenes : sequence of Scene
        As `write_mrml` takes them.
    stills : sequence of str, optional
        For each a file of the first frame of a series, empty where there is none.
    shader : str, optional
        The file of the `shader_property` of a single volume.

    Notes
    -----
    Since version 5.8, Slicer shows the first frame of a series by itself. Earlier ones show the still, or
    nothing until a frame is chosen.
    """
    several = sum(not is_flat(scene.volume) for scene in scenes) > 1
    parts = [
        _Part(scene, number, name, still, shader, several and not is_flat(scene.volume))
        for number, (scene, name, still) in enumerate(
            zip(scenes, _names(scenes), stills or [""] * len(scenes), strict=True), start=1
        )
    ]
    nodes = [
        *_browsers(parts),
        *(line for part in parts for line in _nodes(part)),
        *view_nodes([scene.volume for scene in scenes], [part.id("ScalarVolume") for part in parts]),
    ]
    lines = "".join(f" {line}\n" for line in nodes)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<MRML version="Slicer 5.0.0 30000">\n{lines}</MRML>\n'


@dataclass(frozen=True)
class _Part:
    """One of the volumes or series of a scene.

    Parameters
    ----------
    number : int
        Which one, from 1.
    name : str
        What Slicer calls it.
    still : str
        A file of its first frame, or nothing.
    mixed : bool
        Whether others are drawn in depth with it.
    """

    scene: Scene
    number: int
    name: str
    still: str
    shader: str
    mixed: bool

    def id(self, kind: str) -> str:
        return f"vtkMRML{kind}Node{self.number}"

    @property
    def rendering(self) -> str:
        """The kind of volume rendering: only one of them mixes several volumes along a ray."""
        return "MultiVolumeRendering" if self.mixed else "GPURayCastVolumeRendering"

    @property
    def fitted(self) -> Fitted:
        """The transfer function with opacities for the unit distance of the rendering.

        This is a step through voxels, but a millimetre where several volumes are mixed (measured in
        slicer-core 5.13, by the opacity of even volumes).
        """
        fitted = self.scene.fitted
        if not self.mixed:
            return fitted.per(step_length(self.scene.volume))
        density = CONTEXT if self.number == 1 else 1.0
        return replace(fitted, unit=fitted.unit / density).per(1.0)


def _names(scenes: Sequence[Scene]) -> list[str]:
    """Return what the volumes are called in Slicer's lists, with their files where they are called alike.

    Files of one name, which lie in different folders, are counted.
    """
    count = Counter(scene.volume.name for scene in scenes)
    names = [
        scene.volume.name
        if count[scene.volume.name] == 1
        else f"{scene.volume.name} ({PurePosixPath(scene.file).name})"
        for scene in scenes
    ]
    return [
        name if names.count(name) == 1 else f"{name} {names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    ]


def _browsers(parts: Sequence[_Part]) -> list[str]:
    """Return what plays the series; those whose frames are called alike play together.

    They stand before the series: so they listen when Slicer reads these, and choose the first frame as soon
    as it is there (tried in slicer-core 5.13: behind them, they leave the volume empty).
    """
    together: dict[tuple[str, ...], list[_Part]] = {}
    for part in parts:
        if part.scene.frames:
            together.setdefault(part.scene.frames, []).append(part)
    return [_browser(number, group) for number, group in enumerate(together.values(), start=1)]


def _browser(number: int, parts: Sequence[_Part]) -> str:
    roles = {}
    # the first of them leads: the last to be read, so that all are there when it chooses a frame
    for place, part in enumerate(reversed(parts)):
        roles[f"sequenceNodeRef{place}"] = part.id("Sequence")
        roles[f"dataNodeRef{place}"] = part.id("ScalarVolume")
    # the volume is called by its frame, which slice views show in their corner
    renamed = {
        f"SynchronizationPropertiesMap{place}": "overwriteProxyName true" for place in range(len(parts))
    }
    return node(
        "SequenceBrowser",
        id=f"vtkMRMLSequenceBrowserNode{number}",
        name=f"{parts[0].name} browser",
        playbackRateFps=_FRAMES_A_SECOND,
        selectedItemNumber="0",
        virtualNodePostfixes=" ".join(map(str, range(len(parts)))),
        references=references(**roles),
        **renamed,
    )


def _nodes(part: _Part) -> list[str]:
    """Return a volume with its file and its looks in slices and in depth, linked by their ids."""
    low, high = part.scene.fitted.range
    displays = [part.id("ScalarVolumeDisplay"), part.id(f"{part.rendering}Display")]
    roles: dict[str, str | list[str]] = {"display": displays}
    file = part.still if part.scene.frames else part.scene.file
    if file:
        roles["storage"] = part.id("VolumeArchetypeStorage")
    looks: dict[str, str | list[str]] = {"volumeProperty": part.id("VolumeProperty")}
    if part.shader:
        looks["shaderProperty"] = part.id("ShaderProperty")
    return [
        *_sequence(part),
        *(_storage(part, "VolumeArchetypeStorage", file) if file else []),
        _colors(part),
        node(
            "VolumeDisplay",
            id=displays[0],
            name=f"{part.name} slices",
            colorNodeID=part.id("ColorTable"),
            window=numbers(high - low),
            level=numbers((low + high) / 2),
            autoWindowLevel="0",
            interpolate="0",
        ),
        node(
            "VolumeProperty",
            id=part.id("VolumeProperty"),
            name=part.scene.fitted.name,
            effectiveRange=numbers(low, high),
            **look(part.fitted),
        ),
        *_shader(part),
        node(
            part.rendering,
            id=displays[1],
            name=f"{part.name} volume rendering",
            visibility="false" if is_flat(part.scene.volume) else "true",
            references=references(**looks),
        ),
        node(
            "Volume",
            id=part.id("ScalarVolume"),
            name=part.name,
            attributes=facts(values=part.scene.title, slices=", ".join(part.scene.volume.labels)),
            references=references(**roles),
        ),
    ]


def _sequence(part: _Part) -> list[str]:
    """Return the frames of a series, from which the volume is filled."""
    if not part.scene.frames:
        return []
    storage = part.id("VolumeSequenceStorage")
    return [
        *_storage(part, "VolumeSequenceStorage", part.scene.file),
        node(
            "Sequence",
            id=part.id("Sequence"),
            name=part.name,
            # the file says so too, but is read only after the first frame is called by it
            indexName="frame",
            indexUnit="",
            references=references(storage=storage),
        ),
    ]


def _shader(part: _Part) -> list[str]:
    """Return what makes opacities go by millimetres."""
    if not part.shader:
        return []
    storage = part.id("ShaderPropertyStorage")
    return [
        *_storage(part, "ShaderPropertyStorage", part.shader),
        node(
            "ShaderProperty",
            id=part.id("ShaderProperty"),
            name=f"{part.name} opacity by length",
            references=references(storage=storage),
        ),
    ]


def _storage(part: _Part, kind: str, file: str) -> list[str]:
    return [node(kind, id=part.id(kind), name=f"{part.name} file", fileName=file_name(file))]


def _colors(part: _Part) -> str:
    """Return the colours of slices: those of the transfer function, from the lowest value to the highest.

    Grey where these hardly differ, and tell values by opacity alone. In a volume that lies over another one,
    values that hardly show in depth are left out: Slicer takes any other opacity for a whole one.
    """
    low, high = part.scene.fitted.range
    values = np.linspace(low, high, _COLORS)
    colors = part.scene.fitted.rgba(values)
    if np.ptp(colors[:, :3], axis=0).max() < _TELLING:
        colors[:, :3] = np.linspace(0, 1, _COLORS)[:, np.newaxis]
    shown = colors[:, 3] >= _FAINT * colors[:, 3].max()
    colors[:, 3] = 1 if part.number == 1 else shown
    entries = [
        f"{index} {value:.4g} " + " ".join(f"{channel:.4g}" for channel in color)
        for index, (value, color) in enumerate(zip(values, colors, strict=True))
    ]
    return node(
        "ColorTable",
        id=part.id("ColorTable"),
        name=f"{part.name} colors",
        # Slicer saves no hidden ones
        hideFromEditors="false",
        type=_USER,
        numcolors=str(_COLORS),
        # Slicer reads on into the first entry again, where no blank ends the last one
        colors=" ".join(entries) + " ",
    )
