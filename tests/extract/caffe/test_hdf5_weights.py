import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from extract.caffe.caffemodel import read_weights
from extract.errors import ModelError
from tests.helpers import ROOT

GOLDENS = Path(__file__).parent / "goldens"
TINY = GOLDENS / "tiny.caffemodel.h5"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.weights"


def _blobs(path):
    layers = read_weights(path).layers
    return {name: [blob and blob.weight.read() for blob in blobs] for name, blobs in layers.items()}


def _write(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file.create_dataset(f"data/conv/{name}", data=values)


def test_reads_what_real_caffe_reads_from_the_same_weights_in_protobuf():
    with np.load(GOLDENS / "weights.npz") as arrays:
        expected = {
            tuple(key.split("|")[1:]): arrays[key]
            for key in arrays.files
            if key.startswith("tiny.caffemodel|")
        }
    found = _blobs(TINY)
    assert set(found) == {"conv", "slope", "twin", "conv/fc"}
    # what a layer shares with an earlier one Caffe writes only once
    assert found["twin"][0] is None
    assert ("twin", "0") in expected
    del expected["twin", "0"]
    assert sum(values is not None for blobs in found.values() for values in blobs) == len(expected) == 6
    for (layer, index), values in expected.items():
        assert found[layer][int(index)].dtype == np.float32
        assert found[layer][int(index)].shape == values.shape
        np.testing.assert_array_equal(found[layer][int(index)], values)


def test_content_tells_hdf5_not_the_name(path):
    shutil.copy(TINY, path)
    assert set(read_weights(path).layers) == {"conv", "slope", "twin", "conv/fc"}


def test_values_in_one_piece_are_found_by_their_offset():
    for blobs in read_weights(TINY).layers.values():
        for blob in filter(None, blobs):
            values = blob.weight.read()
            np.testing.assert_array_equal(
                np.frombuffer(TINY.read_bytes(), "<f4", values.size, blob.offset), values.ravel()
            )


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", "<i4", "u1"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (2, 2)},
        {"chunks": (2, 3), "compression": "gzip", "shuffle": True},
        {"maxshape": (None, 5)},
    ],
    ids=["plain", "chunked", "compressed", "growing"],
)
def test_all_numbers_become_float32_however_they_lie(path, dtype, options):
    values = (np.arange(15).reshape(3, 5) / 4).astype(dtype)
    with h5py.File(path, "w") as file:
        file.create_dataset("data/conv/0", data=values, **options)
    (blob,) = read_weights(path).layers["conv"]
    found = blob.weight.read()
    assert (found.dtype, found.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_array_equal(found, values.astype(np.float32))
    assert (blob.offset is not None) == (dtype == "<f4" and not options)


def test_a_compact_blob_and_one_behind_a_block_of_the_user(path):
    with h5py.File(path, "w", userblock_size=1024) as file:
        file.create_dataset("data/conv/0", data=np.arange(6, dtype="<f4"))
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((2,))
        data = h5py.h5d.create(file["data/conv"].id, b"1", h5py.h5t.IEEE_F32LE, space, compact)
        data.write(space, space, np.array([7, 8], np.float32))
        scalar = h5py.h5s.create(h5py.h5s.SCALAR)
        data = h5py.h5d.create(file["data/conv"].id, b"2", h5py.h5t.IEEE_F32LE, scalar, compact)
        data.write(scalar, scalar, np.array(9, np.float32))
    found = _blobs(path)["conv"]
    np.testing.assert_array_equal(found[0], np.arange(6))
    np.testing.assert_array_equal(found[1], [7, 8])
    assert (found[2].shape, found[2].item()) == ((), 9)
    offset = read_weights(path).layers["conv"][0].offset
    np.testing.assert_array_equal(np.frombuffer(path.read_bytes(), "<f4", 6, offset), np.arange(6))


def test_links_are_not_followed(path, tmp_path):
    _write(tmp_path / "secret.h5", **{"0": np.ones(3)})
    for link in (h5py.ExternalLink("secret.h5", "/data/conv/0"), h5py.SoftLink("/other")):
        for place in ("data/conv/1", "data/other", "data"):
            with h5py.File(path, "w") as file:
                if place != "data":
                    file["data/conv/0"] = np.ones(2)
                file[place] = link
            with pytest.raises(ModelError, match=f"/{place} is a link, not a blob|without group 'data'"):
                read_weights(path)


def test_values_in_other_files_are_refused(path, tmp_path):
    raw = tmp_path / "secret.bin"
    raw.write_bytes(bytes(12))
    with h5py.File(path, "w") as file:
        file.create_dataset("data/conv/0", (3,), "<f4", external=[(str(raw), 0, 12)])
    with pytest.raises(ModelError, match="'/data/conv/0' keeps its values in another file"):
        read_weights(path)
    _write(tmp_path / "secret.h5", **{"0": np.ones(3, "f4")})
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "data/conv/0", (3,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data/conv/0", layout)
    with pytest.raises(ModelError, match="keeps its values in another file"):
        read_weights(path)


def test_groups_that_contain_themselves_end(path):
    _write(path, **{"0": np.ones(2)})
    with h5py.File(path, "a") as file:
        file["data/conv/again"] = file["data"]
    assert len(read_weights(path).layers) == 1


@pytest.mark.parametrize(
    ("shape", "options", "reason"),
    [
        ((10**9,), {}, "of shape .1000000000,. holds no values"),
        ((10**9,), {"chunks": (1000,)}, "of shape .1000000000,. holds no values"),
        ((2**40, 2**20), {"chunks": (1, 1)}, "has the impossible shape"),
        ((2**31,), {"chunks": (1,)}, "has the impossible shape"),
    ],
)
def test_data_sets_that_claim_too_much(path, shape, options, reason):
    with h5py.File(path, "w") as file:
        file.create_dataset("data/conv/0", shape, "<f4", **options)
    tracemalloc.start()
    with pytest.raises(ModelError, match=f"'/data/conv/0' {reason}"):
        read_weights(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda file: None, "an HDF5 file without group 'data', so not one of Caffe's weights"),
        (lambda file: file.create_dataset("data", data=[1.0]), "an HDF5 file without group 'data'"),
        (lambda file: file.create_group("data/conv"), "holds no layer with weights"),
        (lambda file: file.create_dataset("data/0", data=[1.0]), "holds '/data/0', which is no blob"),
        (
            lambda file: file.create_dataset("data/conv/kernel", data=[1.0]),
            "'/data/conv/kernel', which is no",
        ),
        (lambda file: file.create_dataset("data/conv/99999999", data=[1.0]), "'/data/conv/99999999', which"),
        (lambda file: file.create_dataset("data/conv/0", data=["text"]), "'/data/conv/0' holds no numbers"),
        (
            lambda file: file.create_dataset("data/conv/0", data=h5py.Empty("f")),
            "'/data/conv/0' holds no numb",
        ),
        (lambda file: file.create_dataset("data/conv/0", data=[1 + 2j]), "'/data/conv/0' holds no numbers"),
    ],
)
def test_other_hdf5_files(path, make, reason):
    with h5py.File(path, "w") as file:
        make(file)
    with pytest.raises(ModelError, match=reason) as raised:
        read_weights(path)
    assert str(raised.value).startswith(f"{path}: ")


def test_the_state_of_a_solver_is_told():
    with pytest.raises(ModelError, match="the state of a solver"):
        read_weights(GOLDENS / "tiny.solverstate.h5")


def test_a_file_of_a_failed_caffe_run(path):
    # what net.save_hdf5 leaves behind where a layer's name has a slash and no layer has the part before it
    path.write_bytes(TINY.read_bytes()[:96])
    with pytest.raises(ModelError, match=r"not a readable HDF5 file \(.*truncated"):
        read_weights(path)


_FUZZ = """
import random, resource, sys
from pathlib import Path
from extract.caffe.caffemodel import read_weights
from extract.errors import ModelError
tiny, path, seeded = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), random.Random(4)
damaged = [tiny[:size] for size in range(8, len(tiny), 97)]
for _ in range(700):
    flipped = bytearray(tiny)
    for _ in range(seeded.choice([1, 2, 5, 50])):
        flipped[seeded.randrange(len(tiny))] = seeded.randrange(256)
    damaged.append(flipped)
import h5py
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
read = refused = 0
for data in damaged:
    path.write_bytes(data)
    try:
        for blobs in read_weights(path).layers.values():
            for blob in filter(None, blobs):
                assert blob.weight.read().shape == blob.weight.shape
        read += 1
    except ModelError as error:
        assert str(error).startswith(f"{path}: ") and "\\n" not in str(error), error
        refused += 1
print(read, refused)
"""


def test_damaged_files_are_read_or_refused_without_crash_or_much_memory(path):
    # in a process of its own: HDF5 is C
    command = [sys.executable, "-c", _FUZZ, str(TINY), str(path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stderr
    read, refused = map(int, run.stdout.split())
    assert read > 50
    assert refused > 200
