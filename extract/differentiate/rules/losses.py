"""Losses of class scores."""

from __future__ import annotations

from collections.abc import Sequence

from ..registry import rule
from ..step import Gradient, Step
from .expression import Expression, first


@rule("NegativeLogLikelihoodLoss")
def negative_log_likelihood(step: Step) -> Sequence[Gradient]:
    """By x: -w g at the target's class, 0 elsewhere; w is the class's weight, 0 where the target is ignored.

    Where the loss is a mean, w is divided by its sum.
    """
    _check_weight(step)
    target = _target(step)
    return first(step, -(_weighted(step, target) * target))


@rule("SoftmaxCrossEntropyLoss")
def cross_entropy(step: Step) -> Sequence[Gradient]:
    """By x: w g (p - t), p = softmax(x), t = 1 at the target's class; see `negative_log_likelihood` of w.

    The second output, log p, gives h - p (sum of h over the classes), h its gradient.
    """
    _check_weight(step)
    x = step.inputs[0]
    loss, log = (*step.gradients, None)[:2]
    probability = Expression(step, step.add("Softmax", x, axis=1), x)
    parts: list[Expression] = []
    if loss is not None:
        target = _target(step)
        parts.append(_weighted(step, target) * (probability - target))
    if log is not None:
        h = Expression(step, log, x)
        parts.append(h - probability * h.over("ReduceSum", [1]))
    return first(step, parts[0] if len(parts) == 1 else parts[0] + parts[1])


def _check_weight(step: Step) -> None:
    if step.wants(2):
        raise step.unsupported("the loss is not differentiated by the weights of its classes")


def _target(step: Step) -> Expression:
    """Return 1 at the target's class and 0 elsewhere, of the scores' shape."""
    scores, labels = step.inputs[:2]
    classes = [1] * step.rank(scores)
    classes[1] = -1
    count = step.add("Gather", step.shape_of(scores), step.integers(1))
    numbers = step.add("Range", step.integers(0), count, step.integers(1))
    row = step.add("Reshape", numbers, step.integers(classes))
    found = step.add("Equal", row, step.add("Unsqueeze", _long(step, labels), step.integers([1])))
    return Expression(step, found, scores).cast()


def _weighted(step: Step, target: Expression) -> Expression:
    """Return what the scores at each target count, times the loss's gradient."""
    g = step.gradients[0]
    assert g is not None
    loss = Expression(step, g, target.like)
    kind = step.attribute("reduction", "mean")
    if kind == "none":
        loss = loss.over("Unsqueeze", [1])
    weight = _weight(step, target)
    return weight * (loss / weight.do("ReduceSum", keepdims=0) if kind == "mean" else loss)


def _weight(step: Step, target: Expression) -> Expression:
    """Return the weight of each target, with an axis of size 1 for the classes."""
    weight = target.over("ReduceSum", [1])
    if step.has(2):
        row = [1] * step.rank(target.like)
        row[1] = -1
        weights = step.add("Reshape", step.inputs[2], step.integers(row))
        weight = (target * Expression(step, weights, target.like)).over("ReduceSum", [1])
    ignored = step.attribute("ignore_index")
    if ignored is None:
        return weight
    labels = _long(step, step.inputs[1])
    counted = step.add("Not", step.add("Equal", labels, step.integers(ignored)))
    return weight * Expression(step, counted, target.like).cast().over("Unsqueeze", [1])


def _long(step: Step, labels: str) -> str:
    """Return labels as int64, the type of shapes."""
    import onnx

    return step.add("Cast", labels, to=onnx.TensorProto.INT64)
