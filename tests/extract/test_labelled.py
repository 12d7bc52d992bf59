"""Labelled pictures: where the labels come from, and what is left out."""

from __future__ import annotations

import gzip
import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from extract.class_names import class_index
from extract.errors import ImageError
from extract.idx import read_idx
from extract.labelled import labelled_batches, read_labelled
from extract.preprocessing import Preprocessing

GREY = Preprocessing(channels="L", size=(5, 7), scale=1)
SHAPE = (None, 1, 5, 7)
X = np.zeros((4, 1, 5, 7), np.float32)


def _picture(path: Path, value: int = 0, size: tuple[int, int] = (7, 5)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(path)
    return path


def _folders(folder: Path) -> Path:
    for number in range(3):
        _picture(folder / "cat" / f"c{number}.png", 10 * number)
    _picture(folder / "dog" / "d10.png", 50)
    _picture(folder / "dog" / "d2.png", 60)
    return folder


def _idx(values: np.ndarray) -> bytes:
    """An IDX file of bytes: two zeros, the type 8, the number of axes, their sizes; after LeCun's page."""
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def test_a_folder_a_class(tmp_path: Path) -> None:
    found = read_labelled(_folders(tmp_path))
    assert list(found.names) == ["cat/c0.png", "cat/c1.png", "cat/c2.png", "dog/d2.png", "dog/d10.png"]
    assert found.classes == {"cat": [0, 1, 2], "dog": [3, 4]}
    assert (found.faults, found.pictures) == ((), True)


def test_classes_come_in_natural_order_and_hidden_folders_are_none(tmp_path: Path) -> None:
    for label in ("c10", "c2", ".git", "C3"):
        _picture(tmp_path / label / "1.png")
    (tmp_path / "notes.txt").write_text("no folder")
    found = read_labelled(tmp_path)
    assert list(found.names) == ["c2/1.png", "C3/1.png", "c10/1.png"]
    assert list(found.classes) == ["c2", "C3", "c10"]


def test_names_by_pattern(tmp_path: Path) -> None:
    for name in ("persian_1.png", "pug_7.png", "README.png"):
        _picture(tmp_path / name)
    found = read_labelled(tmp_path, pattern=r"^([a-z]+)_\d+$")
    assert dict(zip(found.names, found.labels, strict=True)) == {
        "persian_1.png": "persian",
        "pug_7.png": "pug",
    }
    assert [fault.name for fault in found.faults] == ["README.png"]
    named = read_labelled(tmp_path, pattern=r"^(p).*_(?P<label>\d)")
    assert sorted(named.labels) == ["1", "7"]


def test_a_table_of_files_in_a_folder_or_beside_it(tmp_path: Path) -> None:
    _folders(tmp_path)
    table = tmp_path / "labels.csv"
    table.write_text("label,file,by\ncat,dog/d2.png,me\n,cat/c0.png,me\ndog,none.png,me\n'a, b',cat/c1.png\n")
    for found in (read_labelled(tmp_path, table), read_labelled(table)):
        assert list(found.names) == ["dog/d2.png"]
        reasons = [fault.reason for fault in found.faults]
        assert len(reasons) == 3
        assert "line 3: has no label" in reasons[0]
        assert "none.png: no such file" in reasons[1]


def test_a_table_may_name_files_anywhere(tmp_path: Path) -> None:
    _folders(tmp_path)
    (tmp_path / "tables").mkdir()
    table = tmp_path / "tables" / "labels.csv"
    table.write_text(f"file,label\n{tmp_path / 'cat' / 'c0.png'},cat\n")
    found = read_labelled(table)
    assert list(found.names) == [(tmp_path / "cat" / "c0.png").as_posix()]
    assert found.path == table


@pytest.mark.parametrize("code", [(0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")])
def test_idx_files_of_every_type(tmp_path: Path, code: tuple[int, str]) -> None:
    number, kind = code
    values = np.array([[-7, 3, 100], [0, 90, -128]])
    head = struct.pack(">BBBB2I", 0, 0, number, 2, 2, 3)
    (tmp_path / "x").write_bytes(head + values.astype(kind).tobytes())
    found = read_idx(tmp_path / "x")
    np.testing.assert_array_equal(found, values)
    assert found.dtype == np.dtype(kind).newbyteorder("=")


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_and_their_labels(tmp_path: Path, packed: bool) -> None:
    values = np.arange(3 * 35, dtype=np.uint8).reshape(3, 5, 7)
    for name, array in (("t-images-idx3-ubyte", values), ("t-labels-idx1-ubyte", np.array([7, 0, 7], "u1"))):
        (tmp_path / name).write_bytes(gzip.compress(_idx(array)) if packed else _idx(array))
    found = read_labelled(tmp_path / "t-images-idx3-ubyte")
    assert found.classes == {"0": [1], "7": [0, 2]}
    np.testing.assert_array_equal(found.get(2, GREY, SHAPE).array[0], values[2])


def test_arrays_by_the_names_of_keras(tmp_path: Path) -> None:
    arrays = {"x_train": np.zeros((9, 5, 7)), "y_train": np.zeros(9), "x_test": X[:2], "y_test": [[3], [1]]}
    np.savez(tmp_path / "mnist.npz", **arrays)
    assert list(read_labelled(tmp_path / "mnist.npz").labels) == ["3", "1"]


def test_arrays_of_pictures_and_of_inputs(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (4, 5, 7, 3), np.uint8)
    np.savez(tmp_path / "set.npz", x=values, y=np.array(["a", "b", "a", "c"]))
    found = read_labelled(tmp_path / "set.npz")
    assert found.classes == {"a": [0, 2], "b": [1], "c": [3]}
    colour = Preprocessing(channels="BGR", size=(5, 7), scale=0.5)
    np.testing.assert_array_equal(
        found.get(3, colour, (None, 3, 5, 7)).array, values[3].transpose(2, 0, 1)[::-1] * np.float32(0.5)
    )
    inputs = np.random.default_rng(0).normal(size=(4, 2, 5, 7))
    np.save(tmp_path / "x.npy", inputs)
    np.save(tmp_path / "y.npy", np.arange(4))
    plain = read_labelled(tmp_path / "x.npy", tmp_path / "y.npy")
    assert not plain.pictures
    np.testing.assert_array_equal(plain.get(1, GREY, (None, 2, 5, 7)).array, inputs[1].astype("f4"))
    with pytest.raises(ImageError, match=r"shape \(2, 5, 7\) do not fit"):
        plain.get(1, GREY, (None, 2, 7, 5))


def test_unreadable_pictures_are_faults_and_batches_do_not_depend_on_the_start(tmp_path: Path) -> None:
    _folders(tmp_path)
    (tmp_path / "cat" / "c1.png").write_bytes(b"no picture")
    found = read_labelled(tmp_path)
    order = [4, 0, 1, 3, 2]
    whole = list(labelled_batches(found, order, GREY, SHAPE, 3))
    assert [list(batch.numbers) for batch in whole] == [[4, 0], [3, 2]]
    assert [batch.end for batch in whole] == [3, 5]
    assert [fault.name for batch in whole for fault in batch.faults] == ["cat/c1.png"]
    assert whole[0].x[:, 0, 0, 0].tolist() == [50, 0]
    (rest,) = labelled_batches(found, order, GREY, SHAPE, 3, start=whole[0].end)
    assert list(rest.numbers) == list(whole[1].numbers)


def test_pictures_of_other_sizes_go_into_batches_of_their_own(tmp_path: Path) -> None:
    for number, size in enumerate([(7, 5), (7, 5), (8, 5), (7, 5)]):
        _picture(tmp_path / "a" / f"{number}.png", size=size)
    found = read_labelled(tmp_path)
    free = Preprocessing(channels="L")
    batches = list(labelled_batches(found, range(4), free, (None, 1, None, None), 3))
    assert [list(batch.numbers) for batch in batches] == [[0, 1], [2], [3]]


@pytest.mark.parametrize("change", ["label", "name", "time", "size"])
def test_the_identity_changes_with_labels_and_files(tmp_path: Path, change: str) -> None:
    _folders(tmp_path)
    first = read_labelled(tmp_path).identity
    assert read_labelled(tmp_path).identity == first
    file = tmp_path / "dog" / "d2.png"
    state = file.stat()
    if change == "label":
        file.rename(tmp_path / "cat" / "d2.png")
    elif change == "name":
        file.rename(tmp_path / "dog" / "d3.png")
    elif change == "size":
        file.write_bytes(file.read_bytes() + b"0")
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    else:
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns + 1000))
    assert read_labelled(tmp_path).identity != first


@pytest.mark.parametrize("changed", ["x", "y"])
def test_the_identity_of_arrays_is_that_of_both_files(tmp_path: Path, changed: str) -> None:
    for name in "xy":
        np.save(tmp_path / f"{name}.npy", np.arange(4))
    first = read_labelled(tmp_path / "x.npy", tmp_path / "y.npy").identity
    np.save(tmp_path / f"{changed}.npy", np.arange(1, 5))
    assert read_labelled(tmp_path / "x.npy", tmp_path / "y.npy").identity != first


def test_the_identity_of_a_table_is_that_of_its_labels(tmp_path: Path) -> None:
    _folders(tmp_path)
    found = set()
    for label in ("cat", "dog"):
        (tmp_path / "labels.csv").write_text(f"file,label\ncat/c0.png,{label}\n")
        found.add(read_labelled(tmp_path / "labels.csv").identity)
    assert len(found) == 2


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([[7], [0], [7]], ["7", "0", "7"]),
        ([7.0, 0.0, -1.0], ["7", "0", "-1"]),
        ([[True], [False], [True]], ["1", "0", "1"]),
        ([b"cat", b"caf\xc3\xa9", b" dog "], ["cat", "café", "dog"]),
        (np.array([2**63, 1, 0], np.uint64), ["9223372036854775808", "1", "0"]),
    ],
)
def test_labels_in_arrays_of_any_type(tmp_path: Path, given: object, wanted: list[str]) -> None:
    np.savez(tmp_path / "set.npz", images=np.zeros((3, 1, 5, 7)), labels=given)
    assert list(read_labelled(tmp_path / "set.npz").labels) == wanted
    np.save(tmp_path / "x.npy", np.zeros((3, 1, 5, 7)))
    np.save(tmp_path / "y.npy", given)
    assert list(read_labelled(tmp_path / "x.npy", tmp_path / "y.npy").labels) == wanted


def test_bytes_are_no_pictures_for_networks_of_1d_inputs(tmp_path: Path) -> None:
    values = np.arange(4 * 35, dtype=np.uint8).reshape(4, 5, 7)
    np.savez(tmp_path / "set.npz", images=values, labels=range(4))
    found = read_labelled(tmp_path / "set.npz").get(2, GREY, (None, 5, 7))
    np.testing.assert_array_equal(found.array, values[2])


def test_arrays_without_some_labels_keep_their_numbers(tmp_path: Path) -> None:
    values = np.arange(4 * 35, dtype=np.uint8).reshape(4, 5, 7)
    np.savez(tmp_path / "set.npz", images=values, labels=["a", "", "b", " "])
    found = read_labelled(tmp_path / "set.npz")
    assert (list(found.names), list(found.labels)) == (["0", "2"], ["a", "b"])
    np.testing.assert_array_equal(found.get(1, GREY, SHAPE).array[0], values[2])
    assert [fault.reason for fault in found.faults] == [
        f"{tmp_path / 'set.npz'}: picture {number} has no label" for number in (1, 3)
    ]


WANTED = "4 pictures need as many labels, whole numbers or text, not an array of "


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.float32(3), np.zeros(1, int), "holds a single number, and no pictures"),
        (X, np.int64(1), f"{WANTED}shape () and type int64"),
        (X, np.zeros(3, int), f"{WANTED}shape (3) and type int64"),
        (X, np.eye(4)[:, :3], f"{WANTED}shape (4, 3) and type float64: of one-hot labels, argmax(axis=1)"),
        (X, np.zeros((4, 1, 1), int), f"{WANTED}shape (4, 1, 1) and type int64"),
        (X, np.zeros(4, complex), f"{WANTED}shape (4) and type complex128"),
        (X, [0, 1, 1.5, 2], "labels are whole numbers or text, not 1.5"),
        (X, [0, 1, np.nan, 2], "labels are whole numbers or text, not nan"),
        (X, [0, 1, np.inf, 2], "labels are whole numbers or text, not inf"),
        (X, [b"\xe9"] * 4, "labels are no text in Unicode ('utf-8' codec"),
        (X, np.full(4, 0x110000, np.uint32).view("U1"), "labels are no text in Unicode"),
        (X, [""] * 4, "has no label but empty ones"),
        (X[:0], np.zeros(0, int), "holds no picture: its shape is (0, 1, 5, 7)"),
        (X[:, :, :0], np.zeros(4, int), "holds no picture: its shape is (4, 1, 0, 7)"),
        (np.array(["a", "b"]), [0, 1], "pictures are real numbers, not <U1"),
        (X.astype(complex), np.zeros(4, int), "pictures are real numbers, not complex128"),
        (np.array([1, None]), [0, 1], "Object arrays cannot be loaded"),
    ],
)
def test_arrays_that_are_no_pictures_and_labels(
    tmp_path: Path, images: object, labels: object, message: str
) -> None:
    np.savez(tmp_path / "set.npz", images=images, labels=labels)
    with pytest.raises(ImageError, match=re.escape(message)) as caught:
        read_labelled(tmp_path / "set.npz")
    assert str(caught.value).startswith(f"{tmp_path / 'set.npz'}: ")


def test_what_is_wrong_with_a_picture_of_an_array_names_it(tmp_path: Path) -> None:
    values = X.copy()
    values[2, 0, 3, 1] = np.nan
    np.savez(tmp_path / "set.npz", images=values, labels=range(4))
    (batch,) = labelled_batches(read_labelled(tmp_path / "set.npz"), range(4), GREY, SHAPE, 4)
    assert list(batch.numbers) == [0, 1, 3]
    (fault,) = batch.faults
    start = f"{tmp_path / 'set.npz'}: picture 2: "
    assert fault.reason == f"{start}1 of 35 values are NaN or infinite, the first at (0, 3, 1)"
    with pytest.raises(ImageError, match=r"set\.npz: picture 1: inputs of shape"):
        read_labelled(tmp_path / "set.npz").get(1, GREY, (None, 3, 5, 7))


def test_tables_as_spreadsheets_write_them(tmp_path: Path) -> None:
    _folders(tmp_path)
    table = tmp_path / "labels.csv"
    lines = ["label, file,", "cat,cat/c0.png,", '"tabby, tabby cat",cat/c1.png,', '"two\nlines",dog/d2.png,']
    table.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    found = read_labelled(table)
    assert list(found.labels) == ["cat", "tabby, tabby cat", "two\nlines"]
    assert found.faults == ()
    # cells that are empty are none too many
    table.write_text("file,label\ncat/c0.png,cat,,\n")
    assert list(read_labelled(table).labels) == ["cat"]


def test_lines_of_a_table_that_are_none(tmp_path: Path) -> None:
    _folders(tmp_path)
    long = "a" * 300 + ".png"
    rows = [f"{long},cat", "a\0b.png,cat", "cat/c0.png,a\0b", "cat,cat", "cat/c1.png,tabby, tabby cat"]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows, "dog/d2.png,dog"]))
    found = read_labelled(tmp_path / "labels.csv")
    assert list(found.names) == ["dog/d2.png"]
    for fault, (line, reason) in zip(
        found.faults,
        {
            2: f"{tmp_path / long}: File name too long",
            3: "no such file",
            4: "label 'a\\x00b' holds a null character",
            5: f"{tmp_path / 'cat'}: is a folder",
            6: "has more cells than columns",
        }.items(),
        strict=True,
    ):
        assert fault.reason.startswith(f"{tmp_path / 'labels.csv'}, line {line}: ")
        assert reason in fault.reason


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("file;label", "names file and label, separated by commas, and is 'file;label'"),
        ("file\tlabel", r"separated by commas, and is 'file\tlabel'"),
        ("File,Label", "has no column 'file': its first line names file and label, and is 'File', 'Label'"),
        ("file,label,label", "has 2 columns 'label'"),
        ("", "its first line names file and label, and is empty"),
    ],
)
def test_tables_without_their_columns(tmp_path: Path, head: str, message: str) -> None:
    _folders(tmp_path)
    (tmp_path / "labels.csv").write_text(f"{head}\ncat/c0.png,cat,dog\n" if head else "")
    with pytest.raises(ImageError, match=re.escape(message)):
        read_labelled(tmp_path / "labels.csv")


NAMES = ("n01 tabby, tabby cat", "n02 Persian cat", "n03 cat, Siamese cat", "7", "crane", "n09 crane")


@pytest.mark.parametrize(
    ("label", "index"),
    [
        ("n02", 1),
        ("persian_cat", 1),
        ("Siamese cat", 2),
        ("n01 tabby, tabby cat", 0),
        ("tabby", 0),
        ("7", 3),
        ("crane", 4),
        ("5", 5),
        ("pug", None),
        ("mine", 2),
    ],
)
def test_labels_mean_classes(label: str, index: int | None) -> None:
    assert class_index(label, NAMES, {"mine": 2}) == index


def test_a_label_of_two_classes_means_neither() -> None:
    assert class_index("crane", ("n1 crane", "n2 crane"), {}) is None


def test_sets_that_are_none(tmp_path: Path) -> None:
    _folders(tmp_path / "set")
    (tmp_path / "set" / "empty").mkdir()
    assert [fault.name for fault in read_labelled(tmp_path / "set").faults] == ["empty"]
    np.save(tmp_path / "x.npy", np.zeros((4, 1, 5, 7)))
    np.save(tmp_path / "y.npy", np.zeros(3, int))
    np.savez(tmp_path / "bare.npz", pictures=np.zeros(3))
    (tmp_path / "cut.idx").write_bytes(_idx(np.zeros((3, 5, 7), np.uint8))[:-1])
    (tmp_path / "long.idx").write_bytes(gzip.compress(_idx(np.zeros(3, np.uint8)) + b"1"))
    (tmp_path / "no.csv").write_text("picture,class\n")
    (tmp_path / "huge.idx").write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**31] * 3))
    (tmp_path / "bare.csv").write_text("file,label\n\n")
    (tmp_path / "gone.csv").write_text("file,label\nnone.png,a\n")
    for words, message in (
        ((tmp_path / "none",), "no such file"),
        ((tmp_path / "set" / "cat",), "no folder of pictures"),
        ((tmp_path / "set", None, "(["), "no regular expression"),
        ((tmp_path / "set" / "cat", None, "c"), "no group"),
        ((tmp_path / "set" / "cat", None, "(x)"), "finds a label in no name"),
        ((tmp_path / "set", tmp_path / "no.csv", "(c)"), "not both"),
        ((tmp_path / "no.csv",), "no column 'file'"),
        ((tmp_path / "bare.csv",), "names no picture that is there$"),
        ((tmp_path / "gone.csv",), "names no picture that is there .*none.png"),
        ((tmp_path / "x.npy",), "needs labels in a file of their own"),
        ((tmp_path / "x.npy", tmp_path / "y.npy"), "4 pictures need as many labels"),
        ((tmp_path / "bare.npz",), "it has pictures"),
        ((tmp_path / "cut.idx", tmp_path / "y.npy"), "does not hold the values"),
        ((tmp_path / "long.idx", tmp_path / "y.npy"), "does not hold the values"),
        ((tmp_path / "huge.idx", tmp_path / "y.npy"), "more values than memory holds: .2147483648, "),
        ((tmp_path / "no.csv", tmp_path / "y.npy"), "labels of its own"),
    ):
        with pytest.raises(ImageError, match=message):
            read_labelled(*words)
