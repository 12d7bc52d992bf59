"""What forks of Caffe add to its messages, in the notation of `extract.caffe.messages`.

Numbers are those of the fork where they clash with nothing (SSD's 202 to 206, Fast R-CNN's ROI pooling).
Where forks disagree over a number, or give one that Caffe 1.0 uses otherwise, the field has a private number
from 500000000 on: text, where only names count, reads right; in a binary file the field stays unread. So
``ceil_mode``: in the forks it is 13 of ``PoolingParameter``, a bool, and in Caffe 1.0 that is ``round_mode``,
an enumeration in which 1 means the opposite.
"""

from __future__ import annotations

FORK_MESSAGES = {
    "LayerParameter": """
        202 permute_param PermuteParameter
        203 prior_box_param PriorBoxParameter
        204 detection_output_param DetectionOutputParameter
        206 norm_param NormalizeParameter
        8266711 roi_pooling_param ROIPoolingParameter
        500000000 upsample_param UpsampleParameter
        500000001 interp_param InterpParameter
        500000002 shuffle_channel_param ShuffleChannelParameter
        500000003 relu6_param ReLU6Parameter
        500000004 bn_param BNParameter
        500000005 reorg_param ReorgParameter
    """,
    # DeepLab v1, the last network of note in the second form
    "V1LayerParameter": """
        500000000 interp_param InterpParameter
    """,
    # DeepLab v1's name of dilation
    "ConvolutionParameter": """
        500000000 hole uint32
        500000001 hole_h uint32
        500000002 hole_w uint32
        enum Engine MKL2017=3 MKLDNN=4 LIBDNN=5 SPATIAL=6 INTEL_SPATIAL=7 NNPACK=8
    """,
    "PoolingParameter": """
        enum Engine MKL2017=3 MKLDNN=4
        500000000 ceil_mode bool = true
    """,
    # Kaiming He's, SSD's: dropout that training does not scale; SegNet's: dropout at TEST
    "DropoutParameter": """
        500000000 scale_train bool = true
        500000001 sample_weights_test bool = false
    """,
    "LRNParameter": """
        enum Engine MKL2017=3 MKLDNN=4
    """,
    "ReLUParameter": """
        enum Engine MKL2017=3 MKLDNN=4
    """,
    "SigmoidParameter": """
        enum Engine MKL2017=3 MKLDNN=4
    """,
    "SoftmaxParameter": """
        enum Engine MKL2017=3 MKLDNN=4
    """,
    "TanHParameter": """
        enum Engine MKL2017=3 MKLDNN=4
    """,
    # NVCaffe: scale_bias folds a Scale layer with bias into the BatchNorm.
    "BatchNormParameter": """
        enum Engine DEFAULT=0 CAFFE=1 CUDNN=2 MKL2017=3 MKLDNN=4
        5 scale_filler FillerParameter
        6 bias_filler FillerParameter
        7 scale_bias bool = false
        8 engine Engine = DEFAULT
    """,
    "TransformationParameter": """
        500000000 resize_param ResizeParameter
    """,
    "ResizeParameter": """
        enum Resize_mode WARP=1 FIT_SMALL_SIZE=2 FIT_LARGE_SIZE_AND_PAD=3
        enum Pad_mode CONSTANT=1 MIRRORED=2 REPEAT_NEAREST=3
        enum Interp_mode LINEAR=1 AREA=2 NEAREST=3 CUBIC=4 LANCZOS4=5
        1 prob float = 1.0
        2 resize_mode Resize_mode = WARP
        3 height uint32 = 0
        4 width uint32 = 0
        8 height_scale uint32 = 0
        9 width_scale uint32 = 0
        5 pad_mode Pad_mode = CONSTANT
        6 pad_value float*
        7 interp_mode Interp_mode*
    """,
    "PermuteParameter": """
        1 order uint32*
    """,
    "NormalizeParameter": """
        1 across_spatial bool = true
        2 scale_filler FillerParameter
        3 channel_shared bool = true
        4 eps float = 1e-10
    """,
    "PriorBoxParameter": """
        enum CodeType CORNER=1 CENTER_SIZE=2 CORNER_SIZE=3
        1 min_size float*
        2 max_size float*
        3 aspect_ratio float*
        4 flip bool = true
        5 clip bool = false
        6 variance float*
        7 img_size uint32
        8 img_h uint32
        9 img_w uint32
        10 step float
        11 step_h float
        12 step_w float
        13 offset float = 0.5
    """,
    "DetectionOutputParameter": """
        1 num_classes uint32
        2 share_location bool = true
        3 background_label_id int32 = 0
        4 nms_param NonMaximumSuppressionParameter
        5 save_output_param SaveOutputParameter
        6 code_type PriorBoxParameter.CodeType = CORNER
        8 variance_encoded_in_target bool = false
        7 keep_top_k int32 = -1
        9 confidence_threshold float
        10 visualize bool = false
        11 visualize_threshold float
        12 save_file string
    """,
    "NonMaximumSuppressionParameter": """
        1 nms_threshold float = 0.3
        2 top_k int32
        3 eta float = 1.0
    """,
    "SaveOutputParameter": """
        1 output_directory string
        2 output_name_prefix string
        3 output_format string
        4 label_map_file string
        5 name_size_file string
        6 num_test_image uint32
        7 resize_param ResizeParameter
    """,
    "ROIPoolingParameter": """
        1 pooled_h uint32 = 0
        2 pooled_w uint32 = 0
        3 spatial_scale float = 1.0
    """,
    # SegNet's; the one of YOLO ports has scale alone.
    "UpsampleParameter": """
        1 scale uint32 = 2
        2 scale_h uint32
        3 scale_w uint32
        4 pad_out_h bool = false
        5 pad_out_w bool = false
        6 upsample_h uint32
        7 upsample_w uint32
    """,
    "InterpParameter": """
        1 height int32 = 0
        2 width int32 = 0
        3 zoom_factor int32 = 1
        4 shrink_factor int32 = 1
        5 pad_beg int32 = 0
        6 pad_end int32 = 0
    """,
    "ShuffleChannelParameter": """
        1 group uint32 = 1
    """,
    "ReLU6Parameter": """
        1 negative_slope float = 0.0
        2 threshold float = 6.0
    """,
    # SegNet's (scale_filler, shift_filler, bn_mode, var_eps) and PSPNet's (the other fields) in one.
    "BNParameter": """
        enum BNMode LEARN=0 INFERENCE=1
        enum Engine DEFAULT=0 CAFFE=1 CUDNN=2
        1 slope_filler FillerParameter
        2 bias_filler FillerParameter
        3 momentum float = 0.9
        4 eps float = 1e-05
        5 frozen bool = false
        6 engine Engine = DEFAULT
        7 scale_filler FillerParameter
        8 shift_filler FillerParameter
        9 bn_mode BNMode = LEARN
        10 var_eps float = 1e-09
    """,
    "ReorgParameter": """
        1 stride uint32 = 2
        2 reverse bool = false
    """,
}
