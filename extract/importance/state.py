"""What a run has found so far, in a file, so that another run goes on from there."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..labelled import Fault
from .moments import Estimate, Moments

_PARTS = ("mean", "error", "low", "high")


@dataclass(eq=False)
class State:
    """Where a run is.

    Parameters
    ----------
    overall, current : Moments
        Of all pictures so far, and of those of the class that is not done with.
    done : dict of str to Estimate
        Of each class that is done with.
    position : int
        How many pictures are done with.
    faults : list of Fault
        What was left out of them.
    contents : str
        SHA-256 that grew with the name, label and SHA-256 of each picture.
    """

    overall: Moments
    current: Moments
    done: dict[str, Estimate] = field(default_factory=dict)
    position: int = 0
    faults: list[Fault] = field(default_factory=list)
    contents: str = ""

    @classmethod
    def fresh(cls, columns: int, replicates: int) -> Self:
        """Return the state before any picture."""
        return cls(Moments(columns, replicates), Moments(columns, replicates))

    def note_content(self, *words: str) -> None:
        """Let `contents` grow."""
        text = "\0".join((self.contents, *words))
        self.contents = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


@dataclass
class StateFile:
    """The file that keeps a state, written whole or not at all.

    Parameters
    ----------
    path : Path
        Where it lies; its folder must exist.
    every : float
        How many seconds pass before it is written again.
    """

    path: Path
    every: float = 30.0
    _last: float = field(default_factory=time.monotonic)

    def load(self, key: str) -> State | None:
        """Return what a run of this key has left, or None if there is no such thing, or it is damaged."""
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                arrays = dict(archive)
            meta = json.loads(arrays["meta"].tobytes())
            return _restored(meta, arrays) if meta["key"] == key else None
        # a damaged archive fails in as many ways as it has parts
        except Exception:
            return None

    def save_now_and_then(self, key: str, state: State) -> None:
        """Write a state, if the last time is long enough ago.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if time.monotonic() - self._last < self.every:
            return
        arrays, meta = _kept(state)
        meta["key"] = key
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
        new = self.path.with_name(f"{self.path.name}.new")
        try:
            with new.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            new.replace(self.path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        self._last = time.monotonic()

    def remove(self) -> None:
        """Take the file away, and what a run that was killed may have left of a new one."""
        for path in (self.path, self.path.with_name(f"{self.path.name}.new")):
            path.unlink(missing_ok=True)


def key_of(facts: Mapping[str, Any]) -> str:
    """Return a digest of all that a run depends on."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def _kept(state: State) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    arrays = {f"overall/{name}": values for name, values in state.overall.arrays().items()}
    arrays |= {f"current/{name}": values for name, values in state.current.arrays().items()}
    for index, estimate in enumerate(state.done.values()):
        for part in _PARTS:
            values = getattr(estimate, part)
            if values is not None:
                arrays[f"done/{index}/{part}"] = values
    meta = {
        "position": state.position,
        "contents": state.contents,
        "done": {label: estimate.count for label, estimate in state.done.items()},
        "faults": [[fault.name, fault.reason] for fault in state.faults],
    }
    return arrays, meta


def _restored(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> State:
    done = {}
    for index, (label, count) in enumerate(meta["done"].items()):
        mean, *others = (arrays.get(f"done/{index}/{part}") for part in _PARTS)
        if mean is None:
            raise ValueError(f"no mean of {label!r}")
        done[label] = Estimate(count, mean, *others)
    return State(
        Moments.restored(_behind("overall/", arrays)),
        Moments.restored(_behind("current/", arrays)),
        done,
        meta["position"],
        [Fault(*fault) for fault in _pairs(meta["faults"])],
        meta["contents"],
    )


def _behind(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(prefix): values for n, values in arrays.items() if n.startswith(prefix)}


def _pairs(values: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    return [(name, reason) for name, reason in values]
