"""Permute and ShuffleChannel, which only forks have, against loops as their C++ has them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from extract.caffe.importer import import_net
from extract.caffe.prototxt import read_net
from extract.errors import ModelError
from tests.caffe.cases import Case, layer
from tests.caffe.harness import Answer, load, run

Values = NDArray[np.float32]


def _ours(folder: Path, text: str, values: Values) -> Values:
    prototxt = folder / "net.prototxt"
    prototxt.write_text(Case(text, {"data": values.shape}).prototxt)
    model = load(prototxt, Answer({}, {}, None))
    return np.asarray(run(model, {"data": values}, ["top"])["top"])


def _values(shape: tuple[int, ...]) -> Values:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def _permuted(values: Values, order: list[int]) -> Values:
    """Return what ``Permute`` of SSD's permute_layer.cpp makes, place by place."""
    order = order + [axis for axis in range(values.ndim) if axis not in order]
    shape = [values.shape[axis] for axis in order]
    old_steps = [math.prod(values.shape[axis + 1 :]) for axis in range(values.ndim)]
    new_steps = [math.prod(shape[axis + 1 :]) for axis in range(values.ndim)]
    result = np.empty(values.size, np.float32)
    for i in range(values.size):
        old, rest = 0, i
        for axis in range(values.ndim):
            old += rest // new_steps[axis] * old_steps[order[axis]]
            rest %= new_steps[axis]
        result[i] = values.reshape(-1)[old]
    return result.reshape(shape)


def _shuffled(values: Values, rows: int) -> Values:
    """Return what ``Resize_cpu`` of ShuffleNet's shuffle_channel_layer.cpp makes of each image."""
    result = np.empty_like(values)
    columns = values.shape[1] // rows
    for image in range(len(values)):
        for i in range(rows):
            for j in range(columns):
                result[image, j * rows + i] = values[image, i * columns + j]
    return result


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((2, 3, 4, 5), [0, 2, 3, 1]),
        ((2, 3, 4, 5), [0, 3]),
        ((2, 3, 4, 5), []),
        ((2, 3, 4), [2, 0, 1]),
        ((3, 2, 1, 4, 2), [0, 4, 2]),
        ((3, 5), [1]),
    ],
)
def test_permute(shape: tuple[int, ...], order: list[int], tmp_path: Path) -> None:
    text = layer("Permute", f"permute_param {{ {' '.join(f'order: {axis}' for axis in order)} }}")
    values = _values(shape)
    assert np.array_equal(_ours(tmp_path, text, values), _permuted(values, order))


@pytest.mark.parametrize(
    ("shape", "groups"),
    [((2, 6, 3, 5), 2), ((2, 6, 3, 5), 3), ((3, 4), 2), ((1, 12, 2), 4), ((2, 3, 4, 1), 1)],
)
def test_shuffle_channel(shape: tuple[int, ...], groups: int, tmp_path: Path) -> None:
    text = layer("ShuffleChannel", f"shuffle_channel_param {{ group: {groups} }}")
    values = _values(shape)
    assert np.array_equal(_ours(tmp_path, text, values), _shuffled(values, groups))


@pytest.mark.parametrize(
    "text",
    [
        layer("Permute", "permute_param { order: 0 order: 4 }"),
        layer("Permute", "permute_param { order: 1 order: 1 }"),
        layer("ShuffleChannel", "shuffle_channel_param { group: 2 }"),
        layer("ShuffleChannel", "shuffle_channel_param { group: 0 }"),
    ],
)
def test_what_the_forks_refuse_is_refused(text: str, tmp_path: Path) -> None:
    prototxt = tmp_path / "net.prototxt"
    prototxt.write_text(Case(text).prototxt)
    with pytest.raises(ModelError, match="layer 'layer'"):
        import_net(read_net(prototxt))
