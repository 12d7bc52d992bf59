"""Check an archive: which of its files are changed, missing or extra.

The bagit library stops at the first kind of problem, skips lines of a manifest that it cannot read, and lets
pass a bag whose tag manifest was deleted or that has extra files outside ``data/``; hence this module.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO, NamedTuple, cast
from unicodedata import normalize

from .errors import CnnVisError

_BLOCK = 1 << 20
_LONGEST_MANIFEST = 1 << 28
_DEFLATE_RATIO = 1032  # no deflated stream expands by more (zlib.net/zlib_tech.html)
_ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_MANIFEST = re.compile(rf"(tag)?manifest-({'|'.join(_ALGORITHMS)})\.txt")
_AT_ROOT = re.compile(rf"([^/]+/)?(bagit\.txt|{_MANIFEST.pattern})")
_DECLARATION = re.compile(
    r"BagIt-Version: *([0-9]+)\.[0-9]+\s+Tag-File-Character-Encoding: *UTF-8\s*", re.IGNORECASE
)
_LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]+\*?(.+)")

# What zipfile, tarfile and the decoders raise for damaged files; RuntimeError stands for deep recursion.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
    tarfile.TarError,
    zipfile.BadZipFile,
)


class ArchiveError(CnnVisError, ValueError):
    """A folder that cannot be archived, a place where no archive can be, or an archive that is not there."""


Opener = Callable[[], IO[bytes]]


class _Member(NamedTuple):
    """A file of a bag; `flaw` says why it is not to be opened."""

    name: str
    open: Opener
    flaw: str = ""


class _Manifest(NamedTuple):
    """A list of checksums: of the payload in ``data/``, or of the tags, which is everything else."""

    member: _Member
    algorithm: str
    of_tags: bool


class _Claim(NamedTuple):
    """A line of a manifest."""

    manifest: str
    algorithm: str
    checksum: str
    name: str


def verify(bag: str | Path) -> list[str]:
    """Find what is wrong with a BagIt bag.

    Nothing is unpacked: single-file bags are read where they are, and a name in a manifest is looked up among
    the files of the bag, never opened as a path.

    Parameters
    ----------
    bag : str or Path
        A folder, or a ``.zip`` or ``.tar`` file with a bag in it.

    Returns
    -------
    list of str
        One line a problem, which begins with the name of the file inside the bag, or of the bag where that
        cannot be read as one; empty for a sound bag. Problems are files that are changed, missing, or listed
        in no manifest, inside ``data/`` and outside, missing manifests of both kinds, lines of manifests that
        make no sense, links, and unsafe names. A tag manifest that was changed shows in the files it lists.

    Raises
    ------
    ArchiveError
        If there is no such file or folder.
    """
    bag = Path(bag)
    if not bag.exists():
        raise ArchiveError(f"{bag}: no such file or folder")
    opener = _open_folder if bag.is_dir() else _OPENERS.get(bag.suffix.lower()) if bag.is_file() else None
    if opener is None:
        return [f"{bag}: not a BagIt bag: neither a folder nor a .zip or .tar file"]
    try:
        with opener(bag) as members:
            return _problems(bag, members)
    except _DAMAGE as error:
        culprit = getattr(error, "filename", None) or bag
        return [f"{printable(culprit)}: cannot be read: {_reason(error)}"]


def _problems(bag: Path, members: Collection[_Member]) -> list[str]:
    files = {_key(member.name): member for member in members}
    manifests = list(_manifests(files.values()))
    if not manifests and "bagit.txt" not in files:
        return [f"{bag}: not a BagIt bag: there is no bagit.txt"]

    undeclared, version = _declaration(files.get("bagit.txt"))
    nonsense: list[str] = []
    claims: dict[str, list[_Claim]] = {}
    for manifest in manifests:
        for claim in _claims(manifest, version, nonsense.append):
            claims.setdefault(_key(claim.name), []).append(claim)

    algorithms = {manifest.algorithm for manifest in manifests if not manifest.of_tags} or {"sha256"}
    tag_manifests = {f"tagmanifest-{algorithm}.txt" for algorithm in algorithms}
    required = {"bagit.txt", *tag_manifests, *(f"manifest-{algorithm}.txt" for algorithm in algorithms)}
    missing = sorted((required | set(claims)) - set(files))
    unlisted = sorted(set(files) - set(claims) - tag_manifests)
    kinds = {manifest.of_tags for manifest in manifests}
    return [
        *undeclared,
        *nonsense,
        *_flawed(members),
        *(f"{printable(name)}: missing" for name in missing),
        *(f"{printable(name)}: extra, listed in no manifest" for name in unlisted if _is_tag(name) in kinds),
        *_changed(files, claims),
    ]


def _is_tag(name: str) -> bool:
    return not name.startswith("data/")


def _manifests(members: Iterable[_Member]) -> Iterator[_Manifest]:
    for member in members:
        if match := _MANIFEST.fullmatch(member.name):
            yield _Manifest(member, algorithm=match[2], of_tags=bool(match[1]))


def _key(name: str) -> str:
    """Return the form of a name to look it up by: some file systems change the Unicode form of names."""
    return normalize("NFC", name)


def _flawed(members: Iterable[_Member]) -> Iterator[str]:
    seen: set[str] = set()
    for name, _, flaw in members:
        if flaw:
            yield f"{printable(name)}: {flaw}"
        if _key(name) in seen:
            yield f"{printable(name)}: there twice"
        seen.add(_key(name))


def _declaration(member: _Member | None) -> tuple[list[str], int]:
    """Return what is wrong with bagit.txt, and the major version of BagIt that it declares."""
    if member is None or member.flaw:
        return [], 0
    try:
        match = _DECLARATION.fullmatch(_text(member))
    except _DAMAGE:
        match = None
    return ([], int(match[1])) if match else (["bagit.txt: does not declare a BagIt bag in UTF-8"], 0)


def _claims(manifest: _Manifest, version: int, report: Callable[[str], None]) -> Iterator[_Claim]:
    """Yield what a manifest says of files; report the lines that make no sense."""
    source = manifest.member
    if source.flaw:
        return
    try:
        lines = _text(source).removesuffix("\n").split("\n")
    except _DAMAGE as error:
        report(f"{source.name}: cannot be read: {_reason(error)}")
        return
    encoded = re.compile("%(0[AD]|25)" if version else "%(0[AD])", re.IGNORECASE)
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line.removesuffix("\r"))
        if not match:
            report(f"{source.name}: line {number} is not a checksum and a file name")
            continue
        name = encoded.sub(lambda code: chr(int(code[1], 16)), match[2])
        if _unsafe(name) or _is_tag(name) != manifest.of_tags:
            report(f"{source.name}: line {number} names a file that it must not: {printable(name)}")
        else:
            yield _Claim(source.name, manifest.algorithm, match[1].lower(), name)


def _changed(files: Mapping[str, _Member], claims: Mapping[str, list[_Claim]]) -> Iterator[str]:
    for name in sorted(set(files) & set(claims)):
        if files[name].flaw:
            continue
        try:
            found = _checksums(files[name], {claim.algorithm for claim in claims[name]})
        except _DAMAGE as error:
            yield f"{printable(name)}: cannot be read: {_reason(error)}"
            continue
        for claim in claims[name]:
            if found[claim.algorithm] != claim.checksum:
                yield f"{printable(name)}: changed, its {claim.algorithm} is not the one in {claim.manifest}"


def _checksums(member: _Member, algorithms: Iterable[str]) -> dict[str, str]:
    hashes = {algorithm: hashlib.new(algorithm, usedforsecurity=False) for algorithm in algorithms}
    with member.open() as file:
        while block := file.read(_BLOCK):
            for running in hashes.values():
                running.update(block)
    return {algorithm: running.hexdigest() for algorithm, running in hashes.items()}


def _text(member: _Member) -> str:
    content = bytearray()
    with member.open() as file:
        while block := file.read(_BLOCK):
            content += block
            if len(content) > _LONGEST_MANIFEST:
                raise ValueError(f"longer than {_LONGEST_MANIFEST} bytes")
    return content.decode("utf-8")


def printable(path: str | Path) -> str:
    """Return a path as one line of text, with escapes for what cannot be shown."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _reason(error: Exception) -> str:
    return printable(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _unsafe(name: str) -> bool:
    """Return whether a name, taken as a path, could lead out of the bag on any system."""
    parts = name.split("/")
    return "\\" in name or bool(PureWindowsPath(name).drive) or any(part in ("", ".", "..") for part in parts)


@contextlib.contextmanager
def _open_folder(bag: Path) -> Iterator[list[_Member]]:
    yield list(_walk(bag, bag))


def _walk(folder: Path, bag: Path) -> Iterator[_Member]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path, bag)
        else:
            sound = path.is_file() and not path.is_symlink()
            yield _member(
                path.relative_to(bag).as_posix(),
                partial(_Clipped, path),
                "" if sound else "not a plain file",
            )


def _member(name: str, opener: Opener, flaw: str) -> _Member:
    return _Member(name, opener, flaw or ("unsafe name" if _unsafe(name) else ""))


class _Clipped(io.BufferedReader):
    """A file that makes no room for more bytes than it has, whatever a header inside it claims."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self.size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self.size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


@contextlib.contextmanager
def _open_zip(bag: Path) -> Iterator[list[_Member]]:
    with _Clipped(bag) as file, zipfile.ZipFile(file) as packed:
        infos = [info for info in packed.infolist() if not info.filename.endswith("/")]
        claimed = sum(info.file_size for info in infos)
        if claimed > _DEFLATE_RATIO * file.size:
            raise zipfile.BadZipFile(
                f"its files claim {claimed} bytes, more than a zip file of its size can hold"
            )
        yield _in_bag((info.filename, partial(packed.open, info), _zip_flaw(info)) for info in infos)


def _zip_flaw(info: zipfile.ZipInfo) -> str:
    plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG) and not info.flag_bits & 1
    known = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return "" if plain and known else "not a plain file, stored or deflated"


@contextlib.contextmanager
def _open_tar(bag: Path) -> Iterator[list[_Member]]:
    with _Clipped(bag) as file, tarfile.open(fileobj=file, mode="r:") as packed:
        infos = [info for info in packed.getmembers() if not info.isdir()]
        # it gives None for what is not a plain file, and that is never opened
        extract = cast(Callable[[tarfile.TarInfo], IO[bytes]], packed.extractfile)
        yield _in_bag((info.name, partial(extract, info), _tar_flaw(info)) for info in infos)


def _tar_flaw(info: tarfile.TarInfo) -> str:
    return "" if info.isreg() and not info.issparse() else "not a plain file"


_OPENERS = {".zip": _open_zip, ".tar": _open_tar}


def _in_bag(entries: Iterable[tuple[str, Opener, str]]) -> list[_Member]:
    """Return the members of an archive by their names in the bag, which may lie in a folder of its own."""
    found = [(name.removeprefix("./"), opener, flaw) for name, opener, flaw in entries]
    roots = [match[1] or "" for name, _, _ in found if (match := _AT_ROOT.fullmatch(name))]
    root = min(roots, key=len, default="")
    return [
        _member(name.removeprefix(root), opener, flaw if name.startswith(root) else "outside the bag")
        for name, opener, flaw in found
    ]
