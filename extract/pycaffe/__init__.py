"""The other engine: a real Caffe, which lives in another interpreter."""

from .edits import Edits, LayerEdit, edits
from .interpreter import find_caffe
from .process import CaffeNet, CaffeProcess
from .runner import PycaffeRunner

__all__ = ["CaffeNet", "CaffeProcess", "Edits", "LayerEdit", "PycaffeRunner", "edits", "find_caffe"]
