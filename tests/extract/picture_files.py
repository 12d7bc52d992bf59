"""Picture files put together byte by byte, so that what they hold is known without Pillow."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6


def png(
    values: np.ndarray, colour: int, depth: int = 8, chunks: tuple[tuple[bytes, bytes], ...] = ()
) -> bytes:
    """PNG of (H, W) or (H, W, samples) values; `chunks` go before the data. After W3C PNG, 3rd edition."""
    height, width = values.shape[:2]
    if depth < 8:
        bits = np.unpackbits(values.astype(np.uint8)[..., np.newaxis], axis=-1)[..., -depth:]
        rows = np.packbits(bits.reshape(height, -1), axis=1)
    else:
        rows = values.astype(">u2" if depth == 16 else "u1")
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    every = ((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*one) for one in every)


def tiff(values: np.ndarray, orientation: int = 1) -> bytes:
    """Uncompressed TIFF of (H, W) grey values in their own type and byte order. After TIFF 6.0."""
    order = "<" if values.dtype.str[0] in "<|" else ">"
    data = values.tobytes()
    height, width = values.shape
    short, long = 3, 4
    tags = [
        (256, short, width),
        (257, short, height),
        (258, short, 8 * values.dtype.itemsize),
        (259, short, 1),
        (262, short, 1),
        (273, long, 8),
        (274, short, orientation),
        (277, short, 1),
        (278, short, height),
        (279, long, len(data)),
        (339, short, {"u": 1, "i": 2, "f": 3}[values.dtype.kind]),
    ]
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(data))
    entries = b"".join(
        struct.pack(order + "HHI", tag, kind, 1)
        + (struct.pack(order + "HH", value, 0) if kind == short else struct.pack(order + "I", value))
        for tag, kind, value in tags
    )
    return start + data + struct.pack(order + "H", len(tags)) + entries + b"\0\0\0\0"


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
