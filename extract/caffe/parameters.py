"""Parameters of layers: matched with a file of weights, shared between layers, or filled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import ModelError
from ..naming import Names
from .fillers import fill
from .stored import StoredBlob, StoredWeights

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Parameter:
    """A learned blob of a layer.

    Parameters
    ----------
    layer : str
        The layer that declared it first.
    tensor : str
        The tensor that holds it.
    shape : tuple of int
        The shape that the layer gives it.
    stored : StoredBlob
        Its values.
    filled : bool
        Whether no file holds it.
    """

    layer: str
    tensor: str
    shape: Shape
    stored: StoredBlob
    filled: bool


@dataclass
class ParameterTable:
    """All parameters of a network, in the order in which its layers declare them.

    Parameters
    ----------
    stored : StoredWeights or None
        The file of weights.
    names : Names
        The graph's.

    Attributes
    ----------
    declared : dict of str to Parameter
        The parameters by tensor.
    roles : dict of str to dict of str to str
        Their tensors, by layer and role.
    """

    stored: StoredWeights | None
    names: Names
    declared: dict[str, Parameter] = field(default_factory=dict)
    roles: dict[str, dict[str, str]] = field(default_factory=dict)
    _shared: dict[str, Parameter] = field(default_factory=dict)
    _loaded: dict[str, str] = field(default_factory=dict)

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of each parameter, by tensor."""
        return {tensor: parameter.shape for tensor, parameter in self.declared.items()}

    @property
    def _file(self) -> str:
        return str(self.stored.path) if self.stored else ""

    def declare(self, layer: Any, name: str, index: int, shape: Shape, filler: Any) -> str:
        """Return the tensor of a layer's parameter; see `Call.parameter`."""
        role = _role(index)
        spec = layer.param[index] if index < len(layer.param) else None
        found = self._found(layer, name, index, shape)
        owner = self._shared.get(spec.name) if spec is not None and spec.name else None
        if owner is None:
            wanted = f"{name}.{role}"
            values = found or StoredBlob(fill(filler, shape, wanted))
            parameter = Parameter(name, self.names.fresh(wanted), shape, values, filled=found is None)
        else:
            _check_shared(owner, shape, spec, f"layer {name!r} ({layer.type}): its {role}")
            # layers that share memory are loaded one after the other
            parameter = owner if found is None else replace(owner, stored=found, filled=False)
        self.declared[parameter.tensor] = parameter
        self.roles.setdefault(name, {})[role] = parameter.tensor
        if spec is not None and spec.name:
            self._shared[spec.name] = parameter
        return parameter.tensor

    def check_count(self, layer: Any, name: str) -> None:
        """Raise a ModelError if the file of weights holds another number of blobs for a layer than it has.

        A layer without any parameter takes no notice of stored ones, and one without stored ones is filled.
        """
        stored, roles = len(self._stored(layer.name, name)), self.roles.get(name, {})
        if not stored or not roles or stored == len(roles):
            return
        missing = [self.declared[tensor] for tensor in list(roles.values())[stored:]]
        # Caffe's HDF5 form leaves out what another layer shares
        if not missing or any(parameter.layer == name for parameter in missing):
            raise ModelError(
                f"layer {name!r} ({layer.type}): has {len(roles)} parameter{'s' * (len(roles) > 1)}, but "
                f"{self._file} holds {stored}"
            )

    def _found(self, layer: Any, name: str, index: int, shape: Shape) -> StoredBlob | None:
        stored = self._stored(layer.name, name)
        found = stored[index] if index < len(stored) else None
        if found is not None and not _fits(found.weight.shape, shape):
            raise ModelError(
                f"layer {name!r} ({layer.type}): its {_role(index)} is {_show(shape)}, but "
                f"{self._file} holds {_show(found.weight.shape)}"
            )
        return found

    def _stored(self, layer: str, name: str) -> Sequence[StoredBlob | None]:
        """Return what the file holds: of layers that share a name, the first takes it, as in Caffe."""
        if self.stored is None or self._loaded.setdefault(layer, name) != name:
            return ()
        return self.stored.layers.get(layer, ())


def _check_shared(owner: Parameter, shape: Shape, spec: Any, what: str) -> None:
    """Raise a ModelError if a parameter cannot share the values of another one."""
    loose = spec.share_mode == spec.DimCheckMode.Value("PERMISSIVE")
    if math.prod(shape) != math.prod(owner.shape) or not (loose or shape == owner.shape):
        raise ModelError(
            f"{what} is {_show(shape)}, but it shares {owner.tensor!r}, which is {_show(owner.shape)}"
        )


def _role(index: int) -> str:
    return ("weight", "bias")[index] if index < 2 else f"param{index}"


def _fits(stored: Shape, shape: Shape) -> bool:
    """Whether a stored shape is that of a layer, or its older form of four axes with ones in front."""
    if stored == shape:
        return True
    return len(stored) == 4 and len(shape) < 4 and stored == (1,) * (4 - len(shape)) + shape


def _show(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a single value"
