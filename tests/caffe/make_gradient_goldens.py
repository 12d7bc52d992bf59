"""Stores real Caffe's gradients of all cases: ``python -m tests.caffe.make_gradient_goldens``.

They go to gradient_goldens/. CNNVIS_CAFFE_PYTHON names the interpreter that has Caffe. Inputs and weights
are those of goldens/.
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

import numpy as np

from extract.pycaffe import CaffeProcess
from tests.caffe.cases import all_cases
from tests.caffe.gradients import Asked, Gradients, caffes, known_cases, refused
from tests.caffe.harness import ask, interpreter, named, put_case, versions
from tests.caffe.make_goldens import read_golden

FOLDER = Path(__file__).with_name("gradient_goldens")
COMMAND = "python -m tests.caffe.make_gradient_goldens"


def golden_names() -> list[str]:
    """Return the names of the cases that have stored gradients."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def read_gradients(name: str) -> Gradients:
    """Return the gradients of a case that real Caffe computed."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        return Gradients(named(stored, "seed:"), named(stored, "grad:"))


def main() -> None:
    """Ask real Caffe about all cases that it has gradients of, and replace the stored ones."""
    FOLDER.mkdir(exist_ok=True)
    cases = all_cases()
    contents = {}
    with tempfile.TemporaryDirectory() as scratch, CaffeProcess(interpreter()) as process:
        folder = Path(scratch)
        ask(interpreter(), folder)
        provenance = {"command": COMMAND, **versions(folder)}
        for name in known_cases():
            if refused(name) is None:
                put_case(folder, name, cases[name])
                asked = Asked(name, folder / f"{name}.prototxt")
                contents[f"{name}.npz"] = _packed(caffes(process, asked, read_golden(name, folder)))
    contents["provenance.json"] = (json.dumps(provenance, indent=1) + "\n").encode()
    for old in FOLDER.iterdir():
        if old.name not in contents:
            old.unlink()
    for file, content in contents.items():
        (FOLDER / file).write_bytes(content)
    print(f"{len(contents) - 1} goldens, {sum(map(len, contents.values())) / 1e6:.2f} MB")


def _packed(found: Gradients) -> bytes:
    arrays = {f"seed:{tensor}": value for tensor, value in found.seeds.items()}
    arrays |= {f"grad:{tensor}": value for tensor, value in found.values.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
