"""A layer's output for one image as named, placed volumes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .progress import note

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from converters import Volume
    from extract import Input, Model
    from extract.geometry import Place
    from extract.images import PreparedInput
    from extract.placement import Roles

    from .slices import Slices


def has_3d_maps(model: Model, tensors: Iterable[str]) -> bool:
    """Whether one of the tensors is (N, C, D, H, W), or holds the filters of a 3-D network."""
    shapes = model.shapes()
    return any(len(shapes.get(tensor, ())) == 5 for tensor in tensors)


@dataclass(frozen=True)
class View:
    """How outputs become volumes.

    Parameters
    ----------
    layout : str
        As `converters.lay_out` takes it.
    slices : Slices
        The order of the slices; for layout ``stack`` only, unless it is that of the channels.
    z_spacing : str
        As `extract.placement.placed` takes it.
    facts : mapping
        What all side-cars say: model and software.
    quantity : str
        What the values are, in file names and side-cars: ``act`` or ``grad``.
    title : str
        The same as a word, the name of the values in viewers.
    target : str, optional
        What gradients are those of, for file names.
    series : bool
        Whether all images go into one file, whose name then names none.

    Raises
    ------
    CnnVisError
        If order and layout do not go together, or one of the settings is unknown.
    """

    layout: str
    slices: Slices
    z_spacing: str
    facts: Mapping[str, Any]
    quantity: str = "act"
    title: str = "activation"
    target: str | None = None
    series: bool = False

    def __post_init__(self) -> None:
        from extract.placement import slice_spacing

        slice_spacing((1, 1, 1), (1.0, 1.0), self.z_spacing)
        self.slices.check(self.layout)

    def volumes(
        self, tensor: Placed, values: NDArray[Any], index: int, one: PreparedInput
    ) -> Iterator[tuple[str, Volume]]:
        """Yield the file stem and the volume for each part of a layer's output for one image.

        Parameters
        ----------
        tensor : Placed
            The layer or tensor.
        values : ndarray
            Its output for a batch.
        index : int
            The image's number in the batch.
        one : PreparedInput
            The image.
        """
        import numpy as np

        from converters import lay_out
        from extract.placement import Frame, image_of, placed

        from .names import file_stem

        own = image_of(values, tensor.roles, index)
        bad = own.size - int(np.isfinite(own).sum())
        if bad:
            note(f"layer {tensor.name!r}, image {one.name!r}: {bad} of {own.size} values are NaN or infinite")
        frame = Frame(one.spacing, one.origin, np.reshape(one.direction, (3, 3)))
        facts = {**self.facts, "image": dict(one.facts), **tensor.facts, "quantity": self.quantity}
        for volume in lay_out(own, self.layout):
            volume = placed(volume, tensor.place, tensor.roles, frame, self.z_spacing)
            volume = volume.replace(name=self.title, facts={**facts, **volume.facts})
            layout = volume.facts["layout"]
            stem = file_stem(
                self.quantity,
                hashed=tensor.hashed,
                model=tensor.model,
                img=None if self.series else one.name,
                layer=tensor.name,
                target=self.target,
                channel=str(layout["channel"]) if "channel" in layout else None,
                order=self.slices.name(volume),
            )
            yield stem, self.slices.ordered(volume)


@dataclass(frozen=True)
class Placed:
    """A tensor with what is known of its axes.

    Parameters
    ----------
    name : str
        The layer or tensor, as it was asked for.
    model : str
        What the model is called in file names.
    place : Place or None
        Where its units lie.
    roles : Roles
        What its axes are.
    facts : mapping
        What its side-cars say: layer, operator, tensor.
    hashed : bool
        Whether another name of the model differs from it in upper and lower case only.
    """

    name: str
    model: str
    place: Place | None
    roles: Roles
    facts: Mapping[str, Any]
    hashed: bool


class Places:
    """Where the tensors of a model lie, worked out anew only when the size of the input changes.

    Parameters
    ----------
    model : Model
        The network.
    target : Input
        The input that the images are for.
    others : mapping of str to tuple of int
        Shapes of the further inputs.
    """

    def __init__(self, model: Model, target: Input, others: Mapping[str, tuple[int, ...]]) -> None:
        from .names import clashing

        self._model = model
        self._target = target
        self._others = dict(others)
        self._known: dict[tuple[int, ...], tuple[dict[str, Place], dict[str, int | None]]] = {}
        self._noted: set[str] = set()
        self._clashing = clashing([*model.layers, *model.tensors])

    def of(self, name: str, values: NDArray[Any], image: tuple[int, ...], count: int) -> Placed:
        """Return what is known of a layer's axes.

        Parameters
        ----------
        name : str
            The layer or tensor, as it was asked for.
        values : ndarray
            Its output for the batch.
        image : tuple of int
            Shape of an image: (C, H, W) or (C, D, H, W).
        count : int
            How many images the batch holds.

        Raises
        ------
        ModelError
            If several images went in, and the output has no axis for them.
        """
        from extract import ModelError
        from extract.placement import roles_of

        places, batches = self._at(image)
        tensor = self._model.tensor(name)
        batch = batches.get(tensor, 0) if tensor in batches or _batched(values, count) else None
        if batch is not None and (batch >= values.ndim or values.shape[batch] != count):
            batch = None
        if batch is None and count > 1:
            raise ModelError(
                f"{self._model.path}: {name!r} has no axis that runs over the images: its shape for "
                f"{count} of them is {values.shape}; use --batch 1"
            )
        place = places.get(tensor)
        roles = roles_of(place, values.ndim, batch, self._target.name)
        if place is not None and place.reason and name not in self._noted:
            self._noted.add(name)
            note(f"layer {name!r} stays in index space: {place.reason}")
        layer = self._model.layers.get(name)
        facts = {"layer": name, "operator": layer.operator if layer else None, "tensor": tensor}
        return Placed(name, self._model.path.stem, place, roles, facts, name in self._clashing)

    def _at(self, image: tuple[int, ...]) -> tuple[dict[str, Place], dict[str, int | None]]:
        from extract.batching import batch_axes

        if image not in self._known:
            declared = (*image[1:], image[0]) if self._target.channels_last else image
            shape = ((self._target.shape or (None,))[0] or 1, *declared)
            shapes = self._model.shapes({**self._others, self._target.name: shape})
            batches = batch_axes(self._model, self._target.name, shape, self._others)
            # only the last size is kept: a folder may hold as many sizes as pictures
            self._known = {image: (self._model.places(shapes), batches)}
        return self._known[image]


def _batched(values: NDArray[Any], count: int) -> bool:
    """Whether an output of which the graph tells nothing looks as if its first axis were the batch."""
    return values.ndim > 0 and len(values) == count
