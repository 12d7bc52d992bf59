"""What presets and pictures raise for bad input."""

from converters.errors import CnnVisError


class PresetError(CnnVisError, ValueError):
    """A transfer function that cannot be used, or a volume that cannot be shown."""
