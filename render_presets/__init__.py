"""Transfer functions, what each viewer wants of them, and pictures for those who have no viewer."""

from .errors import PresetError
from .loading import choose, load, names
from .montage import montage
from .orders import Panel, orders
from .preview import render
from .projection import project
from .transfer import Fitted, Foreign, TransferFunction, fit
from .viewers import SCENES, VIEWERS, Viewer, write_presets, write_scene

__all__ = [
    "SCENES",
    "VIEWERS",
    "Fitted",
    "Foreign",
    "Panel",
    "PresetError",
    "TransferFunction",
    "Viewer",
    "choose",
    "fit",
    "load",
    "montage",
    "names",
    "orders",
    "project",
    "render",
    "write_presets",
    "write_scene",
]
