"""LSTM, RNN and LSTMUnit."""

from __future__ import annotations

import numpy as np

from . import Case, layer


def _recurrent(kind: str, text: str, bottom: str, top: str = "top") -> str:
    fillers = 'weight_filler { type: "xavier" } bias_filler { type: "constant" }'
    return layer(kind, f"recurrent_param {{ {text} {fillers} }}", bottom, top)


def _cont(steps: int, streams: int) -> dict[str, np.ndarray]:
    """Return indicators of which some start anew; the first ones say to go on."""
    cont = (np.random.default_rng(5).random((steps, streams)) < 0.7).astype(np.float32)
    cont[0] = 1
    return {"cont": cont}


_SEQUENCE = {"x": (5, 3, 4), "cont": (5, 3)}
_MAPS = {"x": (4, 2, 3, 2, 1), "cont": (4, 2)}
_STATIC = {**_SEQUENCE, "static": (3, 2, 3)}

CASES = {
    "lstm": Case(_recurrent("LSTM", "num_output: 6", "x cont"), _SEQUENCE, _cont(5, 3)),
    "lstm-maps": Case(_recurrent("LSTM", "num_output: 3", "x cont"), _MAPS, _cont(4, 2)),
    "lstm-static": Case(_recurrent("LSTM", "num_output: 2", "x cont static"), _STATIC, _cont(5, 3)),
    "lstm-one-step": Case(
        _recurrent("LSTM", "num_output: 3", "x cont"), {"x": (1, 2, 4), "cont": (1, 2)}, _cont(1, 2)
    ),
    "lstm-one-stream": Case(
        _recurrent("LSTM", "num_output: 3", "x cont"), {"x": (7, 1, 4), "cont": (7, 1)}, _cont(7, 1)
    ),
    "lstm-fractions": Case(
        _recurrent("LSTM", "num_output: 3", "x cont"),
        _SEQUENCE,
        {"cont": np.linspace(-1, 2, 15, dtype=np.float32).reshape(5, 3)},
    ),
    "lstm-exposed": Case(
        _recurrent("LSTM", "num_output: 4 expose_hidden: true", "x cont h0 c0", "h hT cT"),
        {**_SEQUENCE, "h0": (1, 3, 4), "c0": (1, 3, 4)},
        _cont(5, 3),
    ),
    "lstm-exposed-static": Case(
        _recurrent("LSTM", "num_output: 4 expose_hidden: true", "x cont static h0 c0", "h hT cT"),
        {**_STATIC, "h0": (1, 3, 4), "c0": (1, 3, 4)},
        _cont(5, 3),
    ),
    "lstm-two": Case(
        _recurrent("LSTM", "num_output: 4", "x cont", "low")
        + _recurrent("LSTM", "num_output: 3", "low cont", "high").replace('"layer"', '"above"')
        + layer("InnerProduct", "inner_product_param { num_output: 2 axis: 2 }", "high", "ip", "ip"),
        _SEQUENCE,
        _cont(5, 3),
    ),
    "rnn": Case(_recurrent("RNN", "num_output: 6", "x cont"), _SEQUENCE, _cont(5, 3)),
    "rnn-maps": Case(_recurrent("RNN", "num_output: 3", "x cont"), _MAPS, _cont(4, 2)),
    "rnn-static": Case(_recurrent("RNN", "num_output: 2", "x cont static"), _STATIC, _cont(5, 3)),
    "rnn-one-step": Case(
        _recurrent("RNN", "num_output: 3", "x cont"), {"x": (1, 2, 4), "cont": (1, 2)}, _cont(1, 2)
    ),
    "rnn-exposed": Case(
        _recurrent("RNN", "num_output: 4 expose_hidden: true", "x cont h0", "o hT"),
        {**_SEQUENCE, "h0": (1, 3, 4)},
        _cont(5, 3),
    ),
    "rnn-exposed-static": Case(
        _recurrent("RNN", "num_output: 4 expose_hidden: true", "x cont static h0", "o hT"),
        {**_STATIC, "h0": (1, 3, 4)},
        _cont(5, 3),
    ),
    "lstm-unit": Case(
        layer("LSTMUnit", bottom="c gates cont", top="c1 h1"),
        {"c": (1, 3, 4), "gates": (1, 3, 16), "cont": (1, 3)},
        {"cont": np.array([[0, 1, 0.5]], np.float32)},
    ),
}

# Networks that Caffe refuses.
REFUSED = {
    "lstm-no-output": Case(_recurrent("LSTM", "", "x cont"), _SEQUENCE),
    "lstm-axes": Case(_recurrent("LSTM", "num_output: 2", "x cont"), {"x": (5, 3), "cont": (5, 3)}),
    "lstm-cont": Case(_recurrent("LSTM", "num_output: 2", "x cont"), {"x": (5, 3, 4), "cont": (3, 5)}),
    "lstm-cont-axes": Case(
        _recurrent("LSTM", "num_output: 2", "x cont"), {"x": (5, 3, 4), "cont": (5, 3, 1)}
    ),
    "lstm-static": Case(_recurrent("LSTM", "num_output: 2", "x cont s"), {**_SEQUENCE, "s": (5, 2)}),
    "lstm-static-axes": Case(_recurrent("LSTM", "num_output: 2", "x cont s"), {**_SEQUENCE, "s": (3,)}),
    "lstm-one-bottom": Case(_recurrent("LSTM", "num_output: 2", "x"), {"x": (5, 3, 4)}),
    "lstm-states": Case(
        _recurrent("LSTM", "num_output: 2 expose_hidden: true", "x cont h c", "y z w"),
        {**_SEQUENCE, "h": (1, 3, 2), "c": (3, 2)},
    ),
    "lstm-tops": Case(_recurrent("LSTM", "num_output: 2", "x cont", "y z w"), _SEQUENCE),
    "rnn-states": Case(_recurrent("RNN", "num_output: 2 expose_hidden: true", "x cont", "y z"), _SEQUENCE),
    "lstm-unit": Case(
        layer("LSTMUnit", bottom="c gates cont", top="c1 h1"),
        {"c": (1, 3, 4), "gates": (1, 3, 12), "cont": (1, 3)},
    ),
}
