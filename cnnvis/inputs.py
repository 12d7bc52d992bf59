"""``python -m cnnvis.inputs [--weights W] MODEL IMAGE...``: all files behind a model and images.

A path a line, for build tools: by the times of these files they can tell whether volumes are older than what
they show.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from converters.data_files import data_files
from converters.errors import CnnVisWarning, VolumeError


def model_files(path: Path, weights: Path | None = None) -> Iterator[Path]:
    """Yield the files that a network consists of.

    Parameters
    ----------
    path : Path
        A model, or a TOML file that describes one.
    weights : Path, optional
        Its weights, where they lie in another file.

    Yields
    ------
    Path
        The file itself, the labels of a description, the model, its weights, and its mean image. Of a model
        that cannot be loaded without further options, those that are known.
    """
    from extract import ModelError
    from extract.description import read_description

    from .models import open_model

    yield path
    try:
        if path.suffix.lower() == ".toml":
            yield from _labels(path)
            description = read_description(path)
            yield description.model
            weights = weights or description.weights
        if weights is not None:
            yield weights
        opened = open_model(path, weights)
        yield from opened.model.source.files
        if opened.preprocessing is not None and isinstance(opened.preprocessing.mean, Path):
            yield opened.preprocessing.mean
    except ModelError:
        return


def image_files(path: Path) -> Iterator[Path]:
    """Yield the files behind an image: of a folder the images in it, of a header its data file.

    Raises
    ------
    ImageError
        If there are none.
    """
    from extract.sources import find_images

    for source in find_images([path]):
        yield source.path
        # of what is damaged, the command that reads it tells
        with contextlib.suppress(VolumeError):
            yield from (source.path.parent / name for name in data_files(source.path))


def _labels(path: Path) -> Iterator[Path]:
    """Yield the file of labels that a description names."""
    import tomllib

    labels = tomllib.loads(path.read_text(encoding="utf-8")).get("labels")
    if labels:
        yield path.parent / labels


def main() -> None:
    """Print the files, each once."""
    parser = argparse.ArgumentParser(prog="python -m cnnvis.inputs", description=__doc__)
    parser.add_argument("--weights", type=Path, metavar="W")
    parser.add_argument("model", type=Path, metavar="MODEL")
    parser.add_argument("images", type=Path, nargs="*", metavar="IMAGE")
    given = parser.parse_args()
    with warnings.catch_warnings():
        # the command that reads the model tells what there is to know
        warnings.simplefilter("ignore", CnnVisWarning)
        files = [*model_files(given.model, given.weights)]
    files += (file for image in given.images for file in image_files(image))
    sys.stdout.writelines(f"{file}\n" for file in dict.fromkeys(files))


if __name__ == "__main__":
    main()
