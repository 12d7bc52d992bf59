"""Gradients of single operators against torch's autograd, at kinks and ties too; skipped without torch.

torch is large and not needed for the tests: they are for whoever has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest

from extract.differentiate import backward

from .check import SINGLE, node_model
from .numbers import positive, values

torch = pytest.importorskip("torch", reason="torch is not installed")
F = torch.nn.functional

Case = tuple[str, dict[str, Any], dict[str, Any], Callable[..., Any]]

IMAGE = values(2, 4, 5, 7)
# What torch does at each kind of kink; whole numbers, so that ties are ties.
TIES = np.random.default_rng(0).integers(-2, 3, (2, 4, 7, 6)).astype(np.float32)
LINE = np.array([-4, -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4], np.float32)
CASES: dict[str, Case] = {
    "conv 1-D": (
        "Conv",
        {"x": values(2, 4, 9), "w": values(6, 2, 3), "b": values(6)},
        {"strides": [2], "pads": [1, 1], "dilations": [2], "group": 2},
        lambda x, w, b: F.conv1d(x, w, b, 2, 1, 2, 2),
    ),
    "conv 2-D": (
        "Conv",
        {"x": IMAGE, "w": values(6, 4, 3, 2), "b": values(6)},
        {"strides": [1, 2], "pads": [2, 0, 2, 0], "dilations": [2, 1]},
        lambda x, w, b: F.conv2d(x, w, b, (1, 2), (2, 0), (2, 1)),
    ),
    "conv 2-D depthwise": (
        "Conv",
        {"x": IMAGE, "w": values(8, 1, 3, 3)},
        {"group": 4, "pads": [1, 1, 1, 1]},
        lambda x, w: F.conv2d(x, w, padding=1, groups=4),
    ),
    "conv 3-D": (
        "Conv",
        {"x": values(2, 2, 5, 6, 7), "w": values(4, 1, 2, 3, 2), "b": values(4)},
        {"strides": [2, 1, 2], "group": 2},
        lambda x, w, b: F.conv3d(x, w, b, (2, 1, 2), groups=2),
    ),
    "conv transpose 1-D": (
        "ConvTranspose",
        {"x": values(2, 4, 6), "w": values(4, 3, 4), "b": values(3)},
        {"strides": [3], "pads": [1, 1], "output_padding": [2]},
        lambda x, w, b: F.conv_transpose1d(x, w, b, 3, 1, 2),
    ),
    "conv transpose 2-D": (
        "ConvTranspose",
        {"x": IMAGE, "w": values(4, 3, 3, 2), "b": values(6)},
        {"strides": [2, 1], "pads": [1, 0, 1, 0], "group": 2, "dilations": [1, 2]},
        lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 1), (1, 0), groups=2, dilation=(1, 2)),
    ),
    "conv transpose 3-D": (
        "ConvTranspose",
        {"x": values(1, 2, 3, 4, 2), "w": values(2, 3, 2, 2, 3)},
        {"strides": [2, 2, 1]},
        lambda x, w: F.conv_transpose3d(x, w, stride=(2, 2, 1)),
    ),
    "max pool with ties": (
        "MaxPool",
        {"x": TIES},
        {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 1, 1, 1], "dilations": [1, 2]},
        lambda x: F.max_pool2d(x, 3, (2, 1), 1, (1, 2)),
    ),
    "max pool, ceil mode": (
        "MaxPool",
        {"x": TIES},
        {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
        lambda x: F.max_pool2d(x, 2, 2, 1, ceil_mode=True),
    ),
    "average pool": (
        "AveragePool",
        {"x": IMAGE},
        {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        lambda x: F.avg_pool2d(x, (3, 2), 2, 1),
    ),
    "average pool, ceil mode": (
        "AveragePool",
        {"x": IMAGE},
        {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1},
        lambda x: F.avg_pool2d(x, 2, 2, 1, ceil_mode=True, count_include_pad=False),
    ),
    "average pool 3-D": (
        "AveragePool",
        {"x": values(1, 2, 4, 5, 6)},
        {"kernel_shape": [2, 2, 3], "strides": [1, 2, 2]},
        lambda x: F.avg_pool3d(x, (2, 2, 3), (1, 2, 2)),
    ),
    "Lp pool": (
        "LpPool",
        {"x": positive(2, 3, 6, 6)},
        {"kernel_shape": [2, 3], "strides": [2, 3], "p": 3},
        lambda x: F.lp_pool2d(x, 3, (2, 3)),
    ),
    "global max pool with ties": ("GlobalMaxPool", {"x": TIES}, {}, lambda x: F.adaptive_max_pool2d(x, 1)),
    "batch norm": (
        "BatchNormalization",
        {"x": IMAGE, "s": values(4), "b": values(4), "m": values(4), "v": positive(4)},
        {"epsilon": 0.01},
        lambda x, s, b, m, v: F.batch_norm(x, m.detach(), v.detach(), s, b, eps=0.01),
    ),
    "instance norm": (
        "InstanceNormalization",
        {"x": IMAGE, "s": values(4), "b": values(4)},
        {"epsilon": 0.01},
        lambda x, s, b: F.instance_norm(x, weight=s, bias=b, eps=0.01),
    ),
    "group norm": (
        "GroupNormalization",
        {"x": IMAGE, "s": values(4), "b": values(4)},
        {"epsilon": 0.01, "num_groups": 2},
        lambda x, s, b: F.group_norm(x, 2, s, b, 0.01),
    ),
    "layer norm": (
        "LayerNormalization",
        {"x": IMAGE, "s": values(5, 7), "b": values(5, 7)},
        {"epsilon": 0.01, "axis": 2},
        lambda x, s, b: F.layer_norm(x, (5, 7), s, b, 0.01),
    ),
    "local response": (
        "LRN",
        {"x": values(2, 7, 3, 4)},
        {"size": 3, "alpha": 0.6, "beta": 0.7, "bias": 1.5},
        lambda x: F.local_response_norm(x, 3, 0.6, 0.7, 1.5),
    ),
    "unit length": (
        "LpNormalization",
        {"x": IMAGE},
        {"axis": 1},
        lambda x: F.normalize(x, dim=1),
    ),
    "relu": ("Relu", {"x": LINE}, {}, torch.relu),
    "leaky relu": ("LeakyRelu", {"x": LINE}, {"alpha": 0.3}, lambda x: F.leaky_relu(x, 0.3)),
    "prelu": ("PRelu", {"x": TIES, "s": values(4, 1, 1)}, {}, lambda x, s: F.prelu(x, s.reshape(-1))),
    "elu": ("Elu", {"x": LINE}, {"alpha": 0.5}, lambda x: F.elu(x, 0.5)),
    "celu": ("Celu", {"x": LINE}, {"alpha": 0.5}, lambda x: F.celu(x, 0.5)),
    "selu": ("Selu", {"x": LINE}, {}, torch.selu),
    "threshold": ("ThresholdedRelu", {"x": LINE}, {"alpha": 2.0}, lambda x: F.threshold(x, 2.0, 0.0)),
    "hard sigmoid": ("HardSigmoid", {"x": LINE}, {"alpha": 1 / 6}, F.hardsigmoid),
    "hard swish": ("HardSwish", {"x": LINE}, {}, F.hardswish),
    "hard shrink": ("Shrink", {"x": LINE}, {"lambd": 0.5}, lambda x: F.hardshrink(x, 0.5)),
    "soft shrink": ("Shrink", {"x": LINE}, {"lambd": 0.5, "bias": 0.5}, lambda x: F.softshrink(x, 0.5)),
    "clip": (
        "Clip",
        {"x": LINE, "low": np.float32(-1), "high": np.float32(2)},
        {},
        lambda x, low, high: torch.clamp(x, low, high),
    ),
    "abs": ("Abs", {"x": LINE}, {}, torch.abs),
    "gelu": ("Gelu", {"x": LINE}, {}, F.gelu),
    "gelu by tanh": ("Gelu", {"x": LINE}, {"approximate": "tanh"}, lambda x: F.gelu(x, approximate="tanh")),
    "mish": ("Mish", {"x": LINE}, {}, F.mish),
    "softplus": ("Softplus", {"x": LINE}, {}, F.softplus),
    "softsign": ("Softsign", {"x": LINE}, {}, F.softsign),
    "max of operands that tie": ("Max", {"x": TIES, "y": TIES[::-1]}, {}, torch.maximum),
    "min of operands that tie": ("Min", {"x": TIES, "y": TIES[:, ::-1]}, {}, torch.minimum),
    "maximum of values that tie": (
        "ReduceMax",
        {"x": TIES, "!axes": np.array([1, 3])},
        {},
        lambda x, axes: torch.amax(x, (1, 3), keepdim=True),
    ),
    "minimum of values that tie": (
        "ReduceMin",
        {"x": TIES, "!axes": np.array([2])},
        {},
        lambda x, axes: torch.amin(x, 2, keepdim=True),
    ),
    "product with zeros": (
        "ReduceProd",
        {"x": TIES, "!axes": np.array([3])},
        {},
        lambda x, axes: torch.prod(x, 3, keepdim=True),
    ),
    "sum of magnitudes": (
        "ReduceL1",
        {"x": TIES, "!axes": np.array([1, 2])},
        {},
        lambda x, axes: torch.linalg.vector_norm(x, 1, (1, 2), keepdim=True),
    ),
    "length": (
        "ReduceL2",
        {"x": np.concatenate([TIES, 0 * TIES]), "!axes": np.array([1, 2])},
        {},
        lambda x, axes: torch.linalg.vector_norm(x, 2, (1, 2), keepdim=True),
    ),
    "power at zero": ("Pow", {"x": np.abs(TIES), "e": np.float32(2)}, {}, torch.pow),
    "softmax": ("Softmax", {"x": IMAGE}, {"axis": 1}, lambda x: F.softmax(x, 1)),
    "log softmax": ("LogSoftmax", {"x": IMAGE}, {"axis": 2}, lambda x: F.log_softmax(x, 2)),
    "cumulative product with zeros": (
        "CumProd",
        {"x": TIES, "!axis": np.array(3)},
        {"opset": 26},
        lambda x, axis: torch.cumprod(x, 3),
    ),
    "matmul": ("MatMul", {"x": values(2, 3, 4, 5), "y": values(3, 5, 6)}, {}, torch.matmul),
    **{
        f"pad, {mode}": (
            "Pad",
            {"x": IMAGE, "!pads": np.array([0, 0, 2, 1, 0, 0, 0, 3])},
            {"mode": onnx_mode, "opset": 19},
            lambda x, pads, mode=mode: F.pad(x, (1, 3, 2, 0), mode),
        )
        for mode, onnx_mode in {
            "constant": "constant",
            "reflect": "reflect",
            "replicate": "edge",
            "circular": "wrap",
        }.items()
    },
    **{
        f"resize, {mode}, corners {'aligned' if align else 'free'}": (
            "Resize",
            {"x": IMAGE, "!roi": None, "!scales": None, "!sizes": np.array([2, 4, *size])},
            {
                "mode": onnx_mode,
                "coordinate_transformation_mode": "align_corners" if align else "half_pixel",
            },
            lambda x, roi, scales, sizes, mode=mode, align=align, size=size: F.interpolate(
                x, size, mode=mode, align_corners=align
            ),
        )
        for mode, onnx_mode, size in (("bilinear", "linear", (9, 4)), ("bicubic", "cubic", (8, 10)))
        for align in (False, True)
    },
    "resize, nearest": (
        "Resize",
        {"x": IMAGE, "!roi": None, "!scales": None, "!sizes": np.array([2, 4, 10, 14])},
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        lambda x, roi, scales, sizes: F.interpolate(x, (10, 14), mode="nearest"),
    ),
    **{
        f"grid sample, {mode}, {padding}": (
            "GridSample",
            {"x": IMAGE, "g": np.random.default_rng(1).uniform(-1.5, 1.5, (2, 3, 4, 2)).astype(np.float32)},
            {"mode": onnx_mode, "padding_mode": padding, "align_corners": align, "opset": 20},
            lambda x, g, mode=mode, padding=padding, align=align: F.grid_sample(
                x, g, mode, padding, bool(align)
            ),
        )
        for mode, onnx_mode in (("bilinear", "linear"), ("nearest", "nearest"), ("bicubic", "cubic"))
        for padding, align in (("zeros", 0), ("border", 1))
    },
    "attention": (
        "Attention",
        {"q": values(2, 3, 4, 8), "k": values(2, 3, 5, 8), "v": values(2, 3, 5, 6)},
        {"opset": 23},
        F.scaled_dot_product_attention,
    ),
    "causal attention": (
        "Attention",
        {"q": values(2, 3, 5, 8), "k": values(2, 3, 5, 8), "v": values(2, 3, 5, 8)},
        {"opset": 23, "is_causal": 1},
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    ),
    "transform": (
        "DFT",
        {"x": values(2, 9, 1), "!length": None, "!axis": np.array(1)},
        {"opset": 20, "onesided": 1},
        lambda x, length, axis: torch.view_as_real(torch.fft.rfft(x[..., 0])),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_autograd(name: str) -> None:
    operator, inputs, attributes, function = CASES[name]
    _, *others = inputs
    proto, feeds = node_model(operator, inputs, others, **{"opset": 21, **attributes})
    wrt = [key for key in inputs if not key.startswith("!")]
    expected = {key: _wide(inputs[key]).requires_grad_() for key in wrt}
    fixed = {key[1:]: value for key, value in inputs.items() if key.startswith("!")}
    y = function(**expected, **fixed) if fixed else function(*expected.values())
    seed = np.random.default_rng(3).uniform(-1, 1, y.shape).astype(np.float32)
    y.backward(_wide(seed))

    session = onnxruntime.InferenceSession(backward(proto, "y0", wrt).SerializeToString())
    names = ["y0", *(f"grad:{key}" for key in wrt)]
    found = session.run(names, {**feeds, "seed:y0": seed})

    for key, value, right in zip(names, found, [y, *(x.grad for x in expected.values())], strict=True):
        # torch gives no gradient of statistics
        if right is None:
            continue
        right = right.detach().numpy()
        assert value.shape == right.shape, key
        # positions in pixels are rounded to some 1e-6 in float32
        bound = 3 * SINGLE if operator == "GridSample" else SINGLE
        np.testing.assert_allclose(value, right, rtol=0, atol=bound * np.abs(right).max(), err_msg=key)


def _wide(array: np.ndarray) -> Any:
    return torch.tensor(np.asarray(array, np.float64))
