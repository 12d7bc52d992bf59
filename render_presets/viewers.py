"""Which viewer opens which volume files, and what it wants beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from converters import Encoding, extension_of, format_of, read
from converters.staging import staging
from converters.volume import Volume

from . import cgv, paraview, slicer
from .errors import PresetError
from .loading import choose, load
from .scene import Scene
from .transfer import Fitted, fit


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
    """

    extensions: tuple[str, ...]
    files: Callable[[Scene], dict[str, str]]


VIEWERS = {
    "paraview": Viewer((".vti", ".vtk", ".hdf", ".vtkhdf", ".nrrd", ".nhdr", ".mhd", ".mha"), paraview.files),
    "slicer": Viewer((".nrrd", ".nhdr", ".nii", ".nii.gz", ".mhd", ".mha"), slicer.files),
    "cgv": Viewer((".vox", ".hd"), cgv.files),
}


def write_presets(
    path: Path, viewers: Sequence[str] | None = None, folder: Path | None = None, preset: str | None = None
) -> list[Path]:
    """Write what viewers want beside a volume file: presets, scripts, scenes.

    Parameters
    ----------
    path : Path
        The volume file. It is read, and left as it is.
    viewers : sequence of str, optional
        Names of `VIEWERS`; by default those that open this file, of several frames none.
    folder : Path, optional
        Where to write; it must exist. By default the volume's own. Scripts and scenes name the volume by its
        relative place.
    preset : str, optional
        A transfer function's name or file; by default the one that suits the values.

    Returns
    -------
    list of Path
        What was written; names begin with the volume file's whole name: ``conv1.vti.paraview.py``.

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
    able = _able(path)
    wanted = able if viewers is None else viewers
    for name in wanted:
        _check(name, able, path)
    volume = read(path)
    if volume.frames is not None:
        if viewers is None:
            return []
        raise PresetError(f"{path}: holds {volume.frames} frames; viewers' presets are for one volume a file")
    try:
        fitted = fit(function or choose(volume), volume)
    except PresetError as error:
        raise PresetError(f"{path}: {error}") from error
    scene = _scene(path, folder, volume, fitted)
    texts = {
        path.name + ending: text for name in wanted for ending, text in VIEWERS[name].files(scene).items()
    }
    try:
        with staging(folder) as staged:
            for name, text in texts.items():
                (staged / name).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise PresetError(f"{folder}: {error.strerror or error}") from error
    return [folder / name for name in texts]


def _able(path: Path) -> list[str]:
    return [name for name, viewer in VIEWERS.items() if extension_of(path) in viewer.extensions]


def _check(name: str, able: Sequence[str], path: Path) -> None:
    if name not in VIEWERS:
        raise PresetError(f"unknown viewer {name!r}: choose from {', '.join(VIEWERS)}")
    if name not in able:
        others = f"; {' and '.join(able)} can" if able else ""
        opens = " ".join(VIEWERS[name].extensions)
        raise PresetError(f"{path}: {name} does not open such files{others}. It opens {opens}")


def _scene(path: Path, folder: Path, volume: Volume, fitted: Fitted) -> Scene:
    relative = os.path.relpath(path.parent.resolve() / path.name, folder.resolve())
    encoding, title = volume.encoding or Encoding(), volume.name
    if not format_of(path).viewer_scales and encoding != Encoding(encoding.dtype):
        fitted = fitted.stored(encoding)
        title += f" (stored; value = {encoding.slope:.4g} * stored + {encoding.intercept:.4g})"
    return Scene(Path(relative).as_posix(), volume, fitted, title)
