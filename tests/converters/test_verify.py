from __future__ import annotations

import hashlib
import os
import re
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import bagit
import pytest

from converters.archive import archive
from converters.verify import ArchiveError, verify
from tests.converters.bags import (
    CONV1,
    CONV2,
    Pack,
    append,
    as_bare_tar,
    as_bare_zip,
    as_folder,
    as_tar,
    as_zip,
    edit,
    make_folder,
    snapshot,
)

Damage = Callable[[Path], object]
SUM = "0" * 64


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    archive(make_folder(tmp_path / "volumes"), tmp_path / "bag")
    return tmp_path / "bag"


def edited(name: str, change: Callable[[bytes], bytes]) -> Damage:
    return lambda bag: edit(bag / name, change)


def appended(name: str, text: bytes) -> Damage:
    return lambda bag: append(bag / name, text)


def delete(name: str) -> Damage:
    return lambda bag: (bag / name).unlink()


def add(name: str) -> Damage:
    return lambda bag: (bag / name).write_text("new")


def rename(old: str, new: str) -> Damage:
    return lambda bag: (bag / old).rename(bag / new)


def swap(bag: Path) -> None:
    first, second = bag / "data" / CONV1, bag / "data" / CONV2
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)


def changed(name: str, manifest: str) -> str:
    return f"{name}: changed, its sha256 is not the one in {manifest}"


M, T = "manifest-sha256.txt", "tagmanifest-sha256.txt"
DAMAGE = {
    "nothing": (lambda bag: None, []),
    "a changed byte": (
        edited(f"data/{CONV1}", lambda c: c[:700] + bytes([c[700] ^ 1]) + c[701:]),
        [changed(f"data/{CONV1}", M)],
    ),
    "a longer file": (appended(f"data/{CONV1}", b"\0"), [changed(f"data/{CONV1}", M)]),
    "an empty file": (edited(f"data/{CONV1}", lambda c: b""), [changed(f"data/{CONV1}", M)]),
    "a missing file": (delete(f"data/{CONV2}"), [f"data/{CONV2}: missing"]),
    "an extra file": (add("data/new.txt"), ["data/new.txt: extra, listed in no manifest"]),
    "an extra hidden file": (add("data/.DS_Store"), ["data/.DS_Store: extra, listed in no manifest"]),
    "an extra tag file": (add("notes.txt"), ["notes.txt: extra, listed in no manifest"]),
    "an extra manifest": (
        lambda bag: (bag / "manifest-md5.txt").write_text(f"{'0' * 32}  data/{CONV1}\n"),
        [
            "tagmanifest-md5.txt: missing",
            "manifest-md5.txt: extra, listed in no manifest",
            f"data/{CONV1}: changed, its md5 is not the one in manifest-md5.txt",
        ],
    ),
    "a renamed file": (
        rename(f"data/{CONV1}", "data/b.raw"),
        [f"data/{CONV1}: missing", "data/b.raw: extra, listed in no manifest"],
    ),
    "two files swapped": (swap, [changed(f"data/{CONV1}", M), changed(f"data/{CONV2}", M)]),
    "no tag manifest": (delete(T), [f"{T}: missing"]),
    "an empty tag manifest": (
        edited(T, lambda c: b""),
        [
            f"{T}: line 1 is not a checksum and a file name",
            *(
                f"{name}: extra, listed in no manifest"
                for name in ("README.txt", "bag-info.txt", "bagit.txt", M)
            ),
        ],
    ),
    "a line less in the tag manifest": (
        edited(T, lambda c: c.split(b"\n", 1)[1]),
        ["README.txt: extra, listed in no manifest"],
    ),
    "a changed tag manifest": (
        edited(T, lambda c: re.sub(b"^.{64}", b"0" * 64, c)),
        [changed("README.txt", T)],
    ),
    "a changed README": (appended("README.txt", b" "), [changed("README.txt", T)]),
    "a changed bag-info": (appended("bag-info.txt", b"Contact-Name: me\n"), [changed("bag-info.txt", T)]),
    "a missing bag-info": (delete("bag-info.txt"), ["bag-info.txt: missing"]),
    "a missing bagit.txt": (delete("bagit.txt"), ["bagit.txt: missing"]),
    "a changed bagit.txt": (
        edited("bagit.txt", lambda c: c.replace(b"UTF-8", b"UTF-7")),
        ["bagit.txt: does not declare a BagIt bag in UTF-8", changed("bagit.txt", T)],
    ),
    "no manifest": (delete(M), [f"{M}: missing"]),
    "a manifest that is not text": (
        appended(M, b"\xff\n"),
        [
            f"{M}: cannot be read: 'utf-8' codec can't decode byte 0xff in position 600: invalid start byte",
            *(
                f"data/{n}: extra, listed in no manifest"
                for n in (CONV1, f"{CONV1}.json", CONV2, f"{CONV2}.json")
            ),
            "data/previews/Kätzchen 1.png: extra, listed in no manifest",
            changed(M, T),
        ],
    ),
    "nonsense in a manifest": (
        appended(M, b"# nonsense\n"),
        [f"{M}: line 6 is not a checksum and a file name", changed(M, T)],
    ),
    "a tag file in the manifest": (
        appended(M, f"{SUM}  README.txt\n".encode()),
        [f"{M}: line 6 names a file that it must not: README.txt", changed(M, T)],
    ),
    "a payload file in the tag manifest": (
        appended(T, f"{SUM}  data/{CONV1}\n".encode()),
        [f"{T}: line 5 names a file that it must not: data/{CONV1}"],
    ),
    "a file listed twice": (
        appended(T, f"{SUM}  README.txt\n".encode()),
        [changed("README.txt", T)],
    ),
}


@pytest.mark.parametrize("pack", [as_folder, as_zip, as_tar, as_bare_zip, as_bare_tar])
@pytest.mark.parametrize(("damage", "problems"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_wrong_is_named(bag: Path, damage: Damage, problems: list[str], pack: Pack) -> None:
    damage(bag)
    before = snapshot(bag)
    assert verify(pack(bag)) == problems
    assert snapshot(bag) == before


@pytest.mark.parametrize("name", ["bagit.txt", "bag-info.txt", M, T])
def test_every_changed_byte_of_the_small_files_is_noticed(bag: Path, name: str) -> None:
    content = (bag / name).read_bytes()
    for place in range(len(content)):
        # bit 0 never makes of a letter the same letter in another case, which would change no checksum
        (bag / name).write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert verify(bag), f"byte {place}"
        (bag / name).write_bytes(content[:place])
        assert verify(bag) or place == len(content) - 1, f"cut at {place}"


def test_names_of_another_unicode_form_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "ü").write_text("x")
    bagit.make_bag(str(tmp_path / "bag"), checksums=["sha256"])
    data = tmp_path / "bag" / "data"
    (data / "ü").rename(data / unicodedata.normalize("NFD", "ü"))
    assert verify(tmp_path / "bag") == []


@pytest.mark.parametrize("checksums", [["md5"], ["sha1", "sha512"], ["sha256", "sha512"]])
def test_bags_of_other_programs(tmp_path: Path, checksums: list[str]) -> None:
    make_folder(tmp_path / "bag")
    (tmp_path / "bag" / "line\nfeed").write_text("x")
    bagit.make_bag(str(tmp_path / "bag"), {"Contact-Name": "someone"}, checksums=checksums)
    assert verify(tmp_path / "bag") == []
    append(tmp_path / "bag" / "data" / CONV1, b"x")
    assert verify(tmp_path / "bag") == [
        f"data/{CONV1}: changed, its {algorithm} is not the one in manifest-{algorithm}.txt"
        for algorithm in sorted(checksums)
    ]


def test_bags_of_version_1_encode_percent_signs(bag: Path) -> None:
    edit(bag / "bagit.txt", lambda c: c.replace(b"0.97", b"1.0"))
    edit(bag / M, lambda c: c.replace(b"%", b"%25"))
    tags = [bag / name for name in ("README.txt", "bag-info.txt", "bagit.txt", M)]
    # upper case, a tab, and CR LF: RFC 8493 allows them
    lines = (f"{hashlib.sha256(p.read_bytes()).hexdigest().upper()}\t{p.name}\r\n" for p in tags)
    (bag / T).write_bytes("".join(lines).encode())
    assert verify(bag) == []


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a", b"x")


NOT_BAGS = {
    "an empty folder": (lambda p: p.mkdir(), "bag", "not a BagIt bag: there is no bagit.txt"),
    "any folder": (make_folder, "bag", "not a BagIt bag: there is no bagit.txt"),
    "any zip": (_zip, "bag.zip", "not a BagIt bag: there is no bagit.txt"),
    "another file": (
        lambda p: p.write_text("x"),
        "bag.7z",
        "not a BagIt bag: neither a folder nor a .zip or .tar file",
    ),
    "a pipe": (os.mkfifo, "bag.tar", "not a BagIt bag: neither a folder nor a .zip or .tar file"),
    "no zip": (lambda p: p.write_text("x" * 99), "bag.zip", "cannot be read: File is not a zip file"),
    "an empty zip": (lambda p: p.touch(), "bag.zip", "cannot be read: File is not a zip file"),
    "no tar": (lambda p: p.write_text("x" * 999), "bag.tar", "cannot be read: invalid header"),
    "an empty tar": (lambda p: p.touch(), "bag.tar", "cannot be read: empty file"),
    "a compressed tar": (
        lambda p: tarfile.open(p, "w:gz").close(),
        "bag.tar",
        "cannot be read: ",
    ),
}


@pytest.mark.parametrize(("make", "name", "problem"), NOT_BAGS.values(), ids=NOT_BAGS)
def test_what_is_no_bag(tmp_path: Path, make: Damage, name: str, problem: str) -> None:
    make(tmp_path / name)
    (line,) = verify(tmp_path / name)
    assert line.startswith(f"{tmp_path / name}: {problem}")


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"nowhere\.zip: no such file or folder"):
        verify(tmp_path / "nowhere.zip")
