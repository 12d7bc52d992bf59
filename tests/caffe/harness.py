"""Networks run by real Caffe and by us, and what differs.

``python -m tests.caffe.harness 'pooling-*'`` compares the cases whose names match; CNNVIS_CAFFE_PYTHON names
the interpreter that has Caffe.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import CnnVisWarning
from extract import Model, activations, load_model
from tests.caffe.cases import Case, all_cases
from tests.helpers import ROOT

Arrays = Mapping[str, Any]

# of the largest value of a blob
TOLERANCE = 1e-5
# What only forks of Caffe have, so that real Caffe 1.0 refuses it: types of layers, and fields.
_FORK_TYPES = frozenset(
    {
        *("Axpy", "BN", "ConvolutionDepthwise", "DepthwiseConvolution", "DetectionOutput", "Interp"),
        *("Normalize", "Permute", "PriorBox", "ROIPooling", "ReLU6", "Reorg", "ShuffleChannel", "Upsample"),
    }
)
_FORK_FIELDS = ("ceil_mode:", "scale_bias:")


@dataclass(frozen=True)
class Answer:
    """What real Caffe makes of a network.

    Parameters
    ----------
    inputs : mapping of str to ndarray
        What was fed, by blob; may be missing where the blob still holds it in the end.
    blobs : mapping of str to ndarray
        All blobs after the forward pass.
    caffemodel : Path or None
        The weights, as Caffe saved them; None where there are none.
    """

    inputs: Arrays
    blobs: Arrays
    caffemodel: Path | None

    @property
    def first(self) -> Arrays:
        """All blobs, inputs as they were fed."""
        return {**self.blobs, **self.inputs}


@dataclass(frozen=True)
class Refusal:
    """Why real Caffe does not run a network: the line of its log."""

    reason: str


def put_case(folder: Path, name: str, case: Case) -> None:
    """Write a case into a folder as the oracle wants it."""
    (folder / f"{name}.prototxt").write_text(case.prototxt, encoding="utf-8")
    given = {f"input:{blob}": value for blob, value in case.values.items()}
    given |= {f"param:{index}:{layer}": value for (layer, index), value in case.parameters.items()}
    if given:
        put_values(folder, name, given)


def put_values(folder: Path, name: str, given: Arrays) -> None:
    """Write values for the oracle: of inputs, ``input:BLOB``, and of parameters, ``param:INDEX:LAYER``."""
    np.savez(folder / f"{name}.npz", **given)


def ask(python: str, folder: Path) -> dict[str, Answer | Refusal]:
    """Run all networks of a folder in real Caffe, and return its answers by their names."""
    script = Path(__file__).with_name("oracle.py")
    environment = {"GLOG_minloglevel": "2", **os.environ}
    result = subprocess.run(
        [python, str(script), str(folder)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=600,
    )
    if result.returncode:
        raise RuntimeError(f"{python} {script.name}: {result.stderr.strip()}")
    return {path.stem: _answer(path.with_suffix("")) for path in sorted(folder.glob("*.prototxt"))}


def versions(folder: Path) -> dict[str, str]:
    """Return what answered in a folder: Caffe's version and others."""
    return dict(json.loads((folder / "caffe.json").read_text()))


def _answer(stem: Path) -> Answer | Refusal:
    if (error := Path(f"{stem}.error")).exists():
        return Refusal(error.read_text(encoding="utf-8"))
    caffemodel = Path(f"{stem}.caffemodel")
    with np.load(f"{stem}.out.npz", allow_pickle=False) as stored:
        return Answer(
            named(stored, "input:"), named(stored, "blob:"), caffemodel if caffemodel.exists() else None
        )


def named(stored: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    """Return the arrays whose names begin with a prefix, by the rest of their names."""
    return {key.removeprefix(prefix): stored[key] for key in stored if key.startswith(prefix)}


def load(prototxt: Path, answer: Answer) -> Model:
    """Return the network that Caffe answered for; what we warn of is not looked at here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CnnVisWarning)
        return load_model(prototxt, answer.caffemodel)


def feeds(model: Model, answer: Answer) -> dict[str, NDArray[Any]]:
    """Return what to feed our network; what data layers made in Caffe is an input here."""
    first = answer.first
    return {value.name: first[value.name] for value in model.inputs}


def run(model: Model, given: Arrays, blobs: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return the final values of blobs, by default of all, as we compute them."""
    names = [f"blob:{blob}" for blob in (model.source.blobs if blobs is None else blobs)]
    return named(activations(model, given, names), "blob:")


def differences(ours: Arrays, caffes: Arrays, skip: Iterable[str] = ()) -> list[str]:
    """Return a line for each blob that is not the same in both."""
    lines = []
    for blob in sorted({*ours, *caffes} - set(skip)):
        if blob not in ours or blob not in caffes:
            lines.append(f"{blob}: only {'Caffe has' if blob in caffes else 'we have'} it")
        elif line := difference(ours[blob], caffes[blob]):
            lines.append(f"{blob}: {line}")
    return lines


def difference(ours: NDArray[Any], caffes: NDArray[Any], tolerance: float = TOLERANCE) -> str | None:
    """Return how an array differs from Caffe's, or None if it does not.

    What is not finite, and the largest float, which stands for it in Caffe's pooling, must be just the same.
    """
    if ours.shape != caffes.shape:
        return f"shape {ours.shape}, Caffe {caffes.shape}"
    extreme = ~(np.abs(caffes) < np.finfo(np.float32).max)
    if not np.array_equal(ours[extreme], caffes[extreme], equal_nan=True):
        return f"where Caffe has {np.unique(caffes[extreme])}, we have {np.unique(ours[extreme])[:5]}"
    mine, theirs = ours[~extreme].astype(np.float64), caffes[~extreme].astype(np.float64)
    bound = tolerance * np.abs(theirs).max(initial=0)
    error = np.abs(mine - theirs)
    wrong = int((~(error <= bound)).sum())
    if not wrong:
        return None
    worst = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
    return (
        f"{wrong} of {mine.size} values are off, by {error[worst]:.3g} at most: {mine[worst]:.8g}, "
        f"Caffe {theirs[worst]:.8g} (bound {bound:.3g})"
    )


def compare(prototxt: Path, answer: Answer, skip: Iterable[str] = ()) -> list[str]:
    """Return what differs between an answer of Caffe and what we make of the same files."""
    model = load(prototxt, answer)
    return differences(run(model, feeds(model, answer)), answer.blobs, skip)


def of_fork(case: Case) -> bool:
    """Whether real Caffe 1.0 does not know what a case uses, since only forks of it have that."""
    types = set(re.findall(r'type: *"(\w+)"', case.layers))
    return not _FORK_TYPES.isdisjoint(types) or any(field in case.layers for field in _FORK_FIELDS)


def interpreter() -> str:
    """Return the interpreter that has Caffe."""
    return os.environ.get("CNNVIS_CAFFE_PYTHON") or str(ROOT / ".real-caffe" / "python")


def main(patterns: list[str]) -> int:
    """Compare the cases that match any of the patterns and print what differs; return how many cases do."""
    cases = {
        name: case
        for name, case in all_cases().items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns or ["*"])
    }
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, case in cases.items():
            if not of_fork(case):
                put_case(Path(folder), name, case)
        for name, answer in ask(interpreter(), Path(folder)).items():
            lines = _report(Path(folder, f"{name}.prototxt"), answer, cases[name])
            wrong += bool(lines)
            print(f"{name}: {'; '.join(lines) or 'same'}")
    forks = sum(map(of_fork, cases.values()))
    print(f"{len(cases)} cases, {wrong} differ, {forks} are unknown to Caffe")
    return wrong


def _report(prototxt: Path, answer: Answer | Refusal, case: Case) -> list[str]:
    if isinstance(answer, Refusal):
        return [f"Caffe refuses it: {answer.reason}"]
    try:
        return compare(prototxt, answer, case.skip)
    except Exception as error:  # whatever it is, the other cases are still of interest
        return [f"{type(error).__name__}: {error}"]


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
