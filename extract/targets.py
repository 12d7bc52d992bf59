"""What is differentiated: a neuron, a channel, the predicted class, or a weighted sum of such."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from .errors import ModelError, UnknownNameError
from .model import Model

if TYPE_CHECKING:
    import onnx

Wanted = str | tuple[str, int | Sequence[int]] | Sequence[tuple[float, str]]

# Operators that turn scores into probabilities.
_SOFTMAX = ("Softmax", "LogSoftmax")
# Behind these the same scores come out, in another shape at most.
_SAME = ("Identity", "Dropout", "Flatten", "Reshape", "Squeeze")
_HOWS = ("mean", "max")


@dataclass(frozen=True)
class Target:
    """A number that a network computes for each image.

    Parameters
    ----------
    tensor : str
        The tensor that holds it; its first axis is the batch.
    index : tuple of int, optional
        The place of one element, or of a channel of a feature map, behind the batch; None for the largest
        element of each image.
    how : {"mean", "max"}
        What a channel stands for: the mean of its values, or their maximum.
    weight : float
        A factor.
    name : str
        What the user calls it, for messages.
    """

    tensor: str
    index: tuple[int, ...] | None
    how: str = "mean"
    weight: float = 1.0
    name: str = ""


def targets_of(model: Model, target: Wanted) -> tuple[Target, ...]:
    """Return what a user calls a target.

    Parameters
    ----------
    model : Model
        The network.
    target : str, tuple or sequence
        ``NAME:INDEX`` or ``(NAME, INDEX)``: an element of a layer's output, such as ``fc8:281`` or
        ``conv5:3,6,6``, or with one number for a feature map the mean of that channel, ``conv5:3@max`` its
        maximum; ``top``: the predicted class, before softmax; or a sequence of ``(WEIGHT, TARGET)``: the
        weighted sum.

    Raises
    ------
    UnknownNameError
        If the network has no such layer or tensor.
    ModelError
        If the text is no target, or the network's scores cannot be told.
    """
    if isinstance(target, str):
        return (_parsed(model, target),)
    if len(target) == 2 and isinstance(target[0], str):
        name, index = cast("tuple[str, int | Sequence[int]]", target)
        numbers = index if isinstance(index, Sequence) else (index,)
        return (Target(_made(model, name), tuple(map(int, numbers)), name=f"{name}:{index}"),)
    parts = cast("Sequence[tuple[float, str]]", target)
    return tuple(
        replace(one, weight=float(weight) * one.weight)
        for weight, part in parts
        for one in targets_of(model, part)
    )


def scores(model: Model) -> str:
    """Return the tensor of a network's class scores, before any softmax.

    Raises
    ------
    ModelError
        If it has several outputs, and none or several of them are probabilities.
    """
    proto = model.proto
    makers = {name: node for node in proto.graph.node for name in node.output}
    found = list(dict.fromkeys(_before_softmax(makers, value.name) for value in proto.graph.output))
    soft = [name for name, is_soft in found if is_soft]
    candidates = soft if len(soft) == 1 else [name for name, _ in found]
    if len(candidates) != 1:
        raise ModelError(
            f"{model.path}: has {len(candidates)} outputs ({', '.join(candidates)}): say which one is the "
            "target, as NAME:INDEX"
        )
    return candidates[0]


def _before_softmax(makers: dict[str, onnx.NodeProto], tensor: str) -> tuple[str, bool]:
    """Return the tensor before a softmax that makes an output, and whether there is one."""
    name = tensor
    while name in makers and makers[name].op_type in _SAME:
        name = makers[name].input[0]
    if name in makers and makers[name].op_type in _SOFTMAX:
        return makers[name].input[0], True
    return tensor, False


def _parsed(model: Model, text: str) -> Target:
    if text == "top" and text not in model.layers:
        return Target(scores(model), None, name=text)
    name, _, place = text.rpartition(":")
    match = re.fullmatch(r"(\d+(?:,\d+)*)(?:@(\w+))?", place)
    if not name or match is None:
        raise ModelError(
            f"{model.path}: {text!r} is no target: NAME:INDEX, such as fc8:281, conv5:3 (a channel's mean), "
            "conv5:3@max or conv5:3,6,6; or top"
        )
    how = match[2] or "mean"
    if how not in _HOWS:
        raise ModelError(f"{model.path}: {text!r}: after @ comes {' or '.join(_HOWS)}")
    return Target(_made(model, name), tuple(map(int, match[1].split(","))), how, name=text)


def _made(model: Model, name: str) -> str:
    tensor = model.tensor(name)
    if tensor in model.constants:
        raise UnknownNameError(f"{model.path}: {name!r} is a constant; a target depends on the input")
    return tensor


def check_shape(target: Target, shape: Sequence[int | None]) -> None:
    """Raise a ModelError if a target's place is none in a tensor of a shape."""
    index = target.index or (0,)
    if len(index) not in (1, len(shape) - 1):
        raise ModelError(
            f"{target.name!r}: takes one number for a channel, or {len(shape) - 1} for an element"
        )
    for axis, (i, size) in enumerate(zip(index, shape[1:], strict=False), 1):
        if size is not None and i >= size:
            raise ModelError(f"{target.name!r}: index {i} is beyond axis {axis}, of size {size}")
