"""Makes the goldens of upgraded networks with real Caffe: ``CAFFE_PYTHON make_upgrades.py FOLDER``.

For each NAME.prototxt in FOLDER (upgrades) it writes NAME.upgraded: the layers as Caffe holds them in its
TEST phase, in today's form, taken from a caffemodel that it saves, without blobs, phases and the Split layers
that it adds. It needs plyvel, for a LevelDB. Those here come from Debian 11's python3-caffe
1.0.0+git20180821.99bd997-8.
"""

import os
import sys
import tempfile
from pathlib import Path

import caffe
import numpy as np
import plyvel
from caffe.proto import caffe_pb2
from google.protobuf import text_format

TABLE = """
layer { name: "d" type: "DummyData" top: "d" top: "l" dummy_data_param {
  shape { dim: 4 dim: 3 } shape { dim: 4 dim: 1 } } }
layer { name: "o" type: "HDF5Output" bottom: "d" bottom: "l" hdf5_output_param { file_name: "table.h5" } }
"""


def make_data():
    """Write what the data layers read to the current folder."""
    for name in ("leveldb", "leveldb2"):
        database = plyvel.DB(name, create_if_missing=True)
        for i in range(4):
            datum = caffe.io.array_to_datum(np.full((3, 6, 6), i, np.uint8), i)
            database.put(b"%d" % i, datum.SerializeToString())
        database.close()
    Path("picture.ppm").write_bytes(b"P6 20 16 255\n" + bytes(20 * 16 * 3))
    Path("list.txt").write_text("picture.ppm 0\npicture.ppm 1\n")
    Path("windows.txt").write_text("# 0\npicture.ppm\n3\n16\n20\n2\n1 0.9 0 0 9 9\n0 0.1 3 3 12 12\n")
    for name, shape in (("mean", (1, 3, 6, 6)), ("gain", (1, 1, 4, 4))):
        blob = caffe.io.array_to_blobproto(np.ones(shape))
        Path(name + ".binaryproto").write_bytes(blob.SerializeToString())
    Path("table.prototxt").write_text(TABLE)
    caffe.Net("table.prototxt", caffe.TEST).forward()
    Path("hdf5.txt").write_text("table.h5\n")


def upgraded(path):
    """Return the layers of a network as Caffe holds them."""
    net = caffe.Net(str(path), caffe.TEST)
    net.save("saved.caffemodel")
    saved, kept, origin = caffe_pb2.NetParameter(), caffe_pb2.NetParameter(), {}
    saved.ParseFromString(Path("saved.caffemodel").read_bytes())
    for layer in saved.layer:
        if layer.type == "Split" and layer.name.endswith("_split"):
            origin.update(dict.fromkeys(layer.top, layer.bottom[0]))
            continue
        bottoms = [origin.get(bottom, bottom) for bottom in layer.bottom]
        for field in ("blobs", "phase", "bottom"):
            layer.ClearField(field)
        layer.bottom.extend(bottoms)
        kept.layer.add().CopyFrom(layer)
    return text_format.MessageToString(kept)


def main():
    """Write the goldens."""
    folder = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        make_data()
        for path in sorted(folder.glob("*.prototxt")):
            path.with_suffix(".upgraded").write_text(upgraded(path))


main()
