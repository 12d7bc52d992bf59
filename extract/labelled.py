"""Pictures with labels: folders by class, names by pattern, tables, and arrays as of MNIST."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import CnnVisError

from .arrays import finite_float32, show_shape
from .errors import ImageError
from .files import check_file, sha256
from .images import PreparedInput, Shape, from_picture, to_input
from .label_arrays import read_pictures
from .label_table import COLUMNS, REST, read_rows
from .preprocessing import Preprocessing
from .sources import ImageSource, find_images, natural_order

NOT_FINITE = "its values or gradients, or its values without a filter, are NaN or infinite"
"""Why a picture is refused of which a network makes what is no number."""


@dataclass(frozen=True)
class Fault:
    """A picture that is left out.

    Parameters
    ----------
    name : str
        What it is called.
    reason : str
        Why.
    """

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Pictures with a label each; none of them is read before it is needed.

    Parameters
    ----------
    path : Path
        Where it lies, for messages.
    names : sequence of str
        What the pictures are called.
    labels : sequence of str
        The label of each.
    get : callable
        Makes an input of a picture, by its number, as `to_input` does.
    identity : str
        SHA-256 of what tells this set from others: labels, and names, sizes and times of files, or the files
        of arrays as they are.
    pictures : bool
        Whether they are preprocessed; else they are inputs as they are.
    faults : tuple of Fault
        What has no label, or is not there.
    """

    path: Path
    names: Sequence[str]
    labels: Sequence[str]
    get: Callable[[int, Preprocessing, Shape], PreparedInput]
    identity: str
    pictures: bool = True
    faults: tuple[Fault, ...] = ()

    @property
    def classes(self) -> dict[str, list[int]]:
        """The numbers of the pictures by label; labels in natural order."""
        found: dict[str, list[int]] = {label: [] for label in sorted(set(self.labels), key=natural_order)}
        for number, label in enumerate(self.labels):
            found[label].append(number)
        return found


@dataclass(frozen=True, eq=False)
class LabelledBatch:
    """Pictures of a set that run together.

    Parameters
    ----------
    numbers : sequence of int
        Which ones.
    inputs : sequence of PreparedInput
        What the network is given for each.
    faults : sequence of Fault
        Those that could not be read.
    end : int
        How many pictures of those asked for are done with behind this batch.
    """

    numbers: Sequence[int]
    inputs: Sequence[PreparedInput]
    faults: Sequence[Fault]
    end: int

    @property
    def x(self) -> NDArray[np.float32]:
        """The inputs as one array, shape (N, C, H, W)."""
        return np.stack([one.array for one in self.inputs])


def read_labelled(path: Path, labels: Path | None = None, pattern: str | None = None) -> LabelledSet:
    """Find the pictures of a set, and their labels.

    Parameters
    ----------
    path : Path
        A folder; a .csv file with the columns ``file`` and ``label``, of files in its own folder or below; or
        an .npz, .npy or IDX file (packed or not) of many pictures. In an .npz file pictures and labels are
        called ``images`` and ``labels``, ``x`` and ``y`` or ``x_test`` and ``y_test``.
    labels : Path, optional
        For a folder such a .csv file, of files in that folder; for .npy and IDX files the labels, as .npy or
        IDX. Beside ``...images-idx3...`` they are looked for in ``...labels-idx1...``. Without, a folder's
        pictures lie in a folder for each class.
    pattern : str, optional
        For a folder: a regular expression that is looked for in names without their ending, and of which the
        group ``label``, or else the first group, is the label: ``^([a-z]+)_``.

    Returns
    -------
    LabelledSet
        Arrays of bytes, of shape (N, H, W) or (N, H, W, 1 or 3), are pictures, but for networks of 1-D
        inputs; all others are inputs that need no preprocessing: (N, C, H, W). Their labels are text or whole
        numbers, of any type, (N,) or (N, 1). The faults are pictures without a label, files that are not
        there and folders without pictures.

    Raises
    ------
    ImageError
        If the path is none of these, there is no labelled picture, or pictures and labels do not fit.
    """
    if path.is_dir():
        if labels is not None:
            if pattern is not None:
                raise ImageError(f"{path}: labels come from a table or by a pattern, not both")
            return _by_table(path, labels)
        return _by_folders(path) if pattern is None else _by_names(path, pattern)
    if pattern is not None:
        raise ImageError(f"{path}: a pattern for labels is for the names in a folder")
    check_file(path, "a set of pictures")
    if path.suffix.lower() == ".csv":
        if labels is not None:
            raise ImageError(f"{path}: this table has labels of its own")
        return replace(_by_table(path.parent, path), path=path)
    return _by_arrays(path, labels)


def nothing_counts(pictures: LabelledSet, label: str) -> Fault:
    """Return the fault of a class of which no picture counts."""
    return Fault(label, f"{pictures.path}: no picture of class {label!r} counts")


def refused(pictures: LabelledSet, number: int, reason: object) -> Fault:
    """Return the fault of a picture of which a network makes nothing that counts."""
    name = pictures.names[number]
    return Fault(name, f"{pictures.path}: picture {name}: {reason}")


def labelled_batches(
    pictures: LabelledSet,
    order: Sequence[int],
    settings: Preprocessing,
    shape: Shape,
    size: int,
    start: int = 0,
) -> Iterator[LabelledBatch]:
    """Yield inputs in batches, reading pictures only as they are needed.

    Where batches end depends on `order` and `size` alone, so that whoever starts again behind a batch gets
    the same ones.

    Parameters
    ----------
    pictures : LabelledSet
        The set.
    order : sequence of int
        The numbers of the pictures that are wanted.
    settings, shape
        As `to_input` takes them.
    size : int
        The most pictures of a batch; it ends earlier where a network of free size gets pictures of several
        sizes, and holds fewer, or none, where some cannot be read.
    start : int
        How many pictures of `order` are done with.
    """
    position = start
    while position < len(order):
        numbers: list[int] = []
        inputs: list[PreparedInput] = []
        faults: list[Fault] = []
        while position < len(order) and len(inputs) + len(faults) < size:
            number = order[position]
            try:
                one = pictures.get(number, settings, shape)
            except CnnVisError as error:
                faults.append(Fault(pictures.names[number], str(error)))
            else:
                if inputs and one.array.shape != inputs[0].array.shape:
                    break
                numbers.append(number)
                inputs.append(one)
            position += 1
        yield LabelledBatch(numbers, inputs, faults, position)


def _by_folders(folder: Path) -> LabelledSet:
    labels = sorted((entry.name for entry in _entries(folder) if entry.is_dir()), key=natural_order)
    files: list[tuple[Path, str]] = []
    faults = []
    for label in labels:
        try:
            files += [(source.path, label) for source in find_images([folder / label])]
        except ImageError as error:
            faults.append(Fault(label, str(error)))
    if not files:
        raise ImageError(
            f"{folder}: no folder of pictures in this folder: a folder is a class; otherwise give a table of "
            "labels, or a pattern for names"
        )
    return _of_files(folder, files, faults)


def _by_names(folder: Path, pattern: str) -> LabelledSet:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ImageError(f"pattern {pattern!r} is no regular expression ({error})") from error
    if not expression.groups:
        raise ImageError(f"pattern {pattern!r} has no group for the label, as in '^([a-z]+)_'")
    group: int | str = "label" if "label" in expression.groupindex else 1
    files, faults = [], []
    for source in find_images([folder]):
        match = expression.search(source.path.stem)
        label = match[group] if match else None
        if label:
            files.append((source.path, label))
        else:
            faults.append(Fault(source.path.name, f"{source.path}: the pattern finds no label in its name"))
    if not files:
        raise ImageError(f"{folder}: pattern {pattern!r} finds a label in no name")
    return _of_files(folder, files, faults)


def _by_table(folder: Path, table: Path) -> LabelledSet:
    files, faults = [], []
    for line, row in read_rows(table):
        name, label = ((row.get(column) or "").strip() for column in COLUMNS)
        reason = _unusable(row, folder / name, name, label)
        if reason is None:
            files.append((folder / name, label))
        else:
            faults.append(Fault(name or f"line {line}", f"{table}, line {line}: {reason}"))
    if not files:
        reason = f" ({faults[0].reason})" if faults else ""
        raise ImageError(f"{table}: names no picture that is there{reason}")
    return _of_files(folder, files, faults)


def _unusable(row: Mapping[str | None, Any], file: Path, name: str, label: str) -> str | None:
    """Return why a line of a table is no labelled picture; None if it is one."""
    if any(row.get(REST) or ()):
        return 'has more cells than columns: a label with a comma stands in quotes, as in "tabby, tabby cat"'
    if not name or not label:
        return f"has no {'label' if name else 'file'}"
    if "\0" in label:
        return f"label {label!r} holds a null character"
    try:
        found = file.is_file()
    except (OSError, ValueError) as error:
        return f"{file}: {getattr(error, 'strerror', None) or error}"
    return None if found else f"{file}: {'is a folder' if file.is_dir() else 'no such file'}"


def _of_files(folder: Path, files: Sequence[tuple[Path, str]], faults: Sequence[Fault]) -> LabelledSet:
    # a table may name files anywhere
    names = [
        (file.relative_to(folder) if file.is_relative_to(folder) else file).as_posix() for file, _ in files
    ]
    labels = [label for _, label in files]

    def get(number: int, settings: Preprocessing, shape: Shape) -> PreparedInput:
        return to_input(ImageSource(files[number][0], names[number]), settings, shape)

    digest = hashlib.sha256()
    for (file, label), name in zip(files, names, strict=True):
        state = file.stat()
        digest.update(repr((name, label, state.st_size, state.st_mtime_ns)).encode())
    plain = any(ImageSource(file, "").kind == "picture" for file, _ in files)
    return LabelledSet(folder, names, labels, get, digest.hexdigest(), plain, tuple(faults))


def _by_arrays(path: Path, labels: Path | None) -> LabelledSet:
    values, texts, files = read_pictures(path, labels)
    plain = values.dtype == np.uint8 and (values.ndim == 3 or values.shape[3:] in ((1,), (3,)))
    numbers = [number for number, text in enumerate(texts) if text]
    if not numbers:
        raise ImageError(f"{files[-1]}: has no label but empty ones")
    faults = [
        Fault(str(number), f"{path}: picture {number} has no label")
        for number, text in enumerate(texts)
        if not text
    ]

    def get(index: int, settings: Preprocessing, shape: Shape) -> PreparedInput:
        number = numbers[index]
        own = values[number]
        where = f"{path}: picture {number}"
        digest = hashlib.sha256(np.ascontiguousarray(own).tobytes()).hexdigest()
        name = str(number)
        if plain and len(shape) > 3:
            try:
                array, seen, _ = from_picture(_picture(own), settings, shape)
            except ImageError as error:
                raise ImageError(f"{where}: {error}") from error
            return PreparedInput(name, array, digest, {}, picture=seen)
        array = finite_float32(where, own)
        fits = len(array.shape) == len(shape) - 1 and all(
            want in (None, have) for have, want in zip(array.shape, shape[1:], strict=True)
        )
        if not fits:
            raise ImageError(
                f"{where}: inputs of shape {show_shape(array.shape)} do not fit the network's of shape "
                f"{show_shape(shape)}"
            )
        return PreparedInput(name, array, digest, {})

    identity = hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()
    names = [str(number) for number in numbers]
    known = [texts[number] for number in numbers]
    return LabelledSet(path, names, known, get, identity, plain, tuple(faults))


def _picture(values: NDArray[np.uint8]) -> Any:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(values[..., 0] if values.shape[2:] == (1,) else values))


def _entries(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise ImageError(f"{folder}: cannot be read ({error.strerror})") from error
