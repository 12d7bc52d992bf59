"""Makes the goldens of weights with real Caffe: ``CAFFE_PYTHON make_weights.py FOLDER``.

Files of weights of all sorts; what Caffe has in its layers after it loaded them (weights.npz, by
FILE|LAYER|INDEX); what its fillers give (fillers.npz: values of the exact ones; fillers.json: mean, standard
deviation, least and largest value of the random ones). Those here come from Debian 11's python3-caffe
1.0.0+git20180821.99bd997-8.
"""

import json
import struct
import sys
import tempfile
from pathlib import Path

import caffe
import numpy as np
from caffe.proto import caffe_pb2

TINY = """
input: "data" input_shape { dim: 1 dim: 3 dim: 5 dim: 6 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "c" param { name: "shared" }
  convolution_param { num_output: 2 kernel_size: 3 } }
layer { name: "slope" type: "PReLU" bottom: "c" top: "c" prelu_param { channel_shared: true } }
layer { name: "twin" type: "Convolution" bottom: "data" top: "d" param { name: "shared" }
  convolution_param { num_output: 2 kernel_size: 3 } }
layer { name: "conv/fc" type: "InnerProduct" bottom: "d" top: "f" inner_product_param { num_output: 2 } }
"""
OLD = """
input: "data" input_shape { dim: 1 dim: 2 dim: 3 dim: 4 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 3 kernel_size: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "c" top: "f" inner_product_param { num_output: 2 } }
"""
SOLVER = """
net_param {
  layer { name: "data" type: "DummyData" top: "data" top: "label"
    dummy_data_param { shape { dim: 1 dim: 2 } shape { dim: 1 } } }
  layer { name: "fc" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 2 } }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "f" bottom: "label" top: "loss" }
}
base_lr: 0.1 lr_policy: "fixed" max_iter: 1 display: 0 solver_mode: CPU momentum: 0.9
snapshot_after_train: false
"""
FILLERS = {
    "constant": 'type: "constant" value: 0.3',
    "bilinear5": 'type: "bilinear"',
    "bilinear14": 'type: "bilinear"',
    "uniform": 'type: "uniform" min: -1 max: 3',
    "gaussian": 'type: "gaussian" mean: 2 std: 0.5',
    "sparse": 'type: "gaussian" std: 2 sparse: 8',
    "positive_unitball": 'type: "positive_unitball"',
    "xavier": 'type: "xavier"',
    "xavier_out": 'type: "xavier" variance_norm: FAN_OUT',
    "xavier_average": 'type: "xavier" variance_norm: AVERAGE',
    "msra": 'type: "msra"',
    "msra_out": 'type: "msra" variance_norm: FAN_OUT',
    "msra_average": 'type: "msra" variance_norm: AVERAGE',
}
EXACT = {"constant": (2, 3), "bilinear5": (2, 1, 5, 5), "bilinear14": (1, 2, 14, 14)}
SHAPE = (32, 20, 9, 7)


def net_of(text, weights=None):
    with tempfile.NamedTemporaryFile("w", suffix=".prototxt") as file:
        file.write(text)
        file.flush()
        return caffe.Net(file.name, caffe.TEST, weights=weights and str(weights))


def seeded(text):
    net = net_of(text)
    random = np.random.RandomState(3)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = random.standard_normal(blob.data.shape)
    return net


def legacy(blob):
    proto = caffe_pb2.BlobProto(data=blob.data.ravel())
    shape = (1,) * (4 - blob.data.ndim) + blob.data.shape
    proto.num, proto.channels, proto.height, proto.width = shape
    return proto


def generations(net):
    """Return the weights of OLD as three generations of Caffe keep them."""
    v0, v1, v2 = (caffe_pb2.NetParameter(name="old") for _ in range(3))
    conv, fc = ([legacy(blob) for blob in blobs] for blobs in net.params.values())
    v0.layers.add().layer.CopyFrom(caffe_pb2.V0LayerParameter(name="conv", type="conv", blobs=conv))
    v0.layers.add().layer.CopyFrom(caffe_pb2.V0LayerParameter(name="fc", type="innerproduct", blobs=fc))
    v1.layers.add(name="conv", type=caffe_pb2.V1LayerParameter.CONVOLUTION, blobs=conv)
    v1.layers.add(name="fc", type=caffe_pb2.V1LayerParameter.INNER_PRODUCT, blobs=fc)
    v2.layer.add(name="conv", type="Convolution", blobs=conv)
    v2.layer.add(name="fc", type="InnerProduct", blobs=fc)
    return v0, v1, v2


def twice(net):
    """Return the weights of OLD with a layer that comes again, with other values."""
    again = caffe_pb2.NetParameter()
    again.layer.extend([*net.layer, net.layer[0]])
    for blob in again.layer[-1].blobs:
        blob.data[:] = [-value for value in blob.data]
    return again


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def odd(net):
    """Return the weights of OLD as bytes that protobuf allows, although it writes others."""
    blobs = [blob.data for layer in net.params.values() for blob in layer]
    shapes = [field(7, caffe_pb2.BlobShape(dim=blob.shape).SerializeToString()) for blob in blobs]
    values = [blob.ravel().astype("<f4") for blob in blobs]
    unpacked = b"".join(b"\x2d" + struct.pack("<f", value) for value in values[0]) + shapes[0]
    halves = field(5, values[1][:1].tobytes()) + shapes[1] + field(5, values[1][1:].tobytes())
    # Caffe heeds the four old axes and doubles, not the shape and floats beside them
    axes = b"\x08\x01\x10\x01\x18\x02\x20\x12"
    double = field(8, values[2].astype("<f8").tobytes()) + axes + shapes[0] + field(5, values[3].tobytes())
    long_tag = b"\x2d" + values[3][:1].tobytes() + b"\xad\x00" + values[3][1:].tobytes() + shapes[3]
    unknown = field(101, b"odd") + b"\xa3\x06\x08\x01\xa4\x06"
    conv = field(1, b"conv") + field(7, unpacked) + field(7, halves)
    fc = field(1, b"fc") + field(7, double) + field(7, long_tag + unknown)
    return field(100, conv) + field(100, fc)


def write_weights(folder):
    """Write files of weights, and return what Caffe reads from them."""
    tiny, old = seeded(TINY), seeded(OLD)
    tiny.save(str(folder / "tiny.caffemodel"))
    tiny.save_hdf5(str(folder / "tiny.caffemodel.h5"))
    v0, v1, v2 = generations(old)
    (folder / "v0.caffemodel").write_bytes(v0.SerializeToString())
    (folder / "v1.caffemodel").write_bytes(v1.SerializeToString())
    (folder / "twice.caffemodel").write_bytes(twice(v2).SerializeToString())
    (folder / "odd.caffemodel").write_bytes(odd(old))
    nets = {"tiny": TINY, "v0": OLD, "v1": OLD, "twice": OLD, "odd": OLD}
    return {
        f"{name}.caffemodel|{layer}|{index}": blob.data.copy()
        for name, text in nets.items()
        for layer, blobs in net_of(text, folder / f"{name}.caffemodel").params.items()
        for index, blob in enumerate(blobs)
    }


def write_mean(folder):
    mean = np.random.RandomState(5).uniform(0, 255, (1, 3, 4, 5))
    proto = caffe.io.array_to_blobproto(mean)
    (folder / "mean.binaryproto").write_bytes(proto.SerializeToString())
    return {"mean.binaryproto||0": caffe.io.blobproto_to_array(proto).astype("f4")}


def write_states(folder):
    for kind, end in (("BINARYPROTO", ".solverstate"), ("HDF5", ".solverstate.h5")):
        with tempfile.TemporaryDirectory() as there, tempfile.NamedTemporaryFile("w") as file:
            prefix = f"{there}/tiny"
            file.write(f'{SOLVER} snapshot_format: {kind} snapshot_prefix: "{prefix}"')
            file.flush()
            solver = caffe.SGDSolver(file.name)
            solver.step(1)
            solver.snapshot()
            state = Path(f"{prefix}_iter_1{end}").read_bytes()
        (folder / f"tiny{end}").write_bytes(state.replace(prefix.encode(), b"x" * len(prefix)))


def filled(name):
    dims = " ".join(f"dim: {size}" for size in EXACT.get(name, SHAPE))
    parameters = f"shape {{ {dims} }} data_filler {{ {FILLERS[name]} }}"
    net = net_of(f'layer {{ name: "d" type: "DummyData" top: "d" dummy_data_param {{ {parameters} }} }}')
    return net.forward()["d"].copy()


def statistics(values):
    exact = values.astype("f8")
    return [float(value) for value in (exact.mean(), exact.std(), exact.min(), exact.max())]


def main(folder):
    caffe.set_random_seed(1)
    np.savez_compressed(folder / "weights.npz", **write_weights(folder), **write_mean(folder))
    write_states(folder)
    np.savez_compressed(folder / "fillers.npz", **{name: filled(name) for name in EXACT})
    facts = {name: statistics(filled(name)) for name in FILLERS if name not in EXACT}
    (folder / "fillers.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
