"""Messages between this process and the one that runs Caffe.

A message is eight marking bytes, the length of its header, the header as JSON, and the values of the arrays
whose ``shapes`` the header lists: float32, little-endian. Nothing is pickled, so that any two versions of
Python and numpy understand each other.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from .worker import FLOAT, LENGTH, MAGIC

Array = NDArray[np.float32]


class BrokenMessageError(Exception):
    """The other side ended, or is none that speaks this language."""


def send(stream: IO[bytes], header: Mapping[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write a message; arrays become float32."""
    values = [np.asarray(array, FLOAT, order="C") for array in arrays]
    text = json.dumps({**header, "shapes": [value.shape for value in values]}).encode()
    stream.write(MAGIC + struct.pack(LENGTH, len(text)) + text)
    for value in values:
        stream.write(value.reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[Array]]:
    """Read a message.

    Raises
    ------
    BrokenMessageError
        If what comes is no whole message.
    """
    if _exactly(stream, len(MAGIC)) != MAGIC:
        raise BrokenMessageError
    (length,) = struct.unpack(LENGTH, _exactly(stream, struct.calcsize(LENGTH)))
    header = json.loads(_exactly(stream, length))
    return header, [_array(stream, shape) for shape in header.pop("shapes")]


def _exactly(stream: IO[bytes], size: int) -> bytes:
    found = stream.read(size)
    if len(found) != size:
        raise BrokenMessageError
    return found


def _array(stream: IO[bytes], shape: Sequence[int]) -> Array:
    values = np.empty(math.prod(shape), FLOAT)
    if stream.readinto(values.view(np.uint8).data) != values.nbytes:  # type: ignore[attr-defined]
        raise BrokenMessageError
    return values.reshape(shape)
