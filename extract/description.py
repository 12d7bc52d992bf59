"""A model's description in TOML: its files, its preprocessing and its labels, written down once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converters.errors import CnnVisError

from .arrays import one_line
from .errors import ModelError
from .files import check_file
from .preprocessing import Preprocessing, configure
from .settings import nearest

_KEYS = ("model", "weights", "labels", "input")


@dataclass(frozen=True)
class ModelDescription:
    """What a description says.

    Parameters
    ----------
    model : Path
        The model file.
    weights : Path, optional
        Its weights, where they lie in another file.
    preprocessing : Preprocessing
        How pictures become its input.
    labels : tuple of str
        Names of its classes, one an output unit; empty where there are none.
    """

    model: Path
    weights: Path | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    labels: tuple[str, ...] = ()


def read_description(path: Path) -> ModelDescription:
    """Read a model's description.

    Parameters
    ----------
    path : Path
        A TOML file with the keys ``model``, ``weights`` and ``labels`` (paths relative to the file's folder;
        labels are UTF-8 text, one a line) and the table ``input`` (the fields of `Preprocessing`, and
        ``preset``: the preset to start from). Only ``model`` is needed::

            model = "deploy.onnx"
            labels = "synset_words.txt"

            [input]
            preset = "torch"
            size = [224, 224]

    Raises
    ------
    ModelError
        If the file is missing, is no TOML, or holds an unknown key or a wrong value; or its labels cannot be
        read.
    """
    table = _parse(path)
    for key in table:
        if key not in _KEYS:
            raise ModelError(f"{path}: unknown key {key!r}{nearest(key, _KEYS)}")
    model = _file(path, table, "model")
    if model is None:
        raise ModelError(f"{path}: the key 'model' is missing: the path of the model file")
    labels = _file(path, table, "labels")
    return ModelDescription(
        model,
        _file(path, table, "weights"),
        _preprocessing(path, table),
        () if labels is None else _labels(labels),
    )


def _parse(path: Path) -> dict[str, Any]:
    check_file(path, "a description", ModelError)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise ModelError(f"{path}: not a TOML file ({one_line(error)})") from error


def _file(path: Path, table: Mapping[str, Any], key: str) -> Path | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ModelError(f"{path}: {key} takes the path of a file, not {value!r}")
    return path.parent / value


def _preprocessing(path: Path, table: Mapping[str, Any]) -> Preprocessing:
    settings = table.get("input", {})
    if not isinstance(settings, dict):
        raise ModelError(f"{path}: input takes a table of settings, not {settings!r}")
    try:
        return configure(settings, path.parent)
    except CnnVisError as error:
        raise ModelError(f"{path}: [input] {error}") from error


def _labels(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8-sig").rstrip().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: labels cannot be read ({one_line(error)})") from error
