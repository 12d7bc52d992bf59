"""The picture that ParaView draws of a volume, by the script of ours that people open it with."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from converters import extension_of, write
from converters.errors import CnnVisError
from converters.volume import Volume

from .drawing import STRIP, add_label, add_strip, check_size
from .errors import PresetError
from .paraview import script
from .scene import Scene
from .transfer import Fitted
from .view import View
from .viewers import VIEWERS, write_presets

if TYPE_CHECKING:
    from PIL.Image import Image

PATIENCE = 300
"""Seconds that a picture may take."""

START, END = 30, 5
"""Seconds that a display may take to say its number, and to end."""

_FOREIGN = ("PYTHON", "VIRTUAL_ENV", "XDG_")
"""What variables are called that name packages and settings of our Python, not of ParaView's."""


def render_by_paraview(
    volume: Volume,
    fitted: Fitted,
    size: tuple[int, int] = (800, 600),
    legend: bool = True,
    view: View | None = None,
    source: tuple[Path, str | None] | None = None,
    label: str = "",
) -> Image:
    """Draw a volume by ParaView's pvbatch, to compare with `render`.

    Parameters
    ----------
    volume, fitted, size, legend
        As in `render`. ParaView's own colour bar is in the picture too.
    view : View, optional
        Its angles and outline; ParaView's script knows nothing of the rest.
    source : (Path, str or None), optional
        The volume's file and its preset, if the file is to be opened as it is; else, and where ParaView does
        not read such files, a copy is.
    label : str
        What to write in the upper left corner.

    Raises
    ------
    PresetError
        If there is no pvbatch, it fails, or the size or the view has what it cannot take.
    """
    from PIL import Image

    check_size(size)
    view = view or View()
    if view != View(azimuth=view.azimuth, elevation=view.elevation, outline=view.outline):
        raise PresetError("ParaView's script takes azimuth and elevation, but no zoom, background or axes")
    if shutil.which("pvbatch") is None:
        raise PresetError("ParaView's pvbatch is not on the PATH; on Debian and Ubuntu: apt install paraview")
    inner = (size[0], size[1] - STRIP) if legend else size
    with tempfile.TemporaryDirectory(prefix="cnnvis-") as name:
        folder = Path(name)
        with Image.open(screenshot(_script(volume, fitted, source, folder), folder, inner, view)) as image:
            picture = image.convert("RGB")
    if label:
        add_label(picture, label)
    return add_strip(picture, volume, fitted) if legend else picture


def screenshot(script: Path, home: Path, size: tuple[int, int], view: View) -> Path:
    """Run one of our scripts in pvbatch.

    Parameters
    ----------
    script : Path
        The script, at its place beside the volume.
    home : Path
        A folder for the picture, and for what ParaView keeps in its user's home.
    size : tuple of int
        Width and height of the picture.
    view : View
        Its angles and outline.

    Returns
    -------
    Path
        The picture, a PNG.

    Raises
    ------
    PresetError
        If there is none, or it takes too long.
    """
    out = home / "picture.png"
    sizes = ["--size", "{}x{}".format(*size)]
    angles = [f"--azimuth={view.azimuth:g}", f"--elevation={view.elevation:g}"]
    left_out = "--no-legend" if view.outline else "--bare"
    with _display() as display:
        command = ["pvbatch", str(script), left_out, "--screenshot", str(out), *sizes, *angles]
        said = _run(command, home, display)
    if not out.is_file():
        raise PresetError(f"pvbatch drew nothing: {said or 'it does not say why'}")
    return out


def _script(volume: Volume, fitted: Fitted, source: tuple[Path, str | None] | None, folder: Path) -> Path:
    """Write the script that shows a volume, and the volume where ParaView cannot open the file itself."""
    if source is not None and _opens(source[0], volume):
        path, preset = source
        return next(
            file for file in write_presets(path, ["paraview"], folder, preset) if file.suffix == ".py"
        )
    copy = folder / "volume.vti"
    write(volume, copy)
    text = script([Scene(copy, copy.name, volume, fitted, volume.name)])
    file = folder / "volume.py"
    file.write_text(text, encoding="utf-8")
    return file


def _opens(path: Path, volume: Volume) -> bool:
    viewer = VIEWERS["paraview"]
    try:
        return extension_of(path) in viewer.extensions and viewer.refuses(path, volume, False) is None
    except CnnVisError:
        return False


def _run(command: Sequence[str], home: Path, display: str | None) -> str:
    """Run pvbatch with a home of its own, where it keeps presets; return the last line that it said."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    environment = kept | {"HOME": str(home)} | ({"DISPLAY": display} if display else {})
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=home,
        start_new_session=True,
    ) as child:
        try:
            _, errors = child.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise PresetError(f"pvbatch was not done after {PATIENCE} seconds") from error
        finally:
            # it starts others, and may hang while it tells of a crash
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return "".join(errors.decode(errors="replace").strip().splitlines()[-1:])


@contextlib.contextmanager
def _display() -> Iterator[str | None]:
    """Yield the name of a new display where there is none, None where none can be made or none is needed.

    Xvfb finds a free number by itself; xvfb-run looks for one beforehand, and two may find the same. One that
    says no number is done without: what pvbatch cannot do then, it tells itself.
    """
    server = shutil.which("Xvfb")
    if os.environ.get("DISPLAY") or server is None:
        # some builds of ParaView need none
        yield None
        return
    command = [server, "-displayfd", "1", "-noreset", "-screen", "0", "1280x1024x24"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        try:
            assert child.stdout is not None
            number = _line(child.stdout.fileno(), START)
            yield f":{number}" if number else None
        finally:
            child.terminate()
            try:
                child.wait(END)
            except subprocess.TimeoutExpired:
                child.kill()


def _line(pipe: int, seconds: float) -> str:
    """Return the first line that comes out of a pipe; nothing if it is not whole in time."""
    said, latest = b"", time.monotonic() + seconds
    # the end of the line may come later than the rest of it
    while not said.endswith(b"\n"):
        ready, _, _ = select.select([pipe], [], [], max(0.0, latest - time.monotonic()))
        part = os.read(pipe, 1) if ready else b""
        if not part:
            return ""
        said += part
    return said.decode(errors="replace").strip()
