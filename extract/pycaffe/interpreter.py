"""Finding an interpreter that has Caffe."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from ..errors import ModelError
from .process import CaffeProcess

VARIABLE = "CNNVIS_CAFFE_PYTHON"
_USUAL = ("python3", "python")


def find_caffe(environ: Mapping[str, str] = os.environ) -> CaffeProcess:
    """Start Caffe in the interpreter that the user has chosen, else in a usual one that has it.

    Parameters
    ----------
    environ : mapping of str to str
        The environment: ``CNNVIS_CAFFE_PYTHON``, a name on the PATH or a path, and ``PATH``.

    Raises
    ------
    ModelError
        If the chosen interpreter does not run Caffe, or none is chosen and no usual one does.
    """
    chosen = environ.get(VARIABLE)
    if chosen:
        process = CaffeProcess(chosen)
        try:
            process.start()
        except ModelError as error:
            raise ModelError(f"{VARIABLE}={error}") from error
        return process
    for name in _USUAL:
        python = shutil.which(name, path=environ.get("PATH"))
        try:
            if python is not None:
                process = CaffeProcess(python)
                process.start()
                return process
        except ModelError:
            continue
    raise ModelError(
        f"the pycaffe engine needs a Python that has Caffe, and neither {' nor '.join(_USUAL)} on the PATH "
        f"does: set {VARIABLE} to one"
    )
