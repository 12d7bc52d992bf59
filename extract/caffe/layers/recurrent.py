"""Recurrent layers, unrolled as Caffe unrolls them: a few nodes for each time step.

Inside, time step and stream are one axis, (T * N, ...), so that a step is the rows of its N streams.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..call import Blob, Call
from ..rules import rule
from .checks import bottoms


@dataclass(frozen=True)
class _Sequence:
    """What a recurrent layer reads.

    Parameters
    ----------
    x : Blob
        The sequence, (T, N, ...).
    continued : Blob
        Whether each step goes on with the one before, (T, N): 0 starts anew.
    static : Blob or None
        What every step sees, (N, ...).
    state : sequence of str
        The state before the first step, (N, H) or (1, H) each.
    """

    x: Blob
    continued: Blob
    static: Blob | None
    state: Sequence[str]


@rule("LSTM")
def lstm(call: Call) -> list[Blob]:
    """Return the hidden states of a long short-term memory, (T, N, H), and perhaps its last state.

    Without given states it starts from zeros, as Caffe does at its first run; later runs of Caffe start where
    the one before ended, unless the indicators say otherwise.

    References
    ----------
    J. Donahue et al., Long-term Recurrent Convolutional Networks, CVPR 2015; Caffe's ``lstm_layer.cpp``.
    """
    hidden = _hidden(call)
    given = _given(call, hidden, states=2)
    gates, after = _projected(call, given, 4 * hidden)
    recurrent = call.parameter(after, (4 * hidden, hidden), call.layer.recurrent_param.weight_filler)
    h, c = given.state
    made = []
    for x, continued in zip(_steps(call, gates, given), _indicators(call, given), strict=True):
        kept = call.node("Mul", [h, continued])
        h, c = _unit(call, c, call.node("Gemm", [kept, recurrent, x], transB=1), continued, axis=1)
        made.append(h)
    return _tops(call, given, _stacked(call, made), [h, c], hidden)


@rule("RNN")
def rnn(call: Call) -> list[Blob]:
    """Return the outputs of a simple recurrent network, (T, N, H), and perhaps its last hidden state.

    h = tanh(W_hh (cont h) + W_xh x + b_h) and o = tanh(W_ho h + b_o). It starts as an `lstm` does.

    References
    ----------
    Caffe's ``rnn_layer.cpp``.
    """
    hidden = _hidden(call)
    given = _given(call, hidden, states=1)
    inner, after = _projected(call, given, hidden)
    param = call.layer.recurrent_param
    recurrent = call.parameter(after, (hidden, hidden), param.weight_filler)
    outward = call.parameter(after + 1, (hidden, hidden), param.weight_filler)
    bias = call.parameter(after + 2, (hidden,), param.bias_filler)
    (h,) = given.state
    made = []
    for x, continued in zip(_steps(call, inner, given), _indicators(call, given), strict=True):
        kept = call.node("Mul", [h, continued])
        h = call.node("Tanh", [call.node("Gemm", [kept, recurrent, x], transB=1)])
        made.append(h)
    output = call.node("Tanh", [call.node("Gemm", [_stacked(call, made), outward, bias], transB=1)])
    return _tops(call, given, output, [h], hidden)


@rule("LSTMUnit")
def lstm_unit(call: Call) -> list[Blob]:
    """Return the cell and the hidden state, (1, N, H), after one step of an LSTM whose gates are given."""
    cell, gates, continued = bottoms(call, 3)
    streams = cell.shape[1:2]
    fits = (
        cell.rank == 3
        and cell.shape[0] == 1
        and gates.shape == (1, *streams, 4 * cell.shape[2])
        and continued.shape == (1, *streams)
    )
    if not fits:
        raise call.error(
            f"needs bottoms of shapes (1, N, H), (1, N, 4 H) and (1, N), not {cell.shape}, {gates.shape} and "
            f"{continued.shape}"
        )
    indicator = call.node("Reshape", [continued.tensor, call.constant([0, 0, 1], np.int64)])
    h, c = _unit(call, cell.tensor, gates.tensor, indicator, axis=2)
    return [Blob(c, cell.shape), Blob(h, cell.shape)]


def _unit(call: Call, cell: str, gates: str, continued: str, axis: int) -> tuple[str, str]:
    """Return the hidden state and the cell state after a step."""
    i, f, o, g = call.many("Split", [gates], 4, axis=axis)
    i, f, o = (call.node("Sigmoid", [gate]) for gate in (i, f, o))
    kept = call.node("Mul", [f, call.node("Mul", [cell, continued])])
    new = call.node("Mul", [i, call.node("Tanh", [g])])
    c = call.node("Add", [kept, new])
    return call.node("Mul", [o, call.node("Tanh", [c])]), c


def _hidden(call: Call) -> int:
    """Return the number of hidden units."""
    hidden: int = call.layer.recurrent_param.num_output
    if hidden < 1:
        raise call.error("needs num_output, 1 or more")
    return hidden


def _given(call: Call, hidden: int, states: int) -> _Sequence:
    """Return what the layer reads; states are zeros where the network does not give them."""
    exposed = states * call.layer.recurrent_param.expose_hidden
    x, continued, *rest = bottoms(call, 2 + exposed, 3 + exposed)
    if x.rank < 3 or continued.shape != x.shape[:2]:
        raise call.error(
            f"needs bottoms of shapes (T, N, ...) and (T, N), not {x.shape} and {continued.shape}"
        )
    static = rest.pop(0) if len(rest) > exposed else None
    if static is not None and (static.rank < 2 or static.shape[0] != x.shape[1]):
        raise call.error(f"its static bottom must be of shape ({x.shape[1]}, ...), not {static.shape}")
    wanted = (1, x.shape[1], hidden)
    if any(state.shape != wanted for state in rest):
        raise call.error(f"its initial states must be of shape {wanted}")
    if not exposed:
        return _Sequence(x, continued, static, [call.constant(np.zeros((1, hidden)))] * states)
    return _Sequence(x, continued, static, [_rows(call, state, 2) for state in rest])


def _projected(call: Call, given: _Sequence, outputs: int) -> tuple[str, int]:
    """Return W x + b for all steps at once, (T * N, outputs), and the number of the next parameter."""
    param = call.layer.recurrent_param
    inputs = math.prod(given.x.shape[2:])
    weight = call.parameter(0, (outputs, inputs), param.weight_filler)
    bias = call.parameter(1, (outputs,), param.bias_filler)
    y = call.node("Gemm", [_rows(call, given.x, 2), weight, bias], transB=1)
    if given.static is None:
        return y, 2
    inputs = math.prod(given.static.shape[1:])
    weight = call.parameter(2, (outputs, inputs), param.weight_filler)
    static = call.node("Gemm", [_rows(call, given.static, 1), weight], transB=1)
    apart = call.node("Reshape", [y, call.constant([given.x.shape[0], -1, outputs], np.int64)])
    both = call.node("Add", [apart, static])
    return call.node("Reshape", [both, call.constant([-1, outputs], np.int64)]), 3


def _rows(call: Call, blob: Blob, leading: int) -> str:
    """Return a blob with its leading axes made one, and the others too."""
    inner = math.prod(blob.shape[leading:])
    return call.node("Reshape", [blob.tensor, call.constant([-1, inner], np.int64)])


def _steps(call: Call, rows: str, given: _Sequence) -> list[str]:
    """Return the rows of each step."""
    return call.many("Split", [rows], given.x.shape[0], axis=0)


def _indicators(call: Call, given: _Sequence) -> list[str]:
    """Return the indicators of each step, (N, 1)."""
    column = call.node("Reshape", [given.continued.tensor, call.constant([-1, 1], np.int64)])
    return _steps(call, column, given)


def _stacked(call: Call, steps: Sequence[str]) -> str:
    """Return the rows of all steps."""
    return call.node("Concat", steps, axis=0)


def _tops(call: Call, given: _Sequence, rows: str, states: Sequence[str], hidden: int) -> list[Blob]:
    """Return the sequence that the layer makes and, if it exposes them, its last states."""
    count, streams = given.x.shape[:2]
    exposed = states if call.layer.recurrent_param.expose_hidden else []
    return [
        Blob(
            call.node("Reshape", [made, call.constant([steps, -1, hidden], np.int64)]),
            (steps, streams, hidden),
        )
        for made, steps in [(rows, count), *((state, 1) for state in exposed)]
    ]
