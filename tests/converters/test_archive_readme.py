from __future__ import annotations

import gzip
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from converters import sidecar
from converters.archive import archive, verify
from converters.archive_readme import readme
from converters.errors import CnnVisWarning
from converters.volume import Volume
from tests.converters.bags import CONV1, CONV2, make_folder

SOFTWARE = {"cnn-vis": "1.0", "bagit": "1.9.0"}


def table(text: str) -> list[list[str]]:
    """Return the rows of the README's table, without its head."""
    block = text.split("\nVOLUMES\n\n")[1].split("\n\n")[0]
    return [re.split("  +", line) for line in block.splitlines()[1:]]


def change(path: Path, **fields: Any) -> None:
    document = json.loads(path.read_text())
    for name, value in fields.items():
        document[name] = {**document[name], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(document))


def test_the_table_says_what_the_side_cars_say(tmp_path: Path) -> None:
    text = readme(make_folder(tmp_path / "v"), SOFTWARE)
    # conv2 holds -100.5, -99.5, ... 3.5
    scale = float(np.float32(104 / 255))
    assert table(text) == [
        ["conv1/7x7", "act", "cat.jpg", "5 x 7 x 11", "float32", "stored", "-100.5 to 283.5", CONV1],
        [
            *("conv2", "act", "cat.jpg", "5 x 7 x 3", "uint8"),
            *(f"{scale} * stored + -100.5", "-100.5 to 3.5", CONV2),
        ],
    ]


def test_the_table_takes_frames_where_there_are_some_and_no_range_where_there_is_none(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "v")
    change(folder / f"{CONV1}.json", range=None, geometry={"frames": 4})
    row = table(readme(folder, SOFTWARE))[0]
    assert (row[3], row[6]) == ("5 x 7 x 11, 4 frames", "-")


def test_the_table_falls_back_to_the_file_name(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "v")
    name = "model-m_img-a%20b%C3%A9_layer-c%0A_weight.raw"
    (folder / CONV1).rename(folder / name)
    (folder / f"{CONV1}.json").rename(folder / f"{name}.json")
    document = json.loads((folder / f"{name}.json").read_text())
    (folder / f"{name}.json").write_text(json.dumps({**document, "facts": {"layer": None}}))
    assert table(readme(folder, SOFTWARE))[1][:3] == [r'"c\n"', "weight", "a bé"]
    (folder / name).rename(folder / "x_y.raw")
    (folder / f"{name}.json").rename(folder / "x_y.raw.json")
    assert table(readme(folder, SOFTWARE))[1][:3] == ["-", "-", "-"]


def test_file_names_are_explained_by_the_words_that_are_in_them(tmp_path: Path) -> None:
    text = " ".join(readme(make_folder(tmp_path / "v"), SOFTWARE).split())
    assert "Q is for example act for activations, weight for filters, input for what the network saw." in text


def test_facts_that_all_volumes_share_are_told_once(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "v")
    for name in (CONV1, CONV2):
        change(folder / f"{name}.json", facts={"long": "x" * 999, "lines": "a\nb\x1b[31m"})
    text = readme(folder, SOFTWARE)
    shared = text.split("SIDE-CARS OF ALL VOLUMES SAY\n\n")[1].split("\n\n")[0].splitlines()
    assert [line.split(":")[0].strip() for line in shared] == [
        *("command", "image", "lines", "long", "model", "quantity"),
    ]
    assert "    command: cnnvis activations caffenet.onnx --image cat.jpg --layer 'conv*'" in shared
    assert f'    model: {{"file": "caffenet.onnx", "sha256": "{"1f" * 32}"}}' in shared
    assert r'    lines: "a\nb\u001b[31m"' in shared
    assert max(map(len, shared)) < 250
    assert "conv2" not in "".join(shared)


def test_a_folder_without_volumes_has_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("x")
    (tmp_path / "noending").write_text("x")
    text = readme(tmp_path, SOFTWARE)
    assert "VOLUMES\n" not in text
    assert ".xyz (files: 1)\nNot described here." in text
    assert "no ending (files: 1)\nNot described here." in text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("{"),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: path.write_text("[1]"),
        lambda path: change(path, schema=2),
        lambda path: change(path, encoding={"dtype": ["float32"]}),
        lambda path: change(path, encoding={"dtype": "complicated"}),
        lambda path: change(path, encoding={"slope": "two"}),
        lambda path: change(path, encoding={"more": 1}),
        lambda path: change(path, range=[1]),
        lambda path: change(path, range=["low", "high"]),
        lambda path: change(path, labels=None),
        lambda path: change(path, geometry={"size": [1, 2]}),
    ],
)
def test_a_broken_side_car_is_noted_and_archived(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    folder = make_folder(tmp_path / "v")
    spoil(folder / f"{CONV1}.json")
    with pytest.warns(CnnVisWarning, match=f"^{CONV1}.json: not a sound side-car, so the README leaves"):
        archive(folder, tmp_path / "bag")
    assert (tmp_path / "bag" / "data" / f"{CONV1}.json").read_bytes() == (
        folder / f"{CONV1}.json"
    ).read_bytes()
    assert [row[-1] for row in table((tmp_path / "bag" / "README.txt").read_text())] == [CONV2]


def test_the_readme_of_a_bag_names_software_and_checks(tmp_path: Path) -> None:
    archive(make_folder(tmp_path / "v"), tmp_path / "bag")
    content = (tmp_path / "bag" / "README.txt").read_bytes()
    text = content.decode("utf-8")
    assert b"\r" not in content
    assert re.search(r"    bagit \d+\.\d+", text)
    assert re.search(r"    cnn-vis \S+", text)
    assert "sha256sum -c manifest-sha256.txt" in text
    assert "licences of their own" in text
    assert str(tmp_path) not in text
    assert max(len(line) for line in text.splitlines() if CONV1 not in line and CONV2 not in line) <= 130


# The README's own recipes: what a reader without any of our libraries does.


def _text_fields(head: bytes, separator: str) -> dict[str, str]:
    lines = (line.split(separator, 1) for line in head.decode().splitlines() if separator in line)
    return {key.strip(): value.strip() for key, value in lines}


def _nrrd(path: Path) -> tuple[str, bytes]:
    head, _, numbers = path.read_bytes().partition(b"\n\n")
    fields = _text_fields(head, ": ")
    assert fields["encoding"] == "raw"
    assert re.fullmatch(r"(1 )?5 7 11( \d+)?", fields["sizes"])
    if "data file" in fields:
        numbers = (path.parent / fields["data file"]).read_bytes()
    return {"float": "float32"}.get(fields["type"], fields["type"]), numbers


def _nifti(path: Path) -> tuple[str, bytes]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    assert struct.unpack_from("<4h", content, 40)[1:] == (5, 7, 11)
    (code,) = struct.unpack_from("<h", content, 70)
    (start,) = struct.unpack_from("<f", content, 108)
    document = json.loads(path.with_name(path.name + ".json").read_text())
    assert struct.unpack_from("<2f", content, 112) == (
        document["encoding"]["slope"],
        document["encoding"]["intercept"],
    )
    rows = np.array(struct.unpack_from("<12f", content, 280)).reshape(3, 4)
    np.testing.assert_array_equal(rows[:, 3], [-10.0, -20.0, 30.0])
    return {2: "uint8", 4: "int16", 16: "float32", 512: "uint16"}[code], content[int(start) :]


def _cgv(path: Path) -> tuple[str, bytes]:
    size, kind = re.match(r"Size (\S+) (\w+ \w+|float)", path.with_suffix(".hd").read_text()).groups()  # type: ignore[union-attr]
    assert size == "5x7x11"
    kinds = {
        "unsigned byte": "uint8",
        "signed short": "int16",
        "unsigned short": "uint16",
        "float": "float32",
    }
    return kinds[kind], path.with_suffix(".vox").read_bytes()


def _meta(path: Path) -> tuple[str, bytes]:
    head, _, rest = path.read_bytes().partition(b"ElementDataFile = ")
    name, _, numbers = rest.partition(b"\n")
    fields = _text_fields(head, "=")
    assert fields["DimSize"] == "5 7 11"
    if name != b"LOCAL":
        numbers = (path.parent / name.decode()).read_bytes()
    kinds = {"MET_FLOAT": "float32", "MET_SHORT": "int16", "MET_USHORT": "uint16", "MET_UCHAR": "uint8"}
    return kinds[fields["ElementType"]], numbers


def _vti(path: Path) -> tuple[str, bytes]:
    content = path.read_bytes()
    head = content.split(b"<AppendedData")[0].decode()
    assert 'WholeExtent="0 4 0 6 0 10"' in head
    array = re.search("<DataArray [^>]*>", head.split("<PointData")[1])[0]  # type: ignore[index]
    offset = int(re.search(r'offset="(\d+)"', array)[1])  # type: ignore[index]
    start = content.index(b"_", content.index(b"<AppendedData")) + 1 + offset
    (count,) = struct.unpack_from("<Q", content, start)
    kind = re.search(r'type="(\w+)"', array)[1]  # type: ignore[index]
    return kind.lower(), content[start + 8 : start + 8 + count]


def _vtk(path: Path) -> tuple[str, bytes]:
    head, _, numbers = path.read_bytes().partition(b"LOOKUP_TABLE default\n")
    assert b"\nDIMENSIONS 5 7 11\n" in head
    kind = re.search(rb"\nSCALARS \S+ (\w+) 1\n", head)[1].decode()  # type: ignore[index]
    kinds = {"float": "float32", "short": "int16", "unsigned_short": "uint16", "unsigned_char": "uint8"}
    dtype = np.dtype(kinds[kind])
    return dtype.name, np.frombuffer(numbers, dtype.newbyteorder(">"), 5 * 7 * 11).astype(dtype).tobytes()


def _hdf(path: Path) -> tuple[str, bytes]:
    import h5py

    with h5py.File(path) as file:
        (array,) = file["VTKHDF/PointData"].values()
        assert array.shape == (11, 7, 5)
        return array.dtype.name, array[()].tobytes()


RECIPES = {
    **dict.fromkeys([".nrrd", ".nhdr"], _nrrd),
    **dict.fromkeys([".nii", ".nii.gz"], _nifti),
    **dict.fromkeys([".vox", ".hd"], _cgv),
    **dict.fromkeys([".mhd", ".mha"], _meta),
    ".vti": _vti,
    ".vtk": _vtk,
    **dict.fromkeys([".hdf", ".vtkhdf"], _hdf),
}


def test_every_format_has_its_recipe(tmp_path: Path) -> None:
    from converters import extensions

    for extension in extensions():
        (tmp_path / f"x{extension}").touch()
    assert "Not described here" not in readme(tmp_path, SOFTWARE), (
        "describe the new format in archive_readme.py"
    )
    assert set(RECIPES) == set(extensions())


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint16", "uint8"])
@pytest.mark.parametrize("extension", RECIPES)
def test_the_recipes_work(tmp_path: Path, extension: str, dtype: str) -> None:
    from converters import write

    values: NDArray[np.float32] = np.random.default_rng(5).normal(3, 40, (11, 7, 5)).astype(np.float32)
    path = tmp_path / f"x{extension}"
    write(Volume(values, spacing=(2, 3, 4), origin=(10, 20, 30), name="activation"), path, dtype=dtype)

    stored_type, numbers = RECIPES[extension](path)

    document = json.loads(sidecar.path_of(path).read_text())
    slope, intercept = document["encoding"]["slope"], document["encoding"]["intercept"]
    assert stored_type == dtype == document["encoding"]["dtype"]
    stored = np.frombuffer(numbers, np.dtype(dtype).newbyteorder("<"), 5 * 7 * 11)
    tolerance = 0 if dtype == "float32" else slope * 0.5001  # rounding to the nearest stored number
    for x, y, z in [(0, 0, 0), (4, 0, 0), (0, 6, 0), (0, 0, 10), (3, 5, 8)]:
        assert slope * stored[x + 5 * (y + 7 * z)] + intercept == pytest.approx(
            values[z, y, x], abs=tolerance, rel=0
        )


@pytest.mark.parametrize("extension", [".nrrd", ".nhdr", ".nii", ".nii.gz"])
def test_frames_come_last(tmp_path: Path, extension: str) -> None:
    from converters import write

    values = np.random.default_rng(6).normal(size=(2, 11, 7, 5)).astype(np.float32)
    path = tmp_path / f"x{extension}"
    write(Volume(values, origin=(10, 20, 30)), path)

    numbers = np.frombuffer(RECIPES[extension](path)[1], "<f4")

    assert numbers[3 + 5 * (6 + 7 * (8 + 11 * 1))] == values[1, 8, 6, 3]


def test_a_folder_of_every_format_is_described_and_survives(tmp_path: Path) -> None:
    from converters import extensions, read, write

    values = np.random.default_rng(7).normal(size=(11, 7, 5)).astype(np.float32)
    (tmp_path / "v").mkdir()
    for extension in extensions():
        stem = extension.replace(".", "")
        write(Volume(values, name="activation"), tmp_path / "v" / f"{stem}{extension}", dtype="float32")
    write(Volume(values), tmp_path / "v" / "shared.vox", headers=("mhd", "nhdr"))

    archive(tmp_path / "v", tmp_path / "bag")

    text = (tmp_path / "bag" / "README.txt").read_text()
    assert "Not described here" not in text
    assert [row[-1] for row in table(text)] == sorted(
        [*(f"{extension.replace('.', '')}{extension}" for extension in extensions()), "shared.vox"]
    )
    for extension in extensions():
        name = f"{extension.replace('.', '')}{extension}"
        np.testing.assert_array_equal(read(tmp_path / "bag" / "data" / name).data, values)
    assert verify(tmp_path / "bag") == []
