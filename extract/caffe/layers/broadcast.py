"""Blobs lined up with other blobs that have more axes."""

from __future__ import annotations

import numpy as np

from ..call import Blob, Call


def lined_up(call: Call, tensor: str, rank: int, axis: int, blob: Blob) -> str:
    """Return a tensor that meets the axes of a blob from a given one on, when both are put together.

    Parameters
    ----------
    call : Call
        The layer.
    tensor : str
        The tensor.
    rank : int
        How many axes it has; a single value needs none.
    axis : int
        The axis of the blob that its first one meets.
    blob : Blob
        The blob.
    """
    behind = blob.rank - axis - rank if rank else 0
    if not behind:
        return tensor
    return call.node("Unsqueeze", [tensor, call.constant(range(rank, rank + behind), np.int64)])


def refuse_axes(call: Call, blob: Blob, least: int, most: int | None = None) -> None:
    """Raise a ModelError if a blob has too few axes, or too many.

    Parameters
    ----------
    call : Call
        The layer.
    blob : Blob
        The blob.
    least : int
        How many it needs.
    most : int, optional
        How many it may have.
    """
    if blob.rank < least:
        raise call.error(f"needs a bottom of {least} axes{' or more' * (least != most)}, not {blob.rank}")
    if most is not None and blob.rank > most:
        raise call.error(f"needs a bottom of {most} axes{' or fewer' * (least != most)}, not {blob.rank}")
