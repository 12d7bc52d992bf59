"""What the picture commands share: reading a volume with its fitted transfer function, writing a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from PIL.Image import Image

    from converters import Volume
    from render_presets import Fitted


def read_fitted(path: Path, preset: str | Path | None) -> tuple[Volume, Fitted]:
    """Return a file's volume and a transfer function fitted to it; None or ``auto`` chooses by the values."""
    from converters import read

    volume = read(path)
    return volume, fitted_by_name([volume], str(path), preset)


def fitted_by_name(volumes: Sequence[Volume], source: str, preset: str | Path | None) -> Fitted:
    """Return a transfer function fitted to all volumes together, which are taken one after another.

    Parameters
    ----------
    volumes : sequence of Volume
        What it is for.
    source : str
        What to call them in errors.
    preset : str, Path or None
        Its name or file; None or ``auto`` chooses by the values.
    """
    from render_presets import PresetError, load
    from render_presets.loading import fitted_to

    try:
        return fitted_to(volumes, None if preset is None or preset == "auto" else load(preset))
    except PresetError as error:
        raise PresetError(f"{source}: {error}") from error


def save_png(picture: Image, path: Path) -> Path:
    """Write a picture, whole or not at all, and return its path.

    Raises
    ------
    click.ClickException
        If the name does not end in .png, or the file cannot be written.
    """
    from converters.staging import staging

    if path.suffix.lower() != ".png":
        raise click.ClickException(f"{path}: pictures are written as .png")
    try:
        with staging(path.parent) as folder:
            picture.save(folder / path.name)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from error
    return path
