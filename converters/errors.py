"""What every room raises for bad input, and the warning that it gives when it goes on."""

from __future__ import annotations


class CnnVisError(Exception):
    """Bad input or a wrong call: one line that names the file, the place and the reason.

    The command prints it without a traceback and exits with 2; any other exception is a bug.
    """


class CnnVisWarning(UserWarning):
    """Something that the user should know although the work went on."""


class VolumeError(CnnVisError, ValueError):
    """A volume that cannot be made, read or written."""
