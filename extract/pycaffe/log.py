"""What Caffe's log says about its end."""

from __future__ import annotations

import re
import signal

# Lines of glog: severity and date, time, thread, place in the source.
_HEAD = r"^{}\d{{4,8}} \d\d:\d\d:\d\d\.\d+ +\d+ \S+:\d+\] "
_FATAL = re.compile(_HEAD.format("F") + r"(.*?)(?=^\*\*\* |\Z)", re.MULTILINE | re.DOTALL)
# It says the one when it has a layer's object, the other when that has accepted its bottoms.
_CREATED = re.compile(_HEAD.format("I") + r"Creating Layer (.*)$", re.MULTILINE)
_SET_UP = re.compile(_HEAD.format("I") + r"Setting up (.*)$", re.MULTILINE)
_INFORMATION = re.compile(_HEAD.format("I"))
_KNOWN_TYPES = re.compile(r" \(known types: .*\)")
_LONGEST = 400
# A shell reports the death of what it started by a status above this.
_BY_SIGNAL = 128


def last_words(log: str, status: int | None, layer: str | None = None) -> str:
    """Return on one line why Caffe ended.

    Parameters
    ----------
    log : str
        What it has written to stderr since it was asked.
    status : int or None
        Its exit status, negative for a signal; None where it has not ended.
    layer : str, optional
        Where it was on the way back.
    """
    where = way_back(layer)
    fatal = _FATAL.search(log)
    if fatal is None:
        return f"Caffe stopped{where}: {last_line(log) or _described(status)}"
    created = _CREATED.findall(log)
    if len(created) > len(_SET_UP.findall(log)):
        where = f" at layer {created[-1]!r}"
    return f"Caffe stopped{where}: {_short(_KNOWN_TYPES.sub('', fatal[1]))}"


def way_back(layer: str | None) -> str:
    """Say where Caffe was on the way back; nothing where it was on none."""
    return "" if layer is None else f" on the way back through layer {layer!r}"


def last_line(log: str) -> str:
    """Return the last line that is more than information."""
    lines = [line for line in log.splitlines() if line.strip() and not _INFORMATION.match(line)]
    return _short(lines[-1]) if lines else ""


def _described(status: int | None) -> str:
    if status is None:
        return "it no longer answers"
    number = -status if status < 0 else status - _BY_SIGNAL
    try:
        return f"it was ended by {signal.Signals(number).name}"
    except ValueError:
        return f"it ended with status {status}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
