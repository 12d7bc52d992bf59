"""A process that runs Caffe, and the networks in it."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from ..errors import ModelError
from .channel import Array
from .connection import Connection
from .edits import Edits


class CaffeProcess:
    """A process that runs Caffe; it starts at the first need, and ends with this object.

    After Caffe has failed badly, the next network is loaded in a new process.

    Parameters
    ----------
    python : str or Path
        An interpreter, Python 2.7 or 3, where ``import caffe`` works: a name on the PATH or a path.
    """

    def __init__(self, python: str | Path) -> None:
        self.python = str(python)
        self._connection: Connection | None = None
        self._numbers = itertools.count()

    def start(self) -> None:
        """Start the process now, unless it runs.

        Raises
        ------
        ModelError
            If the interpreter cannot be started or has no Caffe that works.
        """
        if self._connection is None or not self._connection.alive():
            self._connection = Connection(self.python)

    def load(self, file: Path, weights: Path | None, edits: Edits) -> CaffeNet:
        """Load a network.

        Parameters
        ----------
        file : Path
            The file that the edits are meant for: a prototxt, or the ``.caffemodel`` that carries it.
        weights : Path, optional
            Its weights, ``.caffemodel`` or HDF5. Caffe fills what the file does not hold, and accepts files
            that hold nothing of use.
        edits : Edits
            What is kept of the network.

        Raises
        ------
        ModelError
            If there is no Caffe, a file is missing, or Caffe refuses one. Only the file of weights and the
            interpreter are named, as the caller knows the network's own file.
        """
        self.start()
        assert self._connection is not None
        return CaffeNet(self._connection, next(self._numbers), file, weights, edits)

    def close(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.end()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class CaffeNet:
    """A network in Caffe; `CaffeProcess.load` makes it. It keeps its process alive.

    Attributes
    ----------
    blobs : dict of str to tuple of int
        Shapes of its inputs and of what its layers make, as they were when it was loaded.
    parameters : dict of str to tuple of int
        Shapes of its parameters.
    inputs : tuple of str
        The blobs that are fed.
    """

    def __init__(
        self,
        connection: Connection,
        number: int,
        file: Path,
        weights: Path | None,
        edits: Edits,
    ) -> None:
        self._connection = connection
        self._number = number
        weakref.finalize(self, connection.discarded.append, number)
        self.inputs = tuple(i.blob for i in edits.inputs)
        names = [*self.inputs, *(top for layer in edits.layers for top in layer.tops)]
        for needed in (file, weights):
            if needed is not None and not needed.is_file():
                raise ModelError(f"{needed}: no such file")
        header, _ = self._call(
            "load",
            file=str(file.absolute()),
            binary=file.suffix.lower() == ".caffemodel",
            scratch=str(connection.scratch / "net.prototxt"),
            inputs=[(i.blob, i.shape) for i in edits.inputs],
            layers=[(layer.index, layer.bottoms, layer.tops) for layer in edits.layers],
            blobs=names,
        )
        self.blobs = {name: tuple(shape) for name, shape in zip(names, header["blobs"], strict=True)}
        self.parameters: dict[str, tuple[int, ...]] = {}
        self._keys: dict[str, tuple[int, int]] = {}
        for i, (layer, shapes) in enumerate(zip(edits.layers, header["parameters"], strict=True)):
            for j, shape in enumerate(shapes):
                self.parameters.setdefault(layer.parameter(j), tuple(shape))
                self._keys.setdefault(layer.parameter(j), (i, j))
        if weights is not None:
            try:
                self._call("copy_from", weights=str(weights.absolute()))
            except ModelError as error:
                raise ModelError(f"{weights}: {error}") from error

    def forward(self, feeds: Mapping[str, NDArray[Any]], tensors: Sequence[str]) -> list[Array]:
        """Run the network.

        Parameters
        ----------
        feeds : mapping of str to ndarray
            Values of inputs, of any batch size; those not given keep what they have.
        tensors : sequence of str
            The blobs to return.

        Returns
        -------
        list of ndarray of float32
            One for each asked blob.

        Raises
        ------
        ModelError
            If there is no such blob, or Caffe fails, for instance as shapes do not fit.
        """
        self._check(*feeds, *tensors)
        arrays = list(feeds.values())
        return self._call("forward", arrays, feeds=list(feeds), blobs=list(tensors))[1]

    def backward(self, seeds: Mapping[str, NDArray[Any]], wrt: Sequence[str]) -> list[Array]:
        """Return gradients of the last forward pass: vector-Jacobian products.

        Parameters
        ----------
        seeds : mapping of str to ndarray
            The cotangents of one or more blobs, each shaped like its blob; they add up.
        wrt : sequence of str
            Blobs and parameters.

        Returns
        -------
        list of ndarray of float32
            The gradient with respect to each of `wrt`, shaped like it; of parameters the sum over the batch.

        Raises
        ------
        ModelError
            If there is no such blob or parameter, a seed has a wrong shape, or Caffe has no gradient of
            a layer.
        """
        self._check(*seeds)
        self._check(*(name for name in wrt if name not in self.parameters))
        if not seeds:
            raise ModelError("a gradient needs at least one seed")
        blobs = [name for name in wrt if name not in self.parameters]
        parameters = [name for name in wrt if name in self.parameters]
        found = self._call(
            "backward",
            list(seeds.values()),
            seeds=list(seeds),
            blobs=blobs,
            parameters=[self._keys[name] for name in parameters],
        )[1]
        gradients = dict(zip(blobs + parameters, found, strict=True))
        return [gradients[name] for name in wrt]

    def values(self, parameters: Sequence[str]) -> list[Array]:
        """Return the values of parameters.

        Raises
        ------
        ModelError
            If there is no such parameter.
        """
        return self._call("parameters", parameters=[self._key(name) for name in parameters])[1]

    def set_values(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Give parameters new values, each shaped like the parameter.

        Raises
        ------
        ModelError
            If there is no such parameter, or it has another shape.
        """
        for name, value in parameters.items():
            self._key(name)
            if value.shape != self.parameters[name]:
                raise ModelError(f"parameter {name!r} has shape {self.parameters[name]}, not {value.shape}")
        keys = [self._key(name) for name in parameters]
        self._call("set_parameters", list(parameters.values()), parameters=keys)

    def _call(
        self, method: str, arrays: Sequence[NDArray[Any]] = (), **arguments: Any
    ) -> tuple[dict[str, Any], list[Array]]:
        if not self._connection.alive():
            raise ModelError("its Caffe has ended: load the network again")
        return self._connection.call({"method": method, "net": self._number, **arguments}, arrays)

    def _check(self, *names: str) -> None:
        for name in names:
            if name not in self.blobs:
                raise ModelError(f"no blob {name!r} in Caffe's network")

    def _key(self, name: str) -> tuple[int, int]:
        if name not in self._keys:
            raise ModelError(f"no parameter {name!r} in Caffe's network")
        return self._keys[name]
