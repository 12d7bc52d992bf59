"""Networks from their description: a prototxt, or the one that a caffemodel carries."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from converters.errors import CnnVisWarning

from ..errors import ModelError
from .inputs import Sizes, inputs_of
from .net import Net, NetInput, NetLayer
from .phase import State, is_included, named_stages
from .readings import with_outputs
from .rules import rules
from .sources import Source, declared, is_source, source_of
from .stored import StoredWeights
from .supervision import label_blobs, without_supervision
from .text import ParsedText, read_text
from .unknown import Unknown, did_you_mean
from .upgrade import upgraded_layers

__all__ = ["Sizes", "net_of", "read_net"]

# What DIGITS calls the network that is used, and the one that is trained.
_DEPLOY, _TRAIN = "deploy", "train"
_OF_PICTURES = {"TransformationParameter", "ResizeParameter"}
# Layers in one message.
_LISTED = 8


def read_net(
    path: Path,
    *,
    sizes: Sizes = None,
    level: int = 0,
    stages: Collection[str] = (),
    strict: bool = True,
    stored: StoredWeights | None = None,
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
        Stages, besides those of the file's ``state``. Where neither names any and rules of the file name
        ``deploy``, as DIGITS writes them, it is that one.
    strict : bool, optional
        Refuse unknown fields of the network and its inputs, and let them be the problem of other layers whose
        type is known; else ignore them.
    stored : StoredWeights, optional
        The network's weights, which tell numbers of channels and outputs that the file leaves out.

    Returns
    -------
    Net
        The network.

    Raises
    ------
    ModelError
        If the file is no network, or one that Caffe refuses, or if nothing tells the size of an input.
    """
    parsed = read_text(path)
    if strict:
        _refuse_unknown(parsed, path)
    return _net(parsed if strict else replace(parsed, unknown=()), path, sizes, level, stages, stored)


def net_of(
    message: Any,
    path: Path,
    *,
    sizes: Sizes = None,
    level: int = 0,
    stages: Collection[str] = (),
    stored: StoredWeights | None = None,
) -> Net:
    """Return the network that a ``NetParameter`` describes, such as the one that a caffemodel carries.

    Parameters
    ----------
    message : protobuf message
        The ``NetParameter``, of any generation; it stays as it is.
    path : Path
        The file that it is from, for messages.
    sizes, level, stages, stored : optional
        As for `read_net`.

    Returns
    -------
    Net
        The network.

    Raises
    ------
    ModelError
        If Caffe refuses it, or nothing tells the size of an input.
    """
    return _net(ParsedText(message), path, sizes, level, stages, stored)


def _net(
    parsed: ParsedText,
    path: Path,
    sizes: Sizes,
    level: int,
    stages: Collection[str],
    stored: StoredWeights | None,
) -> Net:
    message = parsed.message
    layers = [
        NetLayer(layer.name, layer.type, tuple(layer.bottom), tuple(layer.top), layer, index)
        for index, layer in upgraded_layers(message, path, parsed.types)
    ]
    state = _state(message, level, stages, layers, path)
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
    kept = with_outputs(without_supervision(body, labels), stored, path)
    if not kept:
        raise ModelError(f"{path}: describes no network: it has only losses and data")
    inputs = inputs_of(sources, labels, sizes, path, kept, stored)
    _check_wiring(inputs, kept, path)
    transforms = (s.transform for s in sources if s.transform is not None and s.blobs[0] not in labels)
    return Net(message.name, path, inputs, _with_problems(kept, parsed.unknown, path), next(transforms, None))


def _state(
    message: Any, level: int, stages: Collection[str], layers: Iterable[NetLayer], path: Path
) -> State:
    """Return what rules are held against; a network of DIGITS that names no stage is the deployed one."""
    state = State.of(message, level, stages)
    named = named_stages(layer.message for layer in layers)
    if state.stages or _DEPLOY not in named:
        return state
    warnings.warn(
        f"{path}: its layers are for the stages {', '.join(sorted(named))}; taken are those for {_DEPLOY} "
        "(--stage takes others)",
        CnnVisWarning,
        stacklevel=4,
    )
    return State.of(message, level, [_DEPLOY])


def _substitutes(
    sources: Iterable[Source], body: Iterable[NetLayer], others: Iterable[NetLayer], path: Path
) -> list[Source]:
    """Return sources of other phases or stages for blobs that else nothing makes, those for training last."""
    candidates = sorted(others, key=_is_late)
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


def _is_late(layer: NetLayer) -> tuple[bool, bool]:
    """Return what a source is sorted by: whether it is for no TEST phase, and whether it is for training."""
    given = layer.message.include
    return not any(rule.phase for rule in given), any(_TRAIN in rule.stage for rule in given)


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


def _refuse_unknown(parsed: ParsedText, path: Path) -> None:
    """Refuse what is not known of the network or its inputs; warn of what may change pictures."""
    inputs = {i: f"layer {layer.name!r}" for i, layer in enumerate(parsed.message.layer) if _is_input(layer)}
    for unknown in parsed.unknown:
        if unknown.layer is None or unknown.layer in inputs:
            where = "the network" if unknown.layer is None else inputs[unknown.layer]
            raise ModelError(
                f"{path}: {where} has {unknown.described()}; a Caffe that knows it can run the network: "
                "--engine pycaffe"
            )
        if unknown.message in _OF_PICTURES:
            warnings.warn(
                f"{path}: transform_param: {unknown.described()} is ignored", CnnVisWarning, stacklevel=3
            )


def _is_input(layer: Any) -> bool:
    """Whether a layer is an Input, or would be taken for a source because its bottoms are misspelt."""
    return layer.type == "Input" or (layer.type in rules() and not layer.bottom)


def _with_problems(
    layers: Iterable[NetLayer], unknown: Iterable[Unknown], path: Path
) -> tuple[NetLayer, ...]:
    """Return layers, each with what of it is not known; warn once of fields and values."""
    odd: dict[int, list[str]] = {}
    for one in unknown:
        if one.layer is not None:
            odd.setdefault(one.layer, []).append(one.described())
    known = [layer for layer in layers if layer.type in rules() and layer.index in odd]
    if known:
        listed = [f"layer {layer.name!r} has {', '.join(odd[layer.index])}" for layer in known]
        more = f"; and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        warnings.warn(
            f"{path}: what some layers make is not known: {'; '.join(listed[:_LISTED])}{more}",
            CnnVisWarning,
            stacklevel=4,
        )
    return tuple(replace(layer, problem=_problem(layer, odd.get(layer.index, ()))) for layer in layers)


def _problem(layer: NetLayer, odd: Collection[str]) -> str | None:
    if layer.type not in rules():
        return f"its type {layer.type!r} is not known here{did_you_mean(layer.type, rules())}"
    return f"has {', '.join(odd)}" if odd else None
