"""The table of operators that can be differentiated."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .step import Rule


@dataclass(frozen=True)
class Entry:
    """What is known of an operator.

    Parameters
    ----------
    rule : callable
        Returns, of a `Step`, the gradient with respect to each input: a tensor of the input's shape, or None
        where it is not wanted or zero.
    per_image : bool
        Whether the rule gives gradients of shared inputs for each image apart.
    """

    rule: Rule
    per_image: bool


_ENTRIES: dict[str, Entry] = {}


def rule(*operators: str, per_image: bool = False) -> Callable[[Rule], Rule]:
    """Register a function as the rule of operators; of other domains than ONNX's as ``DOMAIN.NAME``.

    Parameters
    ----------
    *operators : str
        Types of nodes.
    per_image : bool
        Whether the rule minds `Step.shared`, for instance as it leaves shared inputs to `Step.sum_to`.
    """

    def register(function: Rule) -> Rule:
        _ENTRIES.update(dict.fromkeys(operators, Entry(function, per_image)))
        return function

    return register


@functools.cache
def entries() -> Mapping[str, Entry]:
    """Return what is known of each operator that has a rule."""
    from . import rules

    for module in pkgutil.iter_modules(rules.__path__, f"{rules.__name__}."):
        importlib.import_module(module.name)
    return _ENTRIES
