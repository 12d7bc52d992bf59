"""Transfer functions, what each viewer wants of them, and pictures for those who have no viewer."""

from .by_paraview import render_by_paraview
from .drawing import key_colors
from .errors import PresetError
from .loading import choose, load, names
from .montage import montage
from .movies import MOVIES, check_movie, save_movie
from .orders import Panel, orders
from .preview import animate, render, turn
from .projection import project
from .transfer import Fitted, Foreign, TransferFunction, fit
from .values import Values
from .view import View
from .viewers import SCENES, VIEWERS, Viewer, write_presets, write_scene

__all__ = [
    "MOVIES",
    "SCENES",
    "VIEWERS",
    "Fitted",
    "Foreign",
    "Panel",
    "PresetError",
    "TransferFunction",
    "Values",
    "View",
    "Viewer",
    "animate",
    "check_movie",
    "choose",
    "fit",
    "key_colors",
    "load",
    "montage",
    "names",
    "orders",
    "project",
    "render",
    "render_by_paraview",
    "save_movie",
    "turn",
    "write_presets",
    "write_scene",
]
