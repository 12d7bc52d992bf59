"""Volumes of one geometry, an image each, as a series that viewers play."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import warn
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from . import cgv, hdf, nifti, sidecar, vti
from ._arrays import clean
from ._files import raw
from ._nrrd_header import header as nrrd_header
from .encoding import Encoding
from .errors import CnnVisError, CnnVisWarning, VolumeError
from .registry import extension_of
from .staging import staging
from .volume import Vector, Volume

# facts of the slices; of a file that holds frames they would be taken for facts of its frames
_OF_SLICES = ("layout", "order")
# what all volumes of a series have in common
_ALIKE = ("layer", "quantity")
_BLOCK = 2**28


@dataclass(frozen=True, eq=False)
class Series:
    """Volumes that `gather` has checked; a `Described` of as many frames.

    Parameters
    ----------
    labels : tuple of str
        What each frame is called, all different.
    volumes : sequence of Volume
        The frames, 3-D; they may be read anew each time.
    first : Volume
        The first of them: geometry and slices are the same in all.
    range : (float, float) or None
        Smallest and largest finite value of all frames.
    facts : mapping
        What the side-cars of all frames say; ``series`` holds the labels of the slices, and for each frame
        its label and what else its side-car says.
    """

    labels: tuple[str, ...]
    volumes: Sequence[Volume]
    first: Volume
    range: tuple[float, float] | None
    facts: Mapping[str, Any]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.labels)

    @property
    def name(self) -> str:
        """What the values are."""
        return self.first.name

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of voxels along x, y and z."""
        return self.first.size

    @property
    def spacing(self) -> Vector:
        """Distance between neighbours along x, y and z."""
        return self.first.spacing

    @property
    def origin(self) -> Vector:
        """Position of the centre of voxel (0, 0, 0)."""
        return self.first.origin

    @property
    def direction(self) -> tuple[float, ...]:
        """Unit vectors of the axes, as `Volume` has them."""
        return self.first.direction

    @property
    def affine(self) -> NDArray[np.float64]:
        """The 4 x 4 matrix that takes (x, y, z, 1) indices to LPS positions."""
        return self.first.affine

    @property
    def data(self) -> Iterator[NDArray[np.float32]]:
        """The values of the frames, read one after another."""
        return (volume.data for volume in self.volumes)

    def alone(self) -> Iterator[Volume]:
        """Yield each frame as a volume that says which one it is; all lie in exactly the same place."""
        for frame, label in enumerate(self.labels):
            place = {"frame": frame, "frames": self.frames, "label": label}
            volume = self.volumes[frame]
            yield volume.replace(
                spacing=self.spacing,
                origin=self.origin,
                direction=self.direction,
                facts={**volume.facts, "series": place},
            )


def gather(volumes: Sequence[Volume], sources: Sequence[str], labels: Sequence[str] = ()) -> Series:
    """Return volumes as a series, after a look at each: they must differ in nothing but their values.

    Parameters
    ----------
    volumes : sequence of Volume
        3-D, all of one layer: of the same size, place, name, layer, and with the same slices in the same
        order. The first one is held; the others are taken one after another.
    sources : sequence of str
        The path of each, for messages.
    labels : sequence of str
        What to call them. By default as their images, or, where these are not known or not different, as
        their files.

    Raises
    ------
    VolumeError
        If there are no two volumes, they do not go together, or two would be called alike.
    """
    if len(volumes) < 2:
        raise VolumeError("a series takes two volumes or more")
    if labels and len(labels) != len(volumes):
        raise VolumeError(f"{len(labels)} labels for {len(volumes)} volumes")
    first = volumes[0]
    looked = [_look(volume, source, first) for source, volume in zip(sources, volumes, strict=True)]
    ranges = [span for span, _ in looked if span is not None]
    facts = [each for _, each in looked]
    names = _names(labels, facts, sources)
    span = (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None
    return Series(names, volumes, first, span, _facts(facts, names, first.labels))


def _look(volume: Volume, source: str, first: Volume) -> tuple[tuple[float, float] | None, dict[str, Any]]:
    """Return range and facts of a volume that goes together with the first one."""
    for check in _CHECKS:
        if problem := check(volume, first):
            raise VolumeError(f"{source}: {problem}")
    return volume.range, dict(volume.facts)


def _names(
    labels: Sequence[str], facts: Sequence[Mapping[str, Any]], sources: Sequence[str]
) -> tuple[str, ...]:
    stems = [Path(source).name for source in sources]
    stems = [name[: -len(extension_of(name))] for name in stems]
    images = [image.get("file") for each in facts if isinstance(image := each.get("image"), Mapping)]
    pictured = len(set(images)) == len(facts) and all(isinstance(image, str) for image in images)
    names = tuple(labels) or tuple(map(str, images) if pictured else stems)
    for name in names:
        if not name.strip():
            raise VolumeError("a frame needs a label that is not blank")
        if names.count(name) > 1:
            raise VolumeError(f"two frames are called {name!r}: they need labels")
    return names


def _facts(facts: Sequence[dict[str, Any]], names: Sequence[str], slices: Sequence[str]) -> dict[str, Any]:
    """Return the facts that all frames share, and under ``series`` those of slices and of single frames."""
    first = facts[0]
    shared = {key: value for key, value in first.items() if all(key in o and o[key] == value for o in facts)}
    own = [{key: value for key, value in each.items() if key not in shared} for each in facts]
    return {
        **{key: value for key, value in shared.items() if key not in _OF_SLICES},
        "layout": {"kind": "series"},
        "series": {
            "slices": list(slices),
            **{key: shared[key] for key in _OF_SLICES if key in shared},
            "frames": [{"label": name, **each} for name, each in zip(names, own, strict=True)],
        },
    }


def _wrong_shape(volume: Volume, first: Volume) -> str | None:
    if volume.frames is not None:
        return f"it holds {volume.frames} frames itself; a series is made of 3-D volumes"
    if volume.size != first.size:
        return f"its size is {_by(volume.size)}, that of the first volume {_by(first.size)}"
    return None


def _wrong_values(volume: Volume, first: Volume) -> str | None:
    if volume.name != first.name:
        return f"it holds {volume.name!r}, the first volume {first.name!r}"
    for fact in _ALIKE:
        found, wanted = volume.facts.get(fact), first.facts.get(fact)
        if found != wanted:
            return f"its {fact} is {found!r}, that of the first volume {wanted!r}"
    return None


def _wrong_slices(volume: Volume, first: Volume) -> str | None:
    if volume.labels == first.labels:
        return None
    if sorted(volume.labels) == sorted(first.labels):
        place = next(i for i, label in enumerate(volume.labels) if label != first.labels[i])
        return (
            f"its slices are in another order than those of the first volume: slice {place} is "
            f"{volume.labels[place]!r}, there {first.labels[place]!r}; order them alike (--order)"
        )
    return "its slices are others than those of the first volume: their labels differ"


def _wrong_place(volume: Volume, first: Volume) -> str | None:
    # a ten-thousandth of a voxel: NIfTI holds the matrix as float32
    if np.allclose(volume.affine, first.affine, rtol=1e-6, atol=1e-4 * min(first.spacing)):
        return None
    for what in ("spacing", "origin", "direction"):
        found, wanted = getattr(volume, what), getattr(first, what)
        if not np.allclose(found, wanted, rtol=1e-6, atol=0):
            return f"its {what} is {_by(found, ' ')}, that of the first volume {_by(wanted, ' ')}"
    return "it lies in another place than the first volume"


def _by(numbers: Sequence[float], sign: str = " x ") -> str:
    return sign.join(format(number, "g") for number in numbers)


_CHECKS: tuple[Callable[[Volume, Volume], str | None], ...] = (
    _wrong_shape,
    _wrong_values,
    _wrong_slices,
    _wrong_place,
)


def split(path: Path) -> tuple[str, str]:
    """Return the stem of a series' file name and its extension, as `FORMATS` has it.

    Raises
    ------
    VolumeError
        If the name ends in no extension for series.
    """
    name = path.name
    for extension in FORMATS:
        if name.lower().endswith(extension) and len(name) > len(extension):
            return name[: -len(extension)], extension
    raise VolumeError(f"{path}: no format for series; known are {' '.join(FORMATS)}")


def files(path: Path, count: int) -> list[Path]:
    """Return the files that hold the values, or name those that do, of a series of so many frames.

    Raises
    ------
    VolumeError
        If the name ends in no extension for series.
    """
    stem, extension = split(path)
    form = FORMATS[extension]
    frames = [path.with_name(name) for end in form.frames for name in _numbered(stem, end, count)]
    return frames if form.bare else [path, *frames]


def write(series: Series, path: str | Path, dtype: str | None = None) -> list[Path]:
    """Write a series in the format that the file's extension names, all frames on one value scale.

    The files appear whole or not at all.

    Parameters
    ----------
    series : Series
        What to write.
    path : str or Path
        The file; for CGV, ``NAME.vox`` stands for ``NAME_000.vox``, ``NAME_001.vox`` and so on. Existing
        files of the same names are replaced; the folder must exist.
    dtype : {"float32", "int16", "uint16", "uint8"}, optional
        The stored type; by default uint8 for CGV, float32 for all others.

    Returns
    -------
    list of Path
        What was written, side-cars last.

    Raises
    ------
    VolumeError
        If there is no such format, it cannot hold the series, or the files cannot be written.

    Warns
    -----
    CnnVisWarning
        If frames of an earlier, longer series of this name are left over.
    """
    path = Path(path)
    stem, extension = split(path)
    form = FORMATS[extension]
    try:
        encoding = Encoding.common(series.data, dtype or form.dtype)
        with staging(path.parent) as folder:
            form.write(series, folder / path.name, encoding)
            if not form.bare:
                sidecar.write(series, folder / path.name, encoding)
            staged = [file.name for file in folder.iterdir()]
    except CnnVisError as error:
        raise error if str(error).startswith(str(path)) else VolumeError(f"{path}: {error}") from error
    except OSError as error:
        raise VolumeError(f"{path}: {error.strerror or error}") from error
    _note_left_over(path.parent, stem, form, staged)
    staged.sort(key=lambda name: (name.endswith(".json"), name != path.name, name))
    return [path.with_name(name) for name in staged]


def _note_left_over(folder: Path, stem: str, form: Format, written: Sequence[str]) -> None:
    pattern = re.compile(re.escape(stem) + r"_\d{3,}(" + "|".join(map(re.escape, form.frames)) + ")")
    found = sorted(file.name for file in folder.iterdir()) if form.frames else []
    left = [name for name in found if pattern.fullmatch(name) and name not in written]
    if left:
        warn(f"{folder / left[0]}: left over from an earlier, longer series", CnnVisWarning, stacklevel=3)


def _numbered(stem: str, extension: str, count: int) -> list[str]:
    digits = max(3, len(str(count - 1)))
    return [f"{stem}_{frame:0{digits}}{extension}" for frame in range(count)]


def _write_nrrd(series: Series, path: Path, encoding: Encoding) -> None:
    """Write Slicer's volume sequence, the values of all frames at one place together.

    So does Slicer's own recipe for other programs; in versions before 5.10, only the first axis can tell what
    frames are called. Ever so many slices are gathered at once as make a block of 256 MB.
    """
    bytes_a_slice = series.frames * series.size[0] * series.size[1] * np.dtype(encoding.dtype).itemsize
    depth = max(1, _BLOCK // bytes_a_slice)
    with path.open("wb") as file:
        file.write(nrrd_header(series, encoding, frames_first=True))
        for start in range(0, series.size[2], depth):
            slab = [encoding.encode(data[start : start + depth]) for data in series.data]
            file.write(raw(np.stack(slab, axis=-1)))


def _write_nifti(series: Series, path: Path, encoding: Encoding) -> None:
    nifti.write_parts(series, path, encoding, series.data)


def _write_vtkhdf(series: Series, path: Path, encoding: Encoding) -> None:
    hdf.write_steps(series, path, encoding, series.data)


def _write_pvd(series: Series, path: Path, encoding: Encoding) -> None:
    """Write a .vti for each frame, and the list of them; it names them relative to itself."""
    stem, _ = split(path)
    if not stem.isprintable():
        raise VolumeError("this name cannot stand in a .pvd file: it holds control characters or no UTF-8")
    names = _numbered(stem, ".vti", series.frames)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<VTKFile type="Collection" version="0.1" byte_order="LittleEndian">',
        "  <Collection>",
    ]
    for frame, volume in enumerate(series.alone()):
        name = names[frame]
        vti.write(volume, path.with_name(name), encoding)
        sidecar.write(volume, path.with_name(name), encoding)
        label = quoteattr(clean(series.labels[frame]))
        lines.append(
            f'    <DataSet timestep="{frame}" group="" part="0" name={label} file={quoteattr(name)}/>'
        )
    path.write_bytes("\n".join([*lines, "  </Collection>", "</VTKFile>", ""]).encode("utf-8"))


def _write_cgv(series: Series, path: Path, encoding: Encoding) -> None:
    """Write a pair of files for each frame: CGV knows no time."""
    stem, extension = split(path)
    for name, volume in zip(_numbered(stem, extension, series.frames), series.alone(), strict=True):
        cgv.write(volume, path.with_name(name), encoding)
        sidecar.write(volume, path.with_name(name), encoding)


@dataclass(frozen=True)
class Format:
    """A format for series.

    Parameters
    ----------
    write : callable
        ``write(series, path, encoding)``: writes all files but the side-car of `path`.
    dtype : str
        What is stored unless the caller says otherwise.
    frames : tuple of str
        Extensions of the numbered files, where each frame has its own.
    bare : bool
        Whether there are only these.
    """

    write: Callable[[Series, Path, Encoding], None]
    dtype: str = "float32"
    frames: tuple[str, ...] = ()
    bare: bool = False


FORMATS: dict[str, Format] = {
    ".seq.nrrd": Format(_write_nrrd),
    ".nii.gz": Format(_write_nifti),
    ".nii": Format(_write_nifti),
    ".pvd": Format(_write_pvd, frames=(".vti",)),
    ".vtkhdf": Format(_write_vtkhdf),
    ".vox": Format(_write_cgv, dtype="uint8", frames=(".vox", ".hd"), bare=True),
}
