from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import bagit
import pytest

from converters.archive import ArchiveError, archive, verify
from tests.converters.bags import CONV1, make_folder, snapshot
from tests.helpers import require

KINDS = ("bag", "bag.zip", "bag.tar")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "volumes")


@pytest.fixture(autouse=True)
def _no_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)


def unpacked(bag: Path, into: Path) -> Path:
    """Unpack with Python's own means, and return the bag's folder."""
    if bag.is_dir():
        return bag
    shutil.unpack_archive(bag, into, filter="data" if bag.suffix == ".tar" else None)
    return into / bag.stem


def assert_valid_for_others(bag: Path) -> None:
    """Have the bag checked by the bagit library, its command, and sha256sum."""
    assert bagit.Bag(str(bag)).validate()
    command = [sys.executable, "-m", "bagit", "--validate", str(bag)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1].endswith("is valid")) == (0, True), done.stderr
    require(shutil.which("sha256sum"), "sha256sum")
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        check = ["sha256sum", "--check", "--strict", manifest]
        done = subprocess.run(check, cwd=bag, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) == len((bag / manifest).read_text().splitlines()) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_bag_holds_the_folder_and_is_valid_for_other_programs(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    before = {path: (path.lstat().st_mtime_ns, path.lstat().st_mode) for path in [folder, *folder.rglob("*")]}
    content = snapshot(folder)

    written = archive(folder, tmp_path / kind)

    assert {
        path: (path.lstat().st_mtime_ns, path.lstat().st_mode) for path in [folder, *folder.rglob("*")]
    } == before
    assert snapshot(folder) == content
    bag = unpacked(tmp_path / kind, tmp_path / "unpacked")
    visible = {name: text for name, text in content.items() if not name.startswith(".")}
    assert len(visible) == 5
    assert snapshot(bag / "data") == visible
    assert sorted(path.name for path in bag.iterdir()) == [
        "README.txt",
        "bag-info.txt",
        "bagit.txt",
        "data",
        "manifest-sha256.txt",
        "tagmanifest-sha256.txt",
    ]
    assert_valid_for_others(bag)
    assert verify(tmp_path / kind) == []
    assert written == ([bag / name for name in snapshot(bag)] if kind == "bag" else [tmp_path / kind])


@pytest.mark.parametrize("kind", KINDS)
def test_same_files_give_the_same_bytes(folder: Path, tmp_path: Path, kind: str) -> None:
    other = tmp_path / "elsewhere" / "copy"
    other.mkdir(parents=True)
    for name, content in reversed(snapshot(folder).items()):
        path = other / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
        path.chmod(0o600)
        os.utime(path, (10**9, 10**9))

    archive(folder, tmp_path / kind)
    archive(other, tmp_path / "elsewhere" / kind)

    first, second = tmp_path / kind, tmp_path / "elsewhere" / kind
    assert (
        first.read_bytes() == second.read_bytes() if first.is_file() else snapshot(first) == snapshot(second)
    )


def test_single_files_say_nothing_of_machine_and_user(folder: Path, tmp_path: Path) -> None:
    archive(folder, tmp_path / "bag.zip")
    archive(folder, tmp_path / "bag.tar")

    with zipfile.ZipFile(tmp_path / "bag.zip") as packed:
        infos = packed.infolist()
        assert packed.testzip() is None
    assert [info.filename for info in infos] == sorted(info.filename for info in infos)
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {(info.create_system, info.external_attr, info.compress_type) for info in infos} == {
        (3, 0o100644 << 16, 0)
    }
    with tarfile.open(tmp_path / "bag.tar", "r:") as packed:
        members = packed.getmembers()
    assert [member.name for member in members] == [info.filename for info in infos]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}


def test_source_date_epoch_is_the_only_date(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(folder, tmp_path / "undated")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1471651200")  # 2016-08-20 00:00:00 UTC
    for kind in KINDS:
        archive(folder, tmp_path / kind)

    assert "Bagging-Date" not in bagit.Bag(str(tmp_path / "undated")).info
    assert bagit.Bag(str(tmp_path / "bag")).info["Bagging-Date"] == "2016-08-20"
    with zipfile.ZipFile(tmp_path / "bag.zip") as packed:
        assert {info.date_time for info in packed.infolist()} == {(2016, 8, 20, 0, 0, 0)}
    with tarfile.open(tmp_path / "bag.tar") as packed:
        assert {member.mtime for member in packed.getmembers()} == {1471651200}


@pytest.mark.parametrize(("epoch", "year"), [("0", 1980), ("253402300799", 2107)])
def test_dates_that_zip_cannot_hold_become_the_nearest(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str, year: int
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    archive(folder, tmp_path / "bag.zip")
    with zipfile.ZipFile(tmp_path / "bag.zip") as packed:
        assert {info.date_time[0] for info in packed.infolist()} == {year}


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_hard_on_manifests(tmp_path: Path, kind: str) -> None:
    names = [
        "with blank.txt",
        " leading blank",
        "100%.txt",
        "a%2Fb%20c%250A%C3%A9_act.nrrd",
        "conv1%09.txt",
        "Kätzchen 猫 🐈.png",
        unicodedata.normalize("NFD", "zerlegt-ü.txt"),
        "#comment",
        "*star",
        "~root",
        "'quotes\".txt",
        "data/manifest-sha256.txt",
        "data/data/README.txt",
        "deep/" * 30 + "x",
        "x" * 255,
    ]
    for name in names:
        path = tmp_path / "odd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)

    archive(tmp_path / "odd", tmp_path / kind)

    bag = unpacked(tmp_path / kind, tmp_path / "unpacked")
    assert snapshot(bag / "data") == {name: name.encode() for name in names}
    assert_valid_for_others(bag)
    assert verify(tmp_path / kind) == []


def test_a_link_to_a_file_inside_becomes_a_copy(folder: Path, tmp_path: Path) -> None:
    (folder / "latest.raw").symlink_to(CONV1)
    archive(folder, tmp_path / "bag")
    copy = tmp_path / "bag" / "data" / "latest.raw"
    assert not copy.is_symlink()
    assert copy.read_bytes() == (folder / CONV1).read_bytes()
    assert (folder / "latest.raw").is_symlink()


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_place_may_exist(folder: Path, tmp_path: Path, kind: str) -> None:
    place = tmp_path / kind
    place.touch() if place.suffix else place.mkdir()
    archive(folder, place)
    assert verify(place) == []


def test_the_place_may_be_the_current_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    written = archive("../volumes", ".")
    assert verify(tmp_path / "here") == []
    assert Path("README.txt") in written


def test_the_current_folder_stays_what_it_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    archive(Path(), Path("../bag"))
    assert Path.cwd() == folder
    assert verify(tmp_path / "bag") == []


def test_progress_counts_the_bytes(folder: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    archive(folder, tmp_path / "bag", lambda done, total: calls.append((done, total)))
    sizes = {name: len(text) for name, text in snapshot(tmp_path / "bag" / "data").items()}
    assert [total for _, total in calls] == [sum(sizes.values())] * 5
    assert [done for done, _ in calls] == [sum(list(sizes.values())[: n + 1]) for n in range(5)]


def _empty(folder: Path) -> None:
    for path in list(folder.iterdir()):
        if not path.name.startswith("."):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _replaced(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("x")


def _named(name: str | bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / os.fsdecode(name)).write_text("x")


def _linked(target: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "link").symlink_to(target)


def _two_forms(folder: Path) -> None:
    for form in ("NFC", "NFD"):
        (folder / unicodedata.normalize(form, "ü")).write_text(form)


BAD_FOLDERS = {
    "missing": (shutil.rmtree, "volumes: no such folder"),
    "a file": (_replaced, "volumes: is not a folder"),
    "hidden files only": (_empty, "volumes: has no files to archive (hidden ones are left out)"),
    "line feed": (
        _named("a\nb"),
        r"a\nb': the name holds a line break or another control character; rename the file",
    ),
    "carriage return": (_named("a\rb"), r"a\rb': the name holds a line break or another control character"),
    "next line": (_named("a\x85b"), r"a\x85b': the name holds a line break or another control character"),
    "line separator": (
        _named("a\u2028b"),
        r"a\u2028b': the name holds a line break or another control character",
    ),
    "%0A": (
        _named("layer-a%0Ab_act.nrrd"),
        "a%0Ab_act.nrrd: the name holds %0A or %0D, which BagIt programs take",
    ),
    "%0d": (_named("a%0db"), "a%0db: the name holds %0A or %0D"),
    "backslash": (_named("a\\b"), "a\\b: the name holds a backslash; rename the file"),
    "blank at the end": (_named("a.txt "), "a.txt : the name ends in a blank; rename the file"),
    "not UTF-8": (_named(b"caf\xe9"), r"caf\udce9': the name is not UTF-8; rename the file"),
    "one name in two forms": (
        _two_forms,
        ": another file has this name in another Unicode form; rename one of them",
    ),
    "link out": (
        _linked("../secret"),
        "volumes/link: is a link that leads out of the folder; put the file itself there",
    ),
    "absolute link out": (_linked("/etc/passwd"), "volumes/link: is a link that leads out of the folder"),
    "dangling link": (_linked("nowhere"), "volumes/link: is a link that does not lead to a file; remove it"),
    "link to itself": (_linked("link"), "volumes/link: is a link that does not lead to a file; remove it"),
    "link to a folder": (
        _linked("previews"),
        "volumes/link: is a link that does not lead to a file; remove it",
    ),
    "pipe": (lambda f: os.mkfifo(f / "pipe"), "volumes/pipe: is neither a file nor a folder; remove it"),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_FOLDERS.values(), ids=BAD_FOLDERS)
def test_folders_that_cannot_be_archived(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    (tmp_path / "secret").write_text("not for others")
    spoil(folder)
    before = set(tmp_path.iterdir())
    with pytest.raises(ArchiveError, match=re.escape(message)) as caught:
        archive(folder, tmp_path / "bag.zip")
    assert len(str(caught.value).splitlines()) == 1
    assert set(tmp_path.iterdir()) == before


BAD_PLACES = {
    "the folder": ("volumes", "volumes: lies inside "),
    "inside the folder": ("volumes/bag", "volumes/bag: lies inside "),
    "inside by a link": ("link/bag.zip", "link/bag.zip: lies inside "),
    "around the folder": (
        ".",
        "is a folder that exists and is not to be overwritten; remove it or choose another name",
    ),
    "full folder": ("full", "full: is a folder that exists and is not to be overwritten"),
    "folder named zip": ("empty.zip", "empty.zip: is a folder that exists and is not to be overwritten"),
    "file": ("full/x", "full/x: the file exists; remove it or choose another name"),
    "full zip": ("full.zip", "full.zip: the file exists; remove it or choose another name"),
    "no folder": ("nowhere/bag", "nowhere/bag: its folder does not exist"),
    "file as folder": ("full.zip/bag", "full.zip/bag: its folder does not exist"),
    "compressed": ("bag.tar.gz", "bag.tar.gz: no .gz archives are made; write a folder, .zip or .tar"),
    "line feed": (
        "a\nb.zip",
        r"a\nb.zip': the name holds a line break or another control character; choose another",
    ),
}


@pytest.mark.parametrize(("place", "message"), BAD_PLACES.values(), ids=BAD_PLACES)
def test_places_where_no_archive_can_be(folder: Path, tmp_path: Path, place: str, message: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    (tmp_path / "full.zip").write_text("mine")
    (tmp_path / "empty.zip").mkdir()
    (tmp_path / "link").symlink_to("volumes/previews")
    before = snapshot(tmp_path)
    with pytest.raises(ArchiveError, match=re.escape(message)):
        archive(folder, tmp_path / place)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("epoch", ["yesterday", "-1", "1.5", "253402300800", "9" * 5000, "²"])
def test_a_date_that_is_none(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(
        ArchiveError, match=r"^SOURCE_DATE_EPOCH: .* is not a time in whole seconds since 1970"
    ):
        archive(folder, tmp_path / "bag")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", ["shutil.copyfile", "bagit.make_bag", "converters.archive.readme"])
def test_a_full_disk_leaves_nothing_behind(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, step: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(step, full)
    with pytest.raises(ArchiveError, match=f"{kind}: No space left on device"):
        archive(folder, tmp_path / kind)
    assert list(tmp_path.iterdir()) == [folder]


def test_an_unreadable_file_is_named(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # root, whom tests often run as, may read every file
    def denied(source: Path, _: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(source))

    monkeypatch.setattr("shutil.copyfile", denied)
    with pytest.raises(ArchiveError, match=f"^{re.escape(str(folder / CONV1))}: Permission denied"):
        archive(folder, tmp_path / "bag")
