"""``cnnvis to-onnx``: a network as an ONNX file of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from .models import OpenedModel


@click.command("to-onnx")
@options.model
@options.input_size
@click.option("-o", "--out", required=True, type=options.file_path, metavar="OUT.onnx")
def command(opened: Callable[..., OpenedModel], size: tuple[int, ...] | None, out: Path) -> None:
    """Write a Caffe network as an ONNX file that other tools open; of an ONNX network, a tidy copy.

    Layers keep their names, and blobs: tensor "conv1" is the blob's final value, "conv1@conv1" what layer
    conv1 puts there before later layers work in place. The batch size is free where Caffe's layers allow it.
    What is constant is computed, and ONNX's checker has passed what is written; weights of 2 GB or more lie
    beside it, in OUT.onnx.data.

    \b
    Examples:
      cnnvis to-onnx deploy.prototxt --weights net.caffemodel -o net.onnx
    """
    from extract.to_onnx import save_onnx

    options.made(out.parent)
    options.print_paths(save_onnx(opened(size).model, out))
