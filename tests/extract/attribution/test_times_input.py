"""Gradient times input by hand."""

from __future__ import annotations

import numpy as np

from extract.attribution import times_input
from tests.extract.attribution.nets import dense

X = np.array([[1, -2], [3, 1]], np.float32)


def test_inputs_layers_and_weights(tmp_path):
    got = times_input(dense(tmp_path), X, "fc2:0", ["x", "act", "fc2.weight"])
    np.testing.assert_array_equal(got.values["x"], [[2, 0], [15, 2]])
    # r = (1, 0, 0), (3, 1, 4) times (2, -1, 3): what each unit adds to the score
    np.testing.assert_array_equal(got.values["act"], [[2, 0, 0], [6, -1, 12]])
    np.testing.assert_array_equal(got.values["fc2.weight"], [[[2], [0], [0]], [[6], [-1], [12]]])
    assert got.facts["method"] == "times-input"


def test_summed_over_images(tmp_path):
    got = times_input(dense(tmp_path), X, "fc2:0", ["fc2.weight"], reduce="sum")
    np.testing.assert_array_equal(got.values["fc2.weight"], [[8], [-1], [12]])
