"""Pictures in motion: GIF by Pillow, MP4 by the ffmpeg program."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from converters.staging import staging

from .errors import PresetError
from .theme import Color

if TYPE_CHECKING:
    from PIL.Image import Image

RATES = (0.1, 50.0)
"""Pictures a second. Browsers slow down a GIF of more, and its clock counts hundredths."""

PATIENCE = 600
"""Seconds that ffmpeg may take for a picture, and after the last one."""

_COLORS = 255
"""Colours of a GIF; one more is left for what has not changed."""

_SAMPLE, _COARSE = 2**20, 2
"""Pixels of all pictures together that the colours are chosen by, and the bits in which these are alike."""

_PIXELS = 2**29
"""Pixels of all pictures together: a GIF's are held in memory, a byte each."""


def check_movie(path: Path, size: tuple[int, int], count: int, rate: float) -> None:
    """Check that a movie can be made, before any picture is drawn.

    Parameters
    ----------
    path : Path
        Its file, ``.gif`` or ``.mp4``.
    size : tuple of int
        Width and height.
    count : int
        How many pictures.
    rate : float
        Pictures a second.

    Raises
    ------
    PresetError
        If the extension, a number, or ffmpeg's absence is in the way.
    """
    kind = path.suffix.lower()
    if kind not in MOVIES:
        raise PresetError(f"{path}: moving pictures are written as {' or '.join(MOVIES)}")
    if not RATES[0] <= rate <= RATES[1]:
        raise PresetError(f"{path}: takes {RATES[0]:g} to {RATES[1]:g} pictures a second, not {rate:g}")
    width, height = size
    if kind == ".gif" and count * width * height > _PIXELS:
        most = _PIXELS // (width * height)
        raise PresetError(
            f"{path}: {count} pictures of {width} x {height} are too many for a GIF, which takes {most}; "
            "an .mp4 takes more"
        )
    if kind == ".mp4" and (width % 2 or height % 2):
        raise PresetError(f"{path}: an MP4's width and height are even, not {width} x {height}")
    if kind == ".mp4" and shutil.which("ffmpeg") is None:
        raise PresetError(
            f"{path}: MP4 is written by the program ffmpeg, on Debian and Ubuntu: apt install ffmpeg; "
            "a .gif needs nothing"
        )


def save_movie(
    pictures: Iterable[Image],
    path: Path,
    size: tuple[int, int],
    count: int,
    rate: float,
    keep: Sequence[Color] = (),
) -> Path:
    """Write pictures as a movie that runs again and again; the file appears whole or not at all.

    Parameters
    ----------
    pictures : iterable of PIL.Image.Image
        RGB, of one size; taken one after another.
    path, size, count, rate
        As in `check_movie`.
    keep : sequence of (red, green, blue)
        Colours that a GIF shall have exactly, 128 at most: of smooth scales, which few pixels make.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    PresetError
        As `check_movie`; if ffmpeg fails, or the file cannot be written.
    """
    path = Path(path)
    check_movie(path, size, count, rate)
    try:
        with staging(path.parent) as folder:
            MOVIES[path.suffix.lower()](pictures, folder / path.name, size, rate, keep)
    except _MovieError as error:
        raise PresetError(f"{path}: {error}") from error
    except OSError as error:
        raise PresetError(f"{path}: {error.strerror or error}") from error
    return path


class _MovieError(Exception):
    """ffmpeg did not do it; says why."""


def _save_gif(
    pictures: Iterable[Image], path: Path, size: tuple[int, int], rate: float, keep: Sequence[Color]
) -> None:
    """Write a GIF whose pictures share their colours, undithered: nothing flickers that stands still."""
    with tempfile.TemporaryDirectory(prefix="cnnvis-") as name:
        files = []
        for index, picture in enumerate(pictures):
            files.append(Path(name) / f"{index}.png")
            picture.save(files[-1], compress_level=1)
        palette = _palette(files, size, keep)
        first, *others = (_indexed(file, palette) for file in files)
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=round(100 / rate) * 10,
            loop=0,
            optimize=False,
            disposal=1,
        )


def _indexed(file: Path, palette: Image) -> Image:
    from PIL import Image

    with Image.open(file) as picture:
        return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def _palette(files: list[Path], size: tuple[int, int], keep: Sequence[Color]) -> Image:
    """Return an image of the colours that fit all pictures.

    A colour counts by the root of its share: most of a picture is background, and the colours of small things
    would be too few.
    """
    from PIL import Image

    step = max(1, round((len(files) * size[0] * size[1] / _SAMPLE) ** 0.5))
    parts = []
    for file in files:
        with Image.open(file) as picture:
            parts.append(np.asarray(picture)[::step, ::step].reshape(-1, 3))
    pixels = np.concatenate(parts)
    red, green, blue = (pixels >> _COARSE).astype(np.uint32).T
    _, first, counts = np.unique(red << 16 | green << 8 | blue, return_index=True, return_counts=True)
    colors = np.repeat(pixels[first], np.ceil(np.sqrt(counts)).astype(int), axis=0)
    kept = np.unique(np.array(keep, np.uint8).reshape(-1, 3), axis=0)
    chosen = Image.fromarray(colors[np.newaxis]).quantize(
        _COLORS - len(kept), Image.Quantize.MEDIANCUT, kmeans=1
    )
    palette = Image.new("P", (1, 1))
    palette.putpalette(kept.tobytes() + bytes(chosen.getpalette() or ()))
    return palette


def _save_mp4(
    pictures: Iterable[Image], path: Path, size: tuple[int, int], rate: float, _: Sequence[Color]
) -> None:
    """Write H.264 in the form that all browsers and offices play."""
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-framerate", f"{rate:g}")
    # no versions and no times in the file: same pictures, same bytes
    bare = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact")
    coded = ("-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-movflags", "+faststart")
    command = ["ffmpeg", "-v", "error", *raw, "-i", "pipe:0", *coded, *bare, "-y", f"file:{path}"]
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said)
        try:
            failed = not _fed(child, pictures)
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
        if failed or child.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            raise _MovieError(f"ffmpeg ended with code {child.returncode} {''.join(lines[-1:])}".strip())


def _fed(child: subprocess.Popen[bytes], pictures: Iterable[Image]) -> bool:
    """Give all pictures to ffmpeg; return whether it took them."""
    pipe: IO[bytes] | None = child.stdin
    assert pipe is not None
    for picture in pictures:
        try:
            with _watched(child):
                pipe.write(picture.tobytes())
        except BrokenPipeError:
            return False
    try:
        with _watched(child):
            pipe.close()
            child.wait()
    except BrokenPipeError:
        return False
    return True


@contextlib.contextmanager
def _watched(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """End ffmpeg if what is done with it takes too long, as it may stop to read without an end.

    Raises
    ------
    _MovieError
        If it was ended.
    """
    late = threading.Event()

    def give_up() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(PATIENCE, give_up)
    timer.start()
    try:
        yield
    except BrokenPipeError:
        if not late.is_set():
            raise
    finally:
        timer.cancel()
    if late.is_set():
        raise _MovieError(f"ffmpeg was not done after {PATIENCE} seconds")


MOVIES: dict[str, Callable[[Iterable[Image], Path, tuple[int, int], float, Sequence[Color]], None]] = {
    ".gif": _save_gif,
    ".mp4": _save_mp4,
}
"""How movies are written, by the extensions of their files."""
