"""What a side-car says of a volume's origin; no times and no absolute paths: same input, same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__

if TYPE_CHECKING:
    from extract import Model


def model_facts(model: Model) -> dict[str, Any]:
    """Return name and SHA-256 of the model's file, and of the files that hold its external weights."""
    from extract.preprocessing import sha256

    files = {
        entry.value
        for tensor in model.proto.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    external = {name: sha256(model.path.parent / name) for name in sorted(files)}
    facts: dict[str, Any] = {"file": model.path.name, "sha256": sha256(model.path)}
    return {**facts, "external": external} if external else facts


def software() -> dict[str, Any]:
    """Return what made the volume: our version, and those of the libraries that computed its values."""
    import numpy
    import onnx
    import onnxruntime

    libraries = {m.__name__: m.__version__ for m in (numpy, onnx, onnxruntime)}
    return {"software": {"cnnvis": __version__, **libraries}, "command": command_line()}


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
        if parameter.name in ("out", "quiet", "batch") or value is None or value == parameter.default:
            continue
        flag = [] if isinstance(parameter, click.Argument) else [parameter.opts[-1]]
        if isinstance(value, bool):
            words += flag if value else []
        elif isinstance(value, tuple) and parameter.multiple:
            words += [word for item in value for word in (*flag, _word(item))]
        else:
            words += [*flag, _word(value)]
    return shlex.join(words)


def _word(value: Any) -> str:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, tuple):
        separator = "x" if all(isinstance(v, int) for v in value) else ","
        return separator.join(map(str, value))
    return str(value)
