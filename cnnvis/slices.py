"""In which order the slices of stacks come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from converters.errors import CnnVisError

from .progress import note

if TYPE_CHECKING:
    from converters import Volume
    from order import Ordering

# the layouts in which a slice is a channel or a filter
_SLICED = ("stack", "norm")


@dataclass(frozen=True)
class Slices:
    """The order that ``--order`` asks for.

    Parameters
    ----------
    order : str or Path
        A method of `order.METHODS`, found anew for each volume, or a file that ``cnnvis order --save`` wrote.
    distance : str
        By what a method compares maps.
    common : bool
        Whether a method finds one order for all volumes, by `arranging`, instead of one for each.

    Raises
    ------
    CnnVisError
        If there is no such method or file.
    """

    order: str | Path = "identity"
    distance: str = "correlation"
    common: bool = False

    def __post_init__(self) -> None:
        import order
        from order.fitting import bound

        if not isinstance(self.order, Path):
            # before anything is computed: a method may need more than its name
            bound(self.order, {})
        elif self.fitted is not None and self.fitted.method not in order.METHODS:
            raise order.OrderError(f"{self.order}: unknown ordering method {self.fitted.method!r}")

    @classmethod
    def asked(cls, order: str | Path, distance: str | None, quantity: str, common: bool = False) -> Self:
        """Return the order that options ask for, of volumes of a quantity.

        Raises
        ------
        CnnVisError
            If a distance is given that the order does not look at, or as the class does.
        """
        if distance is not None and (isinstance(order, Path) or order == "identity"):
            raise CnnVisError("--distance goes with --order METHOD")
        return cls(order, distance or usual_distance(quantity), common)

    def check(self, layout: str) -> None:
        """Raise CnnVisError if the slices of a layout cannot be ordered."""
        if self.order != "identity" and layout not in _SLICED:
            known = " and ".join(_SLICED)
            raise CnnVisError(f"--order sorts the slices of layouts {known}; layout {layout} has none")

    @cached_property
    def fitted(self) -> Ordering | None:
        """The ordering in the file, None for a method."""
        from order import Ordering

        return Ordering.load(self.order) if isinstance(self.order, Path) else None

    def name(self, volume: Volume) -> str | None:
        """Return what the order of a volume is called in file names; None where it stays in channel order."""
        if self.order == "identity" or volume.facts["layout"]["kind"] not in _SLICED:
            return None
        return self.fitted.method if self.fitted is not None else str(self.order)

    def ordered(self, volume: Volume) -> Volume:
        """Return the volume in that order, if its slices are channels or filters, and all is known of it.

        Raises
        ------
        OrderError
            If the order does not fit the volume.
        """
        import order

        if self.name(volume) is None or (self.common and self.fitted is None):
            return volume
        fitted = self.fitted or order.by(str(self.order), volume, distance=self.distance)
        try:
            note_other_layer(fitted, volume)
            return fitted.apply(volume)
        except order.OrderError as error:
            raise order.OrderError(f"{self.order}: {error}") from error

    def arranging(self, volumes: Sequence[Volume]) -> Callable[[Volume], Volume]:
        """Return what puts volumes in the order that a method finds for all of them, if one is to.

        Raises
        ------
        OrderError
            If the method cannot order these volumes.
        """
        import order

        if self.fitted is not None or self.name(volumes[0]) is None:
            return lambda volume: volume
        return order.by(str(self.order), volumes, distance=self.distance).apply


def usual_distance(quantity: str) -> str:
    """Return by what distance maps of a quantity are compared: the sign of filters and gradients is free."""
    return "correlation" if quantity == "act" else "absolute-correlation"


def note_other_layer(ordering: Ordering, volume: Volume) -> None:
    """Tell the user where an order was found for another layer than the one that it is applied to."""
    own = volume.facts.get("layer")
    if ordering.layer is not None and own is not None and own != ordering.layer:
        note(f"the order was found for layer {ordering.layer!r}, and is taken for {own!r}")
