"""Layers that multiply with a matrix, or pick its rows."""

from __future__ import annotations

import math

import numpy as np

from ..call import Blob, Call
from ..rules import rule
from .checks import blob_shape, bottoms, canonical_axis


@rule("InnerProduct")
def inner_product(call: Call) -> list[Blob]:
    """Multiply the values behind `axis`, flattened, with weights (outputs, values), or their transpose."""
    (x,) = bottoms(call, 1)
    given = call.layer.inner_product_param
    axis = canonical_axis(call, given.axis, x)
    if not given.num_output:
        raise call.error("num_output must be above 0")
    values = math.prod(x.shape[axis:])
    shape = (values, given.num_output) if given.transpose else (given.num_output, values)
    inputs = [call.parameter(0, blob_shape(call, shape), given.weight_filler)]
    if given.bias_term:
        inputs.append(call.parameter(1, (given.num_output,), given.bias_filler))
    rows = x.tensor if (x.rank, axis) == (2, 1) else call.node("Flatten", [x.tensor], axis=axis)
    y = call.node("Gemm", [rows, *inputs], transB=None if given.transpose else 1)
    top = (*x.shape[:axis], given.num_output)
    if axis != 1:
        free = [-1, *top[1:]] if axis else top
        y = call.node("Reshape", [y, call.constant(free, np.int64)])
    return [Blob(y, blob_shape(call, top))]


@rule("Embed")
def embed(call: Call) -> list[Blob]:
    """Pick, for each value, that row of weights (rows, outputs), and add a bias to it."""
    import onnx

    (x,) = bottoms(call, 1)
    given = call.layer.embed_param
    if not given.num_output or not given.input_dim:
        raise call.error("num_output and input_dim must be above 0")
    shape = blob_shape(call, (given.input_dim, given.num_output))
    weight = call.parameter(0, shape, given.weight_filler)
    rows = call.node("Cast", [x.tensor], to=onnx.TensorProto.INT64)
    y = call.node("Gather", [weight, rows], axis=0)
    if given.bias_term:
        y = call.node("Add", [y, call.parameter(1, (given.num_output,), given.bias_filler)])
    return [Blob(y, blob_shape(call, (*x.shape, given.num_output)))]
