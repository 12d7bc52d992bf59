"""The MODEL of a command line: a network, or a TOML file that describes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from extract import Model
    from extract.preprocessing import Preprocessing


_VALUE_SETTINGS = ("preset", "scale", "mean", "std", "input_scale")


@dataclass(frozen=True)
class OpenedModel:
    """A network, with what its description says of it.

    Parameters
    ----------
    model : Model
        The network.
    described : Preprocessing or None
        How pictures become its input, by a description.
    labels : tuple of str
        Names of its classes; empty where they are not known.
    """

    model: Model
    described: Preprocessing | None = None
    labels: tuple[str, ...] = ()

    @cached_property
    def preprocessing(self) -> Preprocessing | None:
        """How pictures become its input: as a description says, else the network itself; None if neither."""
        own = self.model.source.preprocessing
        return self.described or (None if own is None else own())

    def configure(self, settings: Mapping[str, Any]) -> Preprocessing | None:
        """Return the description's preprocessing with the settings that are not None changed.

        ``preset`` starts anew from a preset. None where neither says anything.
        """
        from dataclasses import replace

        from extract.preprocessing import configure

        given = {name: value for name, value in settings.items() if value is not None}
        if self.preprocessing is None or "preset" in given:
            return configure(given) if given else None
        return replace(self.preprocessing, **given)

    def knows_values(self, settings: Mapping[str, Any]) -> bool:
        """Return whether description or settings tell the range of values that the network was trained on."""
        told = any(settings.get(name) is not None for name in _VALUE_SETTINGS)
        return told or self.preprocessing is not None


def open_model(
    path: Path,
    weights: Path | None = None,
    engine: str = "onnxruntime",
    size: tuple[int, ...] | None = None,
    stages: tuple[str, ...] = (),
    fed: Mapping[str, tuple[int, ...]] | None = None,
) -> OpenedModel:
    """Load the network that `path` is or describes.

    Parameters
    ----------
    path : Path
        A model, or a description of one.
    weights : Path, optional
        Its weights, if they lie in a file of their own; instead of those that a description names.
    engine : str
        What runs it: one of `extract.ENGINES`.
    size : tuple of int, optional
        Size of its input; of what a description says, if not given.
    stages : tuple of str
        Stages of a Caffe network that are wanted.
    fed : mapping of str to tuple of int, optional
        Shapes of what will be fed inside the network.

    Raises
    ------
    ModelError
        If it cannot be read.
    """
    from extract import load_model

    if path.suffix.lower() != ".toml":
        model = load_model(path, weights, engine, size, stages, fed or {})
        return OpenedModel(model)
    from extract.description import read_description

    description = read_description(path)
    size = size or description.preprocessing.size
    model = load_model(description.model, weights or description.weights, engine, size, stages, fed or {})
    return OpenedModel(model, description.preprocessing, description.labels)


def input_shapes(model: Model, size: tuple[int, ...] | None) -> dict[str, tuple[int, ...]]:
    """Return a full shape for each input: batches of one, `size` where height and width are left open.

    Inputs with other open sizes are left out.
    """
    shapes = {}
    for value in model.inputs:
        if not value.shape:
            continue
        batch, *rest = value.shape
        first = 0 if value.channels_last else 1
        if size is not None and len(rest) == len(size) + 1:
            for axis, given in enumerate(size, first):
                rest[axis] = rest[axis] or given
        if None not in rest:
            shapes[value.name] = (batch or 1, *(n for n in rest if n is not None))
    return shapes
