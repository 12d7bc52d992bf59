"""The volumes of the page that is tested."""

from __future__ import annotations

import numpy as np

from converters import Volume
from render_presets import Fitted, choose, fit

from ..cases import ROTATION
from ..pictures import letter

CHANNELS, ROWS, COLUMNS = 5, 7, 11
PERMUTATION = (3, 0, 4, 1, 2)
"""Not its own inverse."""
SCORES = {"0": 0.5, "1": 2.0, "2": 1.0, "3": 3.0}
"""Channel 4 has none."""

EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>\" ä"
FACTS = {
    "model": {"file": EVIL, "sha256": "c0ffee"},
    "layer": "conv1 & <b>",
    "quantity": "act",
    "layout": {"kind": "stack"},
}


def maps(seed: int = 0) -> Volume:
    """Return maps whose values all differ, some of them not finite; 11 x 7 x 5 in oblong voxels."""
    data = np.random.default_rng(seed).normal(size=(CHANNELS, ROWS, COLUMNS)).astype(np.float32)
    data[2, 3, 4:6] = np.nan, np.inf
    facts = {**FACTS, "importance": {"criterion": "taylor", "scores": SCORES}}
    return Volume(data, (2, 3, 4), (10, -20, 30), name="activation", facts=facts)


def waves(shape: tuple[int, int, int] = (24, 30, 40)) -> Volume:
    """Return smooth values that differ along all axes."""
    z, y, x = np.meshgrid(*(np.linspace(0, 1, count) for count in shape), indexing="ij")
    data = np.sin(9 * x + 4 * z) * np.cos(7 * y) * (0.3 + x * z) + 0.2 * y
    return Volume(data.astype(np.float32), (1.5, 1, 2), (-3, 4, 5), ROTATION, name="waves")


def frames() -> list[Volume]:
    """Return three images' maps."""
    facts = maps().facts
    return [maps(seed).replace(facts={**facts, "image": {"file": f"{seed}.png"}}) for seed in (1, 2, 3)]


def turned_letter() -> Volume:
    """Return the letter with its data's axes exchanged, and directions that exchange them back."""
    source = letter()
    # the data's x runs along y of the room, its y along z, and its z along x
    data = np.ascontiguousarray(source.data.transpose(2, 0, 1))
    x, y, z = source.spacing
    return source.replace(
        data=data, spacing=(y, z, x), direction=(0, 0, 1, 1, 0, 0, 0, 1, 0), labels=(), name="turned"
    )


def fitted(volume: Volume) -> Fitted:
    return fit(choose(volume), volume)
