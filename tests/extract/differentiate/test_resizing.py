"""Gradients of Resize."""

from __future__ import annotations

import numpy as np
import pytest

from extract.differentiate import NoGradientError

from .check import check_node
from .numbers import values, whole

MODES = ["nearest", "linear", "cubic"]
OPEN = pytest.mark.parametrize("open_axes", [(0,), (0, 1, 2, 3)])


def by_scales(*scales: float) -> dict[str, np.ndarray | None]:
    return {"!roi": None, "!scales": np.array(scales, np.float32)}


def by_sizes(*sizes: int) -> dict[str, np.ndarray | None]:
    return {"!roi": None, "!scales": None, "!sizes": whole(*sizes)}


@OPEN
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "coordinates", ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric"]
)
def test_scales(mode: str, coordinates: str, open_axes: tuple[int, ...]) -> None:
    options = {"mode": mode, "coordinate_transformation_mode": coordinates, "open_axes": open_axes}
    check_node("Resize", {"x": values(2, 3, 4, 5)}, by_scales(1, 1, 2, 1.7), **options)


@OPEN
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "coordinates",
    ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"],
)
def test_sizes(mode: str, coordinates: str, open_axes: tuple[int, ...]) -> None:
    options = {"mode": mode, "coordinate_transformation_mode": coordinates, "open_axes": open_axes}
    check_node("Resize", {"x": values(2, 3, 4, 5)}, by_sizes(2, 3, 7, 3), **options)


@pytest.mark.parametrize("mode", MODES)
def test_aligned_corners_by_scales(mode: str) -> None:
    # onnxruntime and the reference evaluator disagree where scales give no whole sizes
    options = {"mode": mode, "coordinate_transformation_mode": "align_corners"}
    check_node("Resize", {"x": values(2, 3, 4, 5)}, by_scales(1, 1, 2, 1.6), **options)


@OPEN
@pytest.mark.parametrize("rounding", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
@pytest.mark.parametrize("coordinates", ["asymmetric", "half_pixel", "half_pixel_symmetric"])
def test_nearest_at_whole_scales(rounding: str, coordinates: str, open_axes: tuple[int, ...]) -> None:
    options = {"nearest_mode": rounding, "coordinate_transformation_mode": coordinates}
    x = values(2, 3, 4, 5)
    check_node("Resize", {"x": x}, by_scales(1, 1, 3, 2), open_axes=open_axes, **options)
    check_node("Resize", {"x": x}, by_scales(1, 2, 4, 1), open_axes=open_axes, **options)


def test_volume() -> None:
    check_node("Resize", {"x": values(1, 2, 3, 4, 5)}, by_scales(1, 1, 2, 1.5, 2), mode="linear")
    check_node("Resize", {"x": values(1, 2, 3, 4, 5)}, by_scales(1, 1, 2, 1, 2))


def test_line() -> None:
    check_node("Resize", {"x": values(2, 3, 5)}, by_scales(1, 1, 1.4), mode="linear", runtime=False)


def test_some_axes() -> None:
    check_node("Resize", {"x": values(1, 2, 3, 4)}, by_scales(1.5, 2), mode="linear", axes=[3, 2])
    check_node("Resize", {"x": values(1, 2, 3, 4)}, by_sizes(5, 3), mode="linear", axes=[3, 1], runtime=False)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_antialias(mode: str) -> None:
    check_node("Resize", {"x": values(1, 2, 7, 9)}, by_scales(1, 1, 0.6, 0.5), mode=mode, antialias=1)


def test_cubic_options() -> None:
    options = {"mode": "cubic", "exclude_outside": 1, "cubic_coeff_a": -0.5}
    check_node("Resize", {"x": values(1, 2, 7, 9)}, by_scales(1, 1, 0.6, 1.5), **options)


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sizes", [(8, 11), (4, 5), (13, 4)])
def test_kept_aspect_ratio(policy: str, mode: str, sizes: tuple[int, int]) -> None:
    options = {"mode": mode, "keep_aspect_ratio_policy": policy, "axes": [2, 3]}
    check_node("Resize", {"x": values(1, 2, 5, 9)}, by_sizes(*sizes), **options)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("open_axes", [(), (2, 3)])
def test_crop(mode: str, open_axes: tuple[int, ...]) -> None:
    roi = np.array([0, 0, 0.2, 0.3, 1, 1, 0.6, 1.3], np.float32)
    options = {
        "mode": mode,
        "coordinate_transformation_mode": "tf_crop_and_resize",
        "extrapolation_value": 2.0,
        "open_axes": open_axes,
    }
    sizes = {"!scales": None, "!sizes": whole(1, 2, 4, 5)}
    check_node("Resize", {"x": values(1, 2, 5, 9)}, {"!roi": roi, **sizes}, **options)
    check_node("Resize", {"x": values(1, 2, 5, 9), "!roi": roi}, sizes, **options)


def test_region_of_interest() -> None:
    inputs = {"x": values(1, 2, 5, 9), "roi": np.array([0, 0, 0.2, 0.3, 1, 1, 0.6, 1.3], np.float32)}
    sizes = {"!scales": None, "!sizes": whole(1, 2, 4, 5)}
    with pytest.raises(NoGradientError, match="first input"):
        check_node(
            "Resize", inputs, sizes, coordinate_transformation_mode="tf_crop_and_resize", mode="linear"
        )
