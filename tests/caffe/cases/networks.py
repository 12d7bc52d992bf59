"""Small whole networks: layers of many types together, and the oddities of names, sharing and file forms."""

from __future__ import annotations

import numpy as np

from . import Case, layer


def _conv(
    name: str, bottom: str, outputs: int, text: str = "kernel_size: 1", top: str = "", more: str = ""
) -> str:
    text = f"convolution_param {{ num_output: {outputs} {text} }} {more}"
    return layer("Convolution", text, bottom, top or name, name)


def _ip(name: str, bottom: str, outputs: int, text: str = "", more: str = "") -> str:
    return layer(
        "InnerProduct", f"inner_product_param {{ num_output: {outputs} {text} }} {more}", bottom, name, name
    )


def _pool(name: str, bottom: str, text: str) -> str:
    return layer("Pooling", f"pooling_param {{ {text} }}", bottom, name, name)


def _in_place(kind: str, blob: str, text: str = "", name: str = "") -> str:
    return layer(kind, text, blob, blob, name or f"{kind.lower()}_{blob}")


def _normalized(name: str, bottom: str, outputs: int, text: str) -> str:
    """Return a convolution with BatchNorm and Scale in place."""
    return (
        _conv(name, bottom, outputs, text + " bias_term: false")
        + _in_place("BatchNorm", name)
        + _in_place("Scale", name, "scale_param { bias_term: true }")
    )


_INCEPTION = (
    _conv("1x1", "data", 4)
    + _in_place("ReLU", "1x1")
    + _conv("3x3_reduce", "data", 2)
    + _in_place("ReLU", "3x3_reduce")
    + _conv("3x3", "3x3_reduce", 5, "kernel_size: 3 pad: 1")
    + _in_place("ReLU", "3x3")
    + _conv("5x5_reduce", "data", 2)
    + _in_place("ReLU", "5x5_reduce")
    + _conv("5x5", "5x5_reduce", 3, "kernel_size: 5 pad: 2")
    + _in_place("ReLU", "5x5")
    + _pool("pool", "data", "pool: MAX kernel_size: 3 stride: 1 pad: 1")
    + _conv("pool_proj", "pool", 2)
    + _in_place("ReLU", "pool_proj")
    + layer("Concat", "", "1x1 3x3 5x5 pool_proj", "output", "output")
    + _pool("ave", "output", "pool: AVE kernel_size: 5 stride: 2")
    + _in_place("Dropout", "ave", "dropout_param { dropout_ratio: 0.4 }")
    + _ip("classifier", "ave", 3)
    + layer("Softmax", "", "classifier", "prob", "prob")
)

_RESIDUAL = (
    _normalized("a", "data", 4, "kernel_size: 3 pad: 1 stride: 2")
    + _in_place("ReLU", "a")
    + _normalized("b", "a", 4, "kernel_size: 3 pad: 1")
    + _normalized("shortcut", "data", 4, "kernel_size: 1 stride: 2")
    + layer("Eltwise", "eltwise_param { operation: SUM }", "shortcut b", "sum", "sum")
    + _in_place("ReLU", "sum")
    + _normalized("c", "sum", 4, "kernel_size: 1")
    + layer("Eltwise", "", "sum c", "sum2", "sum2")
    + _pool("pool", "sum2", "pool: AVE global_pooling: true")
    + _ip("fc", "pool", 3)
)

_LENET = (
    layer("Power", "power_param { scale: 0.25 shift: -0.5 }", "data", "scaled", "scale")
    + _conv("conv1", "scaled", 4, "kernel_size: 5")
    + _pool("pool1", "conv1", "pool: MAX kernel_size: 2 stride: 2")
    + _conv("conv2", "pool1", 5, "kernel_size: 3")
    + _pool("pool2", "conv2", "pool: MAX kernel_size: 2 stride: 2")
    + _ip("ip1", "pool2", 6)
    + _in_place("ReLU", "ip1")
    + _ip("ip2", "ip1", 3)
    + layer("Softmax", "", "ip2", "prob", "prob")
)


def _branch(data: str, suffix: str) -> str:
    """Return a branch of a siamese network: its parameters are shared by name."""
    shared = 'param {{ name: "{0}_w" }} param {{ name: "{0}_b" }}'
    return (
        _conv(f"conv{suffix}", data, 3, "kernel_size: 3", more=shared.format("conv"))
        + _pool(f"pool{suffix}", f"conv{suffix}", "kernel_size: 2 stride: 2")
        + _ip(f"ip{suffix}", f"pool{suffix}", 4, more=shared.format("ip"))
        + _in_place("ReLU", f"ip{suffix}")
        + _ip(f"feat{suffix}", f"ip{suffix}", 2, more=shared.format("feat"))
    )


_SIAMESE = (
    _branch("left", "")
    + _branch("right", "_p")
    + layer("Eltwise", "eltwise_param { coeff: 1 coeff: -1 }", "feat feat_p", "difference", "difference")
    + layer("Reduction", "reduction_param { operation: SUMSQ axis: 1 }", "difference", "distance", "distance")
)

_V1 = """
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" blobs_lr: 1 blobs_lr: 2
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 weight_filler { type: "xavier" } } }
layers { name: "relu1" type: RELU bottom: "conv1" top: "conv1" }
layers { name: "norm1" type: LRN bottom: "conv1" top: "norm1" lrn_param { local_size: 3 alpha: 0.5 } }
layers { name: "pool1" type: POOLING bottom: "norm1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layers { name: "split" type: SLICE bottom: "pool1" top: "low" top: "high" slice_param { slice_dim: 1 } }
layers { name: "swapped" type: CONCAT bottom: "high" bottom: "low" top: "swapped"
  concat_param { concat_dim: 1 } }
layers { name: "sum" type: ELTWISE bottom: "pool1" bottom: "swapped" top: "sum"
  eltwise_param { operation: MAX } }
layers { name: "flat" type: FLATTEN bottom: "sum" top: "flat" }
layers { name: "drop" type: DROPOUT bottom: "flat" top: "flat" dropout_param { dropout_ratio: 0.5 } }
layers { name: "fc" type: INNER_PRODUCT bottom: "flat" top: "fc"
  inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 0.1 } } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }
"""

_V1_SHARED = """
layers { name: "one" type: INNER_PRODUCT bottom: "data" top: "one" param: "w" param: "b"
  blob_share_mode: STRICT inner_product_param { num_output: 5 } }
layers { name: "two" type: INNER_PRODUCT bottom: "other" top: "two" param: "w" param: "b"
  inner_product_param { num_output: 5 } }
"""

_V0 = """
layers { layer { name: "pad1" type: "padding" pad: 2 } bottom: "data" top: "pad1" }
layers { layer { name: "conv1" type: "conv" num_output: 4 kernelsize: 3 stride: 2
  weight_filler { type: "gaussian" std: 0.1 } blobs_lr: 1 weight_decay: 0 } bottom: "pad1" top: "conv1" }
layers { layer { name: "relu1" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pool1" type: "pool" pool: AVE kernelsize: 3 stride: 2 pad: 1 }
  bottom: "conv1" top: "pool1" }
layers { layer { name: "norm1" type: "lrn" local_size: 3 alpha: 0.3 beta: 0.5 } bottom: "pool1" top: "norm1" }
layers { layer { name: "conv2" type: "conv" num_output: 6 group: 2 kernelsize: 1 biasterm: false }
  bottom: "norm1" top: "conv2" }
layers { layer { name: "both" type: "concat" concat_dim: 1 } bottom: "norm1" bottom: "conv2" top: "both" }
layers { layer { name: "drop" type: "dropout" dropout_ratio: 0.3 } bottom: "both" top: "both" }
layers { layer { name: "fc" type: "innerproduct" num_output: 3 } bottom: "both" top: "fc" }
layers { layer { name: "prob" type: "softmax" } bottom: "fc" top: "prob" }
"""

# Of two layers of one name, weights go to the first; the other one keeps what its filler made.
_SAME_NAME = "weight_filler { type: 'constant' value: 0.0625 } bias_filler { type: 'constant' value: 1 }"

_ODD_NAMES = """
layer { name: "incéption 3a/1×1" type: "Convolution" bottom: "data" top: "a blob/of 層"
  convolution_param { num_output: 3 kernel_size: 2 } }
layer { name: "relu/3a.0:x@y" type: "ReLU" bottom: "a blob/of 層" top: "a blob/of 層" }
layer { name: "層" type: "InnerProduct" bottom: "a blob/of 層" top: "fc'7'"
  inner_product_param { num_output: 2 } }
"""

_UPSAMPLING = (
    _conv("conv", "data", 4, "kernel_size: 3 pad: 1 stride: 2")
    + _in_place("PReLU", "conv")
    + _conv("score", "conv", 2)
    + layer(
        "Deconvolution",
        "convolution_param { num_output: 2 group: 2 kernel_size: 4 stride: 2 bias_term: false }",
        "score",
        "up",
        "up",
    )
    + layer("Crop", "crop_param { axis: 2 offset: 1 }", "up data", "cropped", "cropped")
    + layer("Softmax", "", "cropped", "prob", "prob")
    + layer("ArgMax", "argmax_param { axis: 1 }", "prob", "label", "label")
)

CASES = {
    "lenet": Case(_LENET, {"data": (2, 1, 18, 20)}),
    "inception": Case(_INCEPTION, {"data": (2, 3, 7, 9)}),
    "residual": Case(_RESIDUAL, {"data": (2, 3, 9, 7)}),
    "siamese": Case(_SIAMESE, {"left": (2, 1, 8, 6), "right": (2, 1, 8, 6)}),
    "siamese-of-slices": Case(
        layer("Slice", "slice_param { slice_point: 1 }", top="left right", name="pair") + _SIAMESE,
        {"data": (2, 2, 8, 6)},
    ),
    "upsampling": Case(_UPSAMPLING, {"data": (2, 3, 8, 10)}),
    "fully-convolutional": Case(
        _conv("conv1", "data", 4, "kernel_size: 3 pad: 2 stride: 2")
        + _in_place("ReLU", "conv1")
        + _conv("conv2", "conv1", 3, "kernel_size: 3 dilation: 2 pad: 1")
        + _conv("fc", "conv2", 5, "kernel_h: 2 kernel_w: 3")
        + _in_place("Dropout", "fc")
        + _conv("score", "fc", 2)
        + layer("Softmax", "", "score", "prob", "prob"),
        {"data": (1, 3, 11, 13)},
    ),
    "separable": Case(
        _conv("depthwise", "data", 3, "kernel_size: 3 pad: 1 group: 3 bias_term: false")
        + _in_place("BatchNorm", "depthwise")
        + _in_place("Scale", "depthwise", "scale_param { bias_term: true }")
        + _in_place("ReLU", "depthwise", "relu_param { negative_slope: 0.1 }")
        + _conv("pointwise", "depthwise", 5)
        + _in_place("ELU", "pointwise")
    ),
    "squeeze-and-excite": Case(
        _conv("conv", "data", 4, "kernel_size: 3 pad: 1")
        + _pool("squeeze", "conv", "pool: AVE global_pooling: true")
        + _ip("down", "squeeze", 2)
        + _in_place("ReLU", "down")
        + _ip("up", "down", 4)
        + _in_place("Sigmoid", "up")
        + layer("Scale", "scale_param { axis: 0 }", "conv up", "scaled", "excite"),
        # a seeded bias left nothing above 0 in "down"
        parameters={("down", 1): np.float32([1, 2])},
    ),
    "captioning": Case(
        _conv("conv", "data", 3, "kernel_size: 3 stride: 2")
        + _ip("features", "conv", 4)
        + layer(
            "Embed",
            "embed_param { num_output: 3 input_dim: 6 }",
            "words",
            "embedded",
            "embedded",
        )
        + layer(
            "LSTM",
            "recurrent_param { num_output: 5 weight_filler { type: 'xavier' } }",
            "embedded cont features",
            "lstm",
            "lstm",
        )
        + _ip("predict", "lstm", 6, "axis: 2")
        + layer("Softmax", "softmax_param { axis: 2 }", "predict", "prob", "prob"),
        {"data": (2, 3, 7, 5), "words": (4, 2), "cont": (4, 2)},
        {
            "words": np.array([[0, 5], [1, 2], [3, 0], [5, 4]], np.float32),
            "cont": np.array([[0, 0], [1, 1], [1, 0], [1, 1]], np.float32),
        },
    ),
    "shared": Case(
        _ip("one", "data", 5, more='param { name: "w" } param { name: "b" }')
        + _ip("two", "one", 5)
        + _ip("three", "data", 5, more='param { name: "w" lr_mult: 0 } param { name: "own" }'),
        {"data": (2, 5)},
    ),
    "shared-permissively": Case(
        _ip("one", "data", 3, "bias_term: false", 'param { name: "w" }')
        + _ip("two", "other", 8, "bias_term: false", 'param { name: "w" share_mode: PERMISSIVE }')
        + _conv(
            "three",
            "map",
            2,
            "kernel_size: 2 bias_term: false",
            more='param { name: "w" share_mode: PERMISSIVE }',
        ),
        {"data": (2, 8), "other": (2, 3), "map": (2, 3, 4, 5)},
    ),
    "convolution-of-two": Case(
        _conv("conv", "data other", 3, "kernel_size: 3", top="a b"),
        {"data": (2, 3, 7, 5), "other": (2, 3, 7, 5)},
    ),
    "names-repeated": Case(
        _ip("fc", "data", 4, _SAME_NAME) + _ip("fc", "fc", 4, _SAME_NAME).replace('top: "fc"', 'top: "fc2"'),
        {"data": (2, 4)},
    ),
    "names-empty": Case(
        layer("ReLU", "", "data", "a", "") + layer("TanH", "", "a", "b", ""), {"data": (2, 4)}
    ),
    "names-odd": Case(_ODD_NAMES, {"data": (2, 3, 4, 5)}),
    "names-crossed": Case(
        # each layer writes a blob that has another layer's name
        _conv("a", "data", 3, top="b") + layer("ReLU", "", "b", "c", "b") + layer("TanH", "", "c", "a", "c")
    ),
    "name-of-an-input": Case(
        layer("TanH", "", "data", "top", "data") + layer("Sigmoid", "", "top", "out", "top")
    ),
    "in-place-three-times": Case(
        _conv("conv", "data", 3)
        + _in_place("BatchNorm", "conv")
        + _in_place("Scale", "conv", "scale_param { bias_term: true }")
        + _in_place("TanH", "conv")
        + _pool("pool", "conv", "pool: MAX kernel_size: 2 stride: 2")
    ),
    "in-place-input": Case(
        _in_place("Power", "data", "power_param { scale: 0.5 shift: 0.25 }") + _conv("conv", "data", 2),
        # Caffe overwrites what was fed
        skip=("data",),
    ),
    "read-by-several": Case(
        _conv("conv", "data", 3)
        + layer("ReLU", "", "conv", "relu", "relu")
        + layer("TanH", "", "conv", "tanh", "tanh")
        + _pool("pool", "conv", "kernel_size: 3 stride: 2")
        + layer("Eltwise", "eltwise_param { operation: PROD }", "relu tanh", "product", "product")
        + layer("Concat", "", "product conv relu", "all", "all")
    ),
    "split-explicit": Case(
        _conv("conv", "data", 3)
        + layer("Split", "", "conv", "left right", "split")
        + layer("TanH", "", "left", "tanh", "tanh")
        + layer("Eltwise", "", "tanh right", "sum", "sum")
    ),
    "outputs-several": Case(
        _conv("conv", "data", 4)
        + layer("Slice", "", "conv", "scores boxes", "slice")
        + layer("Softmax", "", "scores", "prob", "prob")
        + _ip("offsets", "boxes", 5)
    ),
    "regions": Case(
        _conv("conv", "data", 3, "kernel_size: 3 stride: 2")
        + _pool("pool", "conv", "pool: AVE global_pooling: true")
        + layer("BatchReindex", "", "pool index", "of_region", "choose")
        + layer("Flatten", "", "of_region", "flat", "flat")
        + _ip("embedded", "rois", 4)
        + layer("Concat", "", "flat embedded", "both", "both")
        + _ip("score", "both", 2),
        {"data": (2, 3, 7, 9), "rois": (5, 4), "index": (5,)},
        {"index": np.array([0, 1, 1, 0, 1], np.float32)},
    ),
    "input-layers": Case(
        layer("Input", "input_param { shape { dim: 2 dim: 3 dim: 5 dim: 4 } }", "", "x", "in")
        + layer("Input", "input_param { shape { dim: 2 dim: 6 } }", "", "y z", "more")
        + _ip("a", "x", 6)
        + layer("Eltwise", "", "a y z", "sum", "sum"),
        {},
    ),
    "input-dim": Case(
        'input: "a" input: "b" input_dim: 2 input_dim: 3 input_dim: 5 input_dim: 4\n'
        "input_dim: 2 input_dim: 1 input_dim: 5 input_dim: 4\n" + layer("Concat", bottom="a b"),
        {},
    ),
    "phases": Case(
        layer("Dropout", "include { phase: TRAIN }", "data", "x", "train")
        + layer("Power", "power_param { scale: 2 } include { phase: TEST }", "data", "x", "test")
        + layer("TanH", "exclude { phase: TRAIN }", "x", "y", "kept")
        + layer("Sigmoid", "exclude { phase: TEST }", "x", "y", "left_out")
    ),
    "text-odd": Case(
        "# a comment\nlayer: < name: 'a' type: \"Re\" 'LU', bottom: 'data'; top: \"t\\157p\" >\n"
        "layer { name: 'b' type: 'Power' bottom: 'top' top: 'b'\n"
        "power_param: { scale: .5 shift: 1e-1, power: 2f } }"
    ),
    "v1": Case(_V1, {"data": (2, 3, 11, 9)}),
    "v1-shared": Case(_V1_SHARED, {"data": (2, 3), "other": (4, 3)}),
    # Caffe loses the input_shape of this form.
    "v0": Case('input: "data" input_dim: 2 input_dim: 3 input_dim: 11 input_dim: 9' + _V0, {}),
}

# Networks that Caffe refuses.
REFUSED = {
    "read-before-in-place": Case(
        _conv("conv", "data", 3) + layer("TanH", "", "conv", "before", "before") + _in_place("ReLU", "conv")
    ),
    "top-twice": Case(_conv("a", "data", 3, top="x") + _conv("b", "data", 3, top="x")),
    "bottom-unknown": Case(_conv("a", "date", 3)),
    "bottom-later": Case(_conv("a", "b", 3) + _conv("b", "data", 3)),
    "both-forms": Case(_conv("a", "data", 3) + _V1),
    "shared-of-other-shapes": Case(
        _ip("one", "data", 3, more='param { name: "w" }') + _ip("two", "one", 4, more='param { name: "w" }'),
        {"data": (2, 3)},
    ),
    "shared-of-other-sizes": Case(
        _ip("one", "data", 3, more='param { name: "w" }')
        + _ip("two", "one", 4, more='param { name: "w" share_mode: PERMISSIVE }'),
        {"data": (2, 3)},
    ),
    "shared-strictly": Case(
        _ip("one", "data", 3, "bias_term: false", 'param { name: "w" share_mode: PERMISSIVE }')
        + _ip("two", "other", 8, "bias_term: false", 'param { name: "w" }'),
        {"data": (2, 8), "other": (2, 3)},
    ),
}
