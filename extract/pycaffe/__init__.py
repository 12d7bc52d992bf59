"""The other engine: a real Caffe, which lives in another interpreter."""

from .edits import Edits, LayerEdit, edits
from .engine import PycaffeEngine
from .interpreter import find_caffe
from .process import CaffeNet, CaffeProcess

__all__ = ["CaffeNet", "CaffeProcess", "Edits", "LayerEdit", "PycaffeEngine", "edits", "find_caffe"]
