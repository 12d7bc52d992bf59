"""How outputs and parameters become volumes: literal expected values."""

from __future__ import annotations

import numpy as np
import pytest

from converters import lay_out
from converters.layouts import lay_out_kernels

# 2 outputs, 2 inputs, kernels of 1 x 3
KERNELS = np.array([[[[3, 0, 1]], [[4, 2, 0]]], [[[0, 6, 5]], [[1, 8, 12]]]], np.float32)


def test_kernels_as_a_stack():
    (volume,) = lay_out_kernels(KERNELS)
    np.testing.assert_array_equal(volume.data[:, 0], [[3, 0, 1], [4, 2, 0], [0, 6, 5], [1, 8, 12]])
    assert volume.labels == ("0,0", "0,1", "1,0", "1,1")
    assert volume.facts["layout"] == {"kind": "stack", "axes": ["kernel x", "kernel y", "output,input"]}


def test_kernels_as_a_volume_for_each_output():
    first, second = lay_out_kernels(KERNELS, "channels")
    np.testing.assert_array_equal(first.data[:, 0], [[3, 0, 1], [4, 2, 0]])
    np.testing.assert_array_equal(second.data[:, 0], [[0, 6, 5], [1, 8, 12]])
    assert first.facts["layout"]["axes"] == ["kernel x", "kernel y", "input"]


def test_kernels_as_a_mosaic():
    (volume,) = lay_out_kernels(KERNELS, "mosaic")
    np.testing.assert_array_equal(volume.data[0], [[3, 0, 1, 4, 2, 0], [0, 6, 5, 1, 8, 12]])
    assert volume.facts["layout"]["axes"] == ["input, kernel x", "output, kernel y"]


def test_kernels_of_one_input_are_a_near_square_mosaic():
    (volume,) = lay_out_kernels(KERNELS.reshape(4, 1, 1, 3), "mosaic")
    np.testing.assert_array_equal(volume.data[0], [[3, 0, 1, 4, 2, 0], [0, 6, 5, 1, 8, 12]])
    assert volume.facts["layout"]["axes"] == ["output,input; kernel x", "output,input; kernel y"]


def test_norms_of_kernels_over_their_inputs():
    (volume,) = lay_out_kernels(KERNELS, "norm")
    np.testing.assert_array_equal(volume.data[:, 0], [[5, 2, 1], [1, 10, 13]])
    assert volume.labels == ("0", "1")
    assert volume.facts["layout"] == {"kind": "stack", "axes": ["kernel x", "kernel y", "output"]}


def test_norms_of_kernels_of_3d_networks_are_frames():
    kernels = np.stack([KERNELS, 2 * KERNELS], axis=2)
    (volume,) = lay_out_kernels(kernels, "norm")
    assert volume.frames == 2
    np.testing.assert_array_equal(volume.data[1, :, 0], [[1, 10, 13], [2, 20, 26]])
    assert volume.facts["layout"]["axes"] == ["kernel x", "kernel y", "kernel z", "output"]


@pytest.mark.parametrize("rank", [2, 3])
def test_kernels_of_one_value_are_a_plane(rank):
    values = np.array([[3, 4, 0], [0, 5, 12]], np.float32)
    kernels = values.reshape(2, 3, *[1] * rank)
    (volume,) = lay_out_kernels(kernels)
    np.testing.assert_array_equal(volume.data, [values])
    assert volume.facts["layout"] == {"kind": "plane", "axes": ["input", "output"]}
    (norms,) = lay_out_kernels(kernels, "norm")
    np.testing.assert_array_equal(norms.data.ravel(), [5, 13])


@pytest.mark.parametrize("shape", [(2, 1, 3), (2, 1, 1, 3)])
def test_norms_of_maps_over_their_channels(shape):
    (volume,) = lay_out(KERNELS[0].reshape(shape), "norm")
    np.testing.assert_array_equal(volume.data, [[[5, 2, 1]]])
    assert volume.facts["layout"] == {"kind": "norm", "channels": 2}


def test_norms_are_summed_without_overflow():
    (volume,) = lay_out(np.full((2, 1, 1), 2e19, np.float32), "norm")
    assert volume.data.item() == pytest.approx(2**0.5 * 2e19)
