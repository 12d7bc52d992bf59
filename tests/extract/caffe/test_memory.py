"""Memory and reading: weights stay in their file until they are needed, and are held once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.caffemodel import write_caffemodel
from extract.caffe.caffemodel import read_weights
from tests.extract.caffe.nets import write_net, write_weights
from tests.helpers import require

# of the size of the weights' file, for the whole process
BOUND = 2.2
WIDTH, LAYERS = 3200, 4

INPUT = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3200 } } }'
FC = """layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}"
                 inner_product_param {{ num_output: 3200 }} }}"""

# What /proc says of the process itself.
PROC = """
import json, re, sys
from pathlib import Path
def proc(file, key):
    return int(re.search(key + r":\\s+(\\d+)", Path("/proc/self", file).read_text())[1])
def memory(key):
    return 1024 * proc("status", key)
"""
COMMAND = """
from cnnvis.main import main
try:
    main()
finally:
    print(memory("VmHWM"), file=sys.stderr)
"""
LOAD = """
from extract import load_model
*small, prototxt, weights = sys.argv[1:]
load_model(*small)
before, read = memory("VmRSS"), proc("io", "rchar")
model = load_model(prototxt, weights)
print(json.dumps([memory("VmHWM") - before, proc("io", "rchar") - read, len(model.parameters)]))
"""


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """Four fully connected layers of 41 MB each, at even and odd places; removed afterwards."""
    require(Path("/proc/self/io").exists(), "Linux's /proc, for what a process holds and reads,")
    folder = tmp_path_factory.mktemp("big")
    weights = folder / "big.caffemodel"
    # a layer's length, and so the next one's place, depends on that of its name
    names = [f"fc{'_' * i}" for i in range(LAYERS)]
    block = np.random.default_rng(0).standard_normal((WIDTH, WIDTH), np.float32) / np.sqrt(WIDTH)
    try:
        write_caffemodel(weights, [(name, [block, np.ones(WIDTH)]) for name in names])
        blobs = (blob for layer in read_weights(weights).layers.values() for blob in layer[:1])
        assert {blob.offset % 4 for blob in blobs if blob and blob.offset} == {0, 1, 2, 3}
        layers = (FC.format(name=n, bottom=b) for n, b in zip(names, ["x", *names], strict=False))
        yield write_net(folder, "\n".join([INPUT, *layers])), weights
    finally:
        weights.unlink()


def run(code: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROC + code, *map(str, words)], capture_output=True, text=True, check=True
    )


def test_activations_hold_weights_once(big: tuple[Path, Path], tmp_path: Path) -> None:
    prototxt, weights = big
    np.save(tmp_path / "x.npy", np.ones((1, WIDTH), np.float32))
    last = "fc" + "_" * (LAYERS - 1)
    done = run(
        COMMAND,
        *("activations", prototxt, "--weights", weights, "--image", tmp_path / "x.npy"),
        *("--layer", last, "-o", tmp_path / "out", "--quiet"),
    )
    # parsed by protobuf they would take 4
    assert int(done.stderr) <= BOUND * weights.stat().st_size


def test_loading_reads_no_weights(big: tuple[Path, Path], tmp_path: Path) -> None:
    prototxt, weights = big
    # so that what is read and held in any case is so before
    small = write_net(tmp_path), write_weights(tmp_path)
    held, read, parameters = json.loads(run(LOAD, *small, prototxt, weights).stdout)
    assert parameters == 2 * LAYERS
    assert held < 0.05 * weights.stat().st_size
    assert read < 0.05 * weights.stat().st_size
