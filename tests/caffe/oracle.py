"""Runs networks in real Caffe and writes down what all their blobs hold: ``CAFFE_PYTHON oracle.py FOLDER``.

This is a script for the interpreter that has Caffe, Python 3.6 or later. For each NAME.prototxt in the folder
it reads, where they are there,

- NAME.npz: values of inputs, ``input:BLOB``, and of parameters, ``param:INDEX:LAYER``; NAME seeds all others;
- NAME.caffemodel: the weights, then nothing is seeded but inputs;

and writes NAME.caffemodel if the network has parameters, NAME.out.npz (``input:BLOB`` as fed, ``blob:BLOB``
as they are after the forward pass) or, if Caffe refuses the network, its reason in NAME.error. At the end
comes caffe.json, the versions.
"""

import gzip
import json
import os
import re
import sys
import traceback
import zlib
from pathlib import Path

import caffe
import numpy as np

# Real networks have parameters of many millions of values; a prime number of different ones is enough.
_MOST_VALUES = 1000003


def run(prototxt):
    """Run a network and write its files."""
    caffemodel, values = prototxt.with_suffix(".caffemodel"), prototxt.with_suffix(".npz")
    random = np.random.RandomState(zlib.crc32(prototxt.stem.encode()))
    given = dict(np.load(values)) if values.exists() else {}
    if not caffemodel.exists():
        _save_seeded(prototxt, caffemodel, random, given)
    # loaded as anybody would load it, so that Caffe's ways to match weights with layers count too
    weights = [str(caffemodel)] if caffemodel.exists() else []
    net = caffe.Net(str(prototxt), *weights, caffe.TEST)
    result = {}
    for name in net.inputs:
        data = net.blobs[name].data
        key = "input:" + name
        value = given[key] if key in given else random.standard_normal(data.shape)
        data[...] = np.reshape(value, data.shape)
        result[key] = data.copy()
    net.forward()
    splits = _inserted_splits(net)
    result.update({"blob:" + name: blob.data for name, blob in net.blobs.items() if name not in splits})
    np.savez(prototxt.with_suffix(".out.npz"), **result)


def _save_seeded(prototxt, caffemodel, random, given):
    net = caffe.Net(str(prototxt), caffe.TEST)
    for layer in net.layers:
        for index, blob in enumerate(layer.blobs):
            blob.data[...] = _SEEDED.get((layer.type, index), _weight)(random, blob.data.shape)
    # afterwards, since layers may share parameters
    for place, layer in enumerate(net.layers):
        for index, blob in enumerate(layer.blobs):
            key = f"param:{index}:{net._layer_names[place]}"
            if key in given:
                blob.data[...] = np.reshape(given[key], blob.data.shape)
    if net.params:
        net.save(str(caffemodel))


def _weight(random, shape):
    """Return values that make outputs about as large as inputs, as He's initialization does."""
    size = int(np.prod(shape, dtype=np.int64))
    scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.5
    return np.resize(scale * random.standard_normal(min(size, _MOST_VALUES)), shape)


def _positive(random, shape):
    return random.uniform(0.5, 2, shape)


def _around_one(random, shape):
    return 1 + 0.5 * random.standard_normal(shape)


# By type of layer and index of the parameter; a BatchNorm's last parameter divides the others.
_SEEDED = {
    ("BatchNorm", 1): _positive,
    ("BatchNorm", 2): _positive,
    ("Scale", 0): _around_one,
}


def _inserted_splits(net):
    """Return the names of the blobs that Caffe adds where several layers read one."""
    blobs = list(net.blobs)
    return {
        blobs[top]
        for place, layer in enumerate(net.layers)
        for top in net._top_ids(place)
        if layer.type == "Split" and re.search(r"_split_\d+$", blobs[top])
    }


def _attempt(prototxts):
    """Run networks in a process of its own, which a failed check of Caffe ends; return those not yet run."""
    child = os.fork()
    if not child:
        status = 1
        try:
            for prototxt in prototxts:
                _run_logged(prototxt)
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    if not status:
        return []
    last = next(place for place, prototxt in enumerate(prototxts) if _log(prototxt).exists())
    log = _log(prototxts[last])
    reason = _reason(log.read_text(encoding="utf-8", errors="replace")) or f"ended with status {status}"
    prototxts[last].with_suffix(".error").write_text(reason, encoding="utf-8")
    log.unlink()
    return prototxts[last + 1 :]


def _run_logged(prototxt):
    with _log(prototxt).open("wb") as file:
        os.dup2(file.fileno(), 2)
    run(prototxt)
    _log(prototxt).unlink()


def _log(prototxt):
    return prototxt.with_suffix(".log")


def _reason(log):
    """Return the line of a log that tells why Caffe gave up: its failed check, else the last one."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    failed = [re.sub(r"^F\S+ \S+ +\d+ ", "", line) for line in lines if re.match(r"F\d{4} ", line)]
    return (failed or lines[-1:] or [""])[0]


def _versions():
    changelog = Path(sys.prefix, "share", "doc", "python3-caffe", "changelog.Debian.gz")
    package = None
    if changelog.exists():
        with gzip.open(str(changelog), "rt", encoding="utf-8") as file:
            name, version = file.readline().split()[:2]
        package = f"python3-{name} {version.strip('()')}"
    return {
        "caffe": caffe.__version__,
        "package": package,
        "numpy": np.__version__,
        "python": ".".join(map(str, sys.version_info[:3])),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    left = sorted(folder.glob("*.prototxt"))
    while left:
        left = _attempt(left)
    (folder / "caffe.json").write_text(json.dumps(_versions(), indent=1, sort_keys=True))
