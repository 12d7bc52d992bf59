"""An ordering: which slice comes where, and how that was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from converters.volume import Volume

from .errors import OrderError


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
        With what settings; anything that JSON holds.

    Raises
    ------
    OrderError
        If the numbers are not 0 to n - 1, each once.
    """

    permutation: NDArray[np.intp]
    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "permutation", _permutation(self.permutation))

    @property
    def inverse(self) -> NDArray[np.intp]:
        """Where each slice went: shape (slice,)."""
        return np.argsort(self.permutation)

    def apply(self, volume: Volume) -> Volume:
        """Return the volume with its slices (of a 4-D volume: its frames) in this order.

        Labels move with their slices; ``facts["order"]`` holds method, settings and permutation, always from
        the layer's own channel order: a volume that was ordered before has both composed, and all of its
        ``steps``.

        Raises
        ------
        OrderError
            If the volume has another number of slices, or its recorded order is damaged.
        """
        if len(volume.data) != len(self.permutation):
            raise OrderError(
                f"an order of {len(self.permutation)} slices does not fit a volume of {len(volume.data)}"
            )
        return volume.replace(
            data=volume.data[self.permutation],
            labels=tuple(volume.labels[i] for i in self.permutation),
            facts={**volume.facts, "order": self._facts(volume.facts.get("order"))},
        )

    def _facts(self, earlier: Any) -> dict[str, Any]:
        parameters = {"parameters": dict(self.parameters)} if self.parameters else {}
        step = {"method": self.method, **parameters}
        if earlier is None:
            return {**step, "permutation": self.permutation.tolist()}
        before, steps = _recorded(earlier, len(self.permutation))
        return {**step, "permutation": before[self.permutation].tolist(), "steps": [*steps, step]}


def _recorded(facts: Any, count: int) -> tuple[NDArray[np.intp], list[Any]]:
    """Return the permutation and the steps of an order that a file records."""
    try:
        permutation = _permutation(facts["permutation"])
        steps = facts.get("steps") or [{k: facts[k] for k in ("method", "parameters") if k in facts}]
        if len(permutation) != count or not isinstance(steps, list):
            raise OrderError(f"it is not one of {count} slices")
    except (OrderError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise OrderError(f"the order that the volume records is damaged: {error}") from error
    return permutation, steps


def _permutation(values: ArrayLike) -> NDArray[np.intp]:
    numbers = np.asarray(values)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise OrderError("a permutation is a list of whole numbers")
    if not np.array_equal(np.sort(numbers), np.arange(len(numbers))):
        raise OrderError(f"a permutation of {len(numbers)} slices holds 0 to {len(numbers) - 1}, each once")
    return numbers.astype(np.intp)
