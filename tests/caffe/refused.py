"""Networks that Caffe refuses, of those modules of cases that have a dict ``REFUSED``."""

from __future__ import annotations

import importlib
import pkgutil

from tests.caffe import cases


def refused_cases() -> dict[str, cases.Case]:
    """Return all of them by name, as ``MODULE-NAME``."""
    found = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(cases.__path__)):
        refused = getattr(importlib.import_module(f"{cases.__name__}.{module}"), "REFUSED", {})
        found.update({f"{module}-{name}": case for name, case in refused.items()})
    return found
