"""3D Slicer's bundles (.mrb): a scene and all of its files in one zip file."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath
from tempfile import TemporaryDirectory

from converters import Encoding, nrrd, sidecar
from converters.data_files import data_files

from ..errors import PresetError
from ..scene import Scene
from .nodes import checked
from .rays import shader_property
from .scene import mrml

_NO_NAME = re.compile(r'[<>:"/\\|?*]')
"""What stands in no folder's name on one system or another."""


def write_bundle(scenes: Sequence[Scene], path: Path) -> None:
    """Write a scene as `write_mrml` does, with its files, as one file.

    It unpacks as one folder of the bundle's name, as Slicer's own do: the scene, and ``Data`` with the volume
    files, their data files and side-cars, and the first frame of each series as a volume, which Slicer's own
    have too. Nothing is compressed, so that its bytes depend on no version of zlib.

    Parameters
    ----------
    scenes : sequence of Scene
        What to show.
    path : Path
        The ``.mrb`` file.

    Raises
    ------
    PresetError
        If a name is none for Slicer, or a volume's file lies at a place that no bundle can have.
    VolumeError
        If a header cannot be read, or its data file is missing or lies outside its folder.
    """
    files = [_files(scene.path) for scene in scenes]
    folders = _folders(files)
    placed = [
        replace(scene, file=f"{folder}/{scene.path.name}")
        for scene, folder in zip(scenes, folders, strict=True)
    ]
    stills = [f"{scene.file}.first.nrrd" if scene.frames else "" for scene in placed]
    with zipfile.ZipFile(path, "w") as bundle, TemporaryDirectory(dir=path.parent) as scratch:
        top = _top(path.stem)
        shader = f"Data/{scenes[0].path.name}.sp" if len(scenes) == 1 else ""
        _add_text(bundle, f"{top}/{top}.mrml", mrml(placed, stills, shader))
        members = {
            f"{top}/{folder}/{place}": file
            for folder, found in zip(folders, files, strict=True)
            for place, file in found.items()
        }
        for name, file in members.items():
            _add(bundle, name, file)
        # a series may be there twice
        firsts = {still: scene.volume for scene, still in zip(scenes, stills, strict=True) if still}
        for still, volume in firsts.items():
            first = Path(scratch, "first.nrrd")
            nrrd.write(volume, first, volume.encoding or Encoding())
            _add(bundle, f"{top}/{still}", first)
        if shader:
            _add_text(bundle, f"{top}/{shader}", shader_property(scenes[0].volume))


def _top(stem: str) -> str:
    """Return what the bundle's folder is called; blanks and dots at the end are no part of it on Windows."""
    return _NO_NAME.sub("_", stem).rstrip(" .") or "scene"


def _folders(files: Sequence[dict[str, Path]]) -> list[str]:
    """Return where the files of each volume lie; different ones of one name need folders of their own."""
    found: dict[str, set[Path]] = {}
    for place, file in (item for those in files for item in those.items()):
        found.setdefault(place, set()).add(file.resolve())
    if all(len(those) == 1 for those in found.values()):
        return ["Data"] * len(files)
    return [f"Data/{number}" for number in range(1, len(files) + 1)]


def _files(path: Path) -> dict[str, Path]:
    """Return the files of a volume, by their places relative to it."""
    files = {path.name: path}
    for name in data_files(path):
        place = PurePath(name)
        if place.is_absolute() or ".." in place.parts:
            raise PresetError(f"{path}: its data file {name} lies at a place that no bundle can have")
        files[place.as_posix()] = path.parent / place
    side = sidecar.path_of(path)
    if side.is_file():
        if not side.resolve().is_relative_to(path.parent.resolve()):
            raise PresetError(f"{path}: its side-car {side.name} lies outside the volume's folder")
        files[side.name] = side
    return files


def _add(bundle: zipfile.ZipFile, name: str, file: Path) -> None:
    member = _member(name)
    member.file_size = file.stat().st_size
    with file.open("rb") as source, bundle.open(member, "w") as sink:
        shutil.copyfileobj(source, sink)


def _add_text(bundle: zipfile.ZipFile, name: str, text: str) -> None:
    bundle.writestr(_member(name), text.encode("utf-8"))


def _member(name: str) -> zipfile.ZipInfo:
    """Return a member without time, the same on every machine."""
    if ".." in PurePosixPath(name).parts:
        raise PresetError(f"{name!r}: would unpack outside the bundle's folder")
    member = zipfile.ZipInfo(checked(name))
    member.create_system = 3  # Unix, wherever this runs
    member.external_attr = 0o100644 << 16
    return member
