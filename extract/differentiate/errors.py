"""What goes wrong when a graph is differentiated."""

from __future__ import annotations

from ..errors import ModelError


class NoGradientError(ModelError):
    """An operator on the way has no gradient here."""


class SharedGradientError(ModelError):
    """A gradient cannot be given apart for each image of a batch: one image at a time has to do."""
