"""Integrated gradients: what each value adds on the way from a baseline to the input."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from converters.errors import CnnVisWarning

from ..activations import Extractor
from ..errors import ImageError, ModelError
from ..graph import reads
from ..model import Model
from ..parts import Input
from ..targets import Wanted, targets_of
from .attribution import CPU, Attribution, at_least, listed
from .pinning import Feeds, PinnedDifferentiator

if TYPE_CHECKING:
    import onnx

    from ..activations import Feed

Baseline = ArrayLike | Mapping[str, ArrayLike]

# Operators whose outputs do not change with the values of their inputs.
_SHAPES = frozenset({"Shape", "Size", "ConstantOfShape", "RandomNormalLike", "RandomUniformLike"})


def integrated_gradients(
    model: Model,
    x: Feed,
    target: Wanted,
    wrt: Sequence[str],
    *,
    steps: int = 50,
    baseline: Baseline = 0.0,
    tolerance: float = 0.05,
) -> Attribution:
    """Integrate gradients along the straight line from a baseline to the input.

    Each value gets the integral of its gradient over its own change: (x - x') times the mean gradient for
    inputs, layer conductance for the units of a layer. The integral is a sum over the middles of equal steps.

    Parameters
    ----------
    model, x, target
        As `extract.gradients` takes them. ``top`` is the class predicted at the input, all along the line.
    wrt : sequence of str
        Inputs or layers; parameters do not change on the way.
    steps : int
        How many steps; they run one after the other, in the memory of one.
    baseline : number, array or mapping of str to such
        Where the line starts, in units of the preprocessed input, of a shape that broadcasts to `x`. A
        mapping moves the inputs that it names alone; else all floating-point inputs move.
    tolerance : float
        Warn where a sum is further than this from what it must be, relative to it.

    Returns
    -------
    Attribution
        Its report holds, for each image, ``score`` and ``baseline_score``: the target at either end; and the
        completeness check: ``completeness``, for each name that all influence of the inputs passes through
        (an input, or a layer that no connection skips; of several inputs, all together, their names joined
        by " + "), ``sum`` of all its values and ``error``: how far that is from the difference of the
        scores, relative to it; None where the scores are equal and the sum is not 0.

    Raises
    ------
    CnnVisError
        As `extract.gradients` does, if a name is a parameter, or for settings out of their range.

    Warns
    -----
    CnnVisWarning
        If the check fails for an image: more steps are needed.

    References
    ----------
    M. Sundararajan, A. Taly, Q. Yan, *Axiomatic Attribution for Deep Networks*, ICML 2017, arXiv:1703.01365:
    completeness is proposition 1, its check section 5. For layers: K. Dhamdhere, M. Sundararajan, Q. Yan,
    *How Important Is a Neuron?*, 2018, arXiv:1805.12233, summed as in A. Shrikumar, J. Su, A. Kundaje,
    *Computationally Efficient Measures of Internal Neuron Importance*, 2018, arXiv:1807.09946.
    """
    method = IntegratedGradients(model, target, wrt, steps=steps, baseline=baseline, tolerance=tolerance)
    return method.run(x)


class IntegratedGradients:
    """Integrated gradients, prepared for one batch after the other; see `integrated_gradients`."""

    def __init__(
        self,
        model: Model,
        target: Wanted,
        wrt: Sequence[str],
        *,
        steps: int = 50,
        baseline: Baseline = 0.0,
        tolerance: float = 0.05,
        providers: Sequence[str] = CPU,
    ) -> None:
        names = listed(wrt)
        at_least(1, steps=steps)
        at_least(0, tolerance=tolerance)
        for name in names:
            if model.tensor(name) in model.constants:
                raise ModelError(
                    f"{model.path}: integrated gradients follow what changes with the input; "
                    f"{name!r} is constant"
                )
        self.facts = {
            "method": "integrated-gradients",
            "reference": "Sundararajan, Taly, Yan 2017, arXiv:1703.01365",
            "steps": steps,
            "baseline": _described(baseline),
        }
        self._model, self._steps, self._baseline, self._tolerance = model, steps, baseline, tolerance
        targets = targets_of(model, target)
        self._ends = {one.tensor for one in targets}
        self._differentiator = PinnedDifferentiator(model, targets, names, providers=providers)
        self._places = Extractor(model, names, providers)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs of the model that the target needs."""
        needed = {i.name for i in (*self._differentiator.inputs, *self._places.inputs)}
        return tuple(i for i in self._model.inputs if i.name in needed)

    def run(self, x: Feed) -> Attribution:
        """Return the integrals for one batch, and how complete they are."""
        end = self._differentiator.feeds(x)
        start = self._differentiator.feeds(self._started(x))
        pins = self._differentiator.pins(end)
        sums: dict[str, NDArray[np.float64]] = {}
        before = self._places.run(start)
        for step in range(self._steps):
            gradients = self._differentiator.run(_between(start, end, (step + 0.5) / self._steps), pins)
            after = self._places.run(_between(start, end, (step + 1) / self._steps))
            for name, gradient in gradients.items():
                change = after[name].astype(np.float64) - before[name]
                sums[name] = sums.get(name, 0) + gradient * change
            before = after
        ends = [self._differentiator.scores(feeds, pins) for feeds in (end, start)]
        report = {
            "score": ends[0].tolist(),
            "baseline_score": ends[1].tolist(),
            "completeness": self._completeness(sums, ends[0] - ends[1]),
        }
        return Attribution({n: v.astype(np.float32) for n, v in sums.items()}, self.facts, report)

    def _started(self, x: Feed) -> Feed:
        """Return the baseline in the form of the input."""
        if isinstance(x, Mapping):
            return {name: self._start_of(name, value) for name, value in x.items()}
        return self._start_of(self.inputs[0].name, np.asarray(x)) if self.inputs else x

    def _start_of(self, name: str, value: NDArray[Any]) -> NDArray[Any]:
        if name not in self._moving():
            return value
        baseline = self._baseline[name] if isinstance(self._baseline, Mapping) else self._baseline
        try:
            return np.broadcast_to(np.asarray(baseline, np.float64), np.shape(value))
        except ValueError as error:
            raise ImageError(f"{self._model.path}: the baseline of {name!r}: {error}") from error

    def _moving(self) -> list[str]:
        """Return the inputs that differ between baseline and input."""
        floating = [i.name for i in self.inputs if np.dtype(i.dtype).kind == "f"]
        if not isinstance(self._baseline, Mapping):
            return floating
        for name in self._baseline:
            if name not in floating:
                raise ImageError(f"{self._model.path}: baseline: the target needs no numbers from {name!r}")
        return [name for name in floating if name in self._baseline]

    def _completeness(
        self, sums: Mapping[str, NDArray[np.float64]], difference: NDArray[np.float64]
    ) -> dict[str, Any]:
        """Return the check for each group of names that all influence passes through; warn where it fails."""
        moving = self._moving()
        groups = [[name] for name in sums]
        together = [name for name in sums if self._model.tensor(name) in moving]
        if len(together) > 1:
            groups.append(together)
        report = {}
        for group in groups:
            tensors = {self._model.tensor(name) for name in group}
            if not _separates(self._model.proto, moving, tensors, self._ends):
                continue
            total = sum(sums[name].reshape(len(difference), -1).sum(axis=1) for name in group)
            errors = [_error(*pair) for pair in zip(np.asarray(total), difference, strict=True)]
            worst = max((np.inf if error is None else error for error in errors), default=0.0)
            label = " + ".join(group)
            if worst > self._tolerance:
                warnings.warn(
                    f"{self._model.path}: integrated gradients of {label!r} sum up to {worst:.1%} off the "
                    f"difference of the scores: more than {self._steps} steps are needed",
                    CnnVisWarning,
                    stacklevel=4,
                )
            report[label] = {"sum": np.asarray(total).tolist(), "error": errors}
        return report


def _between(start: Feeds, end: Feeds, part: float) -> dict[str, NDArray[Any]]:
    """Return what lies a part of the way from one set of feeds to the other."""
    return {
        name: ((1 - part) * start[name].astype(np.float64) + part * value).astype(value.dtype)
        if value.dtype.kind == "f"
        else value
        for name, value in end.items()
    }


def _error(total: float, difference: float) -> float | None:
    """Return how far a sum is from what it must be, relative to that."""
    if total == difference:
        return 0.0
    return abs(float(total - difference) / float(difference)) if difference else None


def _separates(
    proto: onnx.ModelProto, inputs: Collection[str], between: Collection[str], ends: Collection[str]
) -> bool:
    """Return whether all ways from inputs to ends pass through some tensors."""
    reached = set(inputs) - set(between)
    for node in proto.graph.node:
        if node.op_type not in _SHAPES and not reached.isdisjoint(reads(node)):
            reached.update(set(node.output) - set(between))
    return reached.isdisjoint(ends)


def _described(baseline: Baseline) -> Any:
    """Return a baseline as JSON holds it: a number, or the shape and SHA-256 of an array, little-endian."""
    if isinstance(baseline, Mapping):
        return {name: _described(value) for name, value in baseline.items()}
    array = np.ascontiguousarray(baseline, "<f4")
    if array.ndim == 0:
        return float(np.asarray(baseline))
    return {"shape": list(array.shape), "values_sha256": hashlib.sha256(array.tobytes()).hexdigest()}
