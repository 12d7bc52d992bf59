"""``python -m cnnvis.inputs MODEL IMAGE...``: every file behind a model and images, a path a line.

For build tools, which can tell by the times of these files whether volumes are older than what they show.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

# A header names the file of its data so: NRRD's "data file: x.raw", MetaImage's "ElementDataFile = x.raw".
_DATA_FILE = re.compile(rb"^(?:data ?file:|ElementDataFile\s*=)[ \t]*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_LONGEST_HEADER = 65536


def model_files(path: Path) -> Iterator[Path]:
    """Yield the files that a network consists of.

    Parameters
    ----------
    path : Path
        An ONNX file, or a TOML file that describes a network.

    Yields
    ------
    Path
        The file itself, what a description names (model, weights, labels, mean), and external weights.

    Raises
    ------
    ModelError
        If one of them is missing or damaged.
    """
    from extract.onnx_file import read_onnx

    yield path
    model = path
    if path.suffix.lower() == ".toml":
        *described, model = _described(path)
        yield from (*described, model)
    locations = _external_locations(read_onnx(model))
    yield from (model.parent / location for location in locations)


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
        if source.path.suffix.lower() in (".nhdr", ".mhd"):
            with source.path.open("rb") as file:
                names = _DATA_FILE.findall(file.read(_LONGEST_HEADER))
            data = (source.path.parent / name.decode(errors="surrogateescape") for name in names)
            # some headers say LIST or LOCAL here
            yield from (file for file in data if file.is_file())


def _described(path: Path) -> list[Path]:
    """Return the files that a description names, the model last."""
    import tomllib

    from extract.description import read_description

    description = read_description(path)
    labels = tomllib.loads(path.read_text(encoding="utf-8")).get("labels")
    mean = description.preprocessing.mean
    return [
        *([path.parent / labels] if labels else []),
        *([mean] if isinstance(mean, Path) else []),
        *([description.weights] if description.weights else []),
        description.model,
    ]


def _external_locations(proto: onnx.ModelProto) -> list[str]:
    from extract.graph import graphs

    tensors = (tensor for graph in graphs(proto.graph) for tensor in graph.initializer)
    entries = (entry for tensor in tensors for entry in tensor.external_data)
    return list(dict.fromkeys(entry.value for entry in entries if entry.key == "location"))


def main() -> None:
    """Print the files, each once."""
    model, *images = map(Path, sys.argv[1:])
    files = [*model_files(model), *(file for image in images for file in image_files(image))]
    sys.stdout.writelines(f"{file}\n" for file in dict.fromkeys(files))


if __name__ == "__main__":
    main()
