"""For 3D Slicer: transfer functions (.vp, .vp.json), and scenes of volumes and series (.mrml, .sp; .mrb)."""

from __future__ import annotations

from ..scene import Scene
from .bundle import write_bundle
from .property import step_length, volume_property, volume_property_json
from .rays import shader_property
from .scene import mrml, write_mrml

__all__ = [
    "files",
    "mrml",
    "shader_property",
    "step_length",
    "volume_property",
    "volume_property_json",
    "write_bundle",
    "write_mrml",
]


def files(scene: Scene) -> dict[str, str]:
    """Return the files for a volume or a series, as name ending -> text."""
    step = step_length(scene.volume)
    return {
        ".vp": volume_property(scene.fitted.per(step)),
        # `X.vp.json` would pass for the side-car of `X.vp`
        ".slicer.vp.json": volume_property_json(scene.fitted, scene.fitted.unit / step),
        ".sp": shader_property(scene.volume),
        ".mrml": mrml([scene], shader=f"{scene.path.name}.sp"),
    }
