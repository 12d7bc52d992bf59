"""ROIPooling and PriorBox, of forks."""

from __future__ import annotations

import numpy as np

from tests.caffe.cases import Case, layer


def _roi_pooling(text: str, regions: list[list[float]], *shape: int) -> Case:
    rows = np.array(regions, np.float32)
    return Case(
        layer("ROIPooling", f"roi_pooling_param {{ {text} }}", bottom="data rois"),
        {"data": (2, 3, 7, 9), "rois": shape or rows.shape},
        {"rois": rows.reshape(shape or rows.shape)},
    )


def _prior_box(text: str) -> Case:
    return Case(
        layer("PriorBox", f"prior_box_param {{ {text} }}", bottom="data image"),
        {"data": (2, 3, 4, 5), "image": (2, 3, 60, 85)},
    )


# all of the map, inside, on halves, one element, corners swapped, beyond, outside, smaller than the bins
_REGIONS = [
    [0, 0, 0, 8, 6],
    [1, 2, 1, 5, 4],
    [0, 0.5, 1.5, 6.5, 4.5],
    [1, 3, 3, 3, 3],
    [0, 6, 5, 2, 1],
    [1, -4, -3, 20, 12],
    [0, 30, 30, 40, 40],
    [1, 7, 5, 8, 6],
]
_LARGE = [[image, *(16 * corner for corner in corners)] for image, *corners in _REGIONS]

CASES = {
    "roi-pooling": _roi_pooling("pooled_h: 3 pooled_w: 2", _REGIONS),
    "roi-pooling-many-bins": _roi_pooling("pooled_h: 7 pooled_w: 7", _REGIONS),
    "roi-pooling-one-bin": _roi_pooling("pooled_h: 1 pooled_w: 1", _REGIONS),
    "roi-pooling-scale": _roi_pooling("pooled_h: 2 pooled_w: 4 spatial_scale: 0.0625", _LARGE),
    "roi-pooling-4-d-regions": _roi_pooling("pooled_h: 2 pooled_w: 2", _REGIONS, 8, 5, 1, 1),
    "prior-box": _prior_box("min_size: 10"),
    "prior-box-ssd": _prior_box(
        "min_size: 30 max_size: 60 aspect_ratio: 2 flip: true clip: false "
        "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2 step: 8 offset: 0.5"
    ),
    "prior-box-clip": _prior_box("min_size: 20 max_size: 45 aspect_ratio: 2 aspect_ratio: 3 clip: true"),
    "prior-box-no-flip": _prior_box(
        "min_size: 20 aspect_ratio: 2 aspect_ratio: 3 aspect_ratio: 1 flip: false"
    ),
    "prior-box-ratio-twice": _prior_box("min_size: 20 aspect_ratio: 2 aspect_ratio: 0.5 aspect_ratio: 2"),
    "prior-box-several-sizes": _prior_box(
        "min_size: 10 min_size: 20.7 max_size: 20 max_size: 33.9 aspect_ratio: 2 variance: 0.3"
    ),
    "prior-box-steps": _prior_box("min_size: 10 step_h: 16 step_w: 15.5 offset: 0"),
    "prior-box-image": _prior_box("min_size: 10 img_h: 100 img_w: 50"),
    "prior-box-square-image": Case(
        layer("PriorBox", "prior_box_param { min_size: 10 img_size: 64 }"), {"data": (2, 3, 4, 5)}
    ),
}
