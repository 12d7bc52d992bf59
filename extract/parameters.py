"""Which inputs of an operator are its parameters, and what they are called."""

from __future__ import annotations

import itertools

Slots = tuple[tuple[int, ...], ...]

_TWO: Slots = ((1,), (2,))
# Where operators take their parameters: for each of weight, bias, param2, ... the input slots it may come in,
# the first constant one counts. Operators that are not listed take them in any slot, in their order.
_SLOTS: dict[str, Slots] = {
    # constant inputs of these say how they work
    **dict.fromkeys(
        (
            *("Clip", "Dropout", "DequantizeLinear", "NonMaxSuppression", "OneHot", "Pad", "QuantizeLinear"),
            *("Range", "Resize", "TopK", "Upsample", "com.microsoft.DequantizeLinear"),
            *("com.microsoft.QLinearAveragePool", "com.microsoft.QLinearConcat"),
            *("com.microsoft.QLinearGlobalAveragePool", "com.microsoft.QLinearLeakyRelu"),
            *("com.microsoft.QLinearReduceMean", "com.microsoft.QLinearSigmoid"),
            *("com.microsoft.QLinearSoftmax", "com.microsoft.QuantizeLinear"),
        ),
        (),
    ),
    **dict.fromkeys(("Conv", "ConvTranspose", "com.microsoft.FusedConv"), _TWO),
    **dict.fromkeys(("GroupNormalization", "InstanceNormalization", "LayerNormalization"), _TWO),
    "BatchNormalization": ((1,), (2,), (3,), (4,)),
    "DeformConv": ((1,), (3,), (2,), (4,)),
    "Gemm": ((1, 0), (2,)),
    # weight, bias, recurrent weight, initial states, peepholes
    **dict.fromkeys(("GRU", "LSTM", "RNN"), ((1,), (3,), (2,), (5,), (6,), (7,))),
    # between the quantized values lie their scales and zero points
    "ConvInteger": ((1,),),
    "MatMulInteger": ((1, 0),),
    "QLinearConv": ((3,), (8,)),
    "QLinearMatMul": ((3, 0),),
    "com.microsoft.DynamicQuantizeMatMul": ((1,), (4,)),
    "com.microsoft.MatMulIntegerToFloat": ((1, 0), (6,)),
    "com.microsoft.QGemm": ((3, 0), (6,)),
    **dict.fromkeys(("com.microsoft.QLinearAdd", "com.microsoft.QLinearMul"), ((3, 0),)),
}


def roles(
    operator: str, inputs: list[str], constant: frozenset[str], learned: frozenset[str]
) -> dict[str, str]:
    """Return the parameters among a node's inputs by their roles.

    Parameters
    ----------
    operator : str
        The node's type, with its domain unless that is the standard one.
    inputs : list of str
        Its input tensors, by slot; empty names stand for inputs left out.
    constant : frozenset of str
        The tensors of the graph that depend on no input.
    learned : frozenset of str
        Those of them that hold floating-point numbers.

    Returns
    -------
    dict of str to str
        Tensors by the names weight, bias, param2, ...
    """
    slots = _SLOTS.get(operator)
    if slots is None:
        found = [[name] for name in inputs if name in learned]
    else:
        found = [[inputs[i] for i in role if i < len(inputs) and inputs[i] in constant] for role in slots]
    names = itertools.chain(("weight", "bias"), (f"param{index}" for index in itertools.count(2)))
    return {name: tensors[0] for name, tensors in zip(names, found, strict=False) if tensors}
