"""Hypothesis strategies for volumes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from converters import Volume

_finite = st.floats(-1e6, 1e6, allow_nan=False)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _finite | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def directions(draw: st.DrawFn) -> tuple[float, ...]:
    """Orthonormal matrices, right- and left-handed."""
    quaternion = np.array(draw(st.tuples(*[st.floats(-1, 1)] * 4)))
    length = np.linalg.norm(quaternion)
    w, x, y, z = quaternion / length if length > 0.1 else (1, 0, 0, 0)
    matrix = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    return tuple((matrix * (1, 1, draw(st.sampled_from([1, -1])))).ravel())


@st.composite
def volumes(draw: st.DrawFn, elements: st.SearchStrategy[Any] | None = None) -> Volume:
    """Small volumes with any geometry, names and facts.

    Parameters
    ----------
    draw
        Given by hypothesis.
    elements
        The values; all of float32 unless given.
    """
    shape = draw(st.tuples(*[st.integers(1, 12)] * 3))
    data = draw(hnp.arrays(np.float32, shape, elements=st.floats(width=32) if elements is None else elements))
    return Volume(
        data,
        spacing=draw(st.tuples(*[st.floats(1e-3, 1e3)] * 3)),
        origin=draw(st.tuples(*[_finite] * 3)),
        direction=draw(directions()),
        name=draw(st.text(max_size=12)),
        labels=draw(st.lists(st.text(max_size=6), min_size=shape[0], max_size=shape[0])),
        facts=draw(st.dictionaries(st.text(max_size=6), _json, max_size=3)),
    )
