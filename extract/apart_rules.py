"""Which operators work on each image of a batch by itself, and on what terms.

A tensor holds rows if its first axis runs over the images, and each row is made of its own image alone. A
rule tells whether a node whose outputs are as many rows keeps them so. Operators without a rule may do
anything.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .differentiate.facts import Facts

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Step:
    """A node, and what is known of its inputs.

    Parameters
    ----------
    node : NodeProto
        The node.
    rows : frozenset of int
        The places of inputs that hold rows.
    facts : Facts
        What is known of the graph's tensors.
    """

    node: onnx.NodeProto
    rows: frozenset[int]
    facts: Facts

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The attributes that are given."""
        import onnx

        return {a.name: onnx.helper.get_attribute_value(a) for a in self.node.attribute}

    def has(self, place: int) -> bool:
        """Return whether an input is given."""
        return place < len(self.node.input) and bool(self.node.input[place])

    def value(self, place: int) -> NDArray[Any] | None:
        """Return an input's value, if that is a known constant."""
        return self.facts.values.get(self.node.input[place]) if self.has(place) else None

    def rank(self, place: int = 0) -> int | None:
        """Return how many axes an input has; None if that is open."""
        extents = self.facts.extents.get(self.node.input[place])
        return None if extents is None else len(extents)

    @property
    def made_rank(self) -> int:
        """How many axes the first output has."""
        return len(self.facts.extents[self.node.output[0]])

    def is_same(self, place: int, rank: int) -> bool:
        """Return whether a constant, taken for a tensor of so many axes, is the same for all images."""
        extents = self.facts.extents.get(self.node.input[place])
        return extents is not None and (len(extents) < rank or (len(extents) == rank and extents[:1] == (1,)))

    def aligned(self, rank: int) -> bool:
        """Return whether only rows lie on the first of so many axes, as inputs are broadcast."""
        return all(
            self.rank(place) == rank if place in self.rows else self.is_same(place, rank)
            for place in range(len(self.node.input))
            if self.has(place)
        )


Rule = Callable[[Step], bool]


def _first(step: Step) -> bool:
    """Rows go in at the first place alone."""
    return step.rows == {0}


def _each_value(step: Step) -> bool:
    return bool(step.rows) and step.aligned(step.made_rank)


def _both(step: Step) -> bool:
    return step.rows == {0, 1}


def _is_first(axis: int, rank: int | None) -> bool:
    return rank is None or axis in (0, -rank)


def _along(default: int) -> Rule:
    """The attribute ``axis`` is another than the first; some operators work along those behind it, too."""
    return lambda step: _first(step) and not _is_first(step.attributes.get("axis", default), step.rank())


def _along_fed(place: int, default: int | None) -> Rule:
    """The axis is an input; None for one that has no default."""

    def rule(step: Step) -> bool:
        axis = default
        if step.has(place):
            given = step.value(place)
            axis = None if given is None else int(given.item())
        return _first(step) and axis is not None and not _is_first(axis, step.rank())

    return rule


def _axes(step: Step) -> list[int] | None:
    """Return the axes of an attribute or second input; None if there are none, or they are not known."""
    if step.has(1):
        value = step.value(1)
        return None if value is None else [int(axis) for axis in value.ravel()]
    found = step.attributes.get("axes")
    return None if found is None else list(found)


def _reduced(step: Step) -> bool:
    """None is for all axes, if it is not for no axis."""
    axes = _axes(step)
    if not axes:
        return _first(step) and not step.has(1) and bool(step.attributes.get("noop_with_empty_axes"))
    return _first(step) and not any(_is_first(axis, step.rank()) for axis in axes)


def _mean_variance(step: Step) -> bool:
    axes = step.attributes.get("axes", (0, 2, 3))
    return _first(step) and not any(_is_first(axis, step.rank()) for axis in axes)


def _squeezed(step: Step) -> bool:
    axes = _axes(step)
    if axes is None:
        # all axes of one value: what is left of rows still begins with them
        return _first(step) and not step.has(1)
    return _first(step) and not any(_is_first(axis, step.rank()) for axis in axes)


def _unsqueezed(step: Step) -> bool:
    axes = _axes(step)
    return _first(step) and axes is not None and not any(_is_first(axis, step.made_rank) for axis in axes)


def _joined(step: Step) -> bool:
    """Constants are the same for all images only where there is one."""
    rank = step.made_rank
    return bool(step.rows) and not _is_first(step.attributes["axis"], rank) and step.aligned(rank)


def _transposed(step: Step) -> bool:
    order = step.attributes.get("perm")
    return _first(step) and (order[0] == 0 if order else step.rank() == 1)


def _repeated(step: Step) -> bool:
    """Rows that stay rows, or a constant that becomes the same for all images."""
    rank = step.made_rank
    return step.rank() == rank if step.rows == {0} else not step.rows and step.is_same(0, rank)


def _filled(step: Step) -> bool:
    return not step.rows


def _cut(step: Step) -> bool:
    """Slice, which may turn the rows round."""
    starts, axes, steps = step.value(1), step.value(3), step.value(4)
    if not _first(step) or (step.has(3) and axes is None):
        return False
    places = range(step.rank() or 0) if axes is None else axes.ravel().tolist()
    if axes is None and starts is not None:
        places = places[: starts.size]
    for number, axis in enumerate(places):
        if _is_first(axis, step.rank()):
            forward = not step.has(4) or (steps is not None and steps.ravel()[number] == 1)
            return forward and starts is not None and starts.ravel()[number] == 0
    return True


def _resized(step: Step) -> bool:
    """Parts of the batch may be cut out."""
    mode = step.attributes.get("coordinate_transformation_mode")
    return _first(step) and mode != b"tf_crop_and_resize"


def _padded(step: Step) -> bool:
    """Pads in front of the rows that are taken off behind them move them."""
    pads, axes = step.value(1), step.value(3)
    if not _first(step) or (step.has(3) and axes is None):
        return False
    places = range(step.rank() or 0) if axes is None else axes.ravel().tolist()
    first = [number for number, axis in enumerate(places) if _is_first(axis, step.rank())]
    return not first or (pads is not None and not pads.ravel()[first[0] :: len(places)].any())


def _gathered(step: Step) -> bool:
    axis = step.attributes.get("axis", 0)
    if step.rows == {1}:
        return bool(axis == 0)
    return _first(step) and not _is_first(axis, step.rank())


def _gathered_nd(step: Step) -> bool:
    batch = step.attributes.get("batch_dims", 0)
    if step.rows == {1}:
        return batch == 0 and (step.rank(1) or 0) > 1
    return _both(step) and batch > 0


def _elements(step: Step) -> bool:
    axis = step.attributes.get("axis", 0)
    given = set(range(len(step.node.input)))
    return step.rows == given and not _is_first(axis, step.rank())


def _one_hot(step: Step) -> bool:
    return _first(step) and not _is_first(step.attributes.get("axis", -1), step.made_rank)


def _turned(step: Step) -> bool:
    given = step.attributes
    return _both(step) and given.get("batch_axis", 1) == 0 and given.get("time_axis", 0) == 1


def _product(step: Step) -> bool:
    """Rows are matrices, but where they meet one that is the same for all."""
    ranks = [step.rank(0), step.rank(1)]
    if None in ranks:
        return False
    left, right = (rank or 0 for rank in ranks)
    if step.rows == {0}:
        return left > 1 and (right <= 2 or step.is_same(1, left))
    if step.rows == {1}:
        return right > 2 and step.is_same(0, right)
    return left == right > 2


def _affine(step: Step) -> bool:
    """Gemm: its first factor holds rows, and so may what is added."""
    added = not step.has(2) or (step.rank(2) == 2 if 2 in step.rows else step.is_same(2, 2))
    return 0 in step.rows and step.rows <= {0, 2} and added and not step.attributes.get("transA")


def _einsum(step: Step) -> bool:
    """One letter is first in the result and all rows, and nowhere else."""
    equation = step.attributes["equation"].decode().replace(" ", "")
    factors, arrow, result = equation.partition("->")
    terms = factors.split(",")
    ranks = [step.rank(place) for place in range(len(terms))]
    if not arrow or None in ranks or not step.rows:
        return False
    inputs = [_spelled(term, rank or 0) for term, rank in zip(terms, ranks, strict=True)]
    made = _spelled(result, step.made_rank)
    return all(
        made[:1] == term[:1] and term.count(made[:1]) == 1 if place in step.rows else made[:1] not in term
        for place, term in enumerate(inputs)
    )


def _spelled(term: str, rank: int) -> str:
    """Return a term of an equation with digits for ``...``: 0 for the last of those axes, and so on."""
    hidden = rank - len(term.replace("...", ""))
    return term.replace("...", string.digits[:hidden][::-1])


def _recurrent(step: Step) -> bool:
    """Sequences lie behind the rows; first states and lengths are rows too."""
    given = {place for place in (0, 4, 5, 6) if step.has(place)}
    return step.attributes.get("layout", 0) == 1 and step.rows == given


def _attention(step: Step) -> bool:
    given = {place for place in (0, 1, 2, 4, 5, 6) if step.has(place)}
    mask = not step.has(3) or (step.rank(3) == 4 if 3 in step.rows else step.is_same(3, 4))
    return step.rows - {3} == given and mask


def _normalized(step: Step) -> bool:
    return _first(step) and not step.attributes.get("training_mode")


def _quantized(step: Step) -> bool:
    """Scales are one for all, or run along another axis."""
    scale = step.rank(1)
    return _first(step) and (scale == 0 or (scale == 1 and _along(1)(step)))


def _of_matrices(step: Step) -> bool:
    return _first(step) and (step.rank() or 0) > 2


def _loss(step: Step) -> bool:
    return _both(step) and step.attributes.get("reduction", b"mean") == b"none"


def _deformed(step: Step) -> bool:
    return step.rows == {place for place in (0, 2, 4) if step.has(place)}


_RULES: tuple[tuple[str, Rule], ...] = (
    (
        "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor "
        "Cast CastLike Ceil Celu Clip Cos Cosh Div Dropout Elu Equal Erf Exp Floor Gelu Greater "
        "GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean "
        "Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh "
        "Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor",
        _each_value,
    ),
    # values stay in their order: as many rows are the same rows
    ("Flatten Reshape", _first),
    (
        "AffineGrid AveragePool CenterCropPad Col2Im Conv ConvInteger ConvTranspose DepthToSpace "
        "GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization InstanceNormalization LRN LpPool "
        "MaxPool QLinearConv STFT SpaceToDepth",
        _first,
    ),
    ("GridSample MaxUnpool", _both),
    ("BatchNormalization", _normalized),
    ("DeformConv", _deformed),
    # without an axis, Compress is of all values
    ("ArgMax ArgMin Compress Split", _along(0)),
    ("Hardmax LayerNormalization LogSoftmax LpNormalization RMSNormalization Softmax TopK", _along(-1)),
    ("CumProd CumSum", _along_fed(1, None)),
    ("DFT", _along_fed(2, -2)),
    (
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum "
        "ReduceSumSquare",
        _reduced,
    ),
    ("MeanVarianceNormalization", _mean_variance),
    ("Squeeze", _squeezed),
    ("Unsqueeze", _unsqueezed),
    ("Concat", _joined),
    ("Transpose", _transposed),
    ("Expand Tile", _repeated),
    ("ConstantOfShape", _filled),
    ("Slice", _cut),
    ("Pad", _padded),
    ("Resize", _resized),
    ("Gather", _gathered),
    ("GatherND", _gathered_nd),
    ("GatherElements ScatterElements", _elements),
    ("OneHot", _one_hot),
    ("ReverseSequence", _turned),
    ("MatMul", _product),
    ("Gemm", _affine),
    ("Einsum", _einsum),
    ("GRU LSTM RNN", _recurrent),
    ("Attention", _attention),
    ("DequantizeLinear QuantizeLinear", _quantized),
    ("Det Trilu", _of_matrices),
    ("NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss", _loss),
)
RULES: Mapping[str, Rule] = {name: rule for names, rule in _RULES for name in names.split()}
"""The rule of each operator, by its name in ONNX's own domain."""
