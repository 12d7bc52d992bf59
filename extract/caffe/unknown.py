"""What stands in a prototxt that the schema does not have, and whether it matters."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

# Fields of forks, as MESSAGE.FIELD, that change nothing that a trained network computes: choices among
# implementations, precision of arithmetic on a GPU, training, debugging.
_HARMLESS = (
    "*.engine",
    "*.cudnn_*",
    "*.conv_algos_override",
    "*.debug",
    "*.visualize",
    "*.need_backward",
    "NetParameter.default_*",
    "NetParameter.global_grad_scale*",
    "NetParameter.reduce_buckets",
    "LayerParameter.forward_type",
    "LayerParameter.backward_type",
    "LayerParameter.forward_math",
    "LayerParameter.backward_math",
    "LayerParameter.blobs_lr",
    "LayerParameter.weight_decay",
    "BatchNormParameter.moving_average_*",
    "BatchNormParameter.momentum",
    "BNParameter.moving_average*",
    "ParamSpec.*",
    "LossParameter.*",
    "FillerParameter.*",
)
# Of difflib's ratio: about one slip in eight letters.
_NEAR = 0.75


@dataclass(frozen=True)
class Unknown:
    """A field in the text that the schema does not have, or a value of an enumeration.

    Parameters
    ----------
    message : str
        Type of the message that it stands in, such as ``ConvolutionParameter``.
    name : str
        The field's name.
    line : int
        Its line, from 1.
    layer : int or None
        The layer that it stands in, by its place in the file, from 0.
    known : tuple of str
        What the schema has in its place.
    value : str, optional
        The value, of a known field.
    start : int
        Where the field's name begins in the text, or the value.
    """

    message: str
    name: str
    line: int
    layer: int | None
    known: tuple[str, ...] = ()
    value: str | None = None
    start: int = 0

    @property
    def is_harmless(self) -> bool:
        """Whether it changes nothing that a trained network computes."""
        return any(fnmatchcase(f"{self.message}.{self.name}", pattern) for pattern in _HARMLESS)

    def described(self) -> str:
        """Return what it is, where, and what may be meant."""
        if self.value is None:
            what, hint = f"an unknown field {self.name!r}", did_you_mean(self.name, self.known)
        else:
            what = f"an unknown value {self.value!r} of {self.name!r}"
            hint = did_you_mean(self.value, self.known)
        return f"{what} (line {self.line}{hint})"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, nothing if none is near."""
    names = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=_NEAR)
    return f"; did you mean {names[near[0]]!r}?" if near else ""
