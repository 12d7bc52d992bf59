"""Weights zeroed in copies of files: what protobuf and h5py read of them, and that nothing else changes."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from extract import wire
from extract.caffe.caffemodel import read_weights
from extract.caffe.patching import write_zeroed
from extract.caffe.schema import message
from extract.errors import ModelError

GOLDENS = Path(__file__).parent / "goldens"


def by_protobuf(path):
    """Return all blobs of a caffemodel as protobuf reads them, by layer and index, flat."""
    net = message("NetParameter")
    net.ParseFromString(path.read_bytes())
    layers = [*net.layer, *(one.layer if one.HasField("layer") else one for one in net.layers)]
    return {
        (one.name, number): np.array(blob.double_data or blob.data)
        for one in layers
        for number, blob in enumerate(one.blobs)
    }


def field(number, body):
    return wire.varint(number << 3 | wire.BYTES) + wire.varint(len(body)) + body


@pytest.mark.parametrize("name", ["tiny", "v0", "v1", "twice", "odd"])
def test_values_are_zeroed_in_each_generation_of_caffemodels(tmp_path, name):
    source, target = GOLDENS / f"{name}.caffemodel", tmp_path / "zeroed.caffemodel"
    expected = by_protobuf(source)
    chosen = {place: np.arange(0, len(values), 3) for place, values in expected.items()}
    write_zeroed(source, target, chosen)
    for place, values in expected.items():
        values[chosen[place]] = 0
    found = by_protobuf(target)
    assert found.keys() == expected.keys()
    for place, values in expected.items():
        np.testing.assert_array_equal(found[place], values)
    before, after = (np.frombuffer(path.read_bytes(), np.uint8) for path in (source, target))
    # of each value 4 or 8 bytes, and none of a tag, a length or a name
    assert 0 < np.count_nonzero(before != after) <= 8 * sum(map(len, chosen.values()))
    assert not after[before != after].any()


@pytest.mark.parametrize("packed", [{}, {"compression": "gzip"}])
def test_values_are_zeroed_in_hdf5(tmp_path, packed):
    source, target = tmp_path / "net.caffemodel.h5", tmp_path / "zeroed.caffemodel.h5"
    values = np.arange(1, 36, dtype=np.float32).reshape(5, 7)
    with h5py.File(source, "w") as file:
        file.create_dataset("data/conv/0", data=values, **packed)
        file.create_dataset("data/conv/1", data=values[0], **packed)
    write_zeroed(source, target, {("conv", 0): np.array([8, 33])})
    values[1, 1] = values[4, 5] = 0
    with h5py.File(target) as file:
        np.testing.assert_array_equal(file["data/conv/0"], values)
        np.testing.assert_array_equal(file["data/conv/1"], np.arange(1, 8))


def test_half_precision_of_nvcaffe(tmp_path):
    """It lies in bytes of its own, which Caffe 1.0's protobuf does not know."""
    blob = field(7, field(1, wire.varint(5))) + wire.varint(10 << 3) + wire.varint(2)
    blob += field(12, np.arange(1, 6, dtype="<f2").tobytes())
    source, target = tmp_path / "half.caffemodel", tmp_path / "zeroed.caffemodel"
    source.write_bytes(field(100, field(1, b"conv") + field(7, blob)))
    write_zeroed(source, target, {("conv", 0): np.array([1, 4])})
    (blob,) = read_weights(target).layers["conv"]
    np.testing.assert_array_equal(blob.weight.read(), [1, 0, 3, 4, 0])


def test_what_a_file_does_not_hold(tmp_path):
    source, target = GOLDENS / "tiny.caffemodel.h5", tmp_path / "zeroed.caffemodel.h5"
    # the file leaves out what this layer shares
    with pytest.raises(ModelError, match="has no parameter 0 of layer 'twin'"):
        write_zeroed(source, target, {("twin", 0): np.array([0])})
    with pytest.raises(ModelError, match="has no parameter 7 of layer 'conv'"):
        write_zeroed(source, target, {("conv", 7): np.array([0])})
    assert not target.exists()
