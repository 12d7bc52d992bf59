"""What the cases do not show of layers without windows: what fills parameters, and dropout in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from extract.caffe.importer import ImportedNet, import_net
from extract.caffe.prototxt import read_net
from extract.caffe.support import check_supported
from extract.errors import ModelError
from extract.runner import Runner
from tests.caffe.cases import Case, layer

# As Caffe 1.0.0 (Debian's python3-caffe 1.0.0+git20180821.99bd997-8) shows them in the `params` of a
# ``caffe.Net(prototxt, caffe.TEST)``.
FILLED = {
    ("PReLU", ""): [np.full(3, 0.25)],
    ("PReLU", "prelu_param { channel_shared: true }"): [np.array(0.25)],
    ("Scale", "scale_param { bias_term: true }"): [np.ones(3), np.zeros(3)],
    ("Scale", "scale_param { num_axes: 0 filler { value: 3 } }"): [np.array(3)],
    ("Bias", ""): [np.zeros(3)],
    ("BatchNorm", ""): [np.zeros(3), np.zeros(3), np.zeros(1)],
}


def _imported(kind: str, text: str, folder: Path) -> ImportedNet:
    prototxt = folder / "net.prototxt"
    prototxt.write_text(Case(layer(kind, text), {"data": (2, 3, 4, 5)}).prototxt)
    return import_net(read_net(prototxt))


@pytest.mark.parametrize(("kind", "text"), FILLED)
def test_parameters_hold_what_caffe_fills_them_with(kind: str, text: str, tmp_path: Path) -> None:
    net = _imported(kind, text, tmp_path)
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in net.proto.graph.initializer}
    values = [tensors[name] for name in net.layers[0].parameters.values()]
    assert net.filled == tuple(net.layers[0].parameters.values())
    for value, expected in zip(values, FILLED[kind, text], strict=True):
        np.testing.assert_array_equal(value, expected)
        assert value.shape == expected.shape


@pytest.mark.parametrize("text", ["phase: TRAIN", "dropout_param { sample_weights_test: true }"])
def test_dropout_that_is_in_training_cannot_be_computed(text: str, tmp_path: Path) -> None:
    net = _imported("Dropout", text, tmp_path)
    with pytest.raises(ModelError, match=r"layer 'layer' \(Dropout\): .* at random"):
        check_supported(net.proto, ["top"])


def test_dropout_that_training_did_not_scale_is_scaled_here(tmp_path: Path) -> None:
    net = _imported("Dropout", "dropout_param { dropout_ratio: 0.75 scale_train: false }", tmp_path)
    x = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
    (top,) = Runner(net.proto, tmp_path, ["top"]).run({"data": x})
    np.testing.assert_array_equal(top, x / 4)
