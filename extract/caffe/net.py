"""A Caffe network as a list of layers: of the newest form, of one phase, with its inputs set apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class NetInput:
    """An input of a network.

    Parameters
    ----------
    blob : str
        Name of the blob that is fed.
    shape : tuple of int
        As the file gives it, batch first.
    """

    blob: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class NetLayer:
    """A layer as the file describes it.

    Parameters
    ----------
    name : str
        Its name; several layers may share one, and it may be empty.
    type : str
        Its type by today's name, such as ``Convolution``.
    bottoms, tops : tuple of str
        Names of the blobs that it reads and writes.
    message : protobuf message
        Its ``LayerParameter``, upgraded from whatever form the file has.
    index : int
        Its place among the layers of the file, from 0.
    problem : str, optional
        Why it cannot be expressed here, as far as the file tells: ``has an unknown field ...``, ``its type
        ... is not known here``.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    message: Any
    index: int
    problem: str | None = None


@dataclass(frozen=True)
class Net:
    """A network in its TEST phase.

    Parameters
    ----------
    name : str
        The network's name.
    path : Path
        The file that it was read from, for messages.
    inputs : tuple of NetInput
        What must be fed: declared inputs, Input layers, and the tops of data layers.
    layers : tuple of NetLayer
        All other layers that belong to the phase, in the order of the file.
    transform : protobuf message or None
        The ``TransformationParameter`` of its data layer.
    """

    name: str
    path: Path
    inputs: tuple[NetInput, ...]
    layers: tuple[NetLayer, ...]
    transform: Any = None
