"""Pictures and means that real Caffe was given too, for golden values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from extract.caffe.schema import message

# of shape (3, 7, 10), in the order BGR
MEAN = (np.arange(210, dtype=np.float32) * 7 % 100 + 50.25).reshape(3, 7, 10)


def picture(height: int, width: int, channels: int = 3) -> np.ndarray:
    """8-bit values of shape (H, W, C) that jump at every pixel."""
    values = np.arange(height * width * channels) * 73 % 251
    return values.astype(np.uint8).reshape(height, width, channels)


def write_picture(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values.squeeze()).save(path)
    return path


def write_mean(path: Path, mean: np.ndarray) -> Path:
    """Write a .binaryproto as Caffe's compute_image_mean does: a blob of the legacy shape (1, C, H, W)."""
    channels, height, width = mean.shape
    blob = message("BlobProto")
    blob.num, blob.channels, blob.height, blob.width = 1, channels, height, width
    blob.data.extend(mean.ravel().tolist())
    path.write_bytes(blob.SerializeToString())
    return path
