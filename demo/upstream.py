"""The demo of the first CNN-VIS with its own files: ``python -m demo.upstream DATA FOLDER``.

DATA holds ``gradient_conv1_{persian,pembroke,chihuahua}.npy``, float32 (96, 3, 11, 11): the gradient of class
Persian cat with respect to the filters of CaffeNet's first layer, for one photo of each breed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

from converters import write
from converters.layouts import lay_out_kernels
from extract.placement import slice_spacing

from .run import run

PHOTOS = ("persian", "pembroke", "chihuahua")
FORMATS = (".seq.nrrd", ".nii.gz", ".pvd", ".vti.series", ".vtkhdf", ".vox")


def volumes(data: Path, folder: Path) -> list[Path]:
    """Write each gradient as a volume, a slice a kernel, and return the paths."""
    paths = [folder / f"gradient_conv1_{photo}.nrrd" for photo in PHOTOS]
    for path in paths:
        (volume,) = lay_out_kernels(np.load((data / path.name).with_suffix(".npy"), allow_pickle=False))
        x, y, _ = volume.spacing
        z = slice_spacing(volume.size, volume.spacing, "fit")
        facts = {**volume.facts, "layer": "conv1", "quantity": "grad", "image": {"file": path.stem[15:]}}
        write(volume.replace(name="gradient", spacing=(x, y, z), facts=facts), path)
    return paths


def main(arguments: list[str] | None = None) -> int:
    """Write the series in all formats, and draw it; return the exit code of what fails first, else 0."""
    parser = argparse.ArgumentParser(
        prog="upstream", description="The first CNN-VIS's gradients as one series in every format."
    )
    parser.add_argument("data", type=Path, help="where its gradient_conv1_*.npy are")
    parser.add_argument("folder", type=Path, help="where the files go")
    given = parser.parse_args(arguments)
    missing = [p for p in PHOTOS if not (given.data / f"gradient_conv1_{p}.npy").is_file()]
    if missing:
        print(f"upstream: error: {given.data}: holds no gradient_conv1_{missing[0]}.npy", file=sys.stderr)
        return 2
    given.folder.mkdir(parents=True, exist_ok=True)
    sources = volumes(given.data, given.folder)
    try:
        for extension in FORMATS:
            target = given.folder / f"gradient_conv1{extension}"
            run("series", *sources, target, "--order", "smooth", "--preset", "signed")
        played = given.folder / "gradient_conv1.seq.nrrd"
        run("render", played, "-o", given.folder / "gradient_conv1.gif", "--preset", "signed")
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
