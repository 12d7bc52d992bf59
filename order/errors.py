"""What ordering raises."""

from converters.errors import CnnVisError


class OrderError(CnnVisError, ValueError):
    """An order that cannot be found or does not fit the volume."""
