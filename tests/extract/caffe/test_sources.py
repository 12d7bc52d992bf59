"""Inputs of networks: in place of data layers, without labels, of other sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.errors import CnnVisWarning
from tests.extract.caffe.texts import (
    FC,
    INPUT,
    LOSS,
    RELU,
    Reader,
    data_layer,
    names,
    reader,
    refusal,
    shapes,
)


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return reader(tmp_path)


class TestDataLayers:
    @pytest.mark.parametrize(
        ("layer", "shape"),
        [
            (
                data_layer(
                    "Data", "transform_param { crop_size: 9 force_color: true } data_param { batch_size: 4 }"
                ),
                (4, 3, 9, 9),
            ),
            (data_layer("Data", "transform_param { crop_size: 9 force_gray: true }"), (1, 1, 9, 9)),
            (
                data_layer(
                    "Data", "transform_param { crop_size: 9 mean_value: [1, 2] } data_param { batch_size: 4 }"
                ),
                (4, 2, 9, 9),
            ),
            (
                data_layer(
                    "AnnotatedData",
                    "transform_param { mean_value: [1, 2, 3] resize_param { height: 5 width: 6 } }",
                ),
                (1, 3, 5, 6),
            ),
            (
                data_layer("ImageData", "image_data_param { batch_size: 2 new_height: 7 new_width: 8 }"),
                (2, 3, 7, 8),
            ),
            (
                data_layer(
                    "ImageData",
                    "image_data_param { new_height: 7 new_width: 8 is_color: false } "
                    "transform_param { crop_size: 3 }",
                ),
                (1, 1, 3, 3),
            ),
            (
                data_layer(
                    "WindowData", "window_data_param { batch_size: 6 } transform_param { crop_size: 3 }"
                ),
                (6, 3, 3, 3),
            ),
            (
                data_layer(
                    "MemoryData", "memory_data_param { batch_size: 2 channels: 4 height: 5 width: 6 }"
                ),
                (2, 4, 5, 6),
            ),
            (
                'layers { top: "data" top: "label" '
                'layer { type: "images" batchsize: 2 cropsize: 5 new_height: 9 } }',
                (2, 3, 5, 5),
            ),
            (
                'layers { top: "data" type: IMAGE_DATA image_data_param { batch_size: 2 crop_size: 5 } }',
                (2, 3, 5, 5),
            ),
        ],
    )
    def test_input_in_place_of_it(self, read: Reader, layer: str, shape: tuple[int, ...]) -> None:
        rest = FC + LOSS
        if layer.startswith("layers"):
            rest = 'layers { name: "fc" bottom: "data" top: "fc" '
            rest += (
                'layer { name: "fc" type: "innerproduct" } }'
                if "layer {" in layer
                else "type: INNER_PRODUCT }"
            )
        net = read(layer + rest)
        assert (shapes(net), names(net)) == ({"data": shape}, ["fc"])

    def test_channels_that_nothing_tells_are_said_to_be_taken_as_3(self, read: Reader) -> None:
        with pytest.warns(
            CnnVisWarning, match=r"layer 'source' \(Data\) does not tell how many channels 'data' has"
        ):
            net = read(data_layer("Data", "transform_param { crop_size: 9 }") + FC)
        assert shapes(net) == {"data": (1, 3, 9, 9)}

    def test_unknown_size_is_an_error_that_says_which(self, read: Reader) -> None:
        text = data_layer("Data", "transform_param { mean_value: [1, 2, 3] }") + FC + LOSS
        assert refusal(read, text) == (
            "layer 'source' (Data) does not tell the height and width of input 'data'; take the network's "
            "deploy.prototxt, or give the height and width: --size HxW"
        )
        assert shapes(read(text, sizes={"data": (8, 9)})) == {"data": (1, 3, 8, 9)}
        assert shapes(read(text, sizes=(5, 3, 8, 9))) == {"data": (5, 3, 8, 9)}

    def test_size_of_a_later_input_is_for_the_file_to_tell(self, read: Reader) -> None:
        text = 'layer { name: "more" type: "Input" top: "b" } '
        text += 'layer { type: "ReLU" bottom: "b" top: "r" }'
        assert refusal(read, INPUT + text) == (
            "layer 'more' (Input) does not tell the shape of input 'b'; give it in the file, by input_shape "
            "or an Input layer"
        )

    @pytest.mark.parametrize("kind", ["HDF5Data", "Python", "DataOfAFork"])
    def test_unknown_shape_is_an_error(self, read: Reader, kind: str) -> None:
        text = data_layer(kind, "") + FC + LOSS
        assert f"layer 'source' ({kind}) does not tell the shape of input 'data'" in refusal(read, text)
        assert shapes(read(text, sizes={"data": (2, 6)})) == {"data": (2, 6)}

    def test_transform_is_that_of_the_pictures(self, read: Reader) -> None:
        net = read(
            data_layer("Data", "transform_param { scale: 7 }", 'top: "label"', "labels")
            + data_layer(
                "Data", "transform_param { scale: 0.5 mean_value: [1, 2] crop_size: 3 }", 'top: "data"'
            )
            + FC
            + LOSS
        )
        assert (net.transform.scale, list(net.transform.mean_value)) == (0.5, [1, 2])
        assert shapes(net) == {"data": (1, 2, 3, 3)}

    def test_unknown_field_of_the_transform_is_said_to_be_ignored(self, read: Reader) -> None:
        text = data_layer("Data", "\ntransform_param { crop_size: 9 force_color: true contrast: 2 } odd: 1")
        with pytest.warns(
            CnnVisWarning, match=r"transform_param: an unknown field 'contrast' \(line 2\) is ignored"
        ) as caught:
            read(text + FC)
        assert len(caught) == 1

    @pytest.mark.parametrize(
        ("rules", "batch"),
        [
            (("include { phase: TRAIN }", "include { phase: TEST }"), 2),
            (("include { phase: TEST }", "include { phase: TRAIN }"), 1),
            (("include { phase: TRAIN }", 'include { phase: TEST stage: "b" }'), 2),
            (("include { phase: TRAIN }", 'include { phase: TRAIN stage: "b" }'), 1),
            (('include { phase: TEST stage: "a" }', 'include { phase: TEST stage: "b" }'), 1),
        ],
    )
    def test_that_of_the_test_phase_is_preferred(
        self, read: Reader, rules: tuple[str, str], batch: int
    ) -> None:
        layers = (
            data_layer(
                "ImageData", f"{rule} image_data_param {{ batch_size: {i + 1} new_height: 4 new_width: 5 }}"
            )
            for i, rule in enumerate(rules)
        )
        net = read("".join(layers) + FC + LOSS)
        assert (shapes(net), names(net)) == ({"data": (batch, 3, 4, 5)}, ["fc"])


class TestSupervision:
    SOURCE = data_layer("MemoryData", "memory_data_param { batch_size: 2 channels: 1 height: 4 width: 4 }")

    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            (FC + LOSS, ["fc"]),
            (
                FC + 'layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "a" }',
                ["fc"],
            ),
            (FC + 'layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }' + LOSS, ["fc", "prob"]),
            (FC + 'layer { name: "out" type: "HDF5Output" bottom: "fc" bottom: "label" }', ["fc"]),
            (FC + 'layer { name: "quiet" type: "Silence" bottom: "label" }', ["fc"]),
            (
                FC + 'layer { name: "mine" type: "Python" bottom: "fc" top: "l" loss_weight: 1 }',
                ["fc"],
            ),
            (FC + 'layer { name: "mine" type: "Python" bottom: "fc" top: "l" }', ["fc", "mine"]),
            # What is made of labels goes with them, what is made of losses too.
            (
                FC
                + 'layer { name: "cut" type: "Slice" bottom: "label" top: "label1" top: "label2" }'
                + LOSS.replace("label", "label1")
                + 'layer { name: "twice" type: "Power" bottom: "loss" top: "twice" }',
                ["fc"],
            ),
            (
                FC + 'layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }'
                'layer { name: "decode" type: "InnerProduct" bottom: "fc" top: "decode" }'
                'layer { name: "l" type: "EuclideanLoss" bottom: "decode" bottom: "flat" top: "l" }',
                ["fc", "flat", "decode"],
            ),
        ],
    )
    def test_losses_scores_and_labels_are_left_out(self, read: Reader, text: str, kept: list[str]) -> None:
        net = read(self.SOURCE + text)
        assert (names(net), shapes(net)) == (kept, {"data": (2, 1, 4, 4)})

    @pytest.mark.parametrize(
        ("tops", "text", "inputs"),
        [
            ("a b", 'layer { type: "Eltwise" bottom: "a" bottom: "b" top: "c" }', ["a", "b"]),
            (
                "data cont label",
                'layer { type: "LSTM" bottom: "data" bottom: "cont" top: "fc" }' + LOSS,
                ["data", "cont"],
            ),
            ("label data", FC + LOSS, ["data"]),
            (
                "a b sim",
                'layer { type: "InnerProduct" bottom: "a" top: "x" }'
                'layer { type: "InnerProduct" bottom: "b" top: "y" }'
                'layer { type: "ContrastiveLoss" bottom: "x" bottom: "y" bottom: "sim" top: "l" }',
                ["a", "b"],
            ),
            (
                "data mask",
                FC + 'layer { type: "Flatten" bottom: "mask" top: "label" }' + LOSS,
                ["data"],
            ),
        ],
        ids=["both read", "recurrent", "label first", "siamese", "label by way of a layer"],
    )
    def test_what_is_a_label_shows_in_its_use(
        self, read: Reader, tops: str, text: str, inputs: list[str]
    ) -> None:
        made = " ".join(f'top: "{top}"' for top in tops.split())
        assert (
            list(shapes(read(data_layer("HDF5Data", "", made) + text, sizes=dict.fromkeys(inputs, (2, 3)))))
            == inputs
        )

    def test_declared_input_that_is_a_label_is_left_out_too(self, read: Reader) -> None:
        text = 'layer { type: "Input" top: "label" input_param { shape { dim: 2 } } }'
        assert shapes(read(INPUT + text + FC + LOSS)) == {"data": (2, 3, 5, 7)}

    def test_declared_input_that_nothing_reads_stays(self, read: Reader) -> None:
        text = 'layer { type: "Input" top: "im_info" input_param { shape { dim: 3 } } }'
        assert shapes(read(INPUT + text + RELU)) == {"data": (2, 3, 5, 7), "im_info": (3,)}


class TestSizes:
    @pytest.mark.parametrize(
        ("size", "shape"),
        [
            ((9, 11), (2, 3, 9, 11)),
            ((1, 9, 11), (2, 1, 9, 11)),
            ((4, 1, 9, 11), (4, 1, 9, 11)),
            ((1, 1, 3, 9, 11), (1, 1, 3, 9, 11)),
        ],
    )
    def test_size_replaces_the_last_axes(
        self, read: Reader, size: tuple[int, ...], shape: tuple[int, ...]
    ) -> None:
        assert shapes(read(INPUT + RELU, sizes={"data": size})) == {"data": shape}
        assert shapes(read(INPUT + RELU, sizes=size)) == {"data": shape}

    def test_size_of_no_input(self, read: Reader) -> None:
        assert refusal(read, INPUT + RELU, sizes={"dta": (1, 1)}) == "has no input 'dta'; it has 'data'"

    def test_impossible_size(self, read: Reader) -> None:
        assert "input 'data' cannot have the shape 2x3x0x4" in refusal(read, INPUT + RELU, sizes=(0, 4))
