"""Reading ONNX files: checks before anything runs, and 16-bit floats widened to float32."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .caffe.content import ONNX, kind_of_file
from .errors import ModelError
from .external import SMALL, entries, is_external, size_of, unmapped
from .files import is_utf8
from .graph import graphs
from .lean_onnx import parse

if TYPE_CHECKING:
    import onnx

OLDEST_OPSET = 7
# What onnx itself saves and loads by these names; all others are binary.
TEXT_FORMS = (".json", ".onnxtext", ".onnxtxt", ".pbtxt", ".textproto", ".txtpb")
# Types of which several values share a byte.
_PACKED_BITS = {
    "INT4": 4,
    "UINT4": 4,
    "FLOAT4E2M1": 4,
    "INT2": 2,
    "UINT2": 2,
    "FLOAT6E2M3": 6,
    "FLOAT6E3M2": 6,
}


class OnnxFile(NamedTuple):
    """A model as its file holds it.

    Parameters
    ----------
    proto : onnx.ModelProto
        With float32 where the file has float16 or bfloat16, and local functions replaced by their nodes.
    folder : Path
        Where its external weights lie.
    others : tuple of Path
        The files that hold them, without the model's own.
    """

    proto: onnx.ModelProto
    folder: Path
    others: tuple[Path, ...]


def read_onnx(path: Path) -> OnnxFile:
    """Read an ONNX model, its large weights left in their files, be it its own.

    Parameters
    ----------
    path : Path
        The model file.

    Returns
    -------
    OnnxFile
        The model.

    Raises
    ------
    ModelError
        If the file is missing or not an ONNX model, its operator set is not supported, weights do not hold
        as much as their shapes say, or external ones are missing or lie outside the model's folder.
    """
    import onnx
    import onnx.inliner

    if not path.is_file():
        raise ModelError(f"{path}: " + ("is a folder, not a model" if path.is_dir() else "no such file"))
    try:
        proto, folder = _parsed(path)
    except Exception as error:  # each form has errors of its own
        kind = kind_of_file(path)
        what = f"looks like {kind}" if kind not in (None, ONNX) else _one_line(error)
        raise ModelError(f"{path}: not an ONNX model, or damaged ({what})") from error
    if not proto.graph.node:
        kind = kind_of_file(path)
        what = f"looks like {kind}" if kind not in (None, ONNX) else "holds no graph of nodes"
        raise ModelError(f"{path}: not an ONNX model: it {what}")
    _check_opset(path, proto)
    if proto.functions:
        try:
            proto = onnx.inliner.inline_local_functions(proto)
        except Exception as error:  # the checker's errors share no public base class
            raise ModelError(f"{path}: its local functions are broken ({_one_line(error)})") from error
    for value in proto.graph.input:
        _check_input(path, value)
    for tensor in _stored(proto):
        _check_tensor(path, folder, tensor)
    for node, tensor in _attribute_tensors(proto):
        _check_inline(path, node, tensor)
        _check_tensor(path, folder, tensor)
    own = {path.name, path.resolve().name}
    others = tuple(folder / name for name in _locations(proto) if name not in own)
    _take_in(proto, folder)
    widen(proto)
    return OnnxFile(proto, folder, others)


def _parsed(path: Path) -> tuple[onnx.ModelProto, Path]:
    """Return a model, and the folder in which its external weights lie."""
    import onnx

    if is_text_form(path):
        return onnx.load_model(path, load_external_data=False), path.parent
    # the weights inside a link's target lie beside that
    file = path.resolve() if path.is_symlink() else path
    if is_utf8(file.name):
        proto = parse(file)
        if file == path or set(_locations(proto)) <= {file.name}:
            return proto, file.parent
    return onnx.load_model(path, format="protobuf", load_external_data=False), path.parent


def _take_in(proto: onnx.ModelProto, folder: Path) -> None:
    """Put small external weights into the graph: onnxruntime and shape inference want to see their values."""
    import onnx

    for graph in graphs(proto.graph):
        for tensor in graph.initializer:
            small = is_external(tensor) and math.prod(tensor.dims) <= SMALL
            if small and size_of(tensor) is not None:
                tensor.CopyFrom(onnx.numpy_helper.from_array(unmapped(tensor, folder), tensor.name))


def is_text_form(path: Path) -> bool:
    """Return whether onnx takes a file for one of its text forms, by its name."""
    return path.suffix.lower() in TEXT_FORMS


def _locations(proto: onnx.ModelProto) -> list[str]:
    """Return the names of the files that hold a model's external weights."""
    stored = (tensor for graph in graphs(proto.graph) for tensor in graph.initializer)
    return sorted({entries(tensor).get("location", "") for tensor in stored if is_external(tensor)})


def opset(proto: onnx.ModelProto) -> int:
    """Return the version of the standard operator set that a model uses, 0 where it names none."""
    return next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), 0)


def widen(proto: onnx.ModelProto) -> None:
    """Make every float16 and bfloat16 tensor of a model float32, in place.

    Stored weights stay as they are, wherever they lie; a Cast to float32 follows each, which onnxruntime
    folds when it loads the model. The cast value keeps the name, the stored one gets ``:half`` behind it.
    """
    import onnx

    halves = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    for graph in list(graphs(proto.graph)):
        for value in (*graph.input, *graph.output, *graph.value_info):
            for tensor_type in _tensor_types(value.type):
                if tensor_type.elem_type in halves:
                    tensor_type.elem_type = onnx.TensorProto.FLOAT
        for node in graph.node:
            _widen_attributes(node, halves)
        casts = []
        for tensor in graph.initializer:
            if tensor.data_type in halves:
                stored = tensor.name + ":half"
                casts.append(
                    onnx.helper.make_node("Cast", [stored], [tensor.name], to=onnx.TensorProto.FLOAT)
                )
                tensor.name = stored
        if casts:
            cast_names = {node.output[0] for node in casts}
            kept = [value for value in graph.input if value.name not in cast_names]
            del graph.input[:]
            graph.input.extend(kept)
            nodes = list(graph.node)
            del graph.node[:]
            graph.node.extend([*casts, *nodes])


def _tensor_types(kind: onnx.TypeProto) -> Iterator[Any]:
    if kind.HasField("tensor_type"):
        yield kind.tensor_type
    elif kind.HasField("sequence_type"):
        yield from _tensor_types(kind.sequence_type.elem_type)
    elif kind.HasField("optional_type"):
        yield from _tensor_types(kind.optional_type.elem_type)


def _widen_attributes(node: onnx.NodeProto, halves: tuple[int, ...]) -> None:
    import numpy as np
    import onnx

    for attribute in node.attribute:
        if attribute.name in ("to", "dtype", "output_dtype") and attribute.i in halves:
            attribute.i = onnx.TensorProto.FLOAT
        if attribute.HasField("t") and attribute.t.data_type in halves:
            values = onnx.numpy_helper.to_array(attribute.t).astype(np.float32)
            attribute.t.CopyFrom(onnx.numpy_helper.from_array(values, attribute.t.name))


def _check_opset(path: Path, proto: onnx.ModelProto) -> None:
    import onnx

    version, newest = opset(proto), onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= version <= newest:
        raise ModelError(
            f"{path}: uses operator set {version}; {OLDEST_OPSET} to {newest} are supported "
            "(onnx.version_converter changes a model's operator set)"
        )


def _check_input(path: Path, value: onnx.ValueInfoProto) -> None:
    import onnx

    for tensor_type in _tensor_types(value.type):
        if tensor_type.elem_type not in onnx.TensorProto.DataType.values():
            raise ModelError(f"{path}: input {value.name!r} has unknown data type {tensor_type.elem_type}")


def _stored(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for graph in graphs(proto.graph):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)


def _attribute_tensors(proto: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, onnx.TensorProto]]:
    for graph in graphs(proto.graph):
        for node in graph.node:
            for attribute in node.attribute:
                sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
                dense = [attribute.t] if attribute.HasField("t") else []
                parts = [t for s in (*sparse, *attribute.sparse_tensors) for t in (s.values, s.indices)]
                yield from ((node, tensor) for tensor in (*dense, *attribute.tensors, *parts))


def _check_inline(path: Path, node: onnx.NodeProto, tensor: onnx.TensorProto) -> None:
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        what = f"{node.op_type} node {node.name or ', '.join(node.output)!r}"
        raise ModelError(
            f"{path}: {what} keeps its attribute's values in another file; only weights may lie there "
            "(onnx.load_model and onnx.save_model of the model put them back)"
        )


def _check_tensor(path: Path, folder: Path, tensor: onnx.TensorProto) -> None:
    import onnx

    if any(size < 0 for size in tensor.dims):
        raise ModelError(f"{path}: weight {tensor.name!r} has a negative size: {tuple(tensor.dims)}")
    try:
        bits = _bits(tensor)
    except (KeyError, ValueError) as error:
        raise ModelError(
            f"{path}: weight {tensor.name!r} has unknown data type {tensor.data_type}"
        ) from error
    count = math.prod(tensor.dims)
    size = -(-count * bits // 8)
    text = tensor.data_type == onnx.TensorProto.STRING
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        if text:
            raise ModelError(f"{path}: weight {tensor.name!r} holds text, which cannot lie in another file")
        _check_external(path, folder, tensor, size)
        return
    if tensor.HasField("raw_data") and not text:
        held, needed, unit = len(tensor.raw_data), size, "bytes"
    else:
        field = onnx.helper.tensor_dtype_to_field(tensor.data_type)
        held, needed, unit = len(getattr(tensor, field)), _entries(tensor, count, bits), "values"
    if held != needed:
        raise ModelError(
            f"{path}: weight {tensor.name!r} of shape {tuple(tensor.dims)} holds "
            f"{held} {unit} where {needed} belong"
        )


def _entries(tensor: onnx.TensorProto, count: int, bits: int) -> int:
    """Return how many entries of a typed field hold `count` values."""
    import onnx

    if tensor.data_type in (onnx.TensorProto.COMPLEX64, onnx.TensorProto.COMPLEX128):
        return 2 * count
    return -(-count * bits // 8) if bits < 8 else count


def _bits(tensor: onnx.TensorProto) -> int:
    import onnx

    kind = onnx.TensorProto.DataType.Name(tensor.data_type)
    if kind in _PACKED_BITS:
        return _PACKED_BITS[kind]
    return 8 * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def _check_external(path: Path, folder: Path, tensor: onnx.TensorProto, needed: int) -> None:
    where = entries(tensor)
    place = f"{path}: external weight {tensor.name!r}"
    file = (folder / where.get("location", "")).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise ModelError(f"{place} lies outside the model's folder: {where.get('location')!r}")
    if not file.is_file():
        raise ModelError(f"{place}: its file {where.get('location')!r} is missing beside the model")
    try:
        offset = int(where.get("offset", 0))
        length = int(where.get("length", needed))
    except ValueError as error:
        raise ModelError(f"{place}: offset and length must be whole numbers") from error
    if offset < 0 or length != needed or offset + length > file.stat().st_size:
        raise ModelError(
            f"{place} of shape {tuple(tensor.dims)} needs {needed} bytes at {offset} of {file.name!r}, "
            f"which has {file.stat().st_size}"
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
