"""One network, two engines: onnxruntime and a real Caffe, behind the same functions and names."""

from __future__ import annotations

import numpy as np
import pytest

from cnnvis.provenance import model_facts
from converters.errors import CnnVisWarning
from extract import ModelError, activations, load_model
from extract.caffe.rules import rules
from tests.caffe.harness import TOLERANCE
from tests.extract.caffe.nets import CONV1, FC, NINE, TOY, write_net, write_weights

# 16 hidden units, in place twice, and weights that no file holds
FILLED = """
layer { name: "hidden" type: "InnerProduct" bottom: "conv1" top: "hidden"
        inner_product_param { num_output: 16 weight_filler { type: "xavier" } bias_filler { value: 0.5 } } }
layer { name: "tanh" type: "TanH" bottom: "hidden" top: "hidden" }
layer { name: "twice" type: "Power" bottom: "hidden" top: "hidden" power_param { scale: 2 shift: -0.5 } }
"""


@pytest.fixture(autouse=True)
def _interpreter(caffe_python, monkeypatch):
    monkeypatch.setenv("CNNVIS_CAFFE_PYTHON", str(caffe_python))


def test_names_and_values_mean_the_same(tmp_path):
    files = write_net(tmp_path, TOY + FILLED), write_weights(tmp_path)
    names = ["conv1", "relu1", "blob:conv1", "fc", "hidden", "tanh", "blob:hidden", "data"]
    x = np.concatenate([NINE, 8 - NINE, NINE[..., ::-1]])
    results = []
    for engine in ("onnxruntime", "pycaffe"):
        with pytest.warns(CnnVisWarning, match="no weights for hidden"):
            results.append(activations(load_model(*files, engine=engine), x, names))
    ours, caffes = results
    assert list(ours) == list(caffes) == names
    for name in names:
        assert ours[name].shape == caffes[name].shape
        largest = np.abs(caffes[name]).max()
        np.testing.assert_allclose(ours[name], caffes[name], rtol=0, atol=TOLERANCE * largest)
    np.testing.assert_array_equal(caffes["conv1"][:1], CONV1)
    np.testing.assert_array_equal(caffes["fc"][:1], FC)


def test_caffe_runs_layers_that_are_not_known_here(tmp_path, monkeypatch):
    monkeypatch.delitem(rules(), "TanH")
    text = TOY + FILLED.replace("hidden", "fc2").replace("conv1", "fc")
    files = write_net(tmp_path, text), write_weights(tmp_path)
    with pytest.warns(CnnVisWarning, match="no weights for fc2"):
        model = load_model(*files, engine="pycaffe")
    acts = activations(model, NINE, ["fc2", "tanh", "blob:fc2"])
    np.testing.assert_allclose(acts["tanh"], np.tanh(acts["fc2"]), rtol=1e-6)
    np.testing.assert_allclose(acts["blob:fc2"], 2 * acts["tanh"] - 0.5, rtol=1e-6)
    with pytest.warns(CnnVisWarning), pytest.raises(ModelError, match=r"'tanh' \(TanH\): .*--engine pycaffe"):
        activations(load_model(*files), NINE, ["tanh"])


def test_fields_that_are_not_known_are_left_to_caffe(tmp_path):
    text = TOY.replace("kernel_size: 2", "kernel_size: 2 novelty: 3")
    files = write_net(tmp_path, text), write_weights(tmp_path)
    with pytest.warns(CnnVisWarning, match="novelty"):
        model = load_model(*files)
    with pytest.raises(ModelError, match=r"unknown field 'novelty'.*--engine pycaffe"):
        activations(model, NINE, ["conv1"])
    # this Caffe does not know it either
    with pytest.raises(ModelError, match="novelty"):
        activations(load_model(*files, engine="pycaffe"), NINE, ["conv1"])


def test_side_cars_say_which_engine_it_was(tmp_path):
    files = write_net(tmp_path), write_weights(tmp_path)
    assert model_facts(load_model(*files, engine="pycaffe"))["engine"] == "pycaffe"
    assert "engine" not in model_facts(load_model(*files))


def test_a_byte_order_mark_is_passed_over(tmp_path):
    files = write_net(tmp_path, "\ufeff" + TOY), write_weights(tmp_path)
    for engine in ("onnxruntime", "pycaffe"):
        acts = activations(load_model(*files, engine=engine), NINE, ["fc"])
        np.testing.assert_array_equal(acts["fc"], FC)
