"""Crop, alone and as fully convolutional networks use it; Upsample and Interp of forks."""

from __future__ import annotations

from tests.caffe.cases import Case, Shape, layer


def _crop(text: str, data: Shape = (2, 3, 7, 9), like: Shape = (2, 3, 4, 5)) -> Case:
    layers = layer("Crop", f"crop_param {{ {text} }}", bottom="data like")
    return Case(layers, {"data": data, "like": like})


def _upsample(text: str, pooling: str, *shape: int) -> Case:
    """Return SegNet's pair of layers."""
    layers = layer("Pooling", f"pooling_param {{ pool: MAX {pooling} }}", top="small mask", name="pool")
    return Case(layers + layer("Upsample", f"upsample_param {{ {text} }}", "small mask"), {"data": shape})


def _interp(text: str, *shape: int) -> Case:
    return Case(layer("Interp", f"interp_param {{ {text} }}"), {"data": shape})


CASES = {
    "crop": _crop(""),
    "crop-one-offset": _crop("offset: 2"),
    "crop-offsets": _crop("offset: 3 offset: 1"),
    "crop-to-the-end": _crop("offset: 3 offset: 4"),
    "crop-channels": _crop("axis: 1 offset: 1 offset: 2 offset: 0", like=(2, 2, 4, 5)),
    "crop-axis-negative": _crop("axis: -1 offset: 3", like=(2, 3, 7, 5)),
    "crop-all-axes": _crop("axis: 0 offset: 0 offset: 1 offset: 2 offset: 3", like=(1, 1, 2, 3)),
    "crop-ignores-axes-before": _crop("axis: 3 offset: 1", like=(1, 2, 3, 4)),
    "crop-nothing": _crop("offset: 0", like=(2, 5, 7, 9)),
    "crop-5-d": _crop("axis: 3 offset: 1 offset: 0", (2, 2, 3, 4, 5), (2, 2, 3, 2, 5)),
    "crop-upsampled": Case(
        layer("Pooling", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }", top="small", name="small")
        + layer(
            "Deconvolution",
            "convolution_param { num_output: 3 group: 3 kernel_size: 4 stride: 2 bias_term: false }",
            bottom="small",
            top="large",
            name="large",
        )
        + layer("Crop", "crop_param { axis: 2 offset: 1 }", bottom="large data")
    ),
    "upsample": _upsample("scale: 2", "kernel_size: 2 stride: 2", 2, 3, 6, 8),
    "upsample-default": _upsample("", "kernel_size: 2 stride: 2", 2, 3, 6, 8),
    "upsample-odd": _upsample("scale: 2 pad_out_h: true", "kernel_size: 2 stride: 2", 2, 3, 7, 8),
    "upsample-odd-both": _upsample(
        "scale: 2 pad_out_h: true pad_out_w: true", "kernel_size: 2 stride: 2", 2, 3, 7, 5
    ),
    "upsample-size": _upsample(
        "scale: 2 upsample_h: 7 upsample_w: 9", "kernel_size: 2 stride: 2", 2, 3, 7, 9
    ),
    "upsample-scales": _upsample(
        "scale_h: 2 scale_w: 3", "kernel_h: 2 kernel_w: 3 stride_h: 2 stride_w: 3", 2, 3, 6, 9
    ),
    # windows overlap, so that some values go to the same place
    "upsample-overlapping": _upsample("upsample_h: 7 upsample_w: 9", "kernel_size: 3 stride: 1", 2, 2, 7, 9),
    "upsample-repeats": Case(layer("Upsample", "upsample_param { scale: 2 }")),
    "upsample-repeats-thrice": Case(layer("Upsample", "upsample_param { scale: 3 }"), {"data": (2, 2, 3, 5)}),
    "interp-zoom": _interp("zoom_factor: 4", 2, 3, 4, 5),
    "interp-shrink": _interp("shrink_factor: 2", 2, 3, 7, 10),
    "interp-shrink-and-zoom": _interp("shrink_factor: 3 zoom_factor: 2", 2, 3, 9, 11),
    "interp-size": _interp("height: 9 width: 4", 2, 3, 5, 7),
    "interp-one-axis": _interp("height: 5 width: 13", 2, 3, 5, 7),
    "interp-same-size": _interp("height: 5 width: 7", 2, 3, 5, 7),
    "interp-from-one": _interp("height: 3 width: 4", 2, 3, 1, 1),
    "interp-to-one": _interp("height: 1 width: 1", 2, 3, 5, 7),
    "interp-crops": _interp("zoom_factor: 2 pad_beg: -1 pad_end: -2", 2, 3, 7, 9),
    "interp-only-crops": _interp("zoom_factor: 1 pad_end: -1", 2, 3, 5, 6),
    "interp-awkward-size": _interp("height: 41 width: 33", 1, 1, 23, 19),
    "interp-like-another": Case(
        layer("Interp", bottom="data like"), {"data": (2, 3, 5, 7), "like": (2, 1, 8, 6)}
    ),
}
