"""Types of the values that the options of subcommands take."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

Names = Callable[[], Iterable[str]]


def preset_names() -> list[str]:
    """Return the names that stand for a transfer function."""
    from render_presets import names

    return ["auto", *names()]


def file_name(path: Path) -> str:
    """Return the last part of a path, also where that is written as ``.`` or ``..``."""
    return path.name if path.name not in ("", "..") else path.resolve().name


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Return the number of an option, or fail if it is infinite, or NaN, which click takes for any range."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number")
    return value


class Shown(click.ParamType):
    """A type whose values have a form of their own on a command line."""

    def shown(self, value: Any) -> str:
        """Return the text that stands for a converted value; files without their folders."""
        raise NotImplementedError

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return the form of a value, for help."""
        return self.name


class OneOf(click.ParamType):
    """One of the names that a room knows.

    Parameters
    ----------
    what : str
        What they name, for the error.
    names : callable
        Returns them; called only when one is to be checked or help is shown.
    """

    name = "name"

    def __init__(self, what: str, names: Names) -> None:
        self._what = what
        self._names = names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or fail with a message that tells the nearest."""
        known = list(self._names())
        if value not in known:
            from extract.settings import nearest

            self.fail(f"unknown {self._what} {value!r}{nearest(value, known)}", param, ctx)
        return str(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return all names, for help."""
        return f"[{'|'.join(self._names())}]"


class Order(OneOf, Shown):
    """An ordering method, or the path of an ordering in JSON.

    Parameters
    ----------
    names : callable
        Returns all methods.
    alone : callable
        Returns those that need no settings, which help shows.
    """

    def __init__(self, names: Names, alone: Names) -> None:
        super().__init__("ordering method", names)
        self._alone = alone

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, or the name, or fail with a message that tells the nearest."""
        if isinstance(value, Path) or value.lower().endswith(".json"):
            return Path(value)
        name = super().convert(value, param, ctx)
        if name not in self._alone():
            self.fail(f"{name} needs numbers: --order FILE.json takes what `cnnvis order --by {name}` saves")
        return name

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return the names of those that need no settings, for help."""
        return f"[{'|'.join(self._alone())}|FILE.json]"

    def shown(self, value: Any) -> str:
        """Return the name, or the file's."""
        return file_name(value) if isinstance(value, Path) else str(value)


class Size(Shown):
    """``HEIGHTxWIDTH``, one number for both, or three numbers for 3-D networks."""

    name = "HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the numbers, or fail with a message."""
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"[1-9]\d{0,4}(x[1-9]\d{0,4}){0,2}", value):
            self.fail(f"{value!r} is not a size such as 224x224", param, ctx)
        numbers = tuple(map(int, value.split("x")))
        return numbers * 2 if len(numbers) == 1 else numbers

    def shown(self, value: Any) -> str:
        """Return ``224x224``."""
        return "x".join(map(str, value))


class Count(Shown):
    """A whole number from 1 on, or two such as ``20x5``."""

    name = "N[xM]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | tuple[int, ...]:
        """Return the number or the two, or fail with a message."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        if not re.fullmatch(r"[1-9]\d{0,5}(x[1-9]\d{0,5})?", value):
            self.fail(f"{value!r} is not a number such as 7, or two such as 20x5", param, ctx)
        numbers = tuple(map(int, value.split("x")))
        return numbers if len(numbers) > 1 else numbers[0]

    def shown(self, value: Any) -> str:
        """Return ``7`` or ``20x5``."""
        return "x".join(map(str, value if isinstance(value, tuple) else (value,)))


class Choices(Shown):
    """Words separated by commas.

    Parameters
    ----------
    names : callable, optional
        Returns the words that help shows; the room checks them, for some may be combined.
    every : str, optional
        A word that stands for all of them; there are no others then.
    """

    name = "A,B"

    def __init__(self, names: Names | None = None, every: str | None = None) -> None:
        self._names = names
        self._every = every

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words, or fail with a message."""
        if isinstance(value, tuple):
            return value
        words = tuple(word.strip() for word in value.split(",") if word.strip())
        if not words:
            self.fail("names nothing", param, ctx)
        if self._every is not None:
            known = self._words()
            unknown = [word for word in words if word not in known]
            if unknown:
                self.fail(f"unknown name {unknown[0]!r}: choose of {', '.join(known)}", param, ctx)
            words = (self._every,) if self._every in words else words
        return tuple(dict.fromkeys(words))

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return all words, for help."""
        words = self._words()
        return f"[{'|'.join(words)}],..." if words else self.name

    def _words(self) -> list[str]:
        return [*(self._names() if self._names else ()), *([self._every] if self._every else ())]

    def shown(self, value: Any) -> str:
        """Return ``nrrd,vti``."""
        return ",".join(value)


class Numbers(Shown):
    """One number, or several separated by commas."""

    name = "A[,B,C]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a number or a tuple of numbers, or fail with a message."""
        if not isinstance(value, str):
            return value
        try:
            numbers = tuple(map(float, value.split(",")))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 104,117,123", param, ctx)
        return numbers if len(numbers) > 1 else numbers[0]

    def shown(self, value: Any) -> str:
        """Return ``104.0,117.0,123.0``."""
        return ",".join(map(str, value if isinstance(value, tuple) else (value,)))


class NumbersOrFile(Numbers):
    """Numbers, or the path of a .npy or .binaryproto file."""

    name = "A[,B,C]|FILE.npy|FILE.binaryproto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a path, a number or a tuple of numbers, or fail with a message."""
        is_file = isinstance(value, str) and value.lower().endswith((".npy", ".binaryproto"))
        return Path(value) if is_file else super().convert(value, param, ctx)

    def shown(self, value: Any) -> str:
        """Return the numbers, or the file's name."""
        return file_name(value) if isinstance(value, Path) else super().shown(value)


class Feed(Shown):
    """``NAME=FILE.npy``: an input of a network and the file of its values."""

    name = "NAME=FILE.npy"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Return the input's name and the path, or fail with a message."""
        if isinstance(value, tuple):
            return value
        name, _, file = value.rpartition("=")
        if not (name and file):
            self.fail(f"--feed takes NAME=FILE.npy, not {value!r}", param, ctx)
        return name, Path(file)

    def shown(self, value: Any) -> str:
        """Return ``NAME=FILE.npy``."""
        name, path = value
        return f"{name}={file_name(path)}"


class ClassNumber(Shown):
    """``NAME=INDEX``: a label and the class of a network that it means."""

    name = "NAME=INDEX"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Return the label and the number, or fail with a message."""
        if isinstance(value, tuple):
            return value
        name, _, number = value.rpartition("=")
        if not name or not re.fullmatch(r"[0-9]{1,9}", number):
            self.fail(f"{value!r} is not a label and the number of a class, such as cat=281", param, ctx)
        return name, int(number)

    def shown(self, value: Any) -> str:
        """Return ``NAME=INDEX``."""
        name, number = value
        return f"{name}={number}"


class Preset(Shown):
    """The name of a transfer function, or the path of a file of one's own or of a viewer."""

    name = "NAME|FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str | Path:
        """Return a name as text and all else as a path."""
        return value if isinstance(value, Path) or value in preset_names() else Path(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return all names, for help."""
        return f"[{'|'.join(preset_names())}|FILE]"

    def shown(self, value: Any) -> str:
        """Return the name, or the file's."""
        return file_name(value) if isinstance(value, Path) else str(value)
