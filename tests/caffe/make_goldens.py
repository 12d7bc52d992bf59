"""Stores what real Caffe makes of all cases, in goldens/: ``python -m tests.caffe.make_goldens``.

CNNVIS_CAFFE_PYTHON names the interpreter that has Caffe. The same Caffe on the same processor gives the same
bytes; on others the last bits differ.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.caffe.cases import all_cases
from tests.caffe.harness import Answer, Refusal, ask, interpreter, named, of_fork, put_case, versions

FOLDER = Path(__file__).with_name("goldens")
COMMAND = "python -m tests.caffe.make_goldens"


def golden_names() -> list[str]:
    """Return the names of the cases that have stored answers."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def read_golden(name: str, folder: Path) -> Answer:
    """Return a stored answer of real Caffe; its caffemodel is written to `folder`.

    Of the inputs only those are stored whose blobs end as something else.
    """
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    weights = arrays.pop("caffemodel", None)
    caffemodel = None
    if weights is not None:
        caffemodel = folder / f"{name}.caffemodel"
        caffemodel.write_bytes(weights.tobytes())
    return Answer(named(arrays, "input:"), named(arrays, "blob:"), caffemodel)


def main() -> None:
    """Ask real Caffe about all cases and replace the stored answers."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, case in all_cases().items():
            if not of_fork(case):
                put_case(Path(scratch), name, case)
        answers = ask(interpreter(), Path(scratch))
        texts = {f"{name}.npz": content for name, content in _contents(answers)}
        provenance = {"command": COMMAND, **versions(Path(scratch))}
        texts["provenance.json"] = (json.dumps(provenance, indent=1) + "\n").encode()
    for old in FOLDER.iterdir():
        if old.name not in texts:
            old.unlink()
    for name, content in texts.items():
        (FOLDER / name).write_bytes(content)
    print(f"{len(texts) - 1} goldens, {sum(map(len, texts.values())) / 1e6:.2f} MB")


def _contents(answers: Mapping[str, Answer | Refusal]) -> Iterator[tuple[str, bytes]]:
    for name, answer in answers.items():
        if isinstance(answer, Refusal):
            print(f"{name}: Caffe refuses it: {answer.reason}")
        else:
            yield name, _packed(answer)


def _packed(answer: Answer) -> bytes:
    arrays: dict[str, Any] = {f"blob:{blob}": value for blob, value in answer.blobs.items()}
    for blob, value in answer.inputs.items():
        if not np.array_equal(value, answer.blobs[blob], equal_nan=True):
            arrays[f"input:{blob}"] = value
    if answer.caffemodel:
        arrays["caffemodel"] = np.frombuffer(answer.caffemodel.read_bytes(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
