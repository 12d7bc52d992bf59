"""Which viewer opens which volume files, and what it wants beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from warnings import warn

from converters import CnnVisWarning, Encoding, VolumeError, format_of, series
from converters.staging import staging
from converters.volume import Described, Volume

from . import cgv, paraview, slicer
from .errors import PresetError
from .loading import fitted_to, load
from .scene import Scene
from .transfer import Foreign, TransferFunction

Function = TransferFunction | Foreign


@dataclass(frozen=True)
class Viewer:
    """A viewer.

    Parameters
    ----------
    extensions : tuple of str
        The volume files that it opens, with their dots.
    files : callable
        ``files(scene) -> {ending: text}``: what it wants beside the volume file; each ending is put behind
        the volume file's whole name.
    series : tuple of str
        The series that it plays: the ends of their names.
    refuses : callable
        ``refuses(path, volume, frames)``: why it would not show a volume, or the first frame of a series,
        rightly; None where it does.
    """

    extensions: tuple[str, ...]
    files: Callable[[Scene], dict[str, str]]
    series: tuple[str, ...]
    refuses: Callable[[Path, Described, bool], str | None] = lambda path, volume, frames: None


VIEWERS = {
    "paraview": Viewer(
        (".vti", ".vtk", ".hdf", ".vtkhdf", ".nrrd", ".nhdr", ".mhd", ".mha"),
        paraview.files,
        (".pvd", ".vti.series", ".vtkhdf"),
        paraview.refuses,
    ),
    "slicer": Viewer((".nrrd", ".nhdr", ".nii", ".nii.gz", ".mhd", ".mha"), slicer.files, (".nrrd",)),
    "cgv": Viewer((".vox", ".hd"), cgv.files, (".vox",)),
}

SCENES: dict[str, tuple[str, Callable[[Sequence[Scene], Path], None]]] = {
    ".mrml": ("slicer", slicer.write_mrml),
    ".mrb": ("slicer", slicer.write_bundle),
    ".py": ("paraview", paraview.write_script),
}
"""By the extension of a scene: its viewer, and ``write(scenes, path)``, which may write more beside it."""

_BELOW = {"slicer": "xray", "paraview": "gray"}
"""By viewer: the look of a volume that others lie in; ParaView shows only slices of it."""


def write_presets(
    path: Path, viewers: Sequence[str] | None = None, folder: Path | None = None, preset: str | None = None
) -> list[Path]:
    """Write what viewers want beside a volume file or a series: presets, scripts, scenes.

    Parameters
    ----------
    path : Path
        The volume file, or a series as `converters.series.read_series` opens it. It is left as it is.
    viewers : sequence of str, optional
        Names of `VIEWERS`; by default those that open this file, of several frames none that plays no series.
    folder : Path, optional
        Where to write; it must exist. By default the volume's own. Scripts and scenes name the volume by its
        relative place.
    preset : str, optional
        A transfer function's name or file; by default the one that suits the values. That of a series is
        fitted to all its frames.

    Returns
    -------
    list of Path
        What was written; names begin with the volume file's whole name: ``conv1.vti.paraview.py``.

    Warns
    -----
    CnnVisWarning
        If no viewer shows such a file, where none is asked for.

    Raises
    ------
    PresetError
        If a viewer is unknown or does not open such files, the preset cannot be used, or the files cannot be
        written.
    VolumeError
        If the volume cannot be read.
    """
    path = Path(path)
    folder = path.parent if folder is None else Path(folder)
    function = None if preset is None else load(preset)
    for name in viewers or ():
        _check(name, path)
    opened = _open(path)
    for name in viewers or ():
        _check_opened(name, path, opened)
    wanted = opened.able if viewers is None else viewers
    if not wanted:
        what = f"{len(opened)} frames in such a file" if opened.frames else "such a file"
        warn(f"{path}: no viewer shows {what}: it gets no preset", CnnVisWarning, stacklevel=2)
        return []
    scene = _scene(path, folder, opened, function)
    texts = {
        path.name + ending: text for name in wanted for ending, text in VIEWERS[name].files(scene).items()
    }
    return _write(folder, {name: _text_writer(text) for name, text in texts.items()})


def write_scene(paths: Sequence[Path], out: Path, presets: Sequence[str | None] = ()) -> list[Path]:
    """Write volumes, or series, as one scene, in which they lie over each other.

    Parameters
    ----------
    paths : sequence of Path
        Volume files or series, all in one frame, LPS; the first is the one that the others overlay.
    out : Path
        The scene: its extension is one of `SCENES`; its folder must exist.
    presets : sequence of str or None, optional
        A transfer function for each, as `write_presets` takes it. By default those that suit the values; the
        first of several, which the others lie in, is shown as by X-rays in 3D Slicer, and grey in ParaView.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    PresetError
        If there is no such kind of scene, its viewer does not open one of the files, or the file cannot be
        written.
    VolumeError
        If a volume cannot be read.
    """
    form = SCENES.get(out.suffix.lower())
    if form is None:
        raise PresetError(f"{out}: unknown kind of scene; known are {' '.join(SCENES)}")
    viewer, write = form
    below = _BELOW.get(viewer) if len(paths) > 1 else None
    presets = presets or [below, *[None] * (len(paths) - 1)]
    functions = [None if preset is None else load(preset) for preset in presets]
    if len(functions) != len(paths):
        raise PresetError(f"{len(functions)} presets for {len(paths)} volumes")
    scenes = []
    for path, function in zip(paths, functions, strict=True):
        _check(viewer, path)
        opened = _open(path)
        _check_opened(viewer, path, opened)
        scenes.append(_scene(path, out.parent, opened, function))
    return _write(out.parent, {out.name: lambda path: write(scenes, path)})


@dataclass(frozen=True)
class _Opened:
    """What a file holds: volumes, and of a series the labels of its frames."""

    volumes: Sequence[Volume]
    able: Sequence[str]
    """The viewers that show it."""
    frames: tuple[str, ...] = ()
    steps: bool = False
    """Whether the frames lie in the file as viewers play them."""

    def __len__(self) -> int:
        return len(self.volumes)


def _open(path: Path) -> _Opened:
    found = series.opened(path)
    if isinstance(found, Volume):
        return _Opened([found], able(path, found))
    return _Opened(found.volumes, able(path, found), found.labels, _steps(path, found))


def able(path: Path, volume: Described) -> list[str]:
    """Return the names of the viewers that show a file of a volume, or play one with frames, rightly."""
    frames = volume.frames is not None
    found = []
    for name, viewer in VIEWERS.items():
        suits = (
            _ends(path, viewer.series) and _steps(path, volume) if frames else _ends(path, viewer.extensions)
        )
        if suits and viewer.refuses(path, volume, frames) is None:
            found.append(name)
    return found


def _steps(path: Path, volume: Described) -> bool:
    # NRRD has an axis for frames; VTKHDF has steps in time, or else an array for each
    return _ends(path, (".nrrd",)) or volume.facts.get("layout") == {"kind": "series"}


def _ends(path: Path, extensions: Sequence[str]) -> bool:
    return path.name.lower().endswith(tuple(extensions))


def _check(name: str, path: Path) -> None:
    """Raise PresetError if there is no such viewer, or it does not open files of this name at all."""
    if name not in VIEWERS:
        raise PresetError(f"unknown viewer {name!r}: choose from {', '.join(VIEWERS)}")
    known = [other for other, viewer in VIEWERS.items() if _ends(path, viewer.extensions + viewer.series)]
    if name not in known:
        others = f"; {' and '.join(known)} can" if known else ""
        opens = " ".join(dict.fromkeys(VIEWERS[name].extensions + VIEWERS[name].series))
        # only what some viewer opens is a volume, which can be converted
        convert = "; cnnvis convert makes others of a volume" if known else ""
        raise PresetError(f"{path}: {name} does not open such files{others}. It opens {opens}{convert}")


def _check_opened(name: str, path: Path, opened: _Opened) -> None:
    """Raise PresetError if a viewer does not show what a file holds, or not rightly."""
    viewer = VIEWERS[name]
    if opened.frames and not (_ends(path, viewer.series) and opened.steps):
        plays = " and ".join(viewer.series)
        raise PresetError(
            f"{path}: holds {len(opened)} frames, which {name} does not play; of series, it plays {plays}"
        )
    if problem := viewer.refuses(path, opened.volumes[0], bool(opened.frames)):
        raise PresetError(f"{path}: {problem}")


def _scene(path: Path, folder: Path, opened: _Opened, function: Function | None) -> Scene:
    try:
        fitted = fitted_to(opened.volumes, function)
    except PresetError as error:
        raise PresetError(f"{path}: {error}") from error
    volume = opened.volumes[0]
    relative = os.path.relpath(path.parent.resolve() / path.name, folder.resolve())
    encoding, title = volume.encoding or Encoding(), volume.name
    if not _viewer_scales(path) and encoding != Encoding(encoding.dtype):
        fitted = fitted.stored(encoding)
        title += f" (stored; value = {encoding.slope:.4g} * stored + {encoding.intercept:.4g})"
    return Scene(path, Path(relative).as_posix(), volume, fitted, title, opened.frames)


def _viewer_scales(path: Path) -> bool:
    try:
        return format_of(path).viewer_scales
    except VolumeError:
        # lists of files, which are all .vti
        return False


def _text_writer(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8", newline="\n")

    return write


def _write(folder: Path, writers: dict[str, Callable[[Path], None]]) -> list[Path]:
    """Write files, which may have others beside them, and return all paths."""
    try:
        with staging(folder) as staged:
            for name, write in writers.items():
                write(staged / name)
            beside = sorted(file.name for file in staged.iterdir() if file.name not in writers)
    except OSError as error:
        raise PresetError(f"{folder}: {error.strerror or error}") from error
    return [folder / name for name in (*writers, *beside)]
