"""What a prototxt must become before Caffe reads it, so that its blobs have the names of our tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..caffe.net import Net, NetInput, NetLayer
from ..errors import ModelError

if TYPE_CHECKING:
    from ..caffe.draft import ImportedLayer


@dataclass(frozen=True)
class LayerEdit:
    """A layer that is kept, and the blobs that it reads and writes from now on.

    Parameters
    ----------
    name : str
        A name that no other layer has; the file's own stays in the file, since weights are found by it.
    index : int
        Its place among the layers of the file, from 0.
    bottoms, tops : tuple of str
        Names of blobs: of tensors, so that no layer works in place.
    parameters : mapping of str to str
        Tensors of its parameters by role: weight, bias, param2, ...
    """

    name: str
    index: int
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)

    def parameter(self, index: int) -> str:
        """Return the tensor of a parameter; one that the importer does not know is named like the others."""
        role = ("weight", "bias")[index] if index < 2 else f"param{index}"
        return self.parameters.get(role, f"{self.name}.{role}")


@dataclass(frozen=True)
class Edits:
    """What is kept of a prototxt.

    Parameters
    ----------
    inputs : tuple of NetInput
        What is fed.
    layers : tuple of LayerEdit
        The layers that are kept, in the order of the file.
    """

    inputs: tuple[NetInput, ...]
    layers: tuple[LayerEdit, ...]


def edits(net: Net, layers: Sequence[ImportedLayer], tensors: Iterable[str] | None = None) -> Edits:
    """Decide what is kept of a network and how its blobs are called.

    Parameters
    ----------
    net : Net
        The network.
    layers : sequence of ImportedLayer
        Its layers as the importer named them, in the same order.
    tensors : iterable of str, optional
        What is asked for: layers' tensors, parameters' and inputs. Only what these need is kept; by default,
        everything.

    Raises
    ------
    ModelError
        If a tensor is no blob of Caffe's, but a step inside a layer.
    """
    current = {i.blob: i.blob for i in net.inputs}
    changes = []
    for layer, imported in zip(net.layers, layers, strict=True):
        bottoms = tuple(current[blob] for blob in layer.bottoms)
        current |= zip(layer.tops, imported.tensors, strict=True)
        changes.append(LayerEdit(imported.name, layer.index, bottoms, imported.tensors, imported.parameters))
    if tensors is None:
        return Edits(net.inputs, tuple(changes))
    return _cut(Edits(net.inputs, tuple(changes)), _donors(net.layers), tensors)


def _cut(whole: Edits, donors: Sequence[Sequence[int]], tensors: Iterable[str]) -> Edits:
    """Return the part that chosen tensors need."""
    inputs = {i.blob for i in whole.inputs}
    makers = {
        tensor: i
        for i, layer in enumerate(whole.layers)
        for tensor in (*layer.tops, *layer.parameters.values())
    }
    needed: set[int] = set()
    waiting, seen = list(tensors), set()
    while waiting:
        tensor = waiting.pop()
        seen.add(tensor)
        if tensor in inputs:
            continue
        if tensor not in makers:
            raise ModelError(f"{tensor!r} is no blob or parameter of the network in Caffe")
        new = {makers[tensor], *donors[makers[tensor]]} - needed
        needed |= new
        waiting += [bottom for i in new for bottom in whole.layers[i].bottoms]
    return Edits(
        tuple(i for i in whole.inputs if i.blob in seen),
        tuple(layer for i, layer in enumerate(whole.layers) if i in needed),
    )


def _donors(layers: Sequence[NetLayer]) -> list[tuple[int, ...]]:
    """Return, for each layer, the earlier ones that decide what its parameters are.

    The first layer of a name gets the stored weights of that name, and the first to name a shared parameter
    owns it.
    """
    first: dict[tuple[str, str], int] = {}
    result = []
    for i, layer in enumerate(layers):
        keys = [
            ("layer", layer.name),
            *(("parameter", spec.name) for spec in layer.message.param if spec.name),
        ]
        result.append(tuple(first.setdefault(key, i) for key in keys))
    return result
