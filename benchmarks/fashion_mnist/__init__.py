"""A small trained network and a large labelled set: Fashion-MNIST (H. Xiao et al., arXiv:1708.07747)."""

from pathlib import Path

FOLDER = Path(__file__).parent
PROTOTXT = FOLDER / "fashion.prototxt"
DATA = FOLDER / "data"
WEIGHTS = DATA / "fashion.caffemodel"

CLASSES = (
    *("T-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
