"""All methods are called alike, and go from batch to batch."""

from __future__ import annotations

import json

import numpy as np
import pytest

from extract import load_model
from extract.attribution import METHODS
from tests.extract.nets import save, toy


@pytest.mark.parametrize("name", METHODS)
def test_a_prepared_method_gives_each_image_its_own(tmp_path, name):
    model = load_model(save(toy(), tmp_path))
    x = np.random.default_rng(1).random((3, 1, 3, 3), dtype=np.float32)
    method = METHODS[name](model, "fc:1", ["conv1"])
    assert [i.name for i in method.inputs] == ["x"]
    together = method.run(x)
    assert together.facts["method"] == name
    assert "arXiv" in together.facts["reference"]
    json.dumps([together.facts, together.report])
    alone = [method.run(x[i : i + 1]).values["conv1"] for i in range(3)]
    np.testing.assert_allclose(together.values["conv1"], np.concatenate(alone), rtol=1e-6, atol=1e-6)
    assert together.values["conv1"].any()
    one_name = METHODS[name](model, "fc:1", "conv1").run(x)
    np.testing.assert_array_equal(one_name.values["conv1"], together.values["conv1"])
