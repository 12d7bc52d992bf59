"""Small networks as text, and what is read from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from extract.caffe.net import Net
from extract.caffe.prototxt import read_net
from extract.errors import ModelError

GOLDENS = Path(__file__).parent / "goldens"
INPUT = 'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: [2, 3, 5, 7] } } }\n'
RELU = 'layer { name: "relu" type: "ReLU" bottom: "data" top: "out" }\n'
FC = 'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" }\n'
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }\n'

Reader = Callable[..., Net]


def reader(tmp_path: Path) -> Reader:
    """Return `read_net` for a text instead of a path."""

    def from_text(text: str | bytes, **options: object) -> Net:
        path = tmp_path / "net.prototxt"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_net(path, **options)  # type: ignore[arg-type]

    return from_text


def refusal(read: Reader, text: str | bytes, **options: object) -> str:
    """Return why a text is refused, without the path; it must be a single line."""
    with pytest.raises(ModelError) as caught:
        read(text, **options)
    where, _, reason = str(caught.value).partition("net.prototxt: ")
    assert where
    assert "\n" not in reason
    return reason


def names(net: Net) -> list[str]:
    return [layer.name for layer in net.layers]


def shapes(net: Net) -> dict[str, tuple[int, ...]]:
    return {given.blob: given.shape for given in net.inputs}


def data_layer(kind: str, rest: str, tops: str = 'top: "data" top: "label"', name: str = "source") -> str:
    return f'layer {{ name: "{name}" type: "{kind}" {tops} {rest} }}\n'
