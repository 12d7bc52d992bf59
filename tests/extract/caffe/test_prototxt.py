"""Reading networks in text format.

What Caffe makes of a text is told beside it where that matters: by Debian 11's python3-caffe
1.0.0+git20180821.99bd997-8, ``caffe.Net(path, caffe.TEST)``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from extract.caffe.net import NetInput
from extract.caffe.prototxt import net_of, read_net
from extract.caffe.schema import message
from extract.errors import ModelError
from tests.extract.caffe.texts import INPUT, RELU, Reader, names, reader, refusal, shapes


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return reader(tmp_path)


class TestForms:
    def test_layers_keep_names_order_and_place(self, read: Reader) -> None:
        net = read(
            'name: "net"'
            + INPUT
            + 'layer { name: "gone" type: "ReLU" bottom: "data" top: "x" include { phase: TRAIN } }'
            + 'layer { name: "Schicht ä/1\\n" type: "ReLU" bottom: "data" top: "a" }'
            + 'layer { type: "TanH" bottom: "a" top: "a" }'
            + 'layer { type: "Slice" bottom: "a" top: "b" top: "c" }'
        )
        assert net.name == "net"
        assert net.inputs == (NetInput("data", (2, 3, 5, 7)),)
        assert [(x.index, x.name, x.type, x.bottoms, x.tops) for x in net.layers] == [
            (2, "Schicht ä/1\n", "ReLU", ("data",), ("a",)),
            (3, "", "TanH", ("a",), ("a",)),
            (4, "", "Slice", ("a",), ("b", "c")),
        ]
        assert net.transform is None

    @pytest.mark.parametrize(
        "text",
        [
            'input: "data" input_dim: 2 input_dim: 3 input_dim: 5 input_dim: 7 ' + RELU,
            'input: "data" input_shape { dim: 2 dim: 3 dim: 5 dim: 7 }' + RELU,
            INPUT + RELU,
            'input: "data" input_dim: [2, 3, 5, 7]; '
            'layers { name: "relu" type: RELU bottom: "data" top: "out" }',
            'input: "data" input_dim: [2,3,5,7] '
            'layers < bottom: "data" top: "out" layer < name: "relu" type: "relu"> >',
            "layer: { type: 'In' \"put\" top: 'data', "
            "input_param < shape { dim: 0x2 dim: 03 dim: [5, 7] } > } # }" + RELU,
        ],
        ids=["input_dim", "input_shape", "Input", "V1", "V0", "odd text"],
    )
    def test_forms_of_the_same_network(self, read: Reader, text: str) -> None:
        net = read(text.replace("# }", "# }\n"))
        assert shapes(net) == {"data": (2, 3, 5, 7)}
        assert [(x.name, x.type, x.bottoms, x.tops) for x in net.layers] == [
            ("relu", "ReLU", ("data",), ("out",))
        ]

    def test_several_inputs(self, read: Reader) -> None:
        text = 'input: "a" input: "b" input_dim: [1, 2, 3, 4, 5, 6, 7, 8] '
        text += 'layer { type: "ReLU" bottom: "b" top: "c" }'
        assert shapes(read(text)) == {"a": (1, 2, 3, 4), "b": (5, 6, 7, 8)}

    @pytest.mark.parametrize(
        ("given", "second"), [("shape { dim: 2 dim: 3 }", (2, 3)), ("shape { dim: [2, 3] } shape {}", ())]
    )
    def test_input_layer_with_several_tops(self, read: Reader, given: str, second: tuple[int, ...]) -> None:
        text = f'layer {{ type: "Input" top: "data" top: "more" input_param {{ {given} }} }}'
        assert shapes(read(text + RELU)) == {"data": (2, 3), "more": second}

    def test_dummy_data_stays_a_layer(self, read: Reader) -> None:
        net = read('layer { type: "DummyData" top: "data" dummy_data_param { shape { dim: 3 } } }' + RELU)
        assert [layer.type for layer in net.layers] == ["DummyData", "ReLU"]
        assert not net.inputs

    def test_comments_may_be_in_any_encoding(self, read: Reader) -> None:
        assert names(
            read("# 卷积 \"'{\n".encode("gbk") + (INPUT + RELU).encode() + "# é".encode("latin-1"))
        ) == ["relu"]

    def test_network_of_a_caffemodel(self) -> None:
        """With the Split layers and the rules of the phase that Caffe saved it in."""
        from google.protobuf import text_format

        saved = text_format.Parse(
            INPUT.replace("type:", "include { phase: TRAIN } type:")
            + 'layer { name: "data_split" type: "Split" bottom: "data" top: "data_0" top: "data_1" }'
            + 'layer { name: "a" type: "ReLU" bottom: "data_0" top: "a" }'
            + 'layer { name: "b" type: "EuclideanLoss" bottom: "a" bottom: "data_1" top: "b" }',
            message("NetParameter"),
        )
        net = net_of(saved, Path("net.caffemodel"))
        assert (shapes(net), names(net)) == ({"data": (2, 3, 5, 7)}, ["data_split", "a"])


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (b"", "is empty"),
            (b" \n", "is empty"),
            (b"\x89PNG\r\n\x1a\n", "is no prototxt but a PNG image"),
            (b"PK\x03\x04", "is no prototxt but a zip archive"),
            (b"\x89HDF\r\n\x1a\n", "is no prototxt but an HDF5 file"),
            (b"\xef\xbb\xbf" + INPUT.encode(), "byte order mark, which Caffe refuses"),
            (INPUT.encode("utf-16"), "text in UTF-16"),
            (b"\n\x09CaffeNet1\xa2\x06\x10\n\x05conv1", "is no prototxt: it is binary"),
            (INPUT + 'layer { name: "a', "line 2 (layer 'a'): String missing ending quote"),
            (INPUT + "}", "line 2 (layer 'in'): Expected identifier or number, got }."),
            (
                b"\n" + INPUT.encode("latin-1") + 'layer { name: "é" }'.encode("latin-1"),
                "line 3: is not UTF-8 text",
            ),
            (
                'layer { name: "x" relu_param { } }\nlayer { relu_param { }\nrelu_param { } name: "y" }',
                "line 3 (layer 'y')",
            ),
            (
                'name: "a"\nname: "b"',
                'line 2: Message type "NetParameter" should not have multiple "name" fields.',
            ),
            (
                'layer { name: "p" pooling_param { pool: L2 } }',
                "(layer 'p'): Enum type \"PoolingParameter.PoolMethod\"",
            ),
            ('layer { name: "p" pooling_param { pad: -1 } }', "line 1 (layer 'p'): Value out of range: -1"),
            ("a {" * 5000, "messages are nested too deep"),
            ("{" * 5000, "line 1: Expected identifier"),
            ('net: "train_val.prototxt"\nbase_lr: 0.1', "describes a solver; give the network"),
            ('name: "nothing"', "describes no network: it has no layers"),
            (INPUT, "describes no network: it has no layers"),
            (
                INPUT + 'layer { type: "EuclideanLoss" bottom: "data" bottom: "data" }',
                "it has only losses and data",
            ),
        ],
    )
    def test_no_network(self, read: Reader, text: str | bytes, reason: str) -> None:
        assert reason in refusal(read, text)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"none.prototxt: No such file"):
            read_net(tmp_path / "none.prototxt")
        with pytest.raises(ModelError, match=r"Is a directory"):
            read_net(tmp_path)

    def test_huge_file_is_not_parsed(self, tmp_path: Path) -> None:
        path = tmp_path / "net.prototxt"
        with path.open("wb") as file:
            file.write(b"#" * (65 << 20))
        with pytest.raises(ModelError, match="has more than 64 MB, too much for a network description"):
            read_net(path)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            # insert_splits.cpp:29] Unknown bottom blob 'no' (layer 'r', bottom index 0)
            (
                'layer { name: "r" type: "ReLU" bottom: "no" top: "r" }',
                "layer 'r' (ReLU) reads blob 'no', which nothing",
            ),
            # net.cpp:377] Top blob 'out' produced by multiple sources.
            (
                RELU + 'layer { name: "two" type: "TanH" bottom: "data" top: "out" }',
                "layer 'two' (TanH) writes blob 'out'",
            ),
            # The same for 'data': in place is only what has the same position.
            (
                RELU + 'layer { name: "sum" type: "Eltwise" bottom: "out" bottom: "data" top: "data" }',
                "layer 'sum' (Eltwise) writes blob 'data', which an input makes",
            ),
            # The same: the blob goes to two readers through a Split.
            (
                RELU + 'layer { name: "late" type: "ReLU" bottom: "data" top: "data" }',
                "layer 'late' (ReLU) works in place on blob 'data', whose value before layer 'relu'",
            ),
            (
                'layer { name: "twice" type: "Eltwise" bottom: "data" bottom: "data" top: "data" }',
                "layer 'twice' (Eltwise) works in place on blob 'data', whose value before it reads too",
            ),
            # net.cpp:377] Top blob 'data' produced by multiple sources.
            (INPUT + RELU, "two inputs have the name 'data'"),
            # net.cpp:269] Check failed: ... Specify either include rules or exclude rules; not both.
            ('layer { name: "r" include { } exclude { } }', "layer 'r' has include and exclude rules"),
        ],
    )
    def test_wiring_that_caffe_refuses(self, read: Reader, text: str, reason: str) -> None:
        assert reason in refusal(read, INPUT + text)

    def test_in_place_where_caffe_allows_it(self, read: Reader) -> None:
        """Real Caffe makes this network."""
        text = 'layer { name: "a" type: "TanH" bottom: "data" top: "data" }'
        text += 'layer { name: "b" type: "TanH" bottom: "data" top: "data" }'
        text += 'layer { name: "c" type: "Eltwise" bottom: "data" bottom: "data" top: "c" }'
        assert names(read(INPUT + text)) == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            # Caffe takes both, with a garbage width and a blob of no shape.
            ('input: "data" input_dim: [1, 2, 3]', "1 input, but 3 input_dim: each needs four"),
            ('input: "data" input: "b" input_shape { dim: 1 }', "2 input, but 1 input_shape: each needs one"),
            (
                'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 0 dim: 2 } } }',
                "shape 0x2",
            ),
            ('layer { name: "in" type: "Input" top: "data" input_param { shape { dim: -1 } } }', "shape -1"),
            (
                'layer { type: "Input" top: "data" input_param { shape { dim: [65536, 32768] } } }',
                "65536x32768",
            ),
            # input_layer.cpp:13] ... Must specify 'shape' once, once per top blob, or not at all
            (
                'layer { name: "in" type: "Input" top: "data" top: "b" top: "c" '
                "input_param { shape {} shape {} } }",
                "layer 'in' (Input) has 2 shapes for 3 tops: one or 3 are needed",
            ),
            (
                'layer { name: "in" type: "Input" top: "data" }',
                "layer 'in' (Input) does not tell the shape of input 'data'",
            ),
            ('input: "data"', "the network does not tell the shape of input 'data'"),
        ],
    )
    def test_inputs(self, read: Reader, text: str, reason: str) -> None:
        assert reason in refusal(read, text + RELU)


class TestUnknownFields:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (
                'layer {\n name: "r" type: "ReLU" bottom: "data" top: "r"\n relu_param { slope: 1 }\n}',
                "line 4: layer 'r' has an unknown field 'slope' (of ReLUParameter); a Caffe that knows it "
                "can run the network: --engine pycaffe",
            ),
            (
                'layer { param { name: "w" } odd { a { b: 1 } c: [1, 2] d < e: "}" > } '
                'name: "r" type: "ReLU" bottom: "data" top: "r" }',
                "line 2: layer 'r' has an unknown field 'odd' (of LayerParameter)",
            ),
            (RELU + "odd: 1", "line 3: the network has an unknown field 'odd' (of NetParameter)"),
            (
                RELU + 'layer { name: "in2" type: "Input" top: "b" input_param { shapes { } } }',
                "layer 'in2' has an unknown",
            ),
        ],
    )
    def test_unknown_field_is_named(self, read: Reader, text: str, reason: str) -> None:
        loose = read(INPUT + text, strict=False, sizes={"b": (1,)} if "in2" in text else None)
        assert names(loose)
        assert reason in refusal(read, INPUT + text, sizes={"b": (1,)} if "in2" in text else None)

    def test_of_v1_and_v0(self, read: Reader) -> None:
        start = 'input: "data" input_dim: [1, 1, 1, 1] layers { bottom: "data" top: "r" '
        assert "layer 'r' has an unknown field 'odd' (of V1L" in refusal(
            read, start + 'odd: 1 name: "r" type: RELU }'
        )
        assert "layer 'r' has an unknown field 'odd' (of V0L" in refusal(
            read, start + 'layer { odd: 1 name: "r" type: "relu" } }'
        )

    @pytest.mark.parametrize(
        "text",
        [
            'layer { type: "ReLU" bottom: "data" top: "r" engine: "MKLDNN" relu_param { engine: MKL2017 } }',
            'layer { type: "ReLU" bottom: "data" top: "r" forward_type: FLOAT16 backward_math: FLOAT }',
            'default_forward_type: FLOAT16 layer { type: "ReLU" bottom: "data" top: "r" }',
            'layer { type: "Convolution" bottom: "data" top: "r" convolution_param { cudnn_seeker: GET } }',
            'layer { type: "ReLU" bottom: "data" top: "r" param { lr_scale: 3 } blobs_lr: 1 }',
            'layer { type: "OfAFork" bottom: "data" top: "r" of_param { a: 1 } relu_param { odd: 1 } }',
            RELU + 'layer { type: "MultiBoxLoss" bottom: "out" bottom: "out" multibox_loss_param { a: 2 } }',
            RELU + 'layer { type: "ReLU" bottom: "data" top: "r" odd: 1 include { phase: TRAIN } }',
        ],
        ids=["engine", "precision", "of the net", "cudnn", "training", "unknown type", "loss", "other phase"],
    )
    def test_harmless_ones_are_ignored(self, read: Reader, text: str) -> None:
        assert len(read(INPUT + text).layers) == 1

    def test_fields_of_forks_are_known(self, read: Reader) -> None:
        text = """
            pooling_param { kernel_size: 2 ceil_mode: false } permute_param { order: [0, 2, 3, 1] }
            norm_param { across_spatial: false scale_filler { value: 20 } channel_shared: false }
            prior_box_param { min_size: 30 aspect_ratio: 2 flip: true variance: 0.1 step: 8 offset: 0.5 }
            detection_output_param { num_classes: 2 nms_param { top_k: 9 } code_type: CENTER_SIZE }
            upsample_param { scale: 2 pad_out_h: true upsample_w: 7 }
            interp_param { height: 9 zoom_factor: 2 }
            shuffle_channel_param { group: 3 } roi_pooling_param { pooled_h: 6 spatial_scale: 0.0625 }
            batch_norm_param { scale_bias: true scale_filler { value: 1 } }
            bn_param { slope_filler { } frozen: true }
        """
        (layer,) = read(INPUT + f'layer {{ type: "Silence" bottom: "data" {text} }}').layers
        assert not layer.message.pooling_param.ceil_mode
        assert list(layer.message.permute_param.order) == [0, 2, 3, 1]
        assert layer.message.roi_pooling_param.spatial_scale == 0.0625
        assert layer.message.batch_norm_param.scale_bias
