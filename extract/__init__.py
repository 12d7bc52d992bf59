"""Model and image to arrays with names and places."""

from .activations import Extractor, activations
from .description import ModelDescription, read_description
from .errors import ImageError, ModelError, UnknownNameError
from .gradients import Differentiator, gradients
from .images import PreparedInput, batches, expand, to_input
from .loading import ENGINES, load_model
from .model import Model
from .parts import Input, Layer
from .preprocessing import PRESETS, Preprocessing, configure
from .sources import find_images
from .targets import targets_of

__all__ = [
    "ENGINES",
    "PRESETS",
    "Differentiator",
    "Extractor",
    "ImageError",
    "Input",
    "Layer",
    "Model",
    "ModelDescription",
    "ModelError",
    "PreparedInput",
    "Preprocessing",
    "UnknownNameError",
    "activations",
    "batches",
    "configure",
    "expand",
    "find_images",
    "gradients",
    "load_model",
    "read_description",
    "targets_of",
    "to_input",
]
