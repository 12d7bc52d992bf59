"""3D Slicer's bundles (.mrb): a scene and all of its files in one zip file."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from converters import Encoding, nrrd
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
        If a name is none for Slicer, or a header names its data by a whole path.
    """
    folders = _folders(scenes)
    placed = [
        replace(scene, file=f"{folder}/{scene.path.name}")
        for scene, folder in zip(scenes, folders, strict=True)
    ]
    stills = [f"{scene.file}.first.nrrd" if scene.frames else "" for scene in placed]
    with zipfile.ZipFile(path, "w") as bundle, TemporaryDirectory(dir=path.parent) as scratch:
        top = _NO_NAME.sub("_", path.stem)
        shader = f"Data/{scenes[0].path.name}.sp" if len(scenes) == 1 else ""
        _add_text(bundle, f"{top}/{top}.mrml", mrml(placed, stills, shader))
        for scene, folder, still in zip(scenes, folders, stills, strict=True):
            for file, place in _files(scene.path):
                _add(bundle, f"{top}/{folder}/{place}", file)
            if still:
                first = Path(scratch, "first.nrrd")
                nrrd.write(scene.volume, first, scene.volume.encoding or Encoding())
                _add(bundle, f"{top}/{still}", first)
        if shader:
            _add_text(bundle, f"{top}/{shader}", shader_property(scenes[0].volume))


def _folders(scenes: Sequence[Scene]) -> list[str]:
    """Return where the files of each volume lie; those of one name need folders of their own."""
    names = [scene.path.name for scene in scenes]
    if len(set(names)) == len(names):
        return ["Data"] * len(names)
    return [f"Data/{number}" for number, _ in enumerate(names, start=1)]


def _files(path: Path) -> Iterable[tuple[Path, str]]:
    """Yield the files of a volume, and their places relative to it."""
    for name in (path.name, *data_files(path), path.name + ".json"):
        if PurePath(name).is_absolute():
            raise PresetError(f"{path}: its data file {name} lies at a place that no bundle can have")
        if (file := path.parent / name).is_file():
            yield file, PurePath(name).as_posix()


def _add(bundle: zipfile.ZipFile, name: str, file: Path) -> None:
    member = _member(name)
    member.file_size = file.stat().st_size
    with file.open("rb") as source, bundle.open(member, "w") as sink:
        shutil.copyfileobj(source, sink)


def _add_text(bundle: zipfile.ZipFile, name: str, text: str) -> None:
    bundle.writestr(_member(name), text.encode("utf-8"))


def _member(name: str) -> zipfile.ZipInfo:
    """Return a member without time, the same on every machine."""
    member = zipfile.ZipInfo(checked(name))
    member.create_system = 3  # Unix, wherever this runs
    member.external_attr = 0o100644 << 16
    return member
