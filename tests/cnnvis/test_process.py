"""The command as a process: signals, closed and full outputs, memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from tests.extract.nets import model_of, save
from tests.helpers import require

COMMAND = (sys.executable, "-m", "cnnvis")


def export(net: Path, images: Path, out: Path, *words: str) -> list[str]:
    fixed = ("--image", str(images), "--preprocess", "raw", "-o", str(out), "--quiet")
    return [*COMMAND, "activations", str(net), *fixed, *words]


@pytest.fixture
def pictures(tmp_path):
    """Make so many pictures of one size; return their folder."""

    def make(count: int, height: int = 5, width: int = 7) -> Path:
        folder = tmp_path / f"pictures{count}"
        folder.mkdir()
        values = np.random.default_rng(count).integers(0, 256, (count, height, width), np.uint8)
        for index, value in enumerate(values):
            Image.fromarray(value).save(folder / f"p{index}.png")
        return folder

    return make


def test_termination_clears_away_half_written_files(net, picture, tmp_path):
    out = tmp_path / "out"
    # terminated where a picture is half written, between two bytecodes as a signal from outside would be
    code = (
        "import os, signal, sys, PIL.Image, cnnvis.main\n"
        "def save(image, path):\n"
        "    path.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "PIL.Image.Image.save = save\n"
        "cnnvis.main.main(sys.argv[1:])"
    )
    words = [sys.executable, "-c", code, *export(net, picture, out, "--layer", "conv1")[len(COMMAND) :]]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "")
    assert {file.suffix for file in out.iterdir()} <= {".nrrd", ".json"}


def test_a_reader_that_stops_does_not_stop_the_work(net, pictures, tmp_path):
    read_end, write_end = os.pipe()
    os.close(read_end)
    words = export(net, pictures(3), tmp_path / "out", "--layer", "conv1")
    done = subprocess.run(words, stdout=write_end, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "out").glob("*_act.nrrd"))) == 3


@pytest.mark.parametrize("command", ["activations", "layers", "--help"])
def test_a_full_disk_is_one_line(net, picture, tmp_path, command):
    require(Path("/dev/full").exists(), "/dev/full")
    words = {
        "activations": export(net, picture, tmp_path / "out", "--layer", "conv1"),
        "layers": [*COMMAND, "layers", str(net)],
        "--help": [*COMMAND, "--help"],
    }
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words[command], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == "cnnvis: error: output: No space left on device\n"
    assert done.returncode == 2


def peak(words: list[str]) -> int:
    """Run a command and return the most memory that it held, in bytes."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def test_memory_does_not_grow_with_the_number_of_pictures(pictures, tmp_path):
    height, width, channels = 120, 160, 32
    convolution = helper.make_node("Conv", ["x", "w"], ["y"], "conv", pads=[1, 1, 1, 1])
    weights = {"w": np.ones((channels, 1, 3, 3), np.float32)}
    net = save(model_of([convolution], {"x": ["N", 1, "H", "W"]}, ["y"], weights), tmp_path)
    few, many = (
        peak(
            export(
                net,
                pictures(count, height, width),
                tmp_path / f"out{count}",
                *("--layer", "conv", "--batch", "2", "--dtype", "uint8"),
            )
        )
        for count in (6, 60)
    )
    batch = 2 * channels * height * width * np.dtype(np.float32).itemsize
    # 4.9 MB a batch: the outputs of all 54 further pictures are 27 batches; allocators differ by a few
    assert many - few < 8 * batch
