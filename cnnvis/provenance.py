"""What a side-car says of a volume's origin; no times and no absolute paths: same input, same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__

if TYPE_CHECKING:
    import click

    from converters import Volume
    from extract import Model

# Options that change no result.
_UNTOLD = ("out", "quiet", "batch", "save_every")


def model_facts(model: Model) -> dict[str, Any]:
    """Return name and SHA-256 of a model's file and of its weights', and the parameters that were filled."""
    from extract.files import sha256

    path, *others = model.source.files
    facts: dict[str, Any] = {"file": path.name, "sha256": sha256(path)}
    if others:
        facts["weights"] = {file.name: sha256(file) for file in others}
    if model.source.runner is not None:
        facts["engine"] = "pycaffe"
    if model.source.filled:
        facts["filled"] = list(model.source.filled)
    return facts


def software() -> dict[str, Any]:
    """Return what made the volume: our version, and those of the libraries that computed its values."""
    import numpy
    import onnx
    import onnxruntime

    libraries = {m.__name__: m.__version__ for m in (numpy, onnx, onnxruntime)}
    return {"software": {"cnnvis": __version__, **libraries}, "command": command_line()}


def derived(volume: Volume) -> Volume:
    """Return the volume with the command that is running, and our versions, at the end of its ``history``.

    ``command`` and ``software`` in its facts stay those that computed its values first.
    """
    import numpy

    earlier = volume.facts.get("history")
    step = {"command": command_line(), "software": {"cnnvis": __version__, "numpy": numpy.__version__}}
    history = [*(earlier if isinstance(earlier, list) else []), step]
    return volume.replace(facts={**volume.facts, "history": history})


def command_line() -> str:
    """Return the command that is running: its name and options, file names without their folders."""
    import shlex

    import click

    context = click.get_current_context(silent=True)
    if context is None or context.info_name is None:
        return ""
    words = ["cnnvis", context.info_name]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if (
            parameter.name in ("out", "quiet", "batch", "save_every")
            or value is None
            or value == parameter.default
        ):
            continue
        flag = [] if isinstance(parameter, click.Argument) else [parameter.opts[-1]]
        if isinstance(value, bool):
            words += flag if value else []
            continue
        for item in value if parameter.multiple or parameter.nargs == -1 else [value]:
            words += [*flag, _word(parameter.type, item)]
    return shlex.join(words)


def _word(kind: click.ParamType, value: Any) -> str:
    from .option_types import Shown, file_name

    if isinstance(kind, Shown):
        return kind.shown(value)
    return file_name(value) if isinstance(value, Path) else str(value)


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON; of names that are no UTF-8, lone surrogates become what JSON has for them."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
