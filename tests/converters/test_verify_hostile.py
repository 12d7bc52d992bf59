from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.archive import archive
from converters.verify import verify
from tests.converters.bags import CONV1, Pack, append, as_folder, as_tar, as_zip, make_folder, snapshot

M, T = "manifest-sha256.txt", "tagmanifest-sha256.txt"


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    archive(make_folder(tmp_path / "volumes"), tmp_path / "bag")
    return tmp_path / "bag"


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "data/../../secret",
        "data/../README.txt",
        "/etc/passwd",
        "..\\secret",
        "C:\\secret",
        "C:secret",
        "data//x",
        "./data/x",
        "data/..",
    ],
)
@pytest.mark.parametrize("manifest", [M, T])
@pytest.mark.parametrize("pack", [as_folder, as_zip, as_tar])
def test_manifests_cannot_name_files_elsewhere(
    bag: Path, name: str, manifest: str, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = bag.parent / "secret"
    secret.write_text("not for others")
    checksum = hashlib.sha256(secret.read_bytes()).hexdigest()
    append(bag / manifest, f"{checksum}  {name}\n".encode())
    bag = pack(bag)
    opened: list[Path] = []

    class Recorded(io.FileIO):
        def __init__(self, path: Path) -> None:
            opened.append(path)
            super().__init__(path)

    monkeypatch.setattr("io.FileIO", Recorded)

    problems = verify(bag)

    line = 6 if manifest == M else 5
    assert f"{manifest}: line {line} names a file that it must not: {name}" in problems
    assert opened
    assert all(path.is_relative_to(bag) for path in opened)


def test_links_and_pipes_in_a_folder_are_not_followed(bag: Path) -> None:
    target = bag.parent / "copy.raw"
    (bag / "data" / CONV1).rename(target)
    (bag / "data" / CONV1).symlink_to(target)
    (bag / "outside").symlink_to("/etc")
    os.mkfifo(bag / "data" / "pipe")
    assert verify(bag) == [
        f"data/{CONV1}: not a plain file",
        "data/pipe: not a plain file",
        "outside: not a plain file",
        "data/pipe: extra, listed in no manifest",
        "outside: extra, listed in no manifest",
    ]


def unsafe_zip(bag: Path) -> tuple[Path, list[str]]:
    path = as_zip(bag)
    with zipfile.ZipFile(path, "a") as packed:
        packed.writestr("../evil", b"x")
        packed.writestr("bag/data/../../evil", b"x")
        packed.writestr("/evil", b"x")
        packed.writestr("bag/..\\evil", b"x")
        link = zipfile.ZipInfo("bag/data/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
        packed.writestr(zipfile.ZipInfo("bag/data/lzma"), b"x" * 99, zipfile.ZIP_LZMA)
        with pytest.warns(UserWarning, match="Duplicate name"):
            packed.writestr("bag/bagit.txt", b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n")
    return path, [
        "../evil: outside the bag",
        "data/../../evil: unsafe name",
        "/evil: outside the bag",
        "..\\evil: unsafe name",
        "data/link: not a plain file, stored or deflated",
        "data/lzma: not a plain file, stored or deflated",
        "bagit.txt: there twice",
    ]


def unsafe_tar(bag: Path) -> tuple[Path, list[str]]:
    path = as_tar(bag)
    with tarfile.open(path, "a") as packed:
        for name in ("../evil", "bag/../../evil", "/evil"):
            packed.addfile(tarfile.TarInfo(name))
        for name, kind in (
            ("s", tarfile.SYMTYPE),
            ("h", tarfile.LNKTYPE),
            ("c", tarfile.CHRTYPE),
            ("f", tarfile.FIFOTYPE),
        ):
            member = tarfile.TarInfo(f"bag/data/{name}")
            member.type, member.linkname = kind, "/etc/passwd"
            packed.addfile(member)
        packed.add(bag / "bagit.txt", "bag/bagit.txt")
    return path, [
        "../evil: outside the bag",
        "../../evil: unsafe name",
        "/evil: outside the bag",
        *(f"data/{name}: not a plain file" for name in "shcf"),
        "bagit.txt: there twice",
    ]


@pytest.mark.parametrize("unsafe", [unsafe_zip, unsafe_tar])
def test_unsafe_members_are_named_and_nothing_is_unpacked(
    bag: Path, tmp_path: Path, unsafe: Callable[[Path], tuple[Path, list[str]]]
) -> None:
    path, problems = unsafe(bag)
    before = snapshot(tmp_path)
    found = verify(path)
    assert [line for line in found if "extra" not in line] == problems
    assert snapshot(tmp_path) == before


def lying_zip(path: Path) -> Path:
    """Make a zip file whose directory claims 3 GiB for a member of a few bytes."""
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("bag/bagit.txt", b"x")
        packed.writestr("bag/data/x", b"y")
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 3 << 30)
    path.write_bytes(content)
    return path


def lying_tar(path: Path) -> Path:
    """Make a tar file whose extended header claims to be 7 GiB long."""
    with tarfile.open(path, "w") as packed:
        member = tarfile.TarInfo("pax")
        member.type, member.size = tarfile.XHDTYPE, 7 << 30
        packed.fileobj.write(member.tobuf(tarfile.GNU_FORMAT))
    return path


def sparse_tar(path: Path) -> Path:
    """Make a tar file with a sparse file of GNU's old form: 1 TiB of nothing."""
    member = tarfile.TarInfo("bag/bagit.txt")
    member.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    block[386:410] = b"00000000000\0" * 2
    block[483:495] = b"\x80" + (1 << 40).to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path.write_bytes(bytes(block) + bytes(1024))
    return path


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (
            lying_zip,
            "bag.zip: cannot be read: its files claim 3221225473 bytes, more than a zip file of its size can",
        ),
        (lying_tar, "bag.tar: cannot be read: "),
        (sparse_tar, "bagit.txt: not a plain file"),
    ],
)
def test_claimed_sizes_cost_no_memory(tmp_path: Path, make: Callable[[Path], Path], problem: str) -> None:
    path = make(tmp_path / f"bag.{make.__name__[-3:]}")
    script = (
        "import resource, sys; from converters.verify import verify\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "print(*verify(sys.argv[1]), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert problem in done.stdout


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    place = tmp_path_factory.mktemp("packed")
    make_folder(place / "volumes")
    for name in ("bag.zip", "bag.tar"):
        archive(place / "volumes", place / name)
    return {name: (place / name).read_bytes() for name in ("bag.zip", "bag.tar")}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
@pytest.mark.parametrize("name", ["bag.zip", "bag.tar"])
def test_no_damage_passes_unnoticed_or_crashes(
    packed: dict[str, bytes], tmp_path: Path, name: str, data: st.DataObject
) -> None:
    content = bytearray(packed[name])
    end = data.draw(st.integers(1, len(content)))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(content[:end])
    problems = verify(tmp_path / name)
    assert all(line.isprintable() for line in problems)
    cut_into_the_files = end < packed[name].rindex(T.encode())
    assert problems or not cut_into_the_files
