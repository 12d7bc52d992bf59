"""Which filters matter: scores over labelled pictures, by several criteria."""

from .criteria import CRITERIA
from .moments import Estimate
from .state import StateFile
from .study import ALL, Importance, Study, importance

__all__ = ["ALL", "CRITERIA", "Estimate", "Importance", "StateFile", "Study", "importance"]
