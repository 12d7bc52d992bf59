"""What stored weights tell of a network whose file leaves it out: channels of inputs, numbers of outputs.

The networks are cut from Caffe's examples mnist/lenet_train_test, mnist/mnist_autoencoder,
siamese/mnist_siamese_train_test and hdf5_classification/train_val, and from what DIGITS writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from converters.errors import CnnVisWarning
from extract.caffe.stored import StoredBlob, StoredWeights
from extract.weight import Weight
from tests.extract.caffe.texts import LOSS, Reader, data_layer, reader, refusal, shapes

CONV = 'layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" '
CONV += "convolution_param { num_output: 4 kernel_size: 5 } }\n"
FC = 'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" '
FC += "inner_product_param { num_output: 10 } }\n"
DATA = data_layer("Data", "data_param { batch_size: 4 }")


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return reader(tmp_path)


def weights(shapes_: Mapping[str, tuple[int, ...]]) -> StoredWeights:
    def stored(shape: tuple[int, ...]) -> StoredBlob:
        return StoredBlob(Weight(shape, lambda: np.zeros(shape, np.float32)))

    return StoredWeights(Path("net.caffemodel"), {name: (stored(shape),) for name, shape in shapes_.items()})


def layer(kind: str, rest: str = "", bottom: str = "data", name: str = "x") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" {rest} }}\n'


@pytest.mark.parametrize(
    ("text", "stored", "channels"),
    [
        (CONV, {"conv1": (4, 1, 5, 5)}, 1),
        (CONV.replace("num_output", "group: 2 num_output"), {"conv1": (4, 3, 5, 5)}, 6),
        (layer("Deconvolution"), {"x": (5, 2, 3, 3)}, 5),
        (layer("ConvolutionDepthwise"), {"x": (7, 1, 3, 3)}, 7),
        (
            layer("Power") + layer("Pooling", "", "x", "y") + layer("Convolution", "", "y", "z"),
            {"z": (4, 2)},
            2,
        ),
        (layer("ReLU", name="data") + layer("Dropout", name="data") + CONV, {"conv1": (4, 2, 5, 5)}, 2),
        # 784 values of 28 x 28 pixels; in older files as (1, 1, outputs, values)
        (layer("Flatten") + FC.replace('bottom: "data"', 'bottom: "x"'), {"fc": (10, 784 * 2)}, 2),
        (FC, {"fc": (1, 1, 10, 784)}, 1),
        (
            FC + " " + layer("InnerProduct", "inner_product_param { num_output: 10 transpose: true }"),
            {"x": (784, 10)},
            1,
        ),
        # the first layer that can tell does
        (layer("InnerProduct") + CONV, {"conv1": (4, 2, 5, 5)}, 2),
        (
            'layer { type: "Slice" bottom: "data" top: "a" top: "b" } '
            'layer { name: "b1" type: "Convolution" bottom: "b" top: "b1" }',
            {"b1": (4, 3, 5, 5)},
            6,
        ),
        # Caffe's siamese network shares the weights of both halves, and the file of the deployed one has one
        (
            'layer { type: "Slice" bottom: "data" top: "a" top: "b" '
            "slice_param { slice_dim: 1 slice_point: 1 } }"
            'layer { name: "a1" type: "Convolution" bottom: "a" top: "a1" param { name: "w" } }'
            'layer { name: "b1" type: "Convolution" bottom: "b" top: "b1" param { name: "w" } }',
            {"a1": (4, 1, 5, 5)},
            2,
        ),
    ],
)
def test_channels_are_those_of_the_weights(
    read: Reader, text: str, stored: Mapping[str, tuple[int, ...]], channels: int
) -> None:
    net = read(DATA + text, sizes=(28, 28), stored=weights(stored))
    assert shapes(net) == {"data": (4, channels, 28, 28)}


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (CONV, {"conv2": (4, 1, 5, 5)}),
        (CONV, {}),
        # values behind a pooling layer are not those of the input
        (layer("Pooling") + FC.replace('bottom: "data"', 'bottom: "x"'), {"fc": (10, 784)}),
        (FC, {"fc": (10, 785)}),
        (layer("Python") + CONV.replace('bottom: "data"', 'bottom: "x"'), {"conv1": (4, 1, 5, 5)}),
        (CONV, {"conv1": (4,)}),
    ],
)
def test_channels_that_weights_do_not_tell_are_taken_as_3(
    read: Reader, text: str, stored: Mapping[str, tuple[int, ...]]
) -> None:
    with pytest.warns(CnnVisWarning, match=r"does not tell how many channels 'data' has; taken as 3"):
        net = read(DATA + text, sizes=(28, 28), stored=weights(stored))
    assert shapes(net) == {"data": (4, 3, 28, 28)}


@pytest.mark.parametrize("start", ['input: "data"\n', data_layer("HDF5Data", "")])
@pytest.mark.parametrize(
    ("text", "size", "shape"),
    [
        (CONV, (28, 30), (1, 2, 28, 30)),
        (CONV, (2, 28, 30), (1, 2, 28, 30)),
        (CONV, (3, 2, 28, 30), (3, 2, 28, 30)),
        (FC, None, (1, 1568)),
        (FC, (28, 28), (1, 2, 28, 28)),
        (FC, (2, 28, 28), (1, 2, 28, 28)),
        (FC, (5, 1568), (5, 1568)),
        (FC, (3, 2, 28, 28), (3, 2, 28, 28)),
    ],
)
def test_input_of_which_the_file_tells_nothing(
    read: Reader, start: str, text: str, size: tuple[int, ...] | None, shape: tuple[int, ...]
) -> None:
    stored = weights({"conv1": (4, 2, 5, 5), "fc": (10, 1568)})
    assert shapes(read(start + text, sizes=size, stored=stored)) == {"data": shape}


def test_picture_without_weights_has_3_channels(read: Reader) -> None:
    with pytest.warns(CnnVisWarning, match=r"the network does not tell how many channels 'data' has"):
        net = read('input: "data"\n' + layer("ReLU") + layer("Pooling", "", "x", "y"), sizes=(9, 8))
    assert shapes(net) == {"data": (1, 3, 9, 8)}


def test_two_numbers_for_an_input_that_may_be_no_picture(read: Reader) -> None:
    text = data_layer("HDF5Data", "") + FC + LOSS
    assert refusal(read, text, sizes=(28, 30)) == (
        "layer 'source' (HDF5Data) does not tell the shape of input 'data', and 28x30 may be a height and "
        "width, or not; give it: --size HxW or CxHxW of a picture, 1xCxHxW, or 1xNx1x1 for N plain values"
    )
    assert shapes(read(text, sizes=(1, 6, 1, 1))) == {"data": (1, 6, 1, 1)}


@pytest.mark.filterwarnings("ignore:.*taken as 3:converters.errors.CnnVisWarning")
@pytest.mark.parametrize("size", [(0, 4), (-1, 4)])
@pytest.mark.parametrize("start", ['input: "data"\n', DATA])
@pytest.mark.parametrize("text", [CONV, FC])
def test_impossible_sizes(read: Reader, start: str, text: str, size: tuple[int, int]) -> None:
    stored = weights({"conv1": (4, 2, 5, 5), "fc": (10, 1568)})
    assert "cannot have the shape" in refusal(read, start + text, sizes=size, stored=stored)


@pytest.mark.parametrize("given", ["", "inner_product_param { num_output: 0 bias_term: false }"])
@pytest.mark.parametrize(
    ("transpose", "shape"), [("", (10, 1568)), ("", (1, 1, 10, 1568)), ("transpose: true", (1568, 10))]
)
def test_outputs_that_digits_leaves_out_are_those_of_the_weights(
    read: Reader, given: str, transpose: str, shape: tuple[int, ...]
) -> None:
    text = layer(
        "InnerProduct", given.replace("0 ", f"0 {transpose} ") or f"inner_product_param {{ {transpose} }}"
    )
    with pytest.warns(
        CnnVisWarning, match=r"layer 'x' \(InnerProduct\) has no num_output; .*weights for 10$"
    ):
        net = read('input: "data"' + text, sizes=(2, 28, 28), stored=weights({"x": shape}))
    assert net.layers[0].message.inner_product_param.num_output == 10


@pytest.mark.parametrize("stored", [None, {"y": (10, 1568)}])
def test_outputs_that_nothing_tells_stay_unknown(
    read: Reader, stored: Mapping[str, tuple[int, ...]] | None
) -> None:
    given = None if stored is None else weights(stored)
    net = read('input: "data"' + layer("InnerProduct"), sizes=(1, 2, 28, 28), stored=given)
    assert net.layers[0].message.inner_product_param.num_output == 0
