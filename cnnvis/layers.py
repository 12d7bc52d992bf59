"""``cnnvis layers``: what a model holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from . import options

if TYPE_CHECKING:
    from extract import Model
    from extract.geometry import Place

    from .models import OpenedModel


@click.command()
@options.model
@options.input_size
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(opened: Callable[..., OpenedModel], size: tuple[int, ...] | None, as_json: bool) -> None:
    """List a model's layers with type, output shape, parameter shapes, stride and receptive field.

    Stride and receptive field are in input pixels, height x width. A "?" stands for what depends on an input
    size that the model leaves open (give --size), "-" for what a layer does not have. Of a Caffe network it
    also lists the blobs that a layer writes: several in a row may write one, in place; --layer NAME is a
    layer's own output, --layer blob:NAME what is in the blob at last.

    \b
    Examples:
      cnnvis layers net.onnx
      cnnvis layers net.onnx --size 224x224 --json
      cnnvis layers deploy.prototxt --weights net.caffemodel
    """
    model = opened(size).model
    rows = list(describe(model, size))
    if as_json:
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    columns = [column for column in _COLUMNS if column != "blobs" or any(row["blobs"] for row in rows)]
    table = [columns, *([_COLUMNS[column](row) for column in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        click.echo("  ".join(map(str.ljust, line, widths)).rstrip())


def describe(model: Model, size: tuple[int, ...] | None) -> list[dict[str, Any]]:
    """Return one JSON-able row a layer.

    Parameters
    ----------
    model : Model
        The network.
    size : tuple of int, optional
        Height and width (or depth, height, width) for input axes that the model leaves open.
    """
    from .models import input_shapes

    shapes = model.shapes(input_shapes(model, size))
    places = model.places(shapes)
    rows = []
    for layer in model.layers.values():
        place = places.get(layer.outputs[0])
        rows.append(
            {
                "name": layer.name,
                "type": layer.operator,
                "outputs": list(layer.outputs),
                "blobs": list(layer.blobs),
                "shape": _list(shapes.get(layer.outputs[0])),
                "parameters": {name: _list(shapes.get(t)) for name, t in layer.named_parameters.items()},
                "stride": _numbers(place, "stride"),
                "receptive_field": _numbers(place, "extent"),
                "index_space": place.reason if place else None,
            }
        )
    return rows


def _numbers(place: Place | None, what: str) -> list[float] | None:
    if place is None:
        return None
    return [float(getattr(axis, what)) for axis in place.axes if axis is not None] or None


def _list(shape: tuple[int | None, ...] | None) -> list[int | None] | None:
    return None if shape is None else list(shape)


def _size(numbers: list[Any] | None) -> str:
    if numbers is None:
        return "-"
    return "x".join("?" if n is None else f"{n:g}" for n in numbers) or "scalar"


_COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "layer": lambda row: row["name"],
    "type": lambda row: row["type"],
    "blobs": lambda row: ", ".join(row["blobs"]),
    "output": lambda row: _size(row["shape"]),
    "parameters": lambda row: " ".join(map(_size, row["parameters"].values())) or "-",
    "stride": lambda row: _size(row["stride"]),
    "field": lambda row: _size(row["receptive_field"]),
}
