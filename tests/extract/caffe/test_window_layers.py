"""What layers with windows become, and what is refused, as Caffe refuses it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from extract import ModelError
from extract.caffe.importer import ImportedNet, import_net
from extract.caffe.prototxt import read_net
from extract.caffe.support import UNSUPPORTED
from tests.caffe.cases import Case, all_cases, layer

CASES = all_cases()


def _imported(case: Case, folder: Path) -> ImportedNet:
    path = folder / "net.prototxt"
    path.write_text(case.prototxt)
    return import_net(read_net(path))


@pytest.mark.parametrize(
    ("case", "operators"),
    [
        ("convolution-plain", ["Conv"]),
        ("convolution-dilation", ["Conv"]),
        ("convolution-depthwise", ["Conv"]),
        ("convolution-3-d", ["Conv"]),
        ("convolution-smaller-than-kernel", ["Conv"]),
        ("convolution-two-pairs", ["Conv", "Conv"]),
        ("convolution-deconvolution-group", ["ConvTranspose"]),
        ("convolution-im2col", ["Conv"]),
        ("inner_product-plain", ["Flatten", "Gemm"]),
        ("inner_product-matrix", ["Gemm"]),
        ("inner_product-axis-2", ["Flatten", "Gemm", "Reshape"]),
        ("pooling-max-rounds-up", ["MaxPool"]),
        ("pooling-max-padded-drops-one-axis", ["MaxPool"]),
        ("pooling-ave-rounds-up", ["AveragePool"]),
        ("pooling-ave-padded", ["AveragePool"]),
        ("pooling-ave-padded-rounds-up", ["Pad", "AveragePool"]),
        ("pooling-ave-global", ["AveragePool"]),
        ("pooling-max-empty-last", ["MaxPool", "Pad"]),
        ("pooling-mask-plain", ["MaxPool", "Mod", "Cast"]),
        ("spatial-crop", ["Slice"]),
        ("spatial-upsample-repeats", ["Resize"]),
        ("spatial-interp-zoom", ["Resize"]),
        ("spatial-interp-crops", ["Slice", "Resize"]),
        ("detection-roi-pooling", ["MaxRoiPool"]),
    ],
)
def test_layers_become_few_operators(case: str, operators: list[str], tmp_path: Path) -> None:
    graph = _imported(CASES[case], tmp_path).proto.graph
    assert [node.op_type for node in graph.node] == operators


def _refused(kind: str, text: str, *shapes: tuple[int, ...], top: str = "top") -> Case:
    inputs = dict(zip(("data", "other"), shapes or ((2, 3, 7, 9),), strict=False))
    return Case(layer(kind, text, bottom=" ".join(inputs), top=top), inputs)


def _convolution(text: str, *shapes: tuple[int, ...], kind: str = "Convolution", top: str = "top") -> Case:
    return _refused(kind, f"convolution_param {{ {text} }}", *shapes, top=top)


def _pooling(text: str, *shapes: tuple[int, ...], top: str = "top") -> Case:
    return _refused("Pooling", f"pooling_param {{ {text} }}", *shapes, top=top)


# Real Caffe 1.0 refuses them too: by a failed check, or a crash for a stride of 0. It knows no fork's layers.
REFUSED = {
    "its kernel is 0x0": _convolution("num_output: 2 kernel_size: 0"),
    "its kernel is 3x0": _convolution("num_output: 2 kernel_h: 3"),
    "its stride is 2x0": _convolution("num_output: 2 kernel_size: 3 stride_h: 2"),
    "has 0 values of kernel_size for 2 spatial axes": _convolution("num_output: 2"),
    "has 3 values of pad for 2 spatial axes": _convolution(
        "num_output: 2 kernel_size: 1 pad: 1 pad: 1 pad: 1"
    ),
    "has both pad and pad_h or pad_w": _convolution("num_output: 2 kernel_size: 1 pad: 1 pad_h: 1"),
    "kernel_h and kernel_w are for 2 spatial axes, but it has 1": _convolution(
        "num_output: 2 kernel_h: 1 kernel_w: 1", (2, 3, 7)
    ),
    "do not suit a bottom of 2x3x3x9: its maps would be -1x5": _convolution(
        "num_output: 2 kernel_size: 5", (2, 3, 3, 9)
    ),
    "3 channels and 4 outputs cannot be split in 2 groups": _convolution(
        "num_output: 4 kernel_size: 1 group: 2"
    ),
    "4 channels and 3 outputs cannot be split in 2 groups": _convolution(
        "num_output: 3 kernel_size: 1 group: 2", (2, 4, 5, 5)
    ),
    "num_output must be above 0": _convolution("kernel_size: 1"),
    "axis 4 does not exist": _convolution("num_output: 2 kernel_size: 1 axis: 4"),
    "its bottoms differ in shape: 2x3x4x5 and 2x3x5x4": _convolution(
        "num_output: 2 kernel_size: 1", (2, 3, 4, 5), (2, 3, 5, 4), top="top other_top"
    ),
    "makes 2 blobs, but names 1 top": _convolution("num_output: 2 kernel_size: 1", (2, 3, 4), (2, 3, 4)),
    "do not suit a bottom of 2x3x2x2: its maps would be 0x0": _convolution(
        "num_output: 2 kernel_size: 1 pad: 1", (2, 3, 2, 2), kind="Deconvolution"
    ),
    "needs at least one axis behind the channels": _convolution("kernel_size: 1", (2, 3), kind="Im2col"),
    "needs kernel_size, or kernel_h and kernel_w": _pooling("pool: MAX"),
    "has both kernel_size and kernel_h and kernel_w": _pooling("kernel_size: 2 kernel_h: 2 kernel_w: 2"),
    "needs both kernel_h and kernel_w": _pooling("kernel_h: 2"),
    "needs either pad, or both pad_h and pad_w": _pooling("kernel_size: 2 pad_h: 1"),
    "needs either stride, or both stride_h and stride_w": _pooling(
        "kernel_size: 2 stride: 2 stride_h: 1 stride_w: 1"
    ),
    "its kernel is 2x2 and its stride 0x0; 0 is not possible": _pooling("kernel_size: 2 stride: 0"),
    "its padding 2x2 must be smaller than its kernel 2x2": _pooling("kernel_size: 2 pad: 2"),
    "its kernel 9x9 is larger than its bottom 7x9": _pooling("kernel_size: 9"),
    "global pooling takes no kernel size": _pooling("global_pooling: true kernel_size: 2"),
    "global pooling takes stride 1 and no padding": _pooling("global_pooling: true stride: 2"),
    "its bottom must have 4 axes, not 3": _pooling("kernel_size: 2", (2, 3, 7)),
    "makes 1 blob, but names 2 tops": _pooling("pool: AVE kernel_size: 2", top="top mask"),
    "stochastic pooling takes no padding": _pooling("pool: STOCHASTIC kernel_size: 2 pad: 1"),
    "its padding 1x0 must be smaller than its kernel 1x1": _refused(
        "SPP", "spp_param { pyramid_height: 3 }", (2, 3, 3, 4)
    ),
    "axis 2 does not exist": _refused(
        "InnerProduct", "inner_product_param { num_output: 2 axis: 2 }", (2, 3)
    ),
    "num_output and input_dim must be above 0": _refused("Embed", "embed_param { num_output: 2 }", (2,)),
    "needs 2 bottoms, not 1": _refused("Crop", ""),
    "cannot cut 4 from 4 on out of 7 along axis 2": _refused(
        "Crop", "crop_param { offset: 4 }", (2, 3, 7, 9), (2, 3, 4, 5)
    ),
    "has 3 offsets for 2 axes": _refused(
        "Crop", "crop_param { offset: 1 offset: 1 offset: 1 }", (2, 3, 7, 9), (2, 3, 4, 5)
    ),
    "its mask is 2x3x4x4, but its bottom 2x3x7x9": _refused("Upsample", "", (2, 3, 7, 9), (2, 3, 4, 4)),
    "its scales must be above 1, and 2 along an axis with pad_out": _refused(
        "Upsample", "upsample_param { scale: 3 pad_out_h: true }", (2, 3, 7, 9), (2, 3, 7, 9)
    ),
    "its scale must be above 0": _refused("Upsample", "upsample_param { scale: 0 }"),
    "needs one of height and width, zoom_factor or shrink_factor, or a second bottom": _refused("Interp", ""),
    "its padding must be 0 or below, which crops": _refused(
        "Interp", "interp_param { zoom_factor: 2 pad_beg: 1 }"
    ),
    "it crops all of its bottom": _refused("Interp", "interp_param { zoom_factor: 2 pad_end: -7 }"),
    "zoom_factor and shrink_factor must be above 0": _refused("Interp", "interp_param { zoom_factor: 0 }"),
    "its top would be 0x4": _refused("Interp", "interp_param { height: 0 width: 4 }"),
    "pooled_h and pooled_w must be above 0": _refused("ROIPooling", "", (2, 3, 7, 9), (4, 5)),
    "its regions must have 5 numbers each, but are 4x4": _refused(
        "ROIPooling", "roi_pooling_param { pooled_h: 2 pooled_w: 2 }", (2, 3, 7, 9), (4, 4)
    ),
    "needs min_size, above 0": _refused("PriorBox", "prior_box_param { img_size: 60 }"),
    "needs img_size, or the image as its second bottom": _refused(
        "PriorBox", "prior_box_param { min_size: 3 }"
    ),
    "needs as many max_size as min_size, each larger": _refused(
        "PriorBox", "prior_box_param { min_size: 3 max_size: 3 img_size: 60 }"
    ),
    "needs one variance or four, above 0": _refused(
        "PriorBox", "prior_box_param { min_size: 3 img_size: 60 variance: 0.1 variance: 0.2 }"
    ),
    "has both step and step_h or step_w": _refused(
        "PriorBox", "prior_box_param { min_size: 3 img_size: 60 step: 8 step_h: 8 step_w: 8 }"
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_caffe_refuses_is_an_error_that_says_why(reason: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=re.escape(reason)) as caught:
        _imported(REFUSED[reason], tmp_path)
    assert str(caught.value).startswith("layer 'layer' (")


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (_convolution("num_output: 2 kernel_size: 3 dilation: 0"), "its dilation is 0"),
        (_convolution("kernel_size: 300 pad: 300", kind="Im2col"), "its kernel 300x300 is too large"),
        (
            _refused("PriorBox", "prior_box_param { min_size: 3 }", (1, 1, 5000, 5000), (1, 3, 9, 9)),
            "it makes 1 boxes at each of 5000x5000 places",
        ),
    ],
)
def test_what_is_not_expressed_is_left_out_of_the_graph(case: Case, reason: str, tmp_path: Path) -> None:
    (node,) = _imported(case, tmp_path).proto.graph.node
    assert (node.domain, node.doc_string) == (UNSUPPORTED, reason)
