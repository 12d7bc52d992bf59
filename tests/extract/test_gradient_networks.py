"""Gradients of whole networks: smaller copies here, and in full size by `make check-networks`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from extract import load_model
from extract.gradients import gradients
from tests.extract.networks import freed, light
from tests.extract.whole_networks import NETWORKS, Network

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_gradients_are_those_of_central_differences_and_of_each_image(
    network: Network, tmp_path: Path
) -> None:
    """The second up to rounding in float32: the order of sums depends on the size of the batch."""
    model = network.make(tmp_path, True)
    rows = network.rows(model)
    smooth = [row for row in rows if not row.kink]
    assert [row for row in smooth if not row.agrees] == []
    assert {row.name for row in smooth} == set(network.wrt(model))
    assert len(smooth) >= 0.75 * len(rows)
    assert all(row.numeric for row in smooth)
    assert network.batch_difference(model) < 1e-5


@pytest.mark.parametrize("name", ["bvlc_alexnet", "shufflenet"])
def test_a_graph_for_one_image_takes_them_one_after_the_other(name: str, tmp_path: Path) -> None:
    """Its Reshapes hold the number of images, so they cannot run together."""
    proto = light(name, 64, 4 if name == "bvlc_alexnet" else 2)
    assert 1 in [size.dim_value for size in proto.graph.input[0].type.tensor_type.shape.dim]
    onnx.save(proto, tmp_path / "one.onnx")
    onnx.save(freed(proto), tmp_path / "any.onnx")
    x = np.random.default_rng(1).standard_normal((3, 3, 64, 64), np.float32)
    names = ["n0.weight", "n0"]
    one, many = (gradients(load_model(tmp_path / file), x, "top", names) for file in ("one.onnx", "any.onnx"))
    for key, value in many.items():
        np.testing.assert_allclose(one[key], value, rtol=0, atol=1e-5 * np.abs(value).max(), err_msg=key)
