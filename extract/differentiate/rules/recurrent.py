"""Recurrent operators: written out step by step, in operators whose gradients are known."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..facts import Facts, facts_of
from ..registry import rule
from ..step import Gradient, Step

if TYPE_CHECKING:
    import onnx

_OPERATORS = ("RNN", "GRU", "LSTM")


@rule(*_OPERATORS)
def recurrent(step: Step) -> Sequence[Gradient]:
    """The gradients of all time steps, of the operator as `unrolled` writes it out."""
    raise step.unsupported("the length of its sequences must be known")


def unrolled(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose RNN, GRU and LSTM nodes are replaced by their time steps.

    Parameters
    ----------
    proto : onnx.ModelProto
        A model of operator set 18 or later; it is left as it is.

    Returns
    -------
    onnx.ModelProto
        Nodes of sequences whose length is not known stay as they are.
    """
    import onnx

    if not any(node.op_type in _OPERATORS and not node.domain for node in proto.graph.node):
        return proto
    facts = facts_of(proto)
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    graph = result.graph
    nodes = list(graph.node)
    taken = {name for node in nodes for name in (*node.input, *node.output)}
    del graph.node[:]
    for node in nodes:
        shape = facts.shapes.get(node.input[0]) if node.op_type in _OPERATORS and not node.domain else None
        length = None if shape is None else shape[_attribute(node, "layout", 0)]
        if length is None:
            graph.node.append(node)
            continue
        draft = _Draft(node, facts, length, taken)
        draft.write()
        graph.node.extend(draft.nodes)
        graph.initializer.extend(draft.constants.values())
    return result


def _attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    import onnx

    for attribute in node.attribute:
        if attribute.name == name:
            return onnx.helper.get_attribute_value(attribute)
    return default


@dataclass
class _Draft:
    """The time steps of one node, as they are written."""

    node: onnx.NodeProto
    facts: Facts
    length: int
    taken: set[str]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[tuple[Any, ...], onnx.TensorProto] = field(default_factory=dict)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        return self.many(operator, inputs, 1, **attributes)[0]

    def many(self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        import onnx

        made = [self._fresh(operator) for _ in range(outputs)]
        self.nodes.append(onnx.helper.make_node(operator, list(inputs), made, made[0], **attributes))
        return made

    def number(self, values: ArrayLike) -> str:
        """Return a constant of the type of the sequence."""
        return self._constant(np.asarray(values, self.facts.dtypes.get(self.node.input[0], np.float32)))

    def integers(self, values: ArrayLike, kind: Any = np.int64) -> str:
        return self._constant(np.asarray(values, kind))

    def option(self, name: str, default: Any = None) -> Any:
        return _attribute(self.node, name, default)

    def given(self, index: int) -> str:
        """Return the name of an input, empty if it is left out."""
        return self.node.input[index] if index < len(self.node.input) else ""

    def write(self) -> None:
        """Write all directions, and what joins them to the node's outputs."""
        batch_first = self.option("layout", 0)
        x = self.node.input[0]
        x = self.add("Transpose", x, perm=[1, 0, 2]) if batch_first else x
        direction = self.option("direction", b"forward").decode()
        ways = {"forward": (1,), "reverse": (-1,), "bidirectional": (1, -1)}[direction]
        runs = [_run(self, x, index, way, len(ways)) for index, way in enumerate(ways)]
        joined = [
            self.add("Concat", *(run[i] for run in runs), axis=1 if i == 0 else 0)
            for i in range(len(runs[0]))
        ]
        orders = ([2, 0, 1, 3], [1, 0, 2], [1, 0, 2])
        for name, tensor, order in zip(self.node.output, joined, orders, strict=False):
            if name:
                self._end(name, self.add("Transpose", tensor, perm=order) if batch_first else tensor)

    def _end(self, name: str, tensor: str) -> None:
        import onnx

        self.nodes.append(onnx.helper.make_node("Identity", [tensor], [name], name))

    def _constant(self, array: np.ndarray) -> str:
        import onnx

        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = onnx.numpy_helper.from_array(array, self._fresh("constant"))
        return self.constants[key].name

    def _fresh(self, wanted: str) -> str:
        stem = f"{self.node.name or self.node.output[0]}/{wanted}"
        tries = itertools.chain((stem,), (f"{stem}_{i}" for i in itertools.count(2)))
        name = next(name for name in tries if name not in self.taken)
        self.taken.add(name)
        return name


@dataclass(frozen=True)
class _Cell:
    """What the time steps of one direction share.

    Parameters
    ----------
    recurrence : str
        Transposed weights of the state, (hidden, gates x hidden).
    bias : str
        Of the recurrence, (gates x hidden); empty if there is none.
    peepholes : sequence of str
        Of an LSTM's input, output and forget gates; empty if there are none.
    functions : sequence of callable
        Activations, with the clipping of their inputs.
    """

    draft: _Draft
    recurrence: str
    bias: str
    peepholes: Sequence[str]
    functions: Sequence[Callable[[str], str]]
    hidden: int

    def gates(self, tensor: str, count: int) -> list[str]:
        """Split a tensor along its last axis."""
        sizes = self.draft.integers([self.hidden] * count)
        return self.draft.many("Split", [tensor, sizes], count, axis=-1)

    def biased(self, tensor: str, bias: str) -> str:
        return self.draft.add("Add", tensor, bias) if bias else tensor


State = tuple[str, ...]


def _rnn(cell: _Cell, x: str, state: State) -> State:
    """H = f(X W^T + H R^T + Wb + Rb)."""
    total = cell.draft.add("Add", x, cell.draft.add("MatMul", state[0], cell.recurrence))
    return (cell.functions[0](cell.biased(total, cell.bias)),)


def _gru(cell: _Cell, x: str, state: State) -> State:
    """H = (1 - z) h + z H, of the gates z and r, and h of the hidden gate."""
    draft, (state_before,) = cell.draft, state
    f, g = cell.functions
    weights = cell.gates(cell.recurrence, 3)
    biases = cell.gates(cell.bias, 3) if cell.bias else [""] * 3
    inputs = cell.gates(x, 3)

    def turned(index: int, tensor: str) -> str:
        return cell.biased(draft.add("MatMul", tensor, weights[index]), biases[index])

    z, r = (f(draft.add("Add", inputs[i], turned(i, state_before))) for i in (0, 1))
    if draft.option("linear_before_reset", 0):
        rest = draft.add("Mul", r, turned(2, state_before))
    else:
        rest = turned(2, draft.add("Mul", r, state_before))
    h = g(draft.add("Add", inputs[2], rest))
    new = draft.add("Mul", draft.add("Sub", draft.number(1), z), h)
    return (draft.add("Add", new, draft.add("Mul", z, state_before)),)


def _lstm(cell: _Cell, x: str, state: State) -> State:
    """C = f C + i c, H = o h(C), of the gates i, o, f and c."""
    draft, (h_before, c_before) = cell.draft, state
    f, g, h = cell.functions
    total = draft.add("Add", x, draft.add("MatMul", h_before, cell.recurrence))
    inputs = cell.gates(cell.biased(total, cell.bias), 4)

    def peeped(index: int, memory: str) -> str:
        if not cell.peepholes:
            return inputs[index]
        return draft.add("Add", inputs[index], draft.add("Mul", cell.peepholes[index], memory))

    i = f(peeped(0, c_before))
    forget = (
        f(peeped(2, c_before))
        if not draft.option("input_forget", 0)
        else draft.add("Sub", draft.number(1), i)
    )
    c = draft.add("Add", draft.add("Mul", forget, c_before), draft.add("Mul", i, g(inputs[3])))
    o = f(peeped(1, c))
    return draft.add("Mul", o, h(c)), c


# For each operator: its step, gates, default activations, states.
_CELLS: dict[str, tuple[Callable[[_Cell, str, State], State], int, tuple[str, ...], int]] = {
    "RNN": (_rnn, 1, ("Tanh",), 1),
    "GRU": (_gru, 3, ("Sigmoid", "Tanh"), 1),
    "LSTM": (_lstm, 4, ("Sigmoid", "Tanh", "Tanh"), 2),
}


def _run(draft: _Draft, x: str, index: int, way: int, directions: int) -> list[str]:
    """Return all states H, (time, 1, batch, hidden), and the last of each kind, (1, batch, hidden)."""
    step, count, _, states = _CELLS[draft.node.op_type]
    cell, projected = _cell(draft, x, index, count, directions)
    state = tuple(_first_state(draft, x, cell.hidden, 5 + i, index) for i in range(states))
    sizes = draft.integers([1] * draft.length)
    inputs = draft.many("Split", [projected, sizes], draft.length, axis=0)
    seen: dict[int, str] = {}
    for t in range(draft.length)[::way]:
        new = step(cell, draft.add("Squeeze", inputs[t], draft.integers([0])), state)
        state, seen[t] = _masked(draft, t, new, state)
    rows = [draft.add("Unsqueeze", seen[t], draft.integers([0, 1])) for t in sorted(seen)]
    return [
        draft.add("Concat", *rows, axis=0),
        *(draft.add("Unsqueeze", tensor, draft.integers([0])) for tensor in state),
    ]


def _cell(draft: _Draft, x: str, index: int, count: int, directions: int) -> tuple[_Cell, str]:
    """Return what the time steps share, and x W^T + Wb of all of them."""
    which = draft.integers(index)
    own = [draft.add("Gather", draft.given(i), which, axis=0) for i in (1, 2)]
    weights, recurrence = (draft.add("Transpose", tensor, perm=[1, 0]) for tensor in own)
    hidden = _hidden(draft)
    projected, bias, peepholes = draft.add("MatMul", x, weights), "", []
    if draft.given(3):
        both = draft.add("Gather", draft.given(3), which, axis=0)
        own_bias, bias = draft.many("Split", [both, draft.integers([count * hidden] * 2)], 2, axis=0)
        projected = draft.add("Add", projected, own_bias)
    if draft.given(7):
        row = draft.add("Gather", draft.given(7), which, axis=0)
        peepholes = draft.many("Split", [row, draft.integers([hidden] * 3)], 3, axis=0)
    functions = _functions(draft, directions)[index]
    return _Cell(draft, recurrence, bias, peepholes, functions, hidden), projected


def _hidden(draft: _Draft) -> int:
    """Return the size of a state: an attribute that may be left out, as the weights have it too."""
    shape = draft.facts.shapes.get(draft.given(2)) or (None,)
    return int(draft.option("hidden_size") or shape[-1] or 0)


def _first_state(draft: _Draft, x: str, hidden: int, position: int, index: int) -> str:
    if draft.given(position):
        axis = draft.option("layout", 0)
        return draft.add("Gather", draft.given(position), draft.integers(index), axis=axis)
    batch = draft.add("Gather", draft.add("Shape", x), draft.integers([1]))
    shape = draft.add("Concat", batch, draft.integers([hidden]), axis=0)
    return draft.add("Expand", draft.number(0), shape)


def _masked(draft: _Draft, t: int, new: State, old: State) -> tuple[State, str]:
    """Return the state after a time step, and its output; sequences that ended keep the one and give 0."""
    if not draft.given(4):
        return new, new[0]
    lasts = draft.add("Less", draft.integers(t, np.int32), draft.given(4))
    lasts = draft.add("Unsqueeze", lasts, draft.integers([1]))
    kept = tuple(draft.add("Where", lasts, a, b) for a, b in zip(new, old, strict=True))
    return kept, draft.add("Where", lasts, new[0], draft.number(0))


def _functions(draft: _Draft, directions: int) -> list[list[Callable[[str], str]]]:
    """Return the activations of each direction, which use up the lists of their constants in order."""
    defaults = _CELLS[draft.node.op_type][2]
    names = [name.decode() for name in draft.option("activations", [])] or list(defaults) * directions
    alphas, betas = (iter(draft.option(f"activation_{name}", [])) for name in ("alpha", "beta"))
    made = [_function(draft, name.lower(), alphas, betas) for name in names]
    count = len(defaults)
    return [made[i * count : (i + 1) * count] for i in range(directions)]


def _function(
    draft: _Draft, name: str, alphas: Iterator[float], betas: Iterator[float]
) -> Callable[[str], str]:
    make, defaults = _ACTIVATIONS[name]
    constants = [next(given, default) for given, default in zip((alphas, betas), defaults, strict=False)]
    bound = draft.option("clip")

    def apply(tensor: str) -> str:
        if bound is not None:
            tensor = draft.add("Clip", tensor, draft.number(-bound), draft.number(bound))
        return make(draft, tensor, *constants)

    return apply


def _plain(operator: str, *names: str) -> Callable[..., str]:
    """Return what adds an operator, with constants as its attributes."""
    return lambda draft, x, *constants: draft.add(operator, x, **dict(zip(names, constants, strict=True)))


def _affine(draft: _Draft, x: str, alpha: float, beta: float) -> str:
    return draft.add("Add", draft.add("Mul", x, draft.number(alpha)), draft.number(beta))


def _scaled_tanh(draft: _Draft, x: str, alpha: float, beta: float) -> str:
    return draft.add("Mul", draft.add("Tanh", draft.add("Mul", x, draft.number(beta))), draft.number(alpha))


# For each activation what makes it, and its default constants.
_ACTIVATIONS: dict[str, tuple[Callable[..., str], tuple[float, ...]]] = {
    "affine": (_affine, (1.0, 0.0)),
    "elu": (_plain("Elu", "alpha"), (1.0,)),
    "hardsigmoid": (_plain("HardSigmoid", "alpha", "beta"), (0.2, 0.5)),
    "leakyrelu": (_plain("LeakyRelu", "alpha"), (0.01,)),
    "relu": (_plain("Relu"), ()),
    "scaledtanh": (_scaled_tanh, (1.0, 1.0)),
    "sigmoid": (_plain("Sigmoid"), ()),
    "softplus": (_plain("Softplus"), ()),
    "softsign": (_plain("Softsign"), ()),
    "tanh": (_plain("Tanh"), ()),
    "thresholdedrelu": (_plain("ThresholdedRelu", "alpha"), (1.0,)),
}
