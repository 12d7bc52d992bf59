"""A network as an ONNX file of its own, for other tools."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from converters.errors import CnnVisWarning
from converters.staging import staging

from .caffe.support import UNSUPPORTED
from .errors import ModelError
from .files import sha256
from .graph import reads, shell
from .model import Model
from .shapes import annotated

if TYPE_CHECKING:
    import onnx

# Bytes. Protobuf holds no message of 2 GB, and beside the weights there must be room for the graph.
_LARGEST = 2**31 - 2**26


def save_onnx(model: Model, path: Path) -> list[Path]:
    """Write a network as an ONNX file that needs no other, and that ONNX's checker has passed.

    What is constant is computed; weights of 2 GB or more lie beside the file, in ``NAME.data``; all tensors
    have their shapes. Layers and blobs keep their names.

    Parameters
    ----------
    model : Model
        The network. Layers that could not be imported are left out, with a `CnnVisWarning`; what they would
        have read becomes an output.
    path : Path
        The file; its folder must exist.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ModelError
        If nothing is left of the network, or the checker finds fault with it.
    """
    import onnx

    proto = _without_constants(model, _outputs(model))
    _describe(proto)
    for file in model.source.files:
        proto.metadata_props.add(key=f"sha256 of {file.name}", value=sha256(file))
    large = sum(tensor.ByteSize() for tensor in proto.graph.initializer) > _LARGEST
    with staging(path.parent) as folder, model.named_in_errors():
        file = folder / path.name
        onnx.save_model(proto, file, save_as_external_data=large, location=f"{path.name}.data")
        try:
            onnx.checker.check_model(file, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ModelError(f"ONNX's checker refuses it: {' '.join(str(error).split())}") from error
        names = sorted(written.name for written in folder.iterdir())
    return [path.parent / name for name in names]


def _outputs(model: Model) -> list[str]:
    """Return the tensors that become outputs, without those that only unknown layers make."""
    graph = model.proto.graph
    unknown = [node for node in graph.node if node.domain == UNSUPPORTED]
    lost = {name for node in unknown for name in node.output}
    given = {value.name for value in model.inputs}
    rest = [value.name for value in graph.output if value.name not in lost]
    ends = [n for node in unknown for n in node.input if n not in lost | given | model.constants]
    outputs = list(dict.fromkeys([*rest, *ends]))
    if not outputs:
        raise ModelError(f"{model.path}: nothing is left without {_listed(n.name for n in unknown)}")
    if unknown:
        warnings.warn(
            f"{model.path}: left out, as they are not known here: {_listed(node.name for node in unknown)}; "
            f"outputs are {_listed(outputs)}",
            CnnVisWarning,
            stacklevel=3,
        )
    return outputs


def _without_constants(model: Model, outputs: list[str]) -> onnx.ModelProto:
    """Return the part of a model that makes `outputs`, with values for all that depends on no input."""
    import onnx

    source = model.proto.graph
    needed = set(outputs)
    nodes = []
    for node in reversed(source.node):
        if needed.intersection(node.output) and not model.constants.issuperset(filter(None, node.output)):
            nodes.append(node)
            needed.update(reads(node))
    proto = shell(model.proto)
    proto.producer_name = "cnnvis"
    used = {node.domain for node in nodes}
    for domain in [entry for entry in proto.opset_import if entry.domain and entry.domain not in used]:
        proto.opset_import.remove(domain)
    graph = proto.graph
    graph.node.extend(reversed(nodes))
    graph.input.extend(value for value in source.input if value.name in needed - model.constants)
    described = {value.name: value for value in source.output}
    graph.output.extend(described.get(name, onnx.ValueInfoProto(name=name)) for name in outputs)
    values = model.values(sorted(needed & model.constants))
    graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in values.items())
    return proto


def _describe(proto: onnx.ModelProto) -> None:
    """Write the types and shapes of all tensors into a model."""
    described = annotated(proto, {}).graph
    graph = proto.graph
    del graph.value_info[:]
    graph.value_info.extend(described.value_info)
    for output, full in zip(graph.output, described.output, strict=True):
        output.CopyFrom(full)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
