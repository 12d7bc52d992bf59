"""Reverse-mode differentiation of ONNX graphs: a graph in, a graph out that also computes gradients."""

from .backward import backward
from .errors import NoGradientError, SharedGradientError

__all__ = ["NoGradientError", "SharedGradientError", "backward"]
