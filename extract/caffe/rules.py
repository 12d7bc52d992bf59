"""The table of layer types that can be imported."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable

from .call import Rule

_RULES: dict[str, Rule] = {}


def rule(*types: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of layer types.

    A rule gets a `Call` and returns the values of the layer's tops, in their order; a value may be a bottom,
    unchanged. It refuses what Caffe refuses by ``raise call.error(...)``, and what it cannot express by
    ``raise UnsupportedError(...)``. Where images of a batch meet, it says so by ``call.mixes_images(...)``.
    """

    def register(function: Rule) -> Rule:
        _RULES.update(dict.fromkeys(types, function))
        return function

    return register


@functools.cache
def rules() -> dict[str, Rule]:
    """Return the rule of each layer type."""
    from . import layers

    for module in pkgutil.iter_modules(layers.__path__, f"{layers.__name__}."):
        importlib.import_module(module.name)
    return _RULES
