"""A folder of volumes as one page, for any browser and without a network."""

from .building import MAX_SIZE, gallery

__all__ = ["MAX_SIZE", "gallery"]
