"""Scores of classes, as numbers or as maps."""

from __future__ import annotations

import numpy as np
import pytest

from extract import ModelError
from extract.class_scores import by_class, check_classes, count_of_classes


def test_maps_count_by_their_means() -> None:
    values = np.arange(2 * 3 * 5 * 7 * 11, dtype=np.float32).reshape(2, 3, 5, 7, 11)
    # numbers that rise by one: the mean is that of the first and the last
    np.testing.assert_array_equal(by_class(values, "net"), values[..., 0, 0] + 38)
    assert by_class(values[..., 0, 0], "net").shape == (2, 3, 5)


def test_a_number_an_image_is_no_score_of_a_class() -> None:
    for call in (lambda: by_class(np.ones((2, 3)), "net: 'y'"), lambda: count_of_classes((), "net: 'y'")):
        with pytest.raises(
            ModelError, match=r"^net: 'y' holds no scores of classes: say what the target is$"
        ):
            call()


@pytest.mark.parametrize("wrong", [-1, 5])
def test_classes_are_counted_from_zero(wrong: int) -> None:
    check_classes(np.array([0, 4]), 5, "net: 'y'")
    with pytest.raises(ModelError, match=rf"^net: 'y': class {wrong} is none of its 5 classes$"):
        check_classes(np.array([0, wrong]), 5, "net: 'y'")
