"""Networks from their description: a prototxt, or the one that a caffemodel carries."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from converters.errors import CnnVisWarning

from ..errors import ModelError
from .net import Net, NetInput, NetLayer
from .phase import State, is_included
from .rules import rules
from .sources import Source, declared, inputs_of, is_source, source_of
from .supervision import label_blobs, without_supervision
from .text import ParsedText, describe_unknown, read_text
from .upgrade import upgraded_layers

Sizes = Mapping[str, Sequence[int]] | Sequence[int] | None


def read_net(
    path: Path, *, sizes: Sizes = None, level: int = 0, stages: Collection[str] = (), strict: bool = True
) -> Net:
    """Read a network in Caffe's text format, of any generation, in its TEST phase.

    Data layers become inputs; losses, scores, labels and what needs them are left out. A softmax that is part
    of a loss layer goes with it.

    Parameters
    ----------
    path : Path
        A prototxt.
    sizes : mapping of str to sequence of int, or sequence of int, optional
        Sizes of inputs by blob, or of the first input, where the file tells none or others are wanted; each
        replaces the last axes of a shape: (height, width), (channels, height, width), or all.
    level : int, optional
        What ``min_level`` and ``max_level`` are held against.
    stages : collection of str, optional
        Stages, besides those of the file's ``state``.
    strict : bool, optional
        Refuse fields that are not known, in layers whose type is; else ignore them.

    Returns
    -------
    Net
        The network.

    Raises
    ------
    ModelError
        If the file is no network, or one that Caffe refuses, or if it does not tell the size of an input.
    """
    parsed = read_text(path)
    net = net_of(parsed.message, path, sizes=sizes, level=level, stages=stages)
    if strict:
        _check_unknown(parsed, net)
    return net


def net_of(
    message: Any, path: Path, *, sizes: Sizes = None, level: int = 0, stages: Collection[str] = ()
) -> Net:
    """Return the network that a ``NetParameter`` describes, such as the one that a caffemodel carries.

    Parameters
    ----------
    message : protobuf message
        The ``NetParameter``, of any generation; it stays as it is.
    path : Path
        The file that it is from, for messages.
    sizes, level, stages : optional
        As for `read_net`.

    Returns
    -------
    Net
        The network.

    Raises
    ------
    ModelError
        If Caffe refuses it, or it does not tell the size of an input.
    """
    layers = [
        NetLayer(layer.name, layer.type, tuple(layer.bottom), tuple(layer.top), layer, index)
        for index, layer in upgraded_layers(message, path)
    ]
    state = State.of(message, level, stages)
    included: list[NetLayer] = []
    excluded: list[NetLayer] = []
    for layer in layers:
        (included if is_included(layer.message, state, path) else excluded).append(layer)
    body = [layer for layer in included if not is_source(layer)]
    if not body:
        raise ModelError(f"{path}: describes no network: it has no layers")
    sources = [*declared(message, path), *(source_of(layer, path) for layer in included if is_source(layer))]
    sources += _substitutes(sources, body, [layer for layer in excluded if is_source(layer)], path)
    labels = label_blobs(sources, body)
    kept = without_supervision(body, labels)
    if not kept:
        raise ModelError(f"{path}: describes no network: it has only losses and data")
    inputs = inputs_of(sources, labels, sizes, path)
    _check_wiring(inputs, kept, path)
    transforms = (s.transform for s in sources if s.transform is not None and s.blobs[0] not in labels)
    return Net(message.name, path, inputs, kept, next(transforms, None))


def _substitutes(
    sources: Iterable[Source], body: Iterable[NetLayer], others: Iterable[NetLayer], path: Path
) -> list[Source]:
    """Return sources of other phases or stages for blobs that else nothing makes, those for TEST first."""
    candidates = sorted(others, key=lambda layer: not any(rule.phase for rule in layer.message.include))
    made = {blob for source in sources for blob in source.blobs}
    found = []
    for layer in body:
        for bottom in layer.bottoms:
            maker = next((c for c in candidates if bottom in c.tops), None)
            if bottom not in made and maker is not None:
                found.append(source_of(maker, path))
                made.update(maker.tops)
        made.update(layer.tops)
    return found


def _check_wiring(inputs: Iterable[NetInput], layers: Iterable[NetLayer], path: Path) -> None:
    """Raise a ModelError if a blob is read before it is made, or made twice other than in place."""
    makers: dict[str, str] = {}
    readers: dict[str, str] = {}
    for given in inputs:
        if given.blob in makers:
            raise ModelError(f"{path}: two inputs have the name {given.blob!r}")
        makers[given.blob] = "an input"
    for layer in layers:
        where = f"layer {layer.name!r} ({layer.type})"
        for bottom in layer.bottoms:
            if bottom not in makers:
                raise ModelError(f"{path}: {where} reads blob {bottom!r}, which nothing before it makes")
        for i, top in enumerate(layer.tops):
            if top in makers and layer.bottoms[i : i + 1] != (top,):
                raise ModelError(
                    f"{path}: {where} writes blob {top!r}, which {makers[top]} makes: Caffe allows that only "
                    "in place, to a bottom and top of the same position"
                )
            if top in makers and (top in readers or layer.bottoms.count(top) > 1):
                raise ModelError(
                    f"{path}: {where} works in place on blob {top!r}, whose value before "
                    f"{readers.get(top, 'it')} reads too: Caffe refuses that"
                )
            makers[top] = where
        readers.update(dict.fromkeys(layer.bottoms, where))
        for top in layer.tops:
            readers.pop(top, None)


def _check_unknown(parsed: ParsedText, net: Net) -> None:
    """Refuse unknown fields that may change values; warn of those that may change how pictures are prepared.

    Layers that are no part of the network, or of types that are not known either, may have any.
    """
    layers = parsed.message.layer
    inputs = {index: layer.name for index, layer in enumerate(layers) if layer.type == "Input"}
    checked = inputs | {layer.index: layer.name for layer in net.layers if layer.type in rules()}
    for field in parsed.unknown:
        if field.layer is None or field.layer in checked:
            name = None if field.layer is None else checked[field.layer]
            raise ModelError(f"{net.path}: {describe_unknown(field, name)}")
        if field.message == "TransformationParameter":
            warnings.warn(
                f"{net.path}: line {field.line}: transform_param: unknown field {field.name!r} is ignored",
                CnnVisWarning,
                stacklevel=3,
            )
