"""Scenes of 3D Slicer, taken apart without Slicer."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from render_presets import fit, load
from render_presets.scene import Scene
from tests.render_presets.volumes import ramp

Nodes = dict[str | None, ElementTree.Element]


def numbers(line: str) -> NDArray[np.float64]:
    """Return the numbers of a line that begins with their count."""
    count, *values = map(float, line.split())
    assert count == len(values)
    return np.array(values)


def scene(
    file: str = "ramp.nrrd",
    name: str = "ramp",
    preset: str = "activation",
    frames: tuple[str, ...] = (),
    **changes: Any,
) -> Scene:
    """Return what a scene shows of a ramp."""
    volume = ramp().replace(name=name, **changes)
    return Scene(Path(file), file, volume, fit(load(preset), volume), "ramp", frames)


def opened(text: str | bytes) -> Nodes:
    """Return a scene's nodes by their ids, once each."""
    root = ElementTree.fromstring(text)
    nodes = {node.get("id"): node for node in root}
    assert len(nodes) == len(root)
    return nodes


def linked(nodes: Nodes, node: ElementTree.Element) -> dict[str, list[ElementTree.Element]]:
    """Return the nodes that a node names, by role."""
    roles = dict(part.split(":") for part in (node.get("references") or "").strip(";").split(";"))
    return {role: [nodes[name] for name in names.split()] for role, names in roles.items()}


def volumes(nodes: Nodes) -> list[ElementTree.Element]:
    """Return the volumes among nodes."""
    return [node for node in nodes.values() if node.tag == "Volume"]


def shader_file(nodes: Nodes) -> str | None:
    """Return the file that says how opacities go by millimetres, from the one volume on."""
    _, rendering = linked(nodes, volumes(nodes)[0])["display"]
    (shader,) = linked(nodes, rendering)["shaderProperty"]
    (storage,) = linked(nodes, shader)["storage"]
    return storage.get("fileName")
