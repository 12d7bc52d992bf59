"""Convolution, Deconvolution, Im2col, and the depthwise convolutions of forks."""

from __future__ import annotations

from tests.caffe.cases import Case, layer


def _case(kind: str, text: str, inputs: dict[str, tuple[int, ...]] | None = None, **ends: str) -> Case:
    layers = layer(kind, f"convolution_param {{ {text} }}", **ends)
    return Case(layers, inputs) if inputs else Case(layers)


def _convolution(text: str, *shape: int) -> Case:
    return _case("Convolution", text, {"data": shape} if shape else None)


def _deconvolution(text: str, *shape: int) -> Case:
    return _case("Deconvolution", text, {"data": shape} if shape else None)


def _im2col(text: str, *shape: int) -> Case:
    return _case("Im2col", text, {"data": shape} if shape else None)


_SHARED = 'param { name: "w" } param { name: "b" } convolution_param { num_output: 3 kernel_size: 3 pad: 1 }'

CASES = {
    "plain": _convolution("num_output: 4 kernel_size: 3"),
    "1x1": _convolution("num_output: 4 kernel_size: 1"),
    "1x1-padded": _convolution("num_output: 4 kernel_size: 1 pad: 1"),
    "no-bias": _convolution("num_output: 4 kernel_size: 3 bias_term: false"),
    "pad-stride": _convolution("num_output: 4 kernel_size: 3 pad: 1 stride: 2"),
    "stride-leaves-rows": _convolution("num_output: 2 kernel_size: 2 stride: 3"),
    "pad-beyond-kernel": _convolution("num_output: 2 kernel_size: 2 pad: 3"),
    "kernel-h-w": _convolution(
        "num_output: 4 kernel_h: 2 kernel_w: 5 stride_h: 1 stride_w: 2 pad_h: 0 pad_w: 2"
    ),
    "pad-h-alone": _convolution("num_output: 4 kernel_size: 3 pad_h: 2"),
    "pad-w-alone": _convolution("num_output: 4 kernel_size: 3 pad_w: 1"),
    "lists": _convolution(
        "num_output: 4 kernel_size: 2 kernel_size: 3 stride: 2 stride: 1 pad: 0 pad: 2 "
        "dilation: 1 dilation: 2"
    ),
    "dilation": _convolution("num_output: 3 kernel_size: 3 dilation: 2 pad: 2"),
    "group": _convolution("num_output: 6 kernel_size: 3 group: 3 pad: 1"),
    "group-of-two": _convolution("num_output: 4 kernel_size: 3 group: 2 stride: 2", 2, 6, 7, 9),
    "depthwise": _convolution("num_output: 8 kernel_size: 3 group: 4 dilation: 2", 2, 4, 7, 9),
    "force-nd": _convolution("num_output: 4 kernel_size: 3 pad: 1 stride: 2 force_nd_im2col: true"),
    "smaller-than-kernel": _convolution("num_output: 2 kernel_size: 4 stride: 2", 2, 3, 3, 6),
    "smaller-than-kernel-padded": _convolution("num_output: 2 kernel_size: 6 stride: 3 pad: 1", 2, 3, 3, 9),
    "1-d": _convolution("num_output: 4 kernel_size: 3 pad: 1 stride: 2", 2, 3, 11),
    "3-d": _convolution("num_output: 2 kernel_size: 2 kernel_size: 3 kernel_size: 1 pad: 1", 2, 2, 4, 5, 3),
    "2-d-blob": _convolution("num_output: 4 kernel_size: 1", 2, 6),
    "2-d-blob-large-kernel": _convolution("num_output: 4 kernel_size: 3 group: 2", 2, 6),
    "2-d-blob-no-kernel": _convolution("num_output: 4 bias_term: false", 2, 6),
    "axis-2": _convolution("num_output: 4 kernel_size: 3 axis: 2", 2, 3, 4, 6, 5),
    "axis-2-1-d": _convolution("num_output: 4 kernel_size: 3 axis: 2 pad: 1", 2, 3, 4, 7),
    "axis-negative": _convolution("num_output: 4 kernel_size: 3 axis: -2", 2, 3, 4, 7),
    "axis-0": _convolution("num_output: 4 kernel_size: 3 axis: 0", 3, 6, 5),
    "axis-last": _convolution("num_output: 4 kernel_size: 1 axis: 2", 2, 3, 4),
    "two-pairs": _case(
        "Convolution",
        "num_output: 4 kernel_size: 3 pad: 1",
        {"data": (2, 3, 5, 6), "other": (2, 3, 5, 6)},
        bottom="data other",
        top="top other_top",
    ),
    "in-a-row": Case(
        layer("Convolution", "convolution_param { num_output: 4 kernel_size: 3 }", top="first", name="first")
        + layer("ReLU", bottom="first", top="first", name="relu")
        + layer("Convolution", "convolution_param { num_output: 2 kernel_size: 3 pad: 1 }", bottom="first")
    ),
    "shared-weights": Case(
        layer("Convolution", _SHARED, top="first", name="first")
        + layer("Convolution", _SHARED, bottom="first")
    ),
    "deconvolution": _deconvolution("num_output: 4 kernel_size: 3"),
    "deconvolution-stride-pad": _deconvolution("num_output: 4 kernel_size: 4 stride: 2 pad: 1"),
    "deconvolution-stride-beyond-kernel": _deconvolution("num_output: 2 kernel_size: 2 stride: 3"),
    "deconvolution-1x1": _deconvolution("num_output: 4 kernel_size: 1"),
    "deconvolution-group": _deconvolution("num_output: 6 kernel_size: 3 group: 3 stride: 2 bias_term: false"),
    "deconvolution-group-of-two": _deconvolution("num_output: 4 kernel_size: 3 group: 2 pad: 1", 2, 6, 4, 5),
    "deconvolution-dilation": _deconvolution("num_output: 2 kernel_size: 3 dilation: 2 stride: 2 pad: 2"),
    "deconvolution-h-w": _deconvolution(
        "num_output: 2 kernel_h: 2 kernel_w: 5 stride_h: 2 stride_w: 3 pad_w: 2"
    ),
    "deconvolution-1-d": _deconvolution("num_output: 4 kernel_size: 3 stride: 2", 2, 3, 7),
    "deconvolution-3-d": _deconvolution("num_output: 2 kernel_size: 2 stride: 2 pad: 1", 2, 3, 3, 4, 2),
    "deconvolution-axis-2": _deconvolution("num_output: 2 kernel_size: 3 axis: 2", 2, 3, 2, 4, 5),
    "deconvolution-2-d-blob": _deconvolution("num_output: 4 kernel_size: 1", 2, 6),
    "deconvolution-two-pairs": _case(
        "Deconvolution",
        "num_output: 4 kernel_size: 3 stride: 2",
        {"data": (2, 3, 4, 5), "other": (2, 3, 4, 5)},
        bottom="data other",
        top="top other_top",
    ),
    "im2col": _im2col("kernel_size: 3"),
    "im2col-pad-stride-dilation": _im2col("kernel_h: 2 kernel_w: 3 pad: 1 stride: 2 dilation: 2"),
    "im2col-1-d": _im2col("kernel_size: 3 pad: 1", 2, 3, 7),
    "im2col-axis-2": _im2col("kernel_size: 2 axis: 2", 2, 3, 2, 4, 5),
    "im2col-force-nd": _im2col("kernel_size: 3 stride: 2 force_nd_im2col: true"),
    "depthwise-of-fork": _case(
        "DepthwiseConvolution",
        "num_output: 8 group: 4 kernel_size: 3 pad: 1 stride: 2",
        {"data": (2, 4, 7, 9)},
    ),
    "convolution-depthwise": _case("ConvolutionDepthwise", "num_output: 3 kernel_size: 3 pad: 1 stride: 2"),
    "convolution-depthwise-dilation": _case(
        "ConvolutionDepthwise",
        "num_output: 3 kernel_h: 2 kernel_w: 3 pad: 1 stride: 1 dilation: 2 bias_term: false",
    ),
}
