"""Tables of labels: .csv files with a line for each picture."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .arrays import one_line
from .errors import ImageError
from .files import check_file

COLUMNS = ("file", "label")
# Under this, csv keeps what lies behind the last column.
REST = None


def read_rows(table: Path) -> Iterator[tuple[int, dict[str | None, Any]]]:
    """Yield the lines of a table with their numbers, cells by column; more cells than columns under `REST`.

    Raises
    ------
    ImageError
        If the file is missing or no table, or its first line does not name each of `COLUMNS` once.
    """
    check_file(table, "a table of labels")
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = [column.strip() for column in reader.fieldnames or ()]
            _check_columns(table, columns)
            reader.fieldnames = columns
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImageError(f"{table}: cannot be read as a table ({one_line(error)})") from error


def _check_columns(table: Path, columns: Sequence[str]) -> None:
    for column in COLUMNS:
        if columns.count(column) > 1:
            raise ImageError(f"{table}: has {columns.count(column)} columns {column!r}")
        if column not in columns:
            first = ", ".join(map(repr, columns))[:200] or "empty"
            separated = any(sign in name for sign in ";\t" for name in columns)
            raise ImageError(
                f"{table}: has no column {column!r}: its first line names file and label"
                + (", separated by commas" if separated else "")
                + f", and is {first}"
            )
