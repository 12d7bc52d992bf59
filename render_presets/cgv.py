"""Transfer functions for CGV, as XML that its readers of all years and ParaView's importer take."""

from __future__ import annotations

import re

import numpy as np

from .scene import Scene
from .transfer import Fitted


def files(scene: Scene) -> dict[str, str]:
    """Return the transfer function file for a CGV volume, as name ending -> text.

    Its positions are texture coordinates in 0..1: stored / 255 for uint8 files. For the other types, which
    only CGV's library reads, 0..1 is the whole range of a stored integer, and the fitted range of float32.
    Opacities are as the transfer function has them; the viewer's own opacity scale makes them fit.
    """
    encoding = scene.volume.encoding
    dtype = np.dtype(encoding.dtype if encoding else "float32")
    low, high = scene.fitted.range
    if dtype.kind in "iu":
        low, high = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    normalized = scene.fitted.over(lambda x: min(max((x - low) / (high - low), 0.0), 1.0))
    return {".cgv.xml": color_map(normalized)}


def color_map(fitted: Fitted) -> str:
    """Return a transfer function as XML: one point a line, its attributes in the order of old readers.

    Parameters
    ----------
    fitted : Fitted
        With positions in 0..1.
    """
    places = sorted({x for x, *_ in (*fitted.colors, *fitted.opacities)} | {0.0, 1.0})
    points = [
        f'    <Point x="{x:.6g}" o="{o:.6g}" r="{r:.6g}" g="{g:.6g}" b="{b:.6g}"/>\n'
        for x, (r, g, b, o) in zip(places, fitted.rgba(places).tolist(), strict=True)
    ]
    # the reader of 2022 splits lines at blanks, those in the name included
    name = re.sub(r"[^\w.-]+", "_", fitted.name)
    return (
        '<?xml version="1.0"?>\n<ColorMaps>\n'
        f'  <ColorMap name="{name}">\n{"".join(points)}  </ColorMap>\n'
        "</ColorMaps>\n"
    )
