"""Running a Caffe network in Caffe, in the place of `extract.runner.Runner`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from .process import CaffeNet


class PycaffeRunner:
    """A network that Caffe runs for chosen tensors.

    Parameters
    ----------
    net : CaffeNet
        The network.
    outputs : sequence of str
        Tensors that its layers make.

    Attributes
    ----------
    outputs : list of str
        What `run` returns.
    inputs : dict of str to str
        What `run` needs, and its type as onnxruntime calls it.
    """

    def __init__(self, net: CaffeNet, outputs: Sequence[str]) -> None:
        self._net = net
        self.outputs = list(outputs)
        self.inputs = dict.fromkeys(net.inputs, "tensor(float)")

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the asked tensors, in order, for one set of inputs; those not needed may be given too.

        Raises
        ------
        ModelError
            If Caffe fails, for instance as shapes do not fit.
        """
        return list(self._net.forward({name: feeds[name] for name in self._net.inputs}, self.outputs))
