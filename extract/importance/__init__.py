"""Which filters matter: scores over labelled pictures, by several criteria."""

from .criteria import CRITERIA
from .moments import Estimate
from .scoring import Importance, importance
from .state import StateFile
from .study import ALL, Study
from .tables import Choice, normalized, ranks, read_scores, write_csv, write_json

__all__ = [
    "ALL",
    "CRITERIA",
    "Choice",
    "Estimate",
    "Importance",
    "StateFile",
    "Study",
    "importance",
    "normalized",
    "ranks",
    "read_scores",
    "write_csv",
    "write_json",
]
