"""Gradients of a target by Caffe's own backward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cotangents import cotangents
from ..errors import ModelError
from ..targets import Target, check_shape
from .process import CaffeNet


class PycaffeGradients:
    """The gradients of a weighted sum of targets, summed over the images of a batch, by Caffe.

    `extract.gradients.gradients` says where Caffe's backward is wrong.

    Parameters
    ----------
    net : CaffeNet
        The network.
    target : sequence of Target
        What is differentiated: their weighted sum.
    wrt : sequence of str
        The tensors and parameters that it is differentiated by.

    Attributes
    ----------
    inputs : tuple of str
        What `run` needs.

    Raises
    ------
    ModelError
        If the network has none of that name in Caffe, or a target's place is none in its tensor.
    """

    def __init__(self, net: CaffeNet, target: Sequence[Target], wrt: Sequence[str]) -> None:
        for one in target:
            check_shape(one, net.blobs[one.tensor])
        for name in wrt:
            if name not in net.blobs and name not in net.parameters:
                raise ModelError(f"{name!r} is no blob or parameter of the network in Caffe")
        self._net, self._target, self._wrt = net, target, wrt
        self._held = list(dict.fromkeys(one.tensor for one in target))
        self.inputs = net.inputs

    def run(
        self, feeds: Mapping[str, NDArray[Any]], factors: Sequence[NDArray[np.float32]]
    ) -> Iterator[list[NDArray[Any]]]:
        """Yield the gradients of one batch, for each of `factors`, which weigh the targets of the images.

        The batch goes forward once: a recurrent layer would go on from where it ended.

        Raises
        ------
        ModelError
            If Caffe fails or has no gradient of a layer, or a target's tensor has no batch axis.
        """
        fed = {name: feeds[name] for name in self.inputs}
        values = dict(zip(self._held, self._net.forward(fed, self._held), strict=True))
        for one in self._target:
            if (rows := len(values[one.tensor])) != len(factors[0]):
                raise ModelError(f"{one.name!r}: has {rows} rows for {len(factors[0])} images: none for each")
        for each in factors:
            yield self._net.backward(cotangents(self._target, values, each), self._wrt)
