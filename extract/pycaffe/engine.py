"""A Caffe network that Caffe runs and differentiates: in parts, each with what it needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..caffe.net import Net
from .edits import edits
from .gradients import PycaffeGradients
from .interpreter import find_caffe
from .runner import PycaffeRunner

if TYPE_CHECKING:
    from ..caffe.draft import ImportedLayer
    from ..model import Model
    from ..targets import Target
    from .process import CaffeNet, CaffeProcess


@dataclass(frozen=True)
class PycaffeEngine:
    """What takes the place of onnxruntime for a network.

    Parameters
    ----------
    net : Net
        The network as its file describes it.
    layers : sequence of ImportedLayer
        Its layers as the importer named them.
    weights : Path or None
        Its file of weights.
    filled : sequence of str
        The parameters that it does not hold.
    """

    net: Net
    layers: Sequence[ImportedLayer]
    weights: Path | None
    filled: Sequence[str]

    def runner(self, model: Model, tensors: Sequence[str]) -> PycaffeRunner:
        """Return what computes tensors, as `extract.model.Model.runner` does.

        Raises
        ------
        ModelError
            If there is no Caffe, it refuses the network or its weights, or a tensor is nothing that it has.
        """
        return PycaffeRunner(self._part(model, tensors), tensors)

    def differentiator(self, model: Model, target: Sequence[Target], wrt: Sequence[str]) -> PycaffeGradients:
        """Return what computes the gradients of a weighted sum of targets with respect to tensors.

        Raises
        ------
        ModelError
            As `runner` does, and if a target's place is none in its tensor.
        """
        part = self._part(model, dict.fromkeys(one.tensor for one in target))
        with model.named_in_errors():
            return PycaffeGradients(part, target, wrt)

    @cached_property
    def _process(self) -> CaffeProcess:
        """The Caffe of all parts: to start one takes a second or two."""
        return find_caffe()

    def _part(self, model: Model, tensors: Iterable[str]) -> CaffeNet:
        """Return the layers that tensors need, in Caffe, with the weights of the file and of `model`."""
        # Caffe would draw these by its own chance
        filled = model.values(self.filled)
        caffe = self._process
        with model.named_in_errors():
            part = caffe.load(self.net.path, self.weights, edits(self.net, self.layers, tensors))
            part.set_values({name: value for name, value in filled.items() if name in part.parameters})
        return part
