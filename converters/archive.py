"""Archives of an output folder: BagIt bags with SHA-256 checksums and a README that explains the files."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import tempfile
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

from .archive_readme import readme
from .staging import staging
from .verify import ArchiveError, printable, verify

__all__ = ["ArchiveError", "Progress", "archive", "verify"]

Progress = Callable[[int, int], None]

_COMPRESSED = (".7z", ".bz2", ".gz", ".rar", ".tgz", ".xz", ".zst")
_YEAR_10000 = 253402300800
_ZIP_FIRST, _ZIP_LAST = 315532800, 4354819198  # 1980-01-01 and 2107-12-31, the days that a zip file can name

# What breaks a line of a manifest in bagit, in sha256sum or on another operating system.
_FLAWS = (
    (re.compile("[\ud800-\udfff]"), "is not UTF-8"),
    (re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]"), "holds a line break or another control character"),
    (re.compile(r"\\"), "holds a backslash"),
    (re.compile("%0[AaDd]"), "holds %0A or %0D, which BagIt programs take for a line break"),
    (re.compile(r"\s$"), "ends in a blank"),
)


def archive(folder: str | Path, out: str | Path, progress: Progress | None = None) -> list[Path]:
    """Make a BagIt bag that holds every file of a folder, checksums, and a README that explains them.

    The folder is copied and stays as it is; the bag appears whole or not at all. The same files give the same
    bytes, whatever their times and owners. Hidden files (those made while working, such as stamps) and empty
    folders are left out. A symbolic link to a file inside the folder becomes a copy of that file.

    Parameters
    ----------
    folder : str or Path
        The folder; its files lie under ``data/`` in the bag. README.txt is a tag file, outside ``data/``: the
        payload stays exactly what the folder held.
    out : str or Path
        Where the bag shall be: a new or empty folder or, if it ends in ``.zip`` or ``.tar``, a single file,
        which holds the bag in one folder of the file's name without the ending. Nothing is compressed:
        compressors of other versions give other bytes.
    progress : callable, optional
        Called as ``progress(done, total)`` with the bytes copied so far and in all, after each file.

    Returns
    -------
    list of Path
        What was written: the files of the bag, or the single file.

    Raises
    ------
    ArchiveError
        If the folder is missing, empty or unreadable, holds a file that cannot be archived (a link that leads
        out of it, a device, a name that no manifest can hold), if `out` is taken, lies inside the folder or
        cannot be written, or if the environment variable SOURCE_DATE_EPOCH is not a time.

    Notes
    -----
    SOURCE_DATE_EPOCH, where it is set, becomes the Bagging-Date and the time of the members of a ``.zip`` or
    ``.tar``; otherwise a bag has no date.
    """
    folder, out = Path(folder), Path(out)
    epoch = _source_date_epoch()
    # a relative path may end in "." or "..", which is no name
    target = Path(os.path.realpath(out))
    pack = _PACKERS.get(target.suffix.lower(), _as_folder)
    try:
        _check_place(folder, out, target)
        files = _files_of(folder)
        with staging(target.parent) as staged, tempfile.TemporaryDirectory(dir=staged) as scratch:
            bag = Path(scratch, target.name if pack is _as_folder else target.stem)
            _copy(files, bag, progress)
            _make_bag(bag, epoch)
            pack(bag, staged / target.name, epoch)
    except OSError as error:
        raise ArchiveError(f"{_culprit(error, folder, out)}: {error.strerror or error}") from error
    return [out / name for name in _names_of(target)] if pack is _as_folder else [out]


def _source_date_epoch() -> int | None:
    """Return SOURCE_DATE_EPOCH (reproducible-builds.org), in seconds since 1970, None where it is not set."""
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,12}", text) or int(text) >= _YEAR_10000:
        raise ArchiveError(
            f"SOURCE_DATE_EPOCH: {text!r} is not a time in whole seconds since 1970; unset it or mend it"
        )
    return int(text)


def _check_place(folder: Path, out: Path, target: Path) -> None:
    if not folder.is_dir():
        raise ArchiveError(f"{folder}: " + ("is not a folder" if folder.exists() else "no such folder"))
    suffix = target.suffix.lower()
    if suffix in _COMPRESSED:
        raise ArchiveError(f"{out}: no {suffix} archives are made; write a folder, .zip or .tar")
    if target.is_relative_to(folder.resolve()):
        raise ArchiveError(f"{out}: lies inside {folder}, which is to be archived; choose a place outside")
    if flaw := _flaw(target.name):
        raise ArchiveError(f"{printable(out)}: the name {flaw}; choose another")
    if not target.parent.is_dir():
        raise ArchiveError(f"{out}: its folder does not exist")
    if target.is_dir() and (suffix in _PACKERS or any(target.iterdir())):
        raise ArchiveError(
            f"{out}: is a folder that exists and is not to be overwritten; remove it or choose another name"
        )
    if target.exists() and not target.is_dir() and (suffix not in _PACKERS or target.stat().st_size):
        raise ArchiveError(f"{out}: the file exists; remove it or choose another name")


def _files_of(folder: Path) -> dict[str, Path]:
    """Return the files to archive by their names in the bag's payload, in order."""
    root = folder.resolve()
    files = {path.relative_to(folder).as_posix(): path for path in _walk(folder, root)}
    if not files:
        raise ArchiveError(f"{folder}: has no files to archive (hidden ones are left out)")
    same: dict[str, Path] = {}
    for name, path in files.items():
        if flaw := _flaw(name):
            raise ArchiveError(f"{printable(path)}: the name {flaw}; rename the file")
        other = same.setdefault(unicodedata.normalize("NFC", name), path)
        if other is not path:
            raise ArchiveError(
                f"{path}: another file has this name in another Unicode form; rename one of them"
            )
    return dict(sorted(files.items()))


def _walk(folder: Path, root: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_symlink():
            _check_link(path, root)
            yield path
        elif path.is_dir():
            yield from _walk(path, root)
        elif path.is_file():
            yield path
        else:
            raise ArchiveError(f"{printable(path)}: is neither a file nor a folder; remove it")


def _check_link(path: Path, root: Path) -> None:
    target = Path(os.path.realpath(path))
    if not target.is_file():
        raise ArchiveError(f"{printable(path)}: is a link that does not lead to a file; remove it")
    if not target.is_relative_to(root):
        raise ArchiveError(
            f"{printable(path)}: is a link that leads out of the folder; put the file itself there"
        )


def _flaw(name: str) -> str:
    """Return why a name cannot stand in a manifest, nothing if it can."""
    return next((reason for pattern, reason in _FLAWS if pattern.search(name)), "")


def _copy(files: Mapping[str, Path], bag: Path, progress: Progress | None) -> None:
    sizes = {name: path.stat().st_size for name, path in files.items()}
    done, total = 0, sum(sizes.values())
    for name, path in files.items():
        copy = bag / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        done += sizes[name]
        if progress:
            progress(done, total)


def _make_bag(bag: Path, epoch: int | None) -> None:
    """Turn a folder into a bag, in place."""
    import bagit

    software = {name: _version(name) for name in ("cnn-vis", "bagit")}
    # bagit adds today's date where there is none, and writes one line for each item of a list
    dates = [] if epoch is None else [time.strftime("%Y-%m-%d", time.gmtime(epoch))]
    about = {
        "External-Description": "Volumes made from a convolutional network; see README.txt",
        "Bag-Software-Agent": ", ".join(f"{name} {version}" for name, version in software.items()),
        "Bagging-Date": dates,
    }
    bagit.make_bag(str(bag), about, checksums=["sha256"])
    (bag / "README.txt").write_text(readme(bag / "data", software), encoding="utf-8", newline="\n")
    _write_tag_manifest(bag)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "of an unknown version"


def _write_tag_manifest(bag: Path) -> None:
    """Write the tag manifest again: bagit's lacks README.txt, and its order is the file system's."""
    manifest = bag / "tagmanifest-sha256.txt"
    lines = []
    for path in sorted(bag.iterdir()):
        if path.is_file() and path != manifest:
            with path.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    manifest.write_text("".join(lines), encoding="utf-8", newline="\n")


def _names_of(bag: Path) -> list[str]:
    return sorted(path.relative_to(bag).as_posix() for path in bag.rglob("*") if path.is_file())


def _as_folder(bag: Path, target: Path, epoch: int | None) -> None:
    bag.rename(target)


def _as_zip(bag: Path, target: Path, epoch: int | None) -> None:
    stamp = time.gmtime(min(max(epoch or 0, _ZIP_FIRST), _ZIP_LAST))[:6]
    with zipfile.ZipFile(target, "w") as packed:
        for name in _names_of(bag):
            member = zipfile.ZipInfo(f"{bag.name}/{name}", stamp)
            member.create_system = 3  # Unix, wherever this runs
            member.external_attr = 0o100644 << 16
            member.file_size = (bag / name).stat().st_size
            with (bag / name).open("rb") as source, packed.open(member, "w") as sink:
                shutil.copyfileobj(source, sink)


def _as_tar(bag: Path, target: Path, epoch: int | None) -> None:
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as packed:
        for name in _names_of(bag):
            member = tarfile.TarInfo(f"{bag.name}/{name}")
            member.size = (bag / name).stat().st_size
            member.mtime = epoch or 0
            with (bag / name).open("rb") as source:
                packed.addfile(member, source)


_PACKERS: dict[str, Callable[[Path, Path, int | None], None]] = {".zip": _as_zip, ".tar": _as_tar}


def _culprit(error: OSError, folder: Path, out: Path) -> str:
    """Return the file that an error is about: one of the folder's, or else `out`."""
    path = error.filename
    return printable(path) if path and Path(path).is_relative_to(folder) else printable(out)
