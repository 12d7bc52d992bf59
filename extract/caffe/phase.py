"""Which layers of a description belong to the network, by the rules of phase, level and stage."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError

# Of the enumeration Phase.
_TEST = 1


@dataclass(frozen=True)
class State:
    """What rules are held against; the phase is always TEST.

    Parameters
    ----------
    level : int
        The level.
    stages : frozenset of str
        The stages.
    """

    level: int = 0
    stages: frozenset[str] = frozenset()

    @classmethod
    def of(cls, net: Any, level: int = 0, stages: Collection[str] = ()) -> State:
        """Return the state of a network: its own ``state`` adds stages; its phase and level do not count."""
        return cls(level, frozenset(stages) | frozenset(net.state.stage))


def named_stages(layers: Iterable[Any]) -> set[str]:
    """Return the stages that the rules of ``LayerParameter`` messages name."""
    rules = (rule for layer in layers for rule in (*layer.include, *layer.exclude))
    return {stage for rule in rules for stage in (*rule.stage, *rule.not_stage)}


def is_included(layer: Any, state: State, path: Path) -> bool:
    """Return whether a layer belongs to the network.

    Parameters
    ----------
    layer : protobuf message
        A ``LayerParameter``.
    state : State
        The network's state.
    path : Path
        Where the layer is from, for messages.

    Returns
    -------
    bool
        Whether it meets one of its include rules, or has none and meets none of its exclude rules.

    Raises
    ------
    ModelError
        If it has rules of both kinds, which Caffe refuses.
    """
    if layer.include and layer.exclude:
        raise ModelError(
            f"{path}: layer {layer.name!r} has include and exclude rules; Caffe allows only one kind"
        )
    if layer.include:
        return any(_meets(state, rule) for rule in layer.include)
    return not any(_meets(state, rule) for rule in layer.exclude)


def _meets(state: State, rule: Any) -> bool:
    return not (
        (rule.HasField("phase") and rule.phase != _TEST)
        or (rule.HasField("min_level") and state.level < rule.min_level)
        or (rule.HasField("max_level") and state.level > rule.max_level)
        or not state.stages.issuperset(rule.stage)
        or not state.stages.isdisjoint(rule.not_stage)
    )
