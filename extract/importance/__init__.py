"""Which filters matter: scores over labelled pictures, by several criteria."""

from .criteria import CRITERIA
from .moments import Estimate
from .state import StateFile
from .study import ALL, Importance, Study, importance
from .tables import Choice, document, normalized, ranks, read_scores, write_csv

__all__ = [
    "ALL",
    "CRITERIA",
    "Choice",
    "Estimate",
    "Importance",
    "StateFile",
    "Study",
    "document",
    "importance",
    "normalized",
    "ranks",
    "read_scores",
    "write_csv",
]
