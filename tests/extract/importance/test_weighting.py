"""Volumes whose slices are scaled by scores, or carry them, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from converters import Volume
from converters.errors import VolumeError
from extract.importance.weighting import weighted

SCORES = [2.0, -4.0, 1.0]


def _volume(*labels: str) -> Volume:
    return Volume(np.full((len(labels), 2, 3), 8, np.float32), labels=labels, facts={"layer": "conv"})


def test_slices_of_filters_are_weighted_and_all_others_blank() -> None:
    volume = _volume("1", "", "0", "2,17", "2,0,5", "x")
    # |-4| is the largest score
    for way, wanted in (("scaled", [-8, 0, 4, 2, 2, 0]), ("carried", [-4, 0, 2, 1, 1, 0])):
        found = weighted(volume, SCORES, way, "act_mean", "cat")
        np.testing.assert_array_equal(found.data, np.broadcast_to(np.reshape(wanted, (6, 1, 1)), (6, 2, 3)))
        assert found.data.dtype == np.float32
        assert found.labels == volume.labels
        assert found.facts == {
            "layer": "conv",
            "importance": {
                "criterion": "act_mean",
                "class": "cat",
                "way": way,
                "scores": {"1": -4, "0": 2, "2,17": 1, "2,0,5": 1},
            },
        }


def test_scores_of_zero_alone_leave_nothing() -> None:
    assert not weighted(_volume("0", "1"), [0.0, 0.0], "scaled", "act_max", "all").data.any()


@pytest.mark.parametrize(
    ("labels", "message"),
    [(("a", "-1", "1.0"), "such as 'a', are no numbers"), (("0", "3"), "slice of filter 3, .* 3 filters")],
)
def test_labels_that_are_no_filters(labels: tuple[str, ...], message: str) -> None:
    with pytest.raises(VolumeError, match=message):
        weighted(_volume(*labels), SCORES, "scaled", "act_mean", "all")
