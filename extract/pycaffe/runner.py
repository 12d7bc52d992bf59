"""Running a Caffe network in Caffe, in the place of `extract.runner.Runner`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..caffe.net import Net
from .edits import edits
from .process import CaffeProcess

if TYPE_CHECKING:
    from ..caffe.draft import ImportedLayer

_SEED, _GRADIENT = "seed:", "grad:"


class PycaffeRunner:
    """A network that Caffe runs for chosen tensors, cut to the layers that they need.

    Parameters
    ----------
    process : CaffeProcess
        Where it runs.
    net : Net
        The network as its file describes it.
    layers : sequence of ImportedLayer
        Its layers as the importer named them.
    outputs : sequence of str
        Tensors that layers make; with seeds also ``grad:NAME``, the gradient with respect to a tensor or
        parameter.
    weights : Path, optional
        Its file of weights.
    parameters : mapping of str to ndarray
        Values of parameters that the file does not hold, by tensor; others are ignored.
    seeds : sequence of str
        Tensors whose cotangents will be fed as ``seed:NAME``.

    Attributes
    ----------
    outputs : list of str
        What `run` returns.
    inputs : dict of str to str
        What `run` needs, and its type as onnxruntime calls it.

    Raises
    ------
    ModelError
        If there is no Caffe, it refuses the network or its weights, or an output is nothing that Caffe has.
    """

    def __init__(
        self,
        process: CaffeProcess,
        net: Net,
        layers: Sequence[ImportedLayer],
        outputs: Sequence[str],
        *,
        weights: Path | None = None,
        parameters: Mapping[str, NDArray[Any]] | None = None,
        seeds: Sequence[str] = (),
    ) -> None:
        self.outputs = list(outputs)
        self._seeds = list(seeds)
        self._gradients = [name for name in outputs if seeds and name.startswith(_GRADIENT)]
        self._values = [name for name in outputs if name not in self._gradients]
        self._wrt = [name.removeprefix(_GRADIENT) for name in self._gradients]
        needed = [*self._values, *self._seeds, *self._wrt]
        self._net = process.load(net.path, weights, edits(net, layers, needed))
        given = {n: v for n, v in (parameters or {}).items() if n in self._net.parameters}
        self._net.set_values(given)
        fed = [*self._net.inputs, *(_SEED + name for name in seeds)]
        self.inputs = dict.fromkeys(fed, "tensor(float)")

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the asked tensors, in order, for one set of inputs; those not needed may be given too.

        Raises
        ------
        ModelError
            If Caffe fails, for instance as shapes do not fit.
        """
        fed = {name: feeds[name] for name in self._net.inputs}
        found = dict(zip(self._values, self._net.forward(fed, self._values), strict=True))
        if self._gradients:
            seeds = {name: feeds[_SEED + name] for name in self._seeds}
            found |= zip(self._gradients, self._net.backward(seeds, self._wrt), strict=True)
        return [found[name] for name in self.outputs]
