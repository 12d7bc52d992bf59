"""A layer on its way to ONNX: what a rule is given, and what it builds with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ModelError
from ..naming import Names

if TYPE_CHECKING:
    import onnx

    from .parameters import ParameterTable


@dataclass(frozen=True)
class Blob:
    """A value in the graph.

    Parameters
    ----------
    tensor : str
        The tensor that holds it.
    shape : tuple of int
        Its shape, batch included.
    """

    tensor: str
    shape: tuple[int, ...]

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return len(self.shape)


class UnsupportedError(Exception):
    """The layer is legal, but cannot be expressed here; an error only if somebody asks for what it makes."""


@dataclass
class Call:
    """One layer, its bottoms, and the nodes that a rule makes of them.

    Parameters
    ----------
    layer : protobuf message
        The ``LayerParameter``.
    name : str
        A name that no other layer has.
    bottoms : sequence of Blob
        What it reads.
    tops : int
        How many blobs it writes.
    parameters : ParameterTable
        Where its parameters are declared.
    names : Names
        The graph's.

    Attributes
    ----------
    nodes : list of onnx.NodeProto
        What the rule has made so far.
    constants : list of onnx.TensorProto
        What it has written down.
    mixed : set of str
        The tensors of which it has said that it mixes their images.
    """

    layer: Any
    name: str
    bottoms: Sequence[Blob]
    tops: int
    parameters: ParameterTable
    names: Names
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    mixed: set[str] = field(default_factory=set)

    def parameter(self, index: int, shape: Sequence[int], filler: Any = 0.0) -> str:
        """Declare a learned blob of the layer.

        Parameters
        ----------
        index : int
            Its place among the layer's blobs: 0 is the weight, 1 the bias.
        shape : sequence of int
            The shape that Caffe gives it.
        filler : FillerParameter or float
            How it is filled where no file holds it.

        Returns
        -------
        str
            The tensor.

        Raises
        ------
        ModelError
            If the file of weights holds it with another shape.
        """
        tensor = self.parameters.declare(self.layer, self.name, index, tuple(shape), filler)
        if self.parameters.declared[tensor].shape == tuple(shape):
            return tensor
        return self.node("Reshape", [tensor, self.constant(shape, np.int64)])

    def constant(self, values: ArrayLike, dtype: Any = np.float32) -> str:
        """Return a tensor that holds given values; np.int64 for shapes, axes and indices."""
        import onnx

        name = self.names.fresh(f"{self.name}/constant{len(self.constants)}")
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node of operator set 17 and return its output; attributes that are None are left out."""
        (output,) = self.many(operator, inputs, 1, **attributes)
        return output

    def many(self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Add a node of several outputs and return them; see `Call.node`."""
        import onnx

        name = self.names.fresh(f"{self.name}/{operator}{len(self.nodes)}")
        made = [name, *(self.names.fresh(f"{name}.{i}") for i in range(1, outputs))]
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(onnx.helper.make_node(operator, list(inputs), made, name, **given))
        return made

    def mixes_images(self, blob: Blob) -> None:
        """Say that what becomes of an image of a bottom depends on the images beside it.

        Then batches stay as long as the network has them. So they do, without a word, where a top's first
        axis is not the batch.
        """
        self.mixed.add(blob.tensor)

    def error(self, reason: str) -> ModelError:
        """Return an error that names the layer, to be raised: Caffe would refuse this network too."""
        return ModelError(f"layer {self.name!r} ({self.layer.type}): {reason}")


Rule = Callable[[Call], list[Blob]]
