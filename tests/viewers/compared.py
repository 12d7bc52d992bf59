"""The same volumes drawn by ParaView, by 3D Slicer and by our preview, from what each is given by us.

``python -m tests.viewers.compared FOLDER`` writes the pictures beside each other, and prints a table of how
alike they are; docs/viewers-compared.md tells more.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from converters import Volume, read
from converters.layouts import lay_out_kernels
from extract.placement import slice_spacing
from render_presets import View, choose, fit, painter, render
from render_presets.slicer import step_length
from render_presets.viewers import write_presets
from tests.helpers import goldens

from . import paraview, slicer
from .cases import write_volume
from .likeness import likeness
from .pictures import Picture
from .processes import Job

SIZE = (320, 320)
VIEWERS = ("paraview", "slicer", "preview")
PAIRS = tuple(combinations(VIEWERS, 2))


def activation() -> Volume:
    """Return maps after ReLU as of a stride of 2, a few of them strong; 20 maps of 26 x 32."""
    noise = np.random.default_rng(1).normal(size=(20, 26, 32))
    smooth = ndimage.gaussian_filter(noise, (0.7, 1.5, 1.5))
    strong = np.ones(20)
    strong[[3, 4, 11, 17]] = 3
    return _spaced(strong[:, None, None] * np.maximum(smooth - 0.02, 0), 2.0)


def gradient() -> Volume:
    """Return signed values, as of a gradient with respect to a layer: 24 maps of 18 x 22."""
    noise = np.random.default_rng(2).normal(size=(24, 18, 22))
    smooth = ndimage.gaussian_filter(noise, (1, 1.5, 1.5))
    z, y, x = np.indices(smooth.shape)
    return _spaced(smooth * np.exp(-(x + 2 * y + z) / 30), 4.0)


def stack() -> Volume:
    """Return 384 maps of 13 x 13, in an order that has like ones together."""
    noise = np.random.default_rng(5).normal(size=(384, 13, 13))
    return _spaced(np.maximum(ndimage.gaussian_filter(noise, (4, 1.2, 1.2)) - 0.02, 0), 16.0)


def conv1() -> Volume:
    """Return upstream's conv1 of CaffeNet: maps of 55 x 55, at a stride of 4."""
    return _spaced(np.load(goldens() / "caffenet_conv1_cat.npy", allow_pickle=False), 4.0)


def persian() -> Volume:
    """Return upstream's gradient of a class with respect to the weights of CaffeNet's conv1: 288 of 11 x 11.

    Its neighbours are unlike each other, so slices are a quarter apart. By default they are much closer, and
    ParaView's rays leave out some of them.
    """
    values = np.load(goldens() / "gradient_conv1_persian.npy", allow_pickle=False)
    (volume,) = lay_out_kernels(values, "stack")
    return _spaced(volume.data, 1.0, "0.25")


SUBJECTS: Mapping[str, Callable[[], Volume]] = {
    "activation": activation,
    "gradient": gradient,
    "stack": stack,
    "conv1": conv1,
    "persian": persian,
}


def _spaced(data: NDArray[Any], side: float, wanted: str = "fit") -> Volume:
    """Return the volume in the geometry that our commands give it: by default, ``--z-spacing fit``."""
    z = slice_spacing(data.shape[::-1], (side, side), wanted)
    return Volume(data.astype(np.float32), (side, side, z), name="values")


def sample_distance(volume: Volume) -> float:
    """Return the distance of samples along a ray that ParaView takes, and cannot be told otherwise.

    It is half the mean spacing, and less where there are fewer than 100 x 100 x 100 voxels: VTK's
    vtkVolumeMapper::SpacingAdjustedSampleDistance.
    """
    across = float(np.prod([count - 1 for count in volume.size], dtype=np.float64)) ** 0.333
    return sum(volume.spacing) / 6 * (0.01 + 0.99 * min(across, 100.0) / 100)


@dataclass(frozen=True)
class Shown:
    """A volume that is drawn.

    Parameters
    ----------
    volume : Volume
        What to draw.
    form, dtype : str
        Format and stored type of its file.
    size : tuple of int
        Of the picture.
    turn : float
        Degrees that the camera is moved to the right; Slicer then chooses the distance of samples itself.
    """

    volume: Volume
    form: str
    dtype: str = "float32"
    size: tuple[int, int] = SIZE
    turn: float = 0.0

    @property
    def view(self) -> dict[str, Any]:
        """What the viewers' drivers are told of the picture."""
        return {"size": self.size, "turn": self.turn}


@dataclass(frozen=True)
class Drawn:
    """What a viewer drew, and what it says of how."""

    picture: Picture
    facts: Mapping[str, Any]


def by_paraview(shown: Mapping[str, Shown], folder: Path) -> dict[str, Drawn]:
    """Draw volumes in one ParaView, each by the script that we write for its file."""
    from PIL import Image

    scripts = {name: _made(one, folder / name, "paraview", ".py") for name, one in shown.items()}
    jobs = {
        name: Job("draw", {"script": str(script), "picture": f"{script}.png", **shown[name].view})
        for name, script in scripts.items()
    }
    drawn = {}
    for name, answer in paraview.drive(jobs, folder).items():
        facts = {key: answer[key] for key in ("version", "shade")}
        with Image.open(f"{scripts[name]}.png") as image:
            drawn[name] = Drawn(np.asarray(image.convert("RGB")), facts)
    return drawn


def by_slicer(shown: Mapping[str, Shown], folder: Path) -> dict[str, Drawn]:
    """Draw volumes in one 3D Slicer, each by the scene that we write for its file."""
    jobs = {}
    for name, one in shown.items():
        scene = _made(one, folder / name, "slicer", ".mrml")
        # its rays go by voxels: a step has another length in each direction, and this one along our view
        distance = 0.0 if one.turn else sample_distance(one.volume) / step_length(one.volume)
        jobs[name] = Job("space", {"path": str(scene), "distance": distance, **one.view})
    return {
        name: Drawn(answer["picture"], {key: answer[key] for key in ("version", "shade", "distance")})
        for name, answer in slicer.drive(jobs, folder).items()
    }


def by_preview(volume: Volume, folder: Path) -> Picture:
    """Return our preview of a volume file, with samples as far apart as in ParaView."""
    folder.mkdir()
    volume = read(write_volume(volume, "nrrd", folder / "values").path)
    look = fit(choose(volume), volume)
    with mock.patch.object(painter, "sample_distance", sample_distance):
        return np.asarray(render(volume, look, SIZE, legend=False, view=View(outline=False)))


def present() -> dict[str, Volume]:
    """Return the volumes to compare: all, or those of our own where upstream's files are missing."""
    volumes = {}
    for name, make in SUBJECTS.items():
        with contextlib.suppress(pytest.skip.Exception):
            volumes[name] = make()
    return volumes


def _made(one: Shown, folder: Path, viewer: str, suffix: str) -> Path:
    folder.mkdir()
    file = write_volume(one.volume, one.form, folder / "values", one.dtype).path
    (made,) = [path for path in write_presets(file, [viewer]) if path.suffix == suffix]
    return made


def table(drawn: Mapping[str, Mapping[str, Picture]]) -> str:
    """Return how alike the pictures are, by volume and viewer, as a table in Markdown."""
    lines = ["| volume | pictures | foreground | SSIM | mean difference |", "|---|---|---|---|---|"]
    for name, pictures in drawn.items():
        for one, other in PAIRS:
            found = likeness(pictures[one], pictures[other])
            lines.append(
                f"| {name} | {one}, {other} | {found.share:.0%} of the frame | {found.ssim:.3f} | "
                f"{255 * found.difference:.2f}/255 |"
            )
    return "\n".join(lines)


def main(out: Path) -> None:
    """Write ``compare-SUBJECT.png`` for each, `VIEWERS` from left to right, and print the table."""
    from PIL import Image

    volumes = present()
    with TemporaryDirectory() as name:
        folders = {viewer: Path(name, viewer) for viewer in VIEWERS}
        for folder in folders.values():
            folder.mkdir()
        vti = {key: Shown(volume, "vti") for key, volume in volumes.items()}
        nrrd = {key: Shown(volume, "nrrd") for key, volume in volumes.items()}
        in_paraview = by_paraview(vti, folders["paraview"])
        in_slicer = by_slicer(nrrd, folders["slicer"])
        drawn = {
            key: {
                "paraview": in_paraview[key].picture,
                "slicer": in_slicer[key].picture,
                "preview": by_preview(volume, folders["preview"] / key),
            }
            for key, volume in volumes.items()
        }
    for key, pictures in drawn.items():
        beside = np.hstack([pictures[viewer] for viewer in VIEWERS])
        Image.fromarray(beside).save(out / f"compare-{key}.png", optimize=True)
    print(table(drawn))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
