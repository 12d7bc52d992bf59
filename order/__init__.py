"""From a volume to a permutation of its slices."""

from .errors import OrderError
from .methods import METHODS, by, find
from .ordering import Ordering

__all__ = ["METHODS", "OrderError", "Ordering", "by", "find"]
