"""Model and image to arrays with names and places."""

from .activations import Extractor, activations
from .description import ModelDescription, read_description
from .errors import ImageError, ModelError, UnknownNameError
from .images import PreparedInput, batches, expand, to_input
from .loading import ENGINES, load_model
from .model import Model
from .parts import Input, Layer
from .preprocessing import PRESETS, Preprocessing, configure
from .sources import find_images

__all__ = [
    "ENGINES",
    "PRESETS",
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
    "load_model",
    "read_description",
    "to_input",
]
