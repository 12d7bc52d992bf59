"""The worker process from this side: started, asked, ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from ..errors import ModelError
from . import channel
from .channel import Array
from .log import last_line, last_words, way_back

_WORKER = Path(__file__).with_name("worker.py")
# Seconds. Importing Caffe takes one or two, from a slow network drive many.
_PATIENCE = 120
_FAREWELL = 2
# Caffe then says on stderr which layer it is at; nobody sees it unless it fails.
_SETTINGS = {"GLOG_logtostderr": "1", "GLOG_minloglevel": "0", "PYTHONIOENCODING": "utf-8"}


class Connection:
    """A worker that has said that it has Caffe; it ends with this object.

    Parameters
    ----------
    python : str
        Its interpreter: a name on the PATH or a path.

    Attributes
    ----------
    scratch : Path
        A folder for files that both sides use.
    discarded : list of int
        Numbers of networks that nobody uses any more; the worker hears of them with the next request.
    end : callable
        Ends the worker.

    Raises
    ------
    ModelError
        If the interpreter cannot be started or has no Caffe that works.
    """

    def __init__(self, python: str) -> None:
        folder = tempfile.TemporaryDirectory(prefix="cnnvis-caffe-")
        self.scratch = Path(folder.name)
        self.discarded: list[int] = []
        self._log = self.scratch / "log"
        self._lock = threading.Lock()
        try:
            self._popen = _started(python, self._log)
        except OSError as error:
            folder.cleanup()
            raise ModelError(f"{python}: cannot be started: {error.strerror}") from error
        self.end = weakref.finalize(self, _end, self._popen, folder)
        self._greet(python)

    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self.end.alive

    def call(
        self, header: Mapping[str, Any], arrays: Sequence[NDArray[Any]]
    ) -> tuple[dict[str, Any], list[Array]]:
        """Return the header and arrays of the answer to a request.

        Raises
        ------
        ModelError
            If Caffe refuses the request or dies of it.
        """
        with self._lock:
            return self._ask(header, arrays)

    def _ask(
        self, header: Mapping[str, Any], arrays: Sequence[NDArray[Any]]
    ) -> tuple[dict[str, Any], list[Array]]:
        asked = self._log.stat().st_size
        discarded = [self.discarded.pop() for _ in range(len(self.discarded))]
        layer = None
        try:
            channel.send(_pipe(self._popen.stdin), {**header, "discarded": discarded}, arrays)
            answer, results = channel.receive(_pipe(self._popen.stdout))
            while "at" in answer:
                layer = answer["at"]
                answer, results = channel.receive(_pipe(self._popen.stdout))
        except (channel.BrokenMessageError, OSError) as error:
            words = last_words(self._logged(asked), self._status(), layer)
            self.end()
            raise ModelError(words) from error
        except BaseException:
            # half a message may be on its way
            self.end()
            raise
        if "error" in answer:
            raise ModelError(f"Caffe{way_back(layer)}: {answer['error']}")
        return answer, results

    def _greet(self, python: str) -> None:
        watch = threading.Timer(_PATIENCE, self._popen.kill)
        watch.start()
        try:
            header, _ = channel.receive(_pipe(self._popen.stdout))
        except channel.BrokenMessageError as error:
            late = not watch.is_alive()
            reason = f"no answer in {_PATIENCE} s" if late else last_line(self._ended_log())
            self.end()
            raise ModelError(
                f"{python}: is no Python that runs Caffe" + f": {reason}" * bool(reason)
            ) from error
        except BaseException:
            self.end()
            raise
        finally:
            watch.cancel()
        if "error" in header:
            self.end()
            raise ModelError(f"{python}: has no Caffe that works: {header['error']}")

    def _ended_log(self) -> str:
        self._status()
        return self._logged(0)

    def _logged(self, start: int) -> str:
        with self._log.open("rb") as file:
            file.seek(start)
            return file.read().decode(errors="replace")

    def _status(self) -> int | None:
        try:
            return self._popen.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            return None


def _started(python: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(
            [_expanded(python), str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            env={**os.environ, **_SETTINGS},
            # so that an interrupt from the keyboard reaches only this side, which then ends the other
            start_new_session=True,
        )


def _expanded(python: str) -> str:
    # a Path of "./python" would be "python", which is looked for elsewhere
    return str(Path(python).expanduser()) if python.startswith("~") else python


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _end(popen: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    """End a worker, which does so by itself when there is nothing more to read, unless it computes."""
    with contextlib.suppress(OSError):
        _pipe(popen.stdin).close()
    try:
        popen.wait(_FAREWELL)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()
    _pipe(popen.stdout).close()
    folder.cleanup()
