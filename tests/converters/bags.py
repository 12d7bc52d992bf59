"""A small folder as `cnnvis activations` leaves it, and bags of it, for the tests of archives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from converters import sidecar
from converters.encoding import Encoding
from converters.volume import Volume

FACTS = {
    "model": {"file": "caffenet.onnx", "sha256": "1f" * 32},
    "image": {"kind": "picture", "file": "cat.jpg", "sha256": "2e" * 32},
    "quantity": "act",
    "command": "cnnvis activations caffenet.onnx --image cat.jpg --layer 'conv*'",
}
Pack = Callable[[Path], Path]
CONV1 = "model-caffenet_img-cat_layer-conv1%2F7x7_act.raw"
CONV2 = "model-caffenet_img-cat_layer-conv2_order-smooth_act.raw"


def make_folder(folder: Path) -> Path:
    """Make a folder of two raw volumes with side-cars, a picture further down, and what shall be left out."""
    (folder / "previews").mkdir(parents=True)
    (folder / ".cnnvis-work" / "x").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / ".volumes").write_text("a stamp")
    (folder / ".cnnvis-work" / "x" / "y").write_text("rest of a run")
    (folder / "previews" / "Kätzchen 1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    values = np.arange(5 * 7 * 11, dtype=np.float32).reshape(11, 7, 5) - 100.5
    _add(folder / CONV1, Volume(values, facts={**FACTS, "layer": "conv1/7x7"}), "float32")
    _add(
        folder / CONV2,
        Volume(values[:3], facts={**FACTS, "layer": "conv2", "order": {"method": "smooth"}}),
        "uint8",
    )
    return folder


def _add(path: Path, volume: Volume, dtype: str) -> None:
    encoding = Encoding.fit(volume.data, dtype)
    path.write_bytes(encoding.encode(volume.data).tobytes())
    sidecar.write(volume, path, encoding)


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by their names in it."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def edit(file: Path, change: Callable[[bytes], bytes]) -> None:
    """Rewrite a file; fail if that changes nothing."""
    content = file.read_bytes()
    assert change(content) != content
    file.write_bytes(change(content))


def append(file: Path, text: bytes) -> None:
    """Add to the end of a file."""
    edit(file, lambda content: content + text)


def as_folder(bag: Path) -> Path:
    """Return the bag as it is."""
    return bag


def as_zip(bag: Path) -> Path:
    """Pack a bag by other means than ours; deflated."""
    return Path(shutil.make_archive(str(bag), "zip", bag.parent, bag.name))


def as_tar(bag: Path) -> Path:
    """Pack a bag by other means than ours."""
    return Path(shutil.make_archive(str(bag), "tar", bag.parent, bag.name))


def as_bare_zip(bag: Path) -> Path:
    """Pack the files of a bag without a folder around them."""
    return Path(shutil.make_archive(str(bag), "zip", bag))


def as_bare_tar(bag: Path) -> Path:
    """Pack the files of a bag without a folder around them; names start with ``./``."""
    return Path(shutil.make_archive(str(bag), "tar", bag))
