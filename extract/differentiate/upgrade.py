"""Bringing models of old operator sets to the oldest that rules know.

onnx's own version converter is not used: it stops at the first node that it has no adapter for, and gives
Resize and Upsample of sets before 11 other coordinates than they have (onnx 1.23).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelError
from ..graph import graphs, reads
from ..shapes import POOLED_RIGHT, forget_shapes, may_miscount
from .facts import facts_of
from .old import Old, Rewrite, names_in
from .step import Workshop, describe

if TYPE_CHECKING:
    import onnx

# Rules read and add nodes of this operator set, or of the model's own if that is later.
OPSET = 18
# The oldest operator set that broadcasts as all later ones do.
OLDEST = 7
# The first version of the file format with operator set 18, which it is written for.
_FORMAT = 8
# Since this version of the file format, a weight that is an input too is not constant.
_FREE_WEIGHTS = 4
# Stands for a set later than all: nodes of any set may be of the old form.
_ALWAYS = 2**31
# Operators whose new form is one of a later set than `OPSET`, or is written in such a form.
_SINCE = {"DFT": 20, "DeformConv": 20, "GridSample": 20, "STFT": 20}


def upgraded(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that means the same in operator set `OPSET` or later.

    Parameters
    ----------
    proto : onnx.ModelProto
        A model of operator set 7 or later, without local functions. It is left as it is; its weights may be
        external data. Nodes of other domains than ONNX's stay as they are.

    Raises
    ------
    ModelError
        If its operator set is older, or a node means something that no later operator does.
    """
    import onnx

    own = _own_set(proto)
    if own is None:
        return proto
    target = max(own.version, _needed_set(proto, own.version))
    if not any(_outdated(node, own.version) for g in graphs(proto.graph) for node in g.node):
        return proto if own.version == target else _as_set(proto, target)
    if own.version < OLDEST:
        raise ModelError(
            f"operator set {own.version} is too old to be differentiated: convert the model to set "
            f"{OLDEST} or later"
        )
    result = _as_set(proto, target)
    workshop = Workshop(facts_of(proto), names_in(proto))
    for graph in graphs(result.graph):
        used = {name for node in graph.node for name in reads(node)} | {value.name for value in graph.output}
        nodes = [new for node in graph.node for new in _rewritten(node, own.version, workshop, used)]
        del graph.node[:]
        graph.node.extend(nodes)
    result.graph.initializer.extend(
        onnx.numpy_helper.from_array(values, name) for name, values in workshop.initializers.items()
    )
    return result


def _needed_set(proto: onnx.ModelProto, version: int) -> int:
    """Return the oldest set that has the forms that rules know, and in which onnx counts windows right."""
    nodes = [node for graph in graphs(proto.graph) for node in graph.node if node.domain in ("", "ai.onnx")]
    if any(may_miscount(node, version) for node in nodes):
        return POOLED_RIGHT
    return max([OPSET, *(_SINCE[node.op_type] for node in nodes if node.op_type in _SINCE)])


def _rewritten(
    node: onnx.NodeProto, version: int, workshop: Workshop, used: set[str]
) -> Sequence[onnx.NodeProto]:
    if not _outdated(node, version):
        return [node]
    _, rewrite = REWRITES[node.op_type]
    new = rewrite(Old(node, workshop, used))
    made = [*workshop.nodes, *new]
    workshop.nodes.clear()
    return made


def _outdated(node: onnx.NodeProto, version: int) -> bool:
    """Return whether a node of an operator set says what it means otherwise than rules know it."""
    return node.domain in ("", "ai.onnx") and version < REWRITES.get(node.op_type, (0,))[0]


def _own_set(proto: onnx.ModelProto) -> onnx.OperatorSetIdProto | None:
    return next((entry for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), None)


def _as_set(proto: onnx.ModelProto, version: int) -> onnx.ModelProto:
    import onnx

    result = onnx.ModelProto()
    result.CopyFrom(proto)
    own = _own_set(result)
    assert own is not None
    if any(may_miscount(node, own.version) for graph in graphs(proto.graph) for node in graph.node):
        forget_shapes(result.graph)
    own.version = version
    if proto.ir_version < _FREE_WEIGHTS:
        # there every weight is an input too, and constant all the same
        stored = {tensor.name for tensor in proto.graph.initializer}
        inputs = [value for value in proto.graph.input if value.name not in stored]
        del result.graph.input[:]
        result.graph.input.extend(inputs)
    result.ir_version = max(proto.ir_version, _FORMAT)
    return result


def _axes_input(old: Old) -> Sequence[onnx.NodeProto]:
    """Axes are an input: Squeeze, Unsqueeze, ReduceMean and its like."""
    axes = old.attribute("axes")
    inputs = [*old.node.input, old.integers(axes)] if axes else old.node.input
    return [old.changed(inputs, without=["axes"])]


def _batch_normalization(old: Old) -> Sequence[onnx.NodeProto]:
    """Outputs for training are gone, and so are scales for each position (`spatial` 0)."""
    if any(name in old.used for name in old.node.output[1:]):
        raise ModelError(f"{describe(old.node)}: statistics made in training are not supported")
    del old.node.output[1:]
    if old.attribute("spatial", 1):
        return [old.changed(old.node.input, without=["spatial"])]
    x, scale, bias, mean, variance = old.node.input
    spread = old.add("Sqrt", old.add("Add", variance, old.number(old.attribute("epsilon", 1e-5), variance)))
    normal = old.add("Div", old.add("Sub", x, mean), spread)
    return [old.last("Add", [old.add("Mul", normal, scale), bias])]


def _clip(old: Old) -> Sequence[onnx.NodeProto]:
    """Bounds are inputs."""
    (x,) = old.node.input
    bounds = [old.attribute(name) for name in ("min", "max")]
    inputs = [x, *("" if bound is None else old.number(bound, x) for bound in bounds)]
    return [old.changed(inputs, without=["min", "max"])]


def _dft(old: Old) -> Sequence[onnx.NodeProto]:
    """The axis is an input."""
    inputs = [*old.node.input, ""][:2]
    return [old.changed([*inputs, old.integers(old.attribute("axis", 1))], without=["axis"])]


def _dropout(old: Old) -> Sequence[onnx.NodeProto]:
    """The ratio is an input, and the mask holds truth values instead of numbers."""
    x = old.node.input[0]
    new = old.changed([x, old.number(old.attribute("ratio", 0.5), x)], without=["ratio"])
    if len(new.output) == 1 or new.output[1] not in old.used or not old.is_floating(new.output[1]):
        return [new]
    numbers = new.output[1]
    new.output[1] = old.fresh(numbers)
    return [new, old.made("CastLike", [new.output[1], x], [numbers])]


def _grid_sample(old: Old) -> Sequence[onnx.NodeProto]:
    """Modes have names that hold for any number of axes."""
    mode = old.attribute("mode", "bilinear").removeprefix("bi")
    return [old.changed(old.node.input, mode=mode)]


def _group_normalization(old: Old) -> Sequence[onnx.NodeProto]:
    """Scale and bias come for each channel; one for each group makes an InstanceNormalization of groups."""
    x, scale, bias = old.node.input
    groups = old.add("Reshape", x, old.integers([0, old.attribute("num_groups"), -1]))
    epsilon = old.attribute("epsilon", 1e-5)
    normal = old.add("InstanceNormalization", groups, scale, bias, epsilon=epsilon)
    return [old.last("Reshape", [normal, old.add("Shape", x)])]


def _image_scaler(old: Old) -> Sequence[onnx.NodeProto]:
    """Scale x, add a bias to each channel: an experimental operator of sets before 10."""
    (x,) = old.node.input
    bias = np.reshape(old.attribute("bias"), (-1, 1, 1))
    scaled = old.add("Mul", x, old.number(old.attribute("scale", 1.0), x))
    return [old.last("Add", [scaled, old.number(bias, x)])]


def _mean_variance(old: Old) -> Sequence[onnx.NodeProto]:
    """Axes are written out: onnx's checker (1.23) fails at a node that leaves them to the default."""
    return [old.changed(old.node.input, axes=old.attribute("axes", [0, 2, 3]))]


def _pad(old: Old) -> Sequence[onnx.NodeProto]:
    """Sizes and value are inputs."""
    (x,) = old.node.input
    value = old.number(old.attribute("value", 0.0), x)
    return [old.changed([x, old.integers(old.attribute("pads")), value], without=["pads", "value"])]


def _resize(old: Old) -> Sequence[onnx.NodeProto]:
    """Coordinates and rounding are attributes from set 11 on, and there is one more input, `roi`."""
    x, *scales = old.node.input
    if len(scales) != 1:
        return _resize_11(old)
    return _scaled(old, x, scales[0])


def _resize_11(old: Old) -> Sequence[onnx.NodeProto]:
    """Inputs left out had to be empty tensors; and a way to round is now written in other words."""
    inputs = ["" if old.is_empty(name) else name for name in old.node.input]
    while not inputs[-1]:
        inputs.pop()
    new = old.changed(inputs)
    way = old.attribute("coordinate_transformation_mode", "half_pixel")
    if way == "tf_half_pixel_for_nn" and old.attribute("nearest_mode") == "floor":
        # floor(x) = floor((x - 0.5) + 0.5)
        del new.attribute[:]
        new = old.changed(
            inputs, coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_ceil"
        )
    return [new]


def _upsample(old: Old) -> Sequence[onnx.NodeProto]:
    """An old name of Resize; before set 9 with an attribute for the scales."""
    x, *scales = old.node.input
    if scales:
        return _scaled(old, x, scales[0])
    return _scaled(old, x, old.constant(np.asarray(old.attribute("scales"), np.float32)))


def _scaled(old: Old, x: str, scales: str) -> Sequence[onnx.NodeProto]:
    """Resize as before set 11: by coordinates without offset.

    The nearest is the next one towards 0, or, along axes that shrink, the next one away from it: so
    onnxruntime has it; the standard did not say.
    """
    mode = old.attribute("mode", "nearest")
    common = {"mode": mode, "coordinate_transformation_mode": "asymmetric"}
    if mode != "nearest":
        return [old.last("Resize", [x, "", scales], **common)]
    factors = old.value(scales)
    if old.node.op_type == "Upsample" or (factors is not None and (factors >= 1).all()):
        return [old.last("Resize", [x, "", scales], **common, nearest_mode="floor")]
    if factors is not None and (factors <= 1).all():
        return [old.last("Resize", [x, "", scales], **common, nearest_mode="ceil")]
    one = old.constant(np.ones(1, np.float32))
    shrunk = old.add("Resize", x, "", old.add("Min", scales, one), **common, nearest_mode="ceil")
    return [old.last("Resize", [shrunk, "", old.add("Max", scales, one)], **common, nearest_mode="floor")]


def _roi_align(old: Old) -> Sequence[onnx.NodeProto]:
    """Coordinates without offset were the only ones."""
    return [old.changed(old.node.input, coordinate_transformation_mode="output_half_pixel")]


def _scan(old: Old) -> Sequence[onnx.NodeProto]:
    raise ModelError(f"{describe(old.node)}: Scan of operator set 8 is not supported")


def _scatter(old: Old) -> Sequence[onnx.NodeProto]:
    """An old name of ScatterElements."""
    return [old.changed(old.node.input, operator="ScatterElements")]


def _slice(old: Old) -> Sequence[onnx.NodeProto]:
    """Starts, ends and axes are inputs."""
    given = [old.attribute(name) for name in ("starts", "ends", "axes")]
    inputs = [*old.node.input, *(old.integers(values) for values in given if values is not None)]
    return [old.changed(inputs, without=["starts", "ends", "axes"])]


def _softmax(old: Old) -> Sequence[onnx.NodeProto]:
    """It went over all axes from `axis`, by default 1, taken together."""
    (x,) = old.node.input
    axis, shape = old.attribute("axis", 1), old.shape(x)
    if axis == -1 or (shape is not None and axis == len(shape) - 1):
        return [old.changed([x], without=["axis"], axis=-1)]
    flat = old.add(old.node.op_type, old.add("Flatten", x, axis=axis), axis=-1)
    return [old.last("Reshape", [flat, old.add("Shape", x)])]


def _split(old: Old) -> Sequence[onnx.NodeProto]:
    """Sizes are an input, else the number of parts an attribute."""
    sizes = old.attribute("split")
    inputs = [*old.node.input, old.integers(sizes)] if sizes else list(old.node.input)
    parts: dict[str, Any] = {"num_outputs": len(old.node.output)} if len(inputs) == 1 else {}
    return [old.changed(inputs, without=["split"], **parts)]


def _top_k(old: Old) -> Sequence[onnx.NodeProto]:
    """The number is an input."""
    return [old.changed([*old.node.input, old.integers([old.attribute("k")])], without=["k"])]


# Operator -> the first set in which the new form holds, and what brings a node of an older one to it.
REWRITES: Mapping[str, tuple[int, Rewrite]] = {
    **dict.fromkeys(("Squeeze", "Unsqueeze", "ReduceSum"), (13, _axes_input)),
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"), (18, _axes_input)),
    **dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceMin"), (18, _axes_input)),
    **dict.fromkeys(("ReduceProd", "ReduceSumSquare"), (18, _axes_input)),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), (13, _softmax)),
    "BatchNormalization": (14, _batch_normalization),
    "Clip": (11, _clip),
    "DFT": (20, _dft),
    "Dropout": (12, _dropout),
    "GridSample": (20, _grid_sample),
    "GroupNormalization": (21, _group_normalization),
    "ImageScaler": (10, _image_scaler),
    "MeanVarianceNormalization": (_ALWAYS, _mean_variance),
    "Pad": (11, _pad),
    "Resize": (18, _resize),
    "RoiAlign": (16, _roi_align),
    "Scan": (9, _scan),
    "Scatter": (11, _scatter),
    "Slice": (10, _slice),
    "Split": (18, _split),
    "TopK": (10, _top_k),
    "Upsample": (10, _upsample),
}
