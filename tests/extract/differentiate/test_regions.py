"""Gradients of pooling of regions."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from extract.differentiate import backward

from .check import check_node, node_model
from .gradient_of import gradient_of
from .oracle import check_against
from .test_pooling import OPEN, SIZES, distinct

# One region reaches out of the picture.
REGIONS = np.array([[1, 2, 9, 13], [3, 1, 5, 4], [-6, 0, 15, 9]], np.float32)
IMAGES = np.array([1, 0, 1])


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("pixels", ["half_pixel", "output_half_pixel"])
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("open_axes", OPEN, ids=SIZES)
def test_roi_align(open_axes: tuple[int, ...] | None, ratio: int, pixels: str, mode: str) -> None:
    check_node(
        "RoiAlign",
        {"x": distinct(2, 3, 7, 6), "!regions": REGIONS, "!images": IMAGES},
        open_axes=open_axes and (0, 1, 2, 3)[: len(open_axes)],
        output_height=3,
        output_width=2,
        sampling_ratio=ratio,
        spatial_scale=0.5,
        coordinate_transformation_mode=pixels,
        mode=mode,
    )


def test_of_equal_weighted_neighbours_the_first_gets_all() -> None:
    # the sample lies in the middle of four pixels, of which three count the same
    x = np.array([[[[1, 4], [4, 4]]]], np.float32)
    inputs = {"x": x, "!regions": np.array([[0.5, 0.5, 1.5, 1.5]], np.float32), "!images": np.array([0])}

    found = gradient_of("RoiAlign", inputs, wrt="x", mode="max", coordinate_transformation_mode="half_pixel")

    assert found.tolist() == [[[[0, 0.25], [0, 0]]]]


def largest(x: np.ndarray, regions: np.ndarray, bins: tuple[int, int], scale: float) -> np.ndarray:
    """Return what onnxruntime makes of MaxRoiPool."""
    result = np.zeros((len(regions), x.shape[1], *bins))
    for r, (image, *ends) in enumerate(regions):
        left, top, right, bottom = (int(np.copysign(np.floor(abs(e * scale) + 0.5), e)) for e in ends)
        spans = [max(bottom - top + 1, 1), max(right - left + 1, 1)]
        for i, j in np.ndindex(*bins):
            low = [int(np.floor(k * n / b)) for k, n, b in zip((i, j), spans, bins, strict=True)]
            high = [int(np.ceil((k + 1) * n / b)) for k, n, b in zip((i, j), spans, bins, strict=True)]
            rows, columns = (
                slice(*(min(max(edge + start, 0), size) for edge in edges))
                for *edges, start, size in zip(low, high, (top, left), x.shape[2:], strict=True)
            )
            cut = x[int(image), :, rows, columns]
            result[r, :, i, j] = cut.max(axis=(1, 2)) if cut.size else 0
    return result


@pytest.mark.parametrize("scale", [0.5, 1.0])
@pytest.mark.parametrize("bins", [(3, 2), (4, 5)])
@pytest.mark.parametrize("open_axes", OPEN, ids=SIZES)
def test_max_roi_pool(open_axes: tuple[int, ...] | None, bins: tuple[int, int], scale: float) -> None:
    # halves that are rounded, more bins than pixels, bins outside the picture, ends before their starts
    table = [[1, 1, 2, 9, 13], [0, 3, 1, 5, 4], [1, -6, 0, 15, 9], [0, 9, 9, 30, 30], [0, 4, 4, 2, 1]]

    def forward(x: np.ndarray, regions: np.ndarray) -> np.ndarray:
        return largest(x, regions, bins, scale)

    check_against(
        forward,
        "MaxRoiPool",
        {"x": distinct(2, 3, 7, 6), "!regions": np.array(table, np.float32)},
        open_axes=open_axes and (0, 1, 2, 3)[: len(open_axes)],
        pooled_shape=bins,
        spatial_scale=scale,
    )


def test_max_roi_pool_gives_all_to_the_first_of_equal_values() -> None:
    x = np.array([[[[1, 5, 0], [5, 5, 7]]]], np.float32)
    regions = np.array([[0, 0, 0, 1, 1]], np.float32)

    assert by_runtime(x, regions).tolist() == [[[[0, 1, 0], [0, 0, 0]]]]


def by_runtime(x: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Return the gradient of a pool of one bin, by onnxruntime: onnx's reference evaluator has none."""
    proto, feeds = node_model("MaxRoiPool", {"x": x, "regions": regions}, pooled_shape=[1, 1])
    session = onnxruntime.InferenceSession(backward(proto, "y0", ["x"]).SerializeToString())
    (found,) = session.run(["grad:x"], {**feeds, "seed:y0": np.ones((1, 1, 1, 1), np.float32)})
    return np.asarray(found)
