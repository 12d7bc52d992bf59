"""A folder of volumes as one page, for any browser and without a network."""

from .building import gallery

__all__ = ["gallery"]
