"""A network as an ONNX file of its own, for other tools."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.errors import CnnVisWarning
from converters.staging import staging

from .caffe.support import UNSUPPORTED
from .errors import ModelError
from .files import is_utf8, sha256
from .graph import cut, graphs, reads, shell
from .metadata import write_blobs
from .model import Model
from .onnx_output import data_path, finish, inner_tensors, stored_weight
from .runner import constant_values, stored_constants, tensor_value
from .shapes import annotated

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

_STANDARD = ("", "ai.onnx")


def save_onnx(model: Model, path: Path) -> list[Path]:
    """Write a network as an ONNX file that needs no other, and that ONNX's checker has passed.

    What is constant is computed; weights of 2 GB or more lie beside the file, in ``NAME.data``; tensors have
    their shapes as far as ONNX can tell them. Layers and blobs keep their names, and no two nodes share one.

    Parameters
    ----------
    model : Model
        The network. Layers that could not be imported are left out, with a `CnnVisWarning`; what they would
        have read becomes an output. So are inputs that no output needs.
    path : Path
        The file, of the suffix .onnx; its folder must exist. One of that name is replaced; a ``NAME.data``
        that an earlier, larger network left there stays if this one needs none.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ModelError
        If the file would replace one of the network's own, nothing is left of the network, the shape of an
        input or output is not known, or the checker finds fault with it.
    """
    _check_target(model, path)
    if model.source.runner is not None:
        raise ModelError(
            f"{model.path}: what only Caffe knows of this network cannot become ONNX; load it with the "
            "onnxruntime engine"
        )
    outputs = _outputs(model)
    with staging(path.parent) as folder, model.named_in_errors():
        proto, constants = _without_constants(model, outputs)
        _warn_of_unused(model, proto)
        file = folder / path.name
        with data_path(file).open("wb") as data:
            store = functools.partial(stored_weight, data=data, location=data_path(path).name)
            proto.graph.initializer.extend(
                store(name, read()) for name, read in _readers(model, constants).items()
            )
            for tensor in inner_tensors(proto.graph):
                tensor.CopyFrom(store(tensor.name, tensor_value(tensor, model.source.folder)))
        _describe(proto)
        for source in model.source.files:
            proto.metadata_props.add(key=f"sha256 of {source.name}", value=sha256(source))
        write_blobs(proto, model.source.blobs)
        finish(proto, file)
        names = sorted(written.name for written in folder.iterdir())
    return [path.parent / name for name in names]


def _check_target(model: Model, path: Path) -> None:
    """Raise a ModelError if a network cannot be written to a path."""
    if path.suffix.lower() != ".onnx":
        raise ModelError(
            f"{path}: an ONNX file is written in its binary form, under a name that ends in .onnx"
        )
    if path.is_dir():
        raise ModelError(f"{path}: is a folder; the ONNX file needs a name of its own")
    if not is_utf8(str(path)):
        raise ModelError(f"{str(path)!r}: ONNX takes only names in UTF-8")
    for target, source in itertools.product((path, data_path(path)), model.source.files):
        if target.exists() and source.exists() and target.samefile(source):
            raise ModelError(f"{target}: is a file of the network that is read; write to another one")


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
        reason = f"left without {_listed(n.name for n in unknown)}" if unknown else "there: it has no outputs"
        raise ModelError(f"{model.path}: nothing is {reason}")
    if unknown:
        warnings.warn(
            f"{model.path}: left out, as they are not known here: {_listed(node.name for node in unknown)}; "
            f"outputs are {_listed(outputs)}",
            CnnVisWarning,
            stacklevel=3,
        )
    return outputs


def _warn_of_unused(model: Model, proto: onnx.ModelProto) -> None:
    used = {value.name for value in proto.graph.input}
    unused = [value.name for value in model.inputs if value.name not in used]
    if unused:
        warnings.warn(
            f"{model.path}: left out, as no output needs them: inputs {_listed(unused)}",
            CnnVisWarning,
            stacklevel=3,
        )


def _without_constants(model: Model, outputs: Sequence[str]) -> tuple[onnx.ModelProto, dict[str, str]]:
    """Return the part of a model that makes `outputs`, without what depends on no input.

    Also return the constant tensors that it reads, by the names that it has for them: a constant that is an
    output is made by a node, which carries its layer's name.
    """
    import onnx

    source = model.proto.graph
    constant = model.constants - _no_tensors(model, outputs)
    needed = set(outputs)
    nodes = []
    for node in reversed(source.node):
        if needed.intersection(node.output) and not constant.issuperset(filter(None, node.output)):
            nodes.append(node)
            needed.update(reads(node))
    made = {name for node in nodes for name in node.output}
    constants = {name: name for name in sorted(needed & constant - made)}
    proto = shell(model.proto)
    proto.producer_name = "cnnvis"
    graph = proto.graph
    given = {value.name: value for value in source.input if value.name in needed - model.constants}
    graph.input.extend(given.values())
    makers = {name: node.name for node in source.node for name in node.output}
    for name in [name for name in outputs if name in constants]:
        stored = _free_name(f"{name}:value", model.tensors)
        constants[stored] = constants.pop(name)
        graph.node.append(onnx.helper.make_node("Identity", [stored], [name], makers.get(name, "")))
    graph.node.extend(reversed(nodes))
    _name_nodes(graph.node, {layer.outputs[0]: layer.name for layer in model.layers.values()})
    described = {value.name: value for value in source.output} | given
    graph.output.extend(described.get(name, onnx.ValueInfoProto(name=name)) for name in outputs)
    graph.value_info.extend(v for v in source.value_info if v.name in made and v.name not in outputs)
    used = {node.domain for inner in graphs(graph) for node in inner.node}
    for entry in [e for e in proto.opset_import if e.domain not in (*_STANDARD, *used)]:
        proto.opset_import.remove(entry)
    return proto, constants


def _no_tensors(model: Model, outputs: Iterable[str]) -> set[str]:
    """Return what is known to be no tensor: a sequence of them, or an optional one."""
    part = cut(model.proto, outputs)
    with suppress(ModelError):  # what is broken is reported where it is used
        part = annotated(part, {})
    kinds = {value.name: value.type.WhichOneof("value") for value in part.graph.value_info}
    return {name for name, kind in kinds.items() if kind not in (None, "tensor_type")}


def _name_nodes(nodes: Iterable[onnx.NodeProto], layers: Mapping[str, str]) -> None:
    """Give each node a name that no other has: its layer's, by first output, else its own if that is free."""
    taken = set(layers.values())
    for node in nodes:
        made = next(filter(None, node.output))
        node.name = layers[made] if made in layers else _free_name(node.name or made, taken)
        taken.add(node.name)


def _free_name(wanted: str, taken: Iterable[str]) -> str:
    while wanted in taken:
        wanted += "'"
    return wanted


def _readers(model: Model, constants: Mapping[str, str]) -> dict[str, Callable[[], NDArray[Any]]]:
    """Return what gives the values of constant tensors, one at a time."""
    proto, folder, weights = model.proto, model.source.folder, model.source.weights
    stored = stored_constants(proto, folder, weights)
    computed = [tensor for tensor in constants.values() if tensor not in stored]
    part = cut(proto, computed)

    def compute(tensor: str) -> NDArray[Any]:
        return constant_values(part, folder, [tensor], weights)[tensor]

    return {
        name: stored[tensor] if tensor in stored else functools.partial(compute, tensor)
        for name, tensor in constants.items()
    }


def _describe(proto: onnx.ModelProto) -> None:
    """Write the types and shapes of all tensors into a model."""
    described = annotated(proto, {}).graph
    graph = proto.graph
    del graph.value_info[:]
    graph.value_info.extend(described.value_info)
    for output, full in zip(graph.output, described.output, strict=True):
        output.CopyFrom(full)
    for what, values in (("input", graph.input), ("output", graph.output)):
        for value in values:
            other = value.type.WhichOneof("value") not in (None, "tensor_type")
            if not other and not value.type.tensor_type.HasField("shape"):
                raise ModelError(
                    f"the shape of {what} {value.name!r} is not known: neither does the model tell it, nor "
                    "can ONNX infer it"
                )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
