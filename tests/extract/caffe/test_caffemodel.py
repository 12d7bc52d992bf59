import gzip
import io
import math
import os
import random
import struct
import time
import tracemalloc
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.message import DecodeError

from extract import wire
from extract.caffe.caffemodel import carried_net, read_blob_file, read_weights
from extract.caffe.schema import message
from extract.errors import ModelError

GOLDENS = Path(__file__).parent / "goldens"
CAFFEMODELS = ["tiny.caffemodel", "v0.caffemodel", "v1.caffemodel", "twice.caffemodel", "odd.caffemodel"]


def _golden(name):
    """What real Caffe read from a file, by layer and index; see goldens/make_weights.py."""
    with np.load(GOLDENS / "weights.npz") as arrays:
        keys = [key.split("|") for key in arrays.files]
        return {(layer, int(i)): arrays[f"{file}|{layer}|{i}"] for file, layer, i in keys if file == name}


def _read(path):
    """Every blob of a file, by layer and index."""
    weights = read_weights(path)
    assert weights.path == path
    blobs = {(name, i): blob for name, blobs in weights.layers.items() for i, blob in enumerate(blobs)}
    found = {}
    for key, blob in blobs.items():
        values = found[key] = blob.weight.read()
        assert (values.shape, values.dtype) == (blob.weight.shape, np.float32)
        assert values.flags.c_contiguous
        assert values.flags.aligned
        if blob.offset is not None:
            in_file = np.frombuffer(path.read_bytes(), "<f4", values.size, blob.offset)
            assert in_file.tobytes() == values.tobytes()
    return found


def _same(found, expected):
    return found.keys() == expected.keys() and all(
        found[key].shape == expected[key].shape and found[key].tobytes() == expected[key].tobytes()
        for key in expected
    )


def _protobufs(data):
    """What Caffe takes from a file, from the message that protobuf reads: Blob::FromProto in Python.

    None where Caffe refuses it.
    """
    net = message("NetParameter")
    net.ParseFromString(data)
    if net.layer and net.layers:
        return None
    old = [layer.layer if layer.HasField("layer") else layer for layer in net.layers]
    found = {}
    for layer in (*net.layer, *old):
        # protobuf gives names that are no text as bytes
        name = layer.name.decode(errors="backslashreplace") if isinstance(layer.name, bytes) else layer.name
        if layer.blobs:
            found = {key: values for key, values in found.items() if key[0] != name}
        for index, blob in enumerate(layer.blobs):
            with np.errstate(over="ignore", invalid="ignore"):
                values = np.array(blob.double_data or blob.data, np.float32)
            legacy = [blob.HasField(axis) for axis in ("num", "channels", "height", "width")]
            shape = tuple(blob.shape.dim)
            if any(legacy):
                shape = (blob.num, blob.channels, blob.height, blob.width)
            if math.prod(shape) != values.size or min(shape, default=0) < 0 or max(shape, default=0) >= 2**31:
                return None
            found[name, index] = values.reshape(shape)
    return found or None


def _protobufs_or_none(data):
    try:
        return _protobufs(data)
    except DecodeError:
        return None


def _attempt(path):
    try:
        return _read(path)
    except ModelError as error:
        text = str(error)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return None


@contextmanager
def _memory(most):
    """Fail if more is allocated meanwhile."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most


def _field(number, body):
    return wire.varint(number << 3 | wire.BYTES) + wire.varint(len(body)) + body


def _blob(shape, values=b""):
    return _field(7, _field(1, b"".join(wire.varint(size % 2**64) for size in shape))) + values


def _model(*blobs, name=b"conv"):
    return _field(100, _field(1, name) + b"".join(_field(7, blob) for blob in blobs))


def _write(tmp_path, data):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", CAFFEMODELS)
def test_reads_what_real_caffe_reads(name):
    expected, found = _golden(name), _read(GOLDENS / name)
    assert len(expected) >= 4
    assert found.keys() == expected.keys()
    legacy = sum(values.shape != expected[key].shape for key, values in found.items())
    assert legacy == {"tiny": 0, "odd": 1}.get(name.partition(".")[0], 3)
    for key, values in found.items():
        # what older Caffes wrote has four axes; today's takes it without the ones in front
        assert values.reshape(expected[key].shape).tobytes() == expected[key].tobytes()
        assert values.shape in (expected[key].shape, (*(1,) * (4 - expected[key].ndim), *expected[key].shape))


def test_weights_that_lie_together_are_found_by_their_offset():
    for name in ("tiny", "v0", "v1", "twice"):
        for blobs in read_weights(GOLDENS / f"{name}.caffemodel").layers.values():
            assert None not in [blob.offset for blob in blobs]


def test_of_layers_with_the_same_name_the_last_counts_whole(tmp_path):
    one, other = struct.pack("<f", 1), struct.pack("<f", 2)
    data = _model(_blob((1,), _field(5, one)), _blob((1,), _field(5, one))) + _model(
        _blob((1, 1), _field(5, other))
    )
    assert _same(_read(_write(tmp_path, data)), {("conv", 0): np.full((1, 1), 2, np.float32)})


@pytest.mark.parametrize(
    ("kind", "dtype"), [(0, "<f8"), (1, "<f4"), (2, "<f2")], ids=["double", "float", "half"]
)
def test_raw_data_of_nvcaffe(tmp_path, kind, dtype):
    # https://github.com/NVIDIA/caffe, caffe.proto: raw_data_type 10, raw_data 12
    values = np.array([[1.5, -2, 65504], [0.1, 6e-8, 0]], dtype)
    raw = b"\x50" + wire.varint(kind) + _field(12, values.tobytes())
    path = _write(tmp_path, _model(_blob((2, 3), raw)))
    assert _same(_read(path), {("conv", 0): values.astype(np.float32)})
    assert (read_weights(path).layers["conv"][0].offset is None) == (dtype != "<f4")


def test_raw_data_of_other_types_are_refused(tmp_path):
    path = _write(tmp_path, _model(_blob((1,), b"\x50\x03" + _field(12, bytes(4)))))
    with pytest.raises(ModelError, match="layer 'conv', blob 0: its raw data are of type 3"):
        read_weights(path)


def test_doubles_beyond_float32_become_infinite_and_nan_stays(tmp_path):
    values = np.array([1e300, -1e300, np.nan])
    found = _read(_write(tmp_path, _model(_blob((3,), _field(8, values.astype("<f8").tobytes())))))
    np.testing.assert_array_equal(found["conv", 0], np.array([np.inf, -np.inf, np.nan], np.float32))


def test_a_blob_without_shape_is_a_single_value_and_one_may_be_empty(tmp_path):
    path = _write(tmp_path, _model(_field(5, struct.pack("<f", 7)), _blob((0, 3))))
    assert _same(
        _read(path), {("conv", 0): np.array(7, np.float32), ("conv", 1): np.empty((0, 3), np.float32)}
    )


def test_names_that_are_no_text_stay_apart(tmp_path):
    value = _blob((1,), _field(5, bytes(4)))
    path = _write(
        tmp_path, _model(value, name=b"\xff") + _model(value, name=b"\xfe") + _model(value, name=b"")
    )
    assert set(read_weights(path).layers) == {"\\xff", "\\xfe", ""}


@pytest.mark.parametrize("name", CAFFEMODELS)
def test_every_beginning_of_a_file_is_read_as_protobuf_does_or_refused(tmp_path, name):
    data = (GOLDENS / name).read_bytes()
    path, refused = tmp_path / "net.caffemodel", 0
    for size in range(len(data)):
        path.write_bytes(data[:size])
        found, expected = _attempt(path), _protobufs_or_none(data[:size])
        assert (found is None) == (expected is None)
        assert found is None or _same(found, expected)
        refused += found is None
    # what is left of a file at the end of a layer is a file
    assert len(data) - refused <= 3


@pytest.mark.parametrize("name", CAFFEMODELS)
def test_flipped_bytes_are_read_as_protobuf_does_or_refused(tmp_path, name):
    data = (GOLDENS / name).read_bytes()
    path, seeded, compared = tmp_path / "net.caffemodel", random.Random(name), 0
    for _ in range(2000 // len(CAFFEMODELS)):
        damaged = bytearray(data)
        for _ in range(seeded.choice([1, 1, 2, 5])):
            damaged[seeded.randrange(len(data))] = seeded.randrange(256)
        path.write_bytes(damaged)
        found = _attempt(path)
        try:
            expected = _protobufs(bytes(damaged))
        except DecodeError:
            # damage where no blobs are is no matter of weights
            continue
        assert (found is None) == (expected is None)
        assert found is None or _same(found, expected)
        compared += found is not None
    assert compared > 100


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_model(_blob((2**30,), _field(5, bytes(8)))), "holds 2 values where its shape .1073741824,. needs"),
        (_model(_blob((2**20, 2**20), _field(5, bytes(8)))), "has the impossible shape .1048576, 1048576."),
        (_model(_blob((0, 2**62))), "has the impossible shape"),
        (_model(_blob((-1, -2), _field(5, bytes(8)))), "has the impossible shape .-1, -2."),
        (_model(_blob((1,) * 33, _field(5, bytes(4)))), "has 33 axes; Caffe allows 32"),
        (_model(_field(7, _field(1, b"\x01" * 10**6))), "more than 100 axes"),
        (_model(_field(5, bytes(8))), r"layer 'conv', blob 0: holds 2 values where its shape \(\) needs 1"),
        (_model(_blob((3,), _field(5, bytes(7)))), "are no whole number of values"),
        (_model(_blob((3,), b"\x2a\x80\x80\x80\x80\x08" + bytes(12))), "claims 2147483648 bytes where 12"),
        (b"\xa2\x06\xff\xff\xff\xff\x0f" + bytes(100), "field 100 at byte 0 claims 4294967295 bytes"),
        (_model(_blob((1,), _field(5, bytes(4)))) + b"\x12\x00", "both 'layer' and 'layers'"),
    ],
)
def test_files_that_claim_too_much(tmp_path, data, reason):
    path = _write(tmp_path, data)
    begin = time.process_time()
    with _memory(4 * 2**20), pytest.raises(ModelError, match=reason) as raised:
        read_weights(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert time.process_time() - begin < 1


def _zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("net.caffemodel", (GOLDENS / "tiny.caffemodel").read_bytes())
    return buffer.getvalue()


def _picture(kind):
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (8, 5), "red").save(buffer, kind)
    return buffer.getvalue()


def _onnx():
    import onnx

    weight = onnx.numpy_helper.from_array(np.ones((3, 4), np.float32), "w")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["w"], ["y"])], "g", [], [], [weight])
    return onnx.helper.make_model(graph, producer_name="us").SerializeToString()


def _numpy():
    buffer = io.BytesIO()
    np.save(buffer, np.ones(4))
    return buffer.getvalue()


OTHER_FILES = {
    "a PNG picture": lambda: _picture("PNG"),
    "a JPEG picture": lambda: _picture("JPEG"),
    "a GIF picture": lambda: _picture("GIF"),
    "a BMP picture": lambda: _picture("BMP"),
    "a zip archive": _zip,
    "a gzip archive": lambda: gzip.compress((GOLDENS / "tiny.caffemodel").read_bytes()),
    "a NumPy array": _numpy,
    "an ONNX model": _onnx,
    "a network's description, a prototxt": lambda: b'name: "net"\nlayer { name: "conv" type: "Input" }\n',
    "a web page or other markup": lambda: b"<!DOCTYPE html>\n<html><body>layer: not found</body></html>",
    "a Git LFS pointer": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "a text": lambda: "Gewichte für später\n".encode(),
    "the state of a solver": lambda: (GOLDENS / "tiny.solverstate").read_bytes(),
    "a single blob": lambda: (GOLDENS / "mean.binaryproto").read_bytes(),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
@pytest.mark.parametrize("reader", [read_weights, carried_net])
def test_other_files_are_told_for_what_they_are(tmp_path, kind, reader):
    path = _write(tmp_path, OTHER_FILES[kind]())
    with pytest.raises(ModelError) as raised:
        reader(path)
    assert f"(it looks like {kind}" in str(raised.value)
    assert str(raised.value).startswith(f"{path}: not a caffemodel")


@pytest.mark.parametrize("reader", [read_weights, carried_net, read_blob_file])
def test_files_that_are_not_there(tmp_path, reader):
    with pytest.raises(ModelError, match="no such file"):
        reader(tmp_path / "net.caffemodel")
    with pytest.raises(ModelError, match="is a folder"):
        reader(tmp_path)
    with pytest.raises(ModelError, match="the file is empty"):
        reader(_write(tmp_path, b""))
    path = _write(tmp_path, b"1234")
    path.chmod(0)
    if not os.access(path, os.R_OK):
        with pytest.raises(ModelError, match="cannot be read"):
            reader(path)


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes(tmp_path, seed):
    path = _write(tmp_path, random.Random(seed).randbytes(5000))
    for reader in (read_weights, carried_net, read_blob_file):
        with pytest.raises(ModelError, match="not a"):
            reader(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_field(1, b"a net"), r"not a caffemodel \(it holds no layers\)"),
        (_model(), "none of its layers has weights"),
        (_model()[:-2], "not a caffemodel .damaged or cut off: field 100 at byte 0 claims 6 bytes where 4"),
        (_model() + _model()[:-2], "damaged or cut off: field 100 at byte 9 claims 6 bytes where 4 are left"),
    ],
)
def test_messages_without_weights(tmp_path, data, reason):
    with pytest.raises(ModelError, match=f"net.caffemodel: {reason}"):
        read_weights(_write(tmp_path, data))


def test_a_file_that_has_become_shorter_meanwhile(tmp_path):
    path = _write(tmp_path, (GOLDENS / "tiny.caffemodel").read_bytes())
    blob = read_weights(path).layers["conv/fc"][0]
    path.write_bytes(path.read_bytes()[: blob.offset + 10])
    with pytest.raises(ModelError, match="has become shorter since it was opened"):
        blob.weight.read()
    path.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        blob.weight.read()


def test_large_files_are_read_by_need(tmp_path):
    sizes = [1 << 18, 1 << 22, 1 << 25, 1 << 24]
    path = tmp_path / "net.caffemodel"
    with path.open("wb") as file:
        for index, size in enumerate(sizes):
            head = _field(1, b"fc%d" % index) + wire.varint(7 << 3 | wire.BYTES)
            shape = _blob((size,)) + b"\x2a" + wire.varint(4 * size)
            head += wire.varint(len(shape) + 4 * size) + shape
            file.write(wire.varint(100 << 3 | wire.BYTES) + wire.varint(len(head) + 4 * size) + head)
            # the values are a hole in the file
            file.seek(4 * size, os.SEEK_CUR)
        file.truncate()
    assert path.stat().st_size > 200 * 2**20
    begin = time.process_time()
    with _memory(2**20):
        layers = read_weights(path).layers
        with pytest.raises(ModelError, match="no description of their network"):
            carried_net(path)
    assert time.process_time() - begin < 0.5
    assert [layers[f"fc{i}"][0].weight.shape for i in range(4)] == [(size,) for size in sizes]
    with _memory(4 * sizes[1] + 2**20):
        assert not layers["fc1"][0].weight.read().any()


def test_time_grows_as_the_number_of_layers(tmp_path):
    def seconds(layers: int) -> float:
        net = message("NetParameter")
        for index in range(layers):
            layer = net.layer.add(name=f"conv{index}", type="Convolution", bottom=["a"], top=["b"])
            layer.convolution_param.num_output = 8
            for shape in ((8, 4), (8,)):
                layer.blobs.add(data=[1.0] * math.prod(shape)).shape.dim.extend(shape)
        path = _write(tmp_path, net.SerializeToString())
        taken = []
        for _ in range(3):
            begin = time.process_time()
            assert len(read_weights(path).layers) == layers
            taken.append(time.process_time() - begin)
        return min(taken)

    # 8 if it grows as their number, 64 if it grows as its square
    assert seconds(1600) < 25 * seconds(200)


@pytest.mark.parametrize("name", ["tiny", "v0", "v1"])
def test_a_caffemodel_carries_its_net(name):
    path = GOLDENS / f"{name}.caffemodel"
    expected = message("NetParameter")
    expected.ParseFromString(path.read_bytes())
    for layer in (*expected.layer, *expected.layers, *(layer.layer for layer in expected.layers)):
        if layer.blobs:
            del layer.blobs[:]
    for layer in expected.layer:
        # what Caffe wrote there is how it saved the net
        assert layer.phase == message("NetState").phase
        layer.ClearField("phase")
    assert carried_net(path).SerializeToString() == expected.SerializeToString()


def test_a_carried_net_keeps_what_is_not_known(tmp_path):
    unknown = _field(5000, b"fork") + b"\xa3\x06\x08\x01\xa4\x06"
    layer = _field(1, b"conv") + _field(7, _blob((1,), _field(5, bytes(4)))) + _field(2, b"Fork") + unknown
    path = _write(tmp_path, unknown + _field(100, layer) + unknown)
    kept = _field(100, _field(1, b"conv") + _field(2, b"Fork") + unknown)
    assert carried_net(path).SerializeToString() == kept + unknown + unknown


@pytest.mark.parametrize("name", ["twice", "odd"])
def test_weights_alone_carry_no_net(tmp_path, name):
    net = message("NetParameter")
    net.ParseFromString((GOLDENS / f"{name}.caffemodel").read_bytes())
    for layer in net.layer:
        layer.ClearField("type")
    path = _write(tmp_path, net.SerializeToString())
    with pytest.raises(ModelError, match="holds weights but no description of their network"):
        carried_net(path)


def test_hdf5_carries_no_net(tmp_path):
    with pytest.raises(ModelError, match="no description of their network"):
        carried_net(GOLDENS / "tiny.caffemodel.h5")


def test_every_beginning_and_flip_of_a_carried_net_is_a_net_or_refused(tmp_path):
    data = (GOLDENS / "tiny.caffemodel").read_bytes()
    path, seeded, nets = tmp_path / "net.caffemodel", random.Random(1), 0
    damaged = [data[:size] for size in range(0, len(data), 3)]
    for _ in range(300):
        flipped = bytearray(data)
        flipped[seeded.randrange(len(data))] = seeded.randrange(256)
        damaged.append(flipped)
    for some in damaged:
        path.write_bytes(some)
        try:
            nets += carried_net(path) is not None
        except ModelError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
    assert nets > 100


def test_reads_the_mean_that_caffe_wrote():
    mean = read_blob_file(GOLDENS / "mean.binaryproto")
    assert _same({("", 0): mean}, _golden("mean.binaryproto"))


def test_every_beginning_and_flip_of_a_mean_is_read_or_refused(tmp_path):
    data = (GOLDENS / "mean.binaryproto").read_bytes()
    path, seeded = tmp_path / "mean.binaryproto", random.Random(2)
    for size in range(1, len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(ModelError, match=f"^{path}: "):
            read_blob_file(path)
    read = 0
    for _ in range(300):
        flipped = bytearray(data)
        flipped[seeded.randrange(len(data))] = seeded.randrange(256)
        path.write_bytes(flipped)
        try:
            read += read_blob_file(path).dtype == np.float32
        except ModelError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
    assert read > 100


@pytest.mark.parametrize(
    "kind", [kind for kind in OTHER_FILES if kind not in ("a single blob", "the state of a solver")]
)
def test_other_files_are_no_mean(tmp_path, kind):
    path = _write(tmp_path, OTHER_FILES[kind]())
    with pytest.raises(ModelError) as raised:
        read_blob_file(path)
    assert f"{path}: not a single blob, such as a mean (.binaryproto) (it looks like {kind}" in str(
        raised.value
    )


def test_a_caffemodel_and_a_state_are_no_mean():
    with pytest.raises(ModelError, match="it looks like a caffemodel"):
        read_blob_file(GOLDENS / "tiny.caffemodel")
    with pytest.raises(ModelError, match="it looks like the state of a solver"):
        read_blob_file(GOLDENS / "tiny.solverstate")
