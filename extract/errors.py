"""What extraction raises for bad models, names and pictures."""

from converters.errors import CnnVisError


class ModelError(CnnVisError, ValueError):
    """A model that cannot be read, or that cannot do what is asked."""


class UnknownNameError(ModelError, KeyError):
    """A name that the model does not have; the message suggests the nearest ones."""

    __str__ = ModelError.__str__


class ImageError(CnnVisError, ValueError):
    """A picture or array that cannot be an input of the model."""
