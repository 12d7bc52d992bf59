"""An ordering: which slice comes where, and how that was found."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from converters.staging import staging
from converters.volume import Volume

from .errors import OrderError
from .separators import joined

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Ordering:
    """A permutation of a volume's slices.

    Parameters
    ----------
    permutation : array_like of int
        Shape (slice,): the number of the slice that comes first, second, and so on.
    method : str
        How it was found.
    parameters : mapping
        With what settings, a seed among them; anything that JSON holds.
    distance : str, optional
        By what distance maps were compared.
    criteria : mapping
        How good the order is on what it was fitted to: see `order.criteria`.
    clusters : sequence of int
        Sizes of the groups that the method made, in order; maps that are set apart are the last one. Empty if
        it makes no groups.
    images : int
        On how many volumes it was fitted.
    versions : mapping
        The software that found it.
    layer : str, optional
        Of which layer it is, if that is known.

    Raises
    ------
    OrderError
        If the numbers are not 0 to n - 1, each once, or the groups do not hold n slices.
    """

    permutation: NDArray[np.intp]
    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    distance: str | None = None
    criteria: Mapping[str, float] = field(default_factory=dict)
    clusters: Sequence[int] = ()
    images: int = 1
    versions: Mapping[str, str] = field(default_factory=dict)
    layer: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "permutation", as_permutation(self.permutation))
        object.__setattr__(self, "clusters", tuple(self.clusters))
        if self.clusters and (sum(self.clusters) != len(self.permutation) or min(self.clusters) < 1):
            raise OrderError(f"groups of {self.clusters} slices are not {len(self.permutation)}")

    @property
    def inverse(self) -> NDArray[np.intp]:
        """Where each slice went: shape (slice,)."""
        return np.argsort(self.permutation)

    @property
    def seed(self) -> int | None:
        """The seed among the settings, None if the method takes none."""
        return self.parameters.get("seed")

    def apply(self, volume: Volume) -> Volume:
        """Return the volume with its slices (of a 4-D volume: its frames) in this order.

        Labels move with their slices; ``facts["order"]`` holds method, settings and permutation, always from
        the layer's own channel order: a volume that was ordered before has both composed, and all of its
        ``steps``. Blank slices that `separate` put in go.

        Raises
        ------
        OrderError
            If the volume has another number of slices, or its recorded order is damaged.
        """
        volume = joined(volume)
        if len(volume.data) != len(self.permutation):
            raise OrderError(
                f"an order of {len(self.permutation)} slices does not fit a volume of {len(volume.data)}"
            )
        return volume.replace(
            data=volume.data[self.permutation],
            labels=tuple(volume.labels[i] for i in self.permutation),
            facts={**volume.facts, "order": self._facts(volume.facts.get("order"))},
        )

    def save(self, path: str | Path) -> Path:
        """Write the ordering as JSON, whole or not at all, and return the file's path.

        Raises
        ------
        OrderError
            If the file cannot be written.
        """
        path = Path(path)
        document = {
            "schema": SCHEMA,
            "layer": self.layer,
            "method": self.method,
            "parameters": dict(self.parameters),
            "seed": self.seed,
            "distance": self.distance,
            "images": self.images,
            "criteria": dict(self.criteria),
            "clusters": list(self.clusters),
            "versions": dict(self.versions),
            "permutation": self.permutation.tolist(),
        }
        try:
            if path.is_dir():
                raise OrderError(f"{path}: is a folder")
            with staging(path.parent) as folder:
                (folder / path.name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise OrderError(f"{path}: {error.strerror or error}") from error
        return path

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the ordering that `save` wrote.

        Raises
        ------
        OrderError
            If the file is not such an ordering.
        OSError
            If it cannot be read.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(document, dict):
                raise OrderError("it holds no fields")
            if _field(document, "schema", int) > SCHEMA:
                raise OrderError("it is one of a later version")
            clusters = _field(document, "clusters", list)
            if any(type(size) is not int for size in clusters):
                raise OrderError("its clusters are no whole numbers")
            criteria = _field(document, "criteria", dict)
            if not all(type(v) in (int, float) and math.isfinite(v) for v in criteria.values()):
                raise OrderError("its criteria are no numbers")
            return cls(
                np.asarray(_field(document, "permutation", list)),
                _field(document, "method", str),
                _field(document, "parameters", dict),
                _field(document, "distance", str, None),
                criteria,
                clusters,
                _field(document, "images", int),
                _field(document, "versions", dict),
                _field(document, "layer", str, None),
            )
        except (OrderError, ValueError, OverflowError, RecursionError) as error:
            raise OrderError(f"{path}: not an ordering that CNN-VIS wrote: {error}") from error

    def _facts(self, earlier: Any) -> dict[str, Any]:
        found: dict[str, Any] = {
            "distance": self.distance,
            "fitted": {"images": self.images, "criteria": dict(self.criteria)} if self.criteria else {},
            "clusters": list(self.clusters),
        }
        parameters = {"parameters": dict(self.parameters)} if self.parameters else {}
        step = {"method": self.method, **parameters}
        facts = {**step, **{key: value for key, value in found.items() if value}}
        if earlier is None:
            return {**facts, "permutation": self.permutation.tolist()}
        before, steps = _recorded(earlier, len(self.permutation))
        return {**facts, "permutation": before[self.permutation].tolist(), "steps": [*steps, step]}


def _field(document: Mapping[str, Any], name: str, kind: type, *others: Any) -> Any:
    """Return a field of a stored ordering, of a type or one of other values."""
    value = document.get(name)
    if type(value) is not kind and not any(value is other for other in others):
        raise OrderError(f"its field {name!r} is {'missing' if value is None else 'of another kind'}")
    return value


def restored(volume: Volume) -> Volume:
    """Return an ordered volume in the channel order of its layer again, without blank slices.

    Raises
    ------
    OrderError
        If the order that it records is damaged.
    """
    volume = joined(volume)
    if "order" not in volume.facts:
        return volume
    places = np.argsort(_recorded(volume.facts["order"], len(volume.data))[0])
    return volume.replace(
        data=volume.data[places],
        labels=tuple(volume.labels[i] for i in places),
        facts={key: value for key, value in volume.facts.items() if key != "order"},
    )


def _recorded(facts: Any, count: int) -> tuple[NDArray[np.intp], list[Any]]:
    """Return the permutation and the steps of an order that a file records."""
    try:
        permutation = as_permutation(facts["permutation"])
        steps = facts.get("steps") or [{k: facts[k] for k in ("method", "parameters") if k in facts}]
        if len(permutation) != count or not isinstance(steps, list):
            raise OrderError(f"it is not one of {count} slices")
    except (OrderError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise OrderError(f"the order that the volume records is damaged: {error}") from error
    return permutation, steps


def as_permutation(values: ArrayLike) -> NDArray[np.intp]:
    """Return the numbers as an array.

    Raises
    ------
    OrderError
        If they are not 0 to n - 1, each once.
    """
    numbers = np.asarray(values)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise OrderError("a permutation is a list of whole numbers")
    if not np.array_equal(np.sort(numbers), np.arange(len(numbers))):
        raise OrderError(f"a permutation of {len(numbers)} slices holds 0 to {len(numbers) - 1}, each once")
    return numbers.astype(np.intp)
