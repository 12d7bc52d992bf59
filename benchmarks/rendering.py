"""A preview of 512 x 512 x 512 bytes beside ParaView's picture of it: seconds and memory.

``python -m benchmarks.rendering``. ParaView runs in its pvbatch with the script that goes with the volume;
without it, its line is left out. Memory is the most that all processes of a picture hold together; libraries
that they share count for each. Processor seconds tell of busy machines, where the others grow.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converters import Volume, write
from render_presets import View, write_presets
from render_presets.by_paraview import screenshot

SIDE = 512
FORMATS = ("nrrd", "vox", "nii.gz")
SIZE = (800, 544)
RUNS = 3


def bumps() -> Volume:
    """Return smooth bumps, 0..250, in noise of 0..5, which is too faint to be seen: few rays end early."""
    rng = np.random.default_rng(1)
    at = np.arange(SIDE, dtype=np.float32)
    data: NDArray[np.float32] = np.zeros((SIDE, SIDE, SIDE), np.float32)
    for _ in range(24):
        width, top = rng.uniform(0.03, 0.1) * SIDE, rng.uniform(0.4, 1)
        z, y, x = (
            np.exp(-((at - center) ** 2) / (2 * width**2)) for center in rng.uniform(0.15, 0.85, 3) * SIDE
        )
        data += np.float32(top) * np.einsum("i,j,k->ijk", z, y, x)
    data *= 250 / data.max()
    data += rng.integers(0, 6, data.shape, dtype=np.uint8)
    return Volume(np.rint(data, out=data), name="bumps")


def measured(draw: Callable[[], object]) -> tuple[float, float, float]:
    """Return seconds, processor seconds and the most megabytes of the processes that `draw` starts."""
    held, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            held.append(sum(_resident(pid) for pid in _below(os.getpid())) / 2**20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start, spent = time.perf_counter(), _spent()
    try:
        draw()
        return time.perf_counter() - start, _spent() - spent, max(held)
    finally:
        done.set()
        watcher.join()


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _below(process: int) -> list[int]:
    """Return all processes that descend from one."""
    try:
        lists = [file.read_text().split() for file in Path(f"/proc/{process}/task").glob("*/children")]
    except OSError:
        return []
    children = [int(child) for children in lists for child in children]
    return children + [other for child in children for other in _below(child)]


def _resident(process: int) -> int:
    try:
        pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def ours(volume: Path, out: Path) -> None:
    command = [sys.executable, "-m", "cnnvis", "render", str(volume), "-o", str(out)]
    subprocess.run(command, check=True, capture_output=True)


def paraview(volume: Path, folder: Path) -> tuple[float, float, float] | None:
    """Return what `best` measures of ParaView; None where it is missing."""
    if shutil.which("pvbatch") is None:
        return None
    script = next(path for path in write_presets(volume, ["paraview"], folder) if path.suffix == ".py")
    return best(lambda: screenshot(script, folder, SIZE, View()))


def best(draw: Callable[[], object]) -> tuple[float, float, float]:
    """Return the least seconds, processor seconds and the most megabytes of some runs."""
    seconds, spent, held = zip(*(measured(draw) for _ in range(RUNS)), strict=True)
    return min(seconds), min(spent), max(held)


def report(what: str, found: tuple[float, float, float]) -> None:
    print(f"{what:<28} {found[0]:>8.1f} {found[1]:>6.1f} {found[2]:>6.0f}", flush=True)


def main() -> int:
    """Print the table; return 1 if a bound is not kept."""
    with tempfile.TemporaryDirectory(prefix="cnnvis-") as name:
        folder, kept = Path(name), True
        files = [folder / f"bumps.{form}" for form in FORMATS]
        volume = bumps()
        for file in files:
            write(volume, file, dtype="uint8")
        del volume
        print(
            f"{SIDE} x {SIDE} x {SIDE} bytes, 800 x 600 pixels; best of {RUNS}, {os.cpu_count()} processors"
        )
        print(f"{'':<28} {'seconds':>8} {'CPU s':>6} {'MB':>6}")
        for file in files:
            found = best(partial(ours, file, folder / "out.png"))
            kept = kept and found[0] < 10 and found[2] < 2000
            report(f"cnnvis render, {file.name}", found)
        if (theirs := paraview(files[0], folder)) is None:
            print("ParaView: left out, no pvbatch")
        else:
            report(f"ParaView, {files[0].name}", theirs)
        print(f"  cnnvis render: {'within' if kept else 'OVER'} 10 s and 2000 MB")
        return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
