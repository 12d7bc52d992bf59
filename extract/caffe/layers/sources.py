"""Layers that make values of nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..call import Blob, Call
from ..fillers import fill
from ..rules import rule
from ..schema import message
from .checks import blob_shape, bottoms

_LEGACY_SIZES = ("num", "channels", "height", "width")


@rule("Parameter")
def parameter(call: Call) -> list[Blob]:
    """Return a learned blob."""
    bottoms(call, 0)
    shape = blob_shape(call, call.layer.parameter_param.shape.dim)
    return [Blob(call.parameter(0, shape), shape)]


@rule("DummyData")
def dummy_data(call: Call) -> list[Blob]:
    """Return blobs that fillers make; random ones are the same at every run, unlike in Caffe."""
    bottoms(call, 0)
    param = call.layer.dummy_data_param
    fillers = list(param.data_filler) or [message("FillerParameter")]
    if len(fillers) not in (1, call.tops):
        raise call.error(
            f"has {len(fillers)} fillers for {call.tops} tops: needs one for all or one for each"
        )
    return [
        _filled(call, fillers[i % len(fillers)], shape, i) for i, shape in enumerate(_shapes(call, param))
    ]


def _shapes(call: Call, param: Any) -> list[tuple[int, ...]]:
    """Return the shape of each top."""
    legacy = {name: getattr(param, name) for name in _LEGACY_SIZES}
    if not any(legacy.values()):
        shapes = [shape.dim for shape in _for_each(call, "shape", param.shape)]
    elif param.shape:
        raise call.error("gives both shape and num, channels, height or width")
    else:
        columns = [_for_each(call, name, sizes) for name, sizes in legacy.items()]
        shapes = list(zip(*columns, strict=True))
    return [blob_shape(call, shape) for shape in shapes]


def _for_each(call: Call, name: str, given: Sequence[Any]) -> list[Any]:
    """Return a value for each top, of one for all or one for each."""
    if len(given) not in (1, call.tops):
        raise call.error(f"gives {name} {len(given)} times for {call.tops} tops: needs it once or for each")
    return list(given) if len(given) == call.tops else list(given) * call.tops


def _filled(call: Call, filler: Any, shape: tuple[int, ...], top: int) -> Blob:
    import onnx

    values = fill(filler, shape, f"{call.name}/{top}")
    if filler.type != "constant":
        return Blob(call.constant(values.read()), shape)
    value = onnx.numpy_helper.from_array(np.array([filler.value], np.float32))
    sizes = call.constant(shape, np.int64)
    return Blob(call.node("ConstantOfShape", [sizes], value=value), shape)
