"""What is known of a graph's tensors before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..external import is_external
from ..shapes import annotated

if TYPE_CHECKING:
    import onnx

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Facts:
    """Types, shapes and small constants of a graph's tensors.

    Parameters
    ----------
    shapes : mapping of str to tuple of int or None
        Of the tensors whose number of axes is known; None for a size that is open.
    extents : mapping of str to tuple of int, str or None
        The same, with the names of open sizes that have one: equal names are equal sizes.
    dtypes : mapping of str to numpy.dtype
        Of the tensors whose type is known.
    values : mapping of str to ndarray
        Of the constants that lie in the graph.
    patched : frozenset of str
        Tensors that may hold what is not a number, as some node behind replaces values of them.
    """

    shapes: Mapping[str, Shape]
    extents: Mapping[str, tuple[int | str | None, ...]]
    dtypes: Mapping[str, np.dtype[Any]]
    values: Mapping[str, NDArray[Any]]
    patched: frozenset[str]


def facts_of(proto: onnx.ModelProto) -> Facts:
    """Find out what is known of a model's tensors, by shape inference; large weights are not read."""
    import onnx

    graph = annotated(proto, {}, symbols=True).graph
    extents: dict[str, tuple[int | str | None, ...]] = {}
    types: dict[str, int] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        types[value.name] = tensor.elem_type
        if tensor.HasField("shape"):
            extents[value.name] = tuple(_extent(d) for d in tensor.shape.dim)
    for stored in proto.graph.initializer:
        extents[stored.name], types[stored.name] = tuple(stored.dims), stored.data_type
    values = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer if not is_external(t)}
    for node in proto.graph.node:
        if node.op_type == "Constant":
            values.update((node.output[0], value) for value in _constant(node.attribute[0]))
    dtypes = {
        name: onnx.helper.tensor_dtype_to_np_dtype(kind)
        for name, kind in types.items()
        if kind not in (onnx.TensorProto.UNDEFINED, onnx.TensorProto.STRING)
    }
    shapes = {
        name: tuple(size if isinstance(size, int) else None for size in extent)
        for name, extent in extents.items()
    }
    return Facts(shapes, extents, dtypes, values, _patched(proto.graph))


def _patched(graph: onnx.GraphProto) -> frozenset[str]:
    """Return the tensors that a Where chooses from, or an IsNaN looks at."""
    found: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type == "IsNaN":
            found.add(node.input[0])
        elif node.op_type == "Where":
            found.update(node.input[1:])
        elif node.op_type in ("Cast", "CastLike", "Identity") and node.output[0] in found:
            found.add(node.input[0])
    return frozenset(found)


def _extent(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    """Return a size; exporters write open ones as -1 too."""
    if dim.HasField("dim_value") and dim.dim_value >= 0:
        return int(dim.dim_value)
    return dim.dim_param or None


def _constant(attribute: onnx.AttributeProto) -> Iterator[NDArray[Any]]:
    """Yield what a Constant node holds, unless that is text or sparse."""
    import onnx

    value = onnx.helper.get_attribute_value(attribute)
    if attribute.name == "value":
        yield onnx.numpy_helper.to_array(value)
    elif attribute.name in ("value_int", "value_ints"):
        yield np.asarray(value, np.int64)
    elif attribute.name in ("value_float", "value_floats"):
        yield np.asarray(value, np.float32)
