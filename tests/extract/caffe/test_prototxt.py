"""Reading networks in text format.

What Caffe makes of a text is told beside it where that matters: by Debian 11's python3-caffe
1.0.0+git20180821.99bd997-8, ``caffe.Net(path, caffe.TEST)``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from converters.errors import CnnVisWarning
from extract.caffe.net import NetInput
from extract.caffe.prototxt import net_of, read_net
from extract.caffe.schema import message
from extract.errors import ModelError
from tests.extract.caffe.texts import GOLDENS, INPUT, RELU, Reader, names, reader, refusal, shapes


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

    def test_byte_order_mark_is_left_out(self, read: Reader) -> None:
        """Caffe refuses it: Error parsing text-format caffe.NetParameter: 1:1: Invalid control characters."""
        assert names(read(b"\xef\xbb\xbf" + (INPUT + RELU).replace("\n", "\r\n").encode())) == ["relu"]

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
            (b"\x89PNG\r\n\x1a\n", "is no prototxt: it looks like a PNG picture"),
            (b"PK\x03\x04", "is no prototxt: it looks like a zip archive"),
            (b"\x1f\x8b\x08\x00", "is no prototxt: it looks like a gzip archive"),
            (b"\x89HDF\r\n\x1a\n", "it looks like an HDF5 file; weights go with their .prototxt: --weights"),
            ((GOLDENS / "tiny.caffemodel").read_bytes(), "it looks like a caffemodel; weights go with"),
            ((GOLDENS / "tiny.solverstate").read_bytes(), "it looks like the state of a solver"),
            ((GOLDENS / "mean.binaryproto").read_bytes(), "it looks like a single blob"),
            (b"\x00\x01", "is no prototxt: it is binary; perhaps the file of weights"),
            (b"<!DOCTYPE html>\n<html>", "is no prototxt: it looks like a web page or other markup"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d", "it looks like a Git LFS pointer"),
            (b"# yolo\n[net]\nbatch=1\n", "it looks like a configuration in sections, such as Darknet's"),
            (b'{\n "layers": [{"name": "conv1"}]}', "is no prototxt: it looks like JSON"),
            (b"cat\ndog\n", "is no prototxt: nothing in it belongs to a network"),
            (INPUT.encode("utf-16"), "text in UTF-16"),
            (
                'layers { name: "c" type: "CONVOLUTION" bottom: "data" top: "c" }',
                "; a type in quotes makes it a 'layer', not 'layers'",
            ),
            ('layer { name: "c" type: Convolution }', "'Convolution'; write it in quotes"),
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
                INPUT + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" include { phase: VAL } }',
                "(layer 'r'): Enum type \"Phase\"",
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
        with pytest.raises(ModelError, match=r"none.prototxt: no such file"):
            read_net(tmp_path / "none.prototxt")
        with pytest.raises(ModelError, match=r"is a folder, not a network's description"):
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


def problems(read: Reader, text: str, listed: str, **options: object) -> dict[str, str | None]:
    """Return what the layers of a text have that is not known; the one warning must list it."""
    with pytest.warns(CnnVisWarning, match=listed) as caught:
        net = read(text, **options)
    assert len(caught) == 1
    return {layer.name: layer.problem for layer in net.layers}


class TestUnknownFields:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (
                'layer {\n name: "r" type: "ReLU" bottom: "data" top: "r"\n relu_param { slope: 1 }\n}',
                "has an unknown field 'slope' (line 4)",
            ),
            (
                'layer { param { name: "w" } odd { a { b: 1 } c: [1, 2] d < e: "}" > } '
                'name: "r" type: "ReLU" bottom: "data" top: "r" }',
                "has an unknown field 'odd' (line 2)",
            ),
            (
                'layer { name: "r" type: "Convolution" bottom: "data" top: "r" '
                "convolution_param { num_outptu: 8 kernel_size: 3\n kernal_w: 2 } }",
                "has an unknown field 'num_outptu' (line 2; did you mean 'num_output'?), "
                "an unknown field 'kernal_w' (line 3; did you mean 'kernel_w'?)",
            ),
            (
                'layer { name: "r" type: "Eltwise" bottom: "data" bottom: "data" top: "r" '
                "eltwise_param { operation: DIV } }",
                "has an unknown value 'DIV' of 'operation' (line 2)",
            ),
            (
                'layer { name: "r" type: "Pooling" bottom: "data" top: "r" '
                "pooling_param { pool: MAXX kernel_size: 2 } }",
                "has an unknown value 'MAXX' of 'pool' (line 2; did you mean 'MAX'?)",
            ),
        ],
    )
    def test_of_a_layer_is_a_problem_of_that_layer(self, read: Reader, text: str, reason: str) -> None:
        (loose,) = read(INPUT + text, strict=False).layers
        assert loose.problem is None
        after = 'layer { name: "after" type: "ReLU" bottom: "data" top: "after" }'
        found = problems(read, INPUT + text + after, rf"layer 'r' {re.escape(reason)}")
        assert found == {"r": reason, "after": None}

    def test_warning_lists_some_layers_and_counts_the_others(self, read: Reader) -> None:
        text = "".join(
            f'layer {{ name: "r{i}" type: "ReLU" bottom: "data" top: "r{i}" odd: 1 }}' for i in range(11)
        )
        found = problems(read, INPUT + text, r"not known: layer 'r0' .*layer 'r7' [^;]*; and 3 more$")
        assert all(found.values())

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (
                RELU + "inputs: 1",
                "the network has an unknown field 'inputs' (line 3; did you mean 'input'?); a Caffe that "
                "knows it can run the network: --engine pycaffe",
            ),
            (
                RELU + 'layer { name: "in2" type: "Input" top: "b" input_param { shapes { } } }',
                "layer 'in2' has an unknown field 'shapes' (line 3; did you mean 'shape'?)",
            ),
            (
                'layer { name: "r" type: "ReLU" botom: "data" top: "r" }',
                "layer 'r' has an unknown field 'botom' (line 2; did you mean 'bottom'?)",
            ),
        ],
    )
    def test_of_the_network_or_its_inputs_is_an_error(self, read: Reader, text: str, reason: str) -> None:
        assert reason in refusal(read, INPUT + text)

    def test_of_the_network_or_its_inputs_may_be_ignored(self, read: Reader) -> None:
        text = 'layer { name: "in2" type: "Input" top: "b" odd: 1 input_param { shape { dim: 1 } } } odd: 1'
        assert shapes(read(INPUT + RELU + text, strict=False)) == {"data": (2, 3, 5, 7), "b": (1,)}

    @pytest.mark.parametrize(
        ("layer", "known"),
        [('odd: 1 name: "r" type: RELU', "V1"), ('layer { odd: 1 name: "r" type: "relu" }', "V0")],
    )
    def test_of_older_forms(self, read: Reader, layer: str, known: str) -> None:
        text = f'input: "data" input_dim: [1, 1, 1, 1] layers {{ bottom: "data" top: "r" {layer} }}'
        assert problems(read, text, "layer 'r'") == {"r": "has an unknown field 'odd' (line 1)"}

    @pytest.mark.parametrize(
        ("kind", "reason"),
        [
            ("Convolutoin", "its type 'Convolutoin' is not known here; did you mean 'Convolution'?"),
            ("Relu", "its type 'Relu' is not known here; did you mean 'ReLU'?"),
            ("Proposal", "its type 'Proposal' is not known here"),
        ],
    )
    def test_type_that_is_not_known_is_a_problem(self, read: Reader, kind: str, reason: str) -> None:
        text = f'layer {{ name: "r" type: "{kind}" bottom: "data" top: "r" odd: 1 }}'
        (layer,) = read(INPUT + text).layers
        assert layer.problem == reason

    def test_type_of_v1_that_is_not_known_is_that_of_its_layer_only(self, read: Reader) -> None:
        """DeepLab v1's; its INTERP is known."""
        net = read(
            'layers { name: "data" type: IMAGE_SEG_DATA top: "data" top: "label" top: "dim" } '
            'layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" '
            "convolution_param { num_output: 8 kernel_size: 3 hole: 2 } }"
            'layers { name: "i" type: INTERP bottom: "c" top: "i" interp_param { zoom_factor: 8 } } '
            'layers { name: "w" type: MAT_WRITE bottom: "i" top: "w" mat_write_param { prefix: "a" } }'
            'layers { name: "s" type: SOFTMAX_LOSS bottom: "i" bottom: "label" top: "s" }',
            sizes=(33, 35),
        )
        assert shapes(net) == {"data": (1, 3, 33, 35)}
        assert [(x.name, x.type, x.problem) for x in net.layers] == [
            ("c", "Convolution", None),
            ("i", "Interp", None),
            ("w", "MatWrite", "its type 'MatWrite' is not known here"),
        ]
        assert net.layers[1].message.interp_param.zoom_factor == 8

    @pytest.mark.parametrize(
        "text",
        [
            'layer { type: "ReLU" bottom: "data" top: "r" engine: "MKLDNN" relu_param { engine: MKL2017 } }',
            'layer { type: "ReLU" bottom: "data" top: "r" forward_type: FLOAT16 backward_math: FLOAT }',
            'layer { type: "ReLU" bottom: "data" top: "r" relu_param { engine: NEON } }',
            'default_forward_type: FLOAT16 layer { type: "ReLU" bottom: "data" top: "r" }',
            'layer { type: "Convolution" bottom: "data" top: "r" convolution_param { cudnn_seeker: GET } }',
            'layer { type: "ReLU" bottom: "data" top: "r" param { lr_scale: 3 } blobs_lr: 1 }',
            'layer { type: "OfAFork" bottom: "data" top: "r" of_param { a: 1 } relu_param { odd: 1 } }',
            RELU + 'layer { type: "MultiBoxLoss" bottom: "out" bottom: "out" multibox_loss_param { a: 2 } }',
            RELU + 'layer { type: "ReLU" bottom: "data" top: "r" odd: 1 include { phase: TRAIN } }',
        ],
        ids=[
            "engine",
            "precision",
            "value of engine",
            "of the net",
            "cudnn",
            "training",
            "unknown type",
            "loss",
            "other phase",
        ],
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
