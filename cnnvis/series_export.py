"""Writing the volumes of several images as series: a frame an image."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from converters.errors import VolumeError

from .export import Export, Target, Writer

if TYPE_CHECKING:
    from converters import Volume

    from .slices import Slices

_SERIES = {
    ".nrrd": ".seq.nrrd",
    ".nii": ".nii",
    ".nii.gz": ".nii.gz",
    ".vti": ".pvd",
    ".vtkhdf": ".vtkhdf",
    ".vox": ".vox",
}
"""By the extension of a volume: that of a series of such volumes."""


@dataclass(frozen=True)
class SeriesExport(Export):
    """How the volumes of all images are written together.

    Parameters
    ----------
    slices : Slices
        The order of the slices; one that a method finds is for all images.
    images : sequence of str
        What the images are called, in the order in which their volumes come.

    Raises
    ------
    VolumeError
        If there are no two images, or a format holds no series.
    """

    slices: Slices = field(kw_only=True)
    images: Sequence[str] = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.images) < 2:
            raise VolumeError("--series takes two images or more")
        for target in self.targets:
            if target.extension not in _SERIES or target.headers:
                name = "+".join((target.extension.lstrip("."), *target.headers))
                known = " ".join(extension.lstrip(".") for extension in _SERIES)
                raise VolumeError(f"--format {name}: holds no series; formats for series are {known}")

    @property
    def series(self) -> bool:
        """Whether all images go into one file."""
        return True

    def check(self, frames: bool, instead: str = "--layout channels or mosaic") -> None:
        """Make sure, before anything is computed, that the volumes are no series themselves."""
        if frames:
            raise VolumeError(
                f"--series: 3-D maps or filters are several volumes an image already: use {instead}"
            )

    @contextlib.contextmanager
    def session(self) -> Iterator[Writer]:
        """Yield what keeps volumes, in files, until the end; then they become series."""
        from . import options

        with tempfile.TemporaryDirectory(prefix=".cnnvis-", dir=options.made(self.folder)) as folder:
            frames = _Frames(self.folder, Path(folder))
            yield frames
            for stem, kept in frames.kept.items():
                options.print_paths(self._finish(kept, stem, stem in frames.plain))

    def _finish(self, frames: Sequence[Path], stem: str, plain: bool) -> list[Path]:
        """Write the frames in every format and return all paths."""
        from converters import series
        from converters.volume_files import VolumeFiles

        # a plain one is the input, whose slices are no channels of a layer
        volumes = VolumeFiles(frames)
        if not plain:
            volumes = VolumeFiles(frames, self.slices.arranging(volumes))
        files = {volume.facts["image"]["file"] for volume in volumes}
        labels = () if len(files) == len(frames) else self.images
        gathered = series.gather(volumes, [f"{stem}, image {image}" for image in self.images], labels)
        paths = []
        for target in self.targets:
            path = self.folder / (stem + _SERIES[target.extension])
            paths += series.write(gathered, path, self.dtype)
            if not plain:
                paths += self.presets(gathered.range is not None, path)
        return paths


def exporter(
    folder: Path,
    targets: Sequence[Target],
    dtype: str | None,
    preset: str | Path | None,
    slices: Slices,
    images: Sequence[str] | None,
) -> Export:
    """Return how volumes are written: each by itself, or as series of so many images if these are given."""
    if images is None:
        return Export(folder, targets, dtype, preset)
    return SeriesExport(folder, targets, dtype, preset, slices=slices, images=images)


@dataclass(frozen=True)
class _Frames:
    """Volumes that wait, by the stem of their series.

    Parameters
    ----------
    folder : Path
        Where the series will be.
    waiting : Path
        Where the volumes are meanwhile.
    """

    folder: Path
    waiting: Path
    kept: dict[str, list[Path]] = field(default_factory=dict)
    plain: set[str] = field(default_factory=set)

    def write(self, volume: Volume, stem: str, presets: bool = True) -> list[Path]:
        """Keep a volume as the next frame of a series; there are no paths to return yet."""
        from converters import write

        frames = self.kept.setdefault(stem, [])
        path = self.waiting / f"{stem}_{len(frames)}.nrrd"
        write(volume, path)
        frames.append(path)
        if not presets:
            self.plain.add(stem)
        return []
