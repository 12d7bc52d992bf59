"""From a volume to a permutation of its slices."""

from .comparison import compare
from .criteria import CRITERIA
from .distances import DISTANCES
from .errors import OrderError
from .fitting import by
from .methods import METHODS, find
from .ordering import Ordering, restored
from .separators import joined, separate

__all__ = [
    "CRITERIA",
    "DISTANCES",
    "METHODS",
    "OrderError",
    "Ordering",
    "by",
    "compare",
    "find",
    "joined",
    "restored",
    "separate",
]
