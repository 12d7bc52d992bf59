"""Concat, Slice, Split, Silence, Tile, BatchReindex and Filter."""

from __future__ import annotations

import numpy as np

from . import Case, layer

_TWO = {"data": (2, 3, 4, 5), "other": (2, 2, 4, 5)}
_VECTORS = {"data": (5, 3), "other": (2, 3)}
_CHOSEN = np.array([2, 0, 0, 1, 2, 2], np.float32)
# A magnitude below 1 counts, too.
_SELECTOR = np.array([1, 0, -3, 0.25, 0], np.float32)


def _concat(text: str = "", bottom: str = "data other") -> str:
    return layer("Concat", f"concat_param {{ {text} }}", bottom)


def _slice(text: str = "", top: str = "a b") -> str:
    return layer("Slice", f"slice_param {{ {text} }}", top=top)


CASES = {
    "concat": Case(layer("Concat", bottom="data other"), _TWO),
    "concat-axis-0": Case(_concat("axis: 0"), _VECTORS),
    "concat-axis-3": Case(_concat("axis: 3"), {"data": (2, 3, 4, 5), "other": (2, 3, 4, 1)}),
    "concat-axis-negative": Case(_concat("axis: -2"), {"data": (2, 3, 4, 5), "other": (2, 3, 2, 5)}),
    "concat-dim": Case(_concat("concat_dim: 2"), {"data": (2, 3, 1, 5), "other": (2, 3, 6, 5)}),
    "concat-three-one-twice": Case(_concat(bottom="data other data"), _TWO),
    "concat-one": Case(_concat(bottom="data")),
    "concat-five-axes": Case(_concat("axis: 2"), {"data": (2, 1, 3, 2, 4), "other": (2, 1, 1, 2, 4)}),
    "slice": Case(layer("Slice", top="a b c")),
    "slice-points": Case(_slice("slice_point: 1 slice_point: 4", "a b c"), {"data": (2, 6, 3, 5)}),
    "slice-axis-negative": Case(_slice("axis: -1 slice_point: 2"), {"data": (2, 3, 4, 7)}),
    "slice-axis-0": Case(_slice("axis: 0"), {"data": (4, 3, 2, 1)}),
    "slice-axis-0-points": Case(_slice("axis: 0 slice_point: 1"), {"data": (4, 3)}),
    "slice-dim": Case(_slice("slice_dim: 2 slice_point: 3"), {"data": (2, 3, 4, 2)}),
    "slice-one": Case(_slice(top="a")),
    "slice-no-axes-behind": Case(_slice("slice_point: 3"), {"data": (3, 4)}),
    "slice-concat-other-order": Case(_slice(top="a b c") + layer("Concat", bottom="c a b")),
    "split": Case(layer("Split", top="a b") + layer("Eltwise", bottom="a b")),
    "silence": Case(
        _slice(top="a b c") + layer("Silence", bottom="a c", top="", name="quiet") + layer("ReLU", bottom="b")
    ),
    "tile": Case(layer("Tile", "tile_param { tiles: 3 }"), {"data": (2, 3, 4)}),
    "tile-axis-0": Case(layer("Tile", "tile_param { axis: 0 tiles: 2 }"), {"data": (3, 2, 1, 5)}),
    "tile-axis-negative": Case(layer("Tile", "tile_param { axis: -1 tiles: 2 }"), {"data": (2, 3, 3, 2)}),
    "tile-once": Case(layer("Tile", "tile_param { axis: 2 tiles: 1 }")),
    "batch-reindex": Case(
        layer("BatchReindex", bottom="data index"),
        {"data": (3, 2, 4, 1), "index": (6,)},
        {"index": _CHOSEN},
    ),
    "batch-reindex-vectors": Case(
        layer("BatchReindex", bottom="data index"),
        {"data": (3, 5), "index": (6,)},
        # Caffe cuts what is behind the point.
        {"index": _CHOSEN + np.float32(0.75)},
    ),
    "batch-reindex-numbers": Case(
        layer("BatchReindex", bottom="data index"), {"data": (3,), "index": (6,)}, {"index": _CHOSEN}
    ),
    "filter": Case(
        layer("Filter", bottom="data selector"),
        {"data": (5, 2, 3, 4), "selector": (5,)},
        {"selector": _SELECTOR},
    ),
    "filter-several": Case(
        layer("Filter", bottom="data other selector", top="a b"),
        {"data": (5, 2, 3), "other": (5, 4), "selector": (5, 1, 1)},
        {"selector": _SELECTOR},
    ),
    "filter-all": Case(
        layer("Filter", bottom="data selector"),
        {"data": (3, 7), "selector": (3,)},
        {"selector": np.ones(3, np.float32)},
    ),
    "filter-and-layers-behind": Case(
        layer("Filter", bottom="data selector", top="some")
        + layer("InnerProduct", "inner_product_param { num_output: 4 }", "some", "ip", "ip")
        + layer("Reshape", "reshape_param { shape { dim: 0 dim: 2 dim: -1 } }", "ip"),
        {"data": (5, 2, 3, 4), "selector": (5, 1)},
        {"selector": _SELECTOR},
    ),
}

# Networks that Caffe refuses.
REFUSED = {
    "concat-axis": Case(_concat("axis: 4"), _TWO),
    "concat-axis-negative": Case(_concat("axis: -5"), _TWO),
    "concat-dim": Case(_concat("concat_dim: 4"), _TWO),
    "concat-both": Case(_concat("axis: 1 concat_dim: 1"), _TWO),
    "concat-sizes": Case(_concat("axis: 2"), _TWO),
    "concat-ranks": Case(_concat(), {"data": (2, 3, 1), "other": (2, 3)}),
    "concat-nothing": Case(layer("Concat", bottom="")),
    "slice-unequal": Case(_slice()),
    "slice-too-few-points": Case(_slice("slice_point: 1", "a b c")),
    "slice-point-0": Case(_slice("slice_point: 0")),
    "slice-falling": Case(_slice("slice_point: 2 slice_point: 1", "a b c")),
    "slice-point-outside": Case(_slice("slice_point: 4")),
    "slice-nothing-left": Case(_slice("slice_point: 3")),
    "slice-too-many": Case(_slice("slice_point: 1 slice_point: 2 slice_point: 3", "a b c d")),
    "slice-both": Case(_slice("axis: 1 slice_dim: 1", "a b c")),
    "split-in-place": Case(layer("Split", top="data b")),
    "silence-nothing": Case(layer("Silence", bottom="", top="")),
    "silence-top": Case(layer("Silence")),
    "tile-no-tiles": Case(layer("Tile")),
    "tile-0": Case(layer("Tile", "tile_param { tiles: 0 }")),
    "tile-axis": Case(layer("Tile", "tile_param { axis: 4 tiles: 2 }")),
    "batch-reindex-axes": Case(layer("BatchReindex", bottom="data other"), _VECTORS),
    "filter-batch": Case(layer("Filter", bottom="data other"), _VECTORS),
    "filter-selector": Case(layer("Filter", bottom="data other"), {"data": (2, 3), "other": (2, 3)}),
    "filter-tops": Case(layer("Filter", bottom="data other", top="a b"), {"data": (2, 3), "other": (2,)}),
}
