"""A layer's output for one image as named, placed volumes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from converters.errors import CnnVisError, CnnVisWarning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from converters import Volume
    from extract import Input, Model
    from extract.geometry import Place
    from extract.images import PreparedInput


def note(message: str) -> None:
    """Tell the user something although the work goes on."""
    warnings.warn(message, CnnVisWarning, stacklevel=2)


@dataclass(frozen=True)
class View:
    """How outputs become volumes.

    Parameters
    ----------
    layout : str
        As `converters.lay_out` takes it.
    order : str
        A method of `order.METHODS`; for layout ``stack`` only, unless it is ``identity``.
    z_spacing : str
        As `place.placed` takes it.
    facts : mapping
        What all side-cars say: model and software.

    Raises
    ------
    CnnVisError
        If order and layout do not go together, or one of the settings is unknown.
    """

    layout: str
    order: str
    z_spacing: str
    facts: Mapping[str, Any]

    def __post_init__(self) -> None:
        import order

        from .place import slice_spacing

        slice_spacing((1, 1, 1), (1.0, 1.0), self.z_spacing)
        order.find(self.order)
        if self.order != "identity" and self.layout != "stack":
            raise CnnVisError(f"--order sorts the slices of layout stack; layout {self.layout} has none")

    def volumes(
        self, model: Model, name: str, values: NDArray[Any], place: Place | None, one: PreparedInput
    ) -> Iterator[tuple[str, Volume]]:
        """Yield the file stem and the volume for each part of a layer's output.

        Parameters
        ----------
        model : Model
            The network.
        name : str
            The layer or tensor, as it was asked for.
        values : ndarray
            Its output for one image, without a batch axis.
        place : Place or None
            Where its units lie.
        one : PreparedInput
            The image.
        """
        import numpy as np

        from converters import lay_out

        from .names import file_stem
        from .place import Frame, channels_first, placed, sort_axes

        bad = values.size - int(np.isfinite(values).sum())
        if bad:
            note(f"layer {name!r}, image {one.name!r}: {bad} of {values.size} values are NaN or infinite")
        roles = sort_axes(place, values.ndim + 1)
        frame = Frame(one.spacing, one.origin, np.reshape(one.direction, (3, 3)))
        layer = model.layers.get(name)
        facts = {
            **self.facts,
            "image": dict(one.facts),
            "layer": name,
            "operator": layer.operator if layer else None,
            "tensor": model.tensor(name),
            "quantity": "act",
        }
        for volume in lay_out(channels_first(values, roles), self.layout):
            volume = placed(volume, place, roles, frame, self.z_spacing)
            volume = volume.replace(name="activation", facts={**facts, **volume.facts})
            layout = volume.facts["layout"]
            ordered = self.order != "identity" and layout["kind"] == "stack"
            stem = file_stem(
                "act",
                model=model.path.stem,
                img=one.name,
                layer=name,
                channel=str(layout["channel"]) if "channel" in layout else None,
                order=self.order if ordered else None,
            )
            yield stem, self._ordered(volume) if ordered else volume

    def _ordered(self, volume: Volume) -> Volume:
        import order

        return order.by(self.order, volume).apply(volume)


class Places:
    """Where the tensors of a model lie, worked out once for each size of input.

    Parameters
    ----------
    model : Model
        The network.
    target : Input
        The input that the images are for.
    """

    def __init__(self, model: Model, target: Input) -> None:
        self._model = model
        self._target = target
        self._known: dict[tuple[int, ...], dict[str, Place]] = {}

    def of(self, name: str, shape: tuple[int, ...]) -> Place | None:
        """Return the place of a layer or tensor for images of a shape (C, H, W) or (C, D, H, W)."""
        if shape not in self._known:
            declared = (*shape[1:], shape[0]) if self._target.channels_last else shape
            batch = (self._target.shape or (None,))[0] or 1
            shapes = self._model.shapes({self._target.name: (batch, *declared)})
            self._known[shape] = self._model.places(shapes)
        return self._known[shape].get(self._model.tensor(name))
