"""CGV has no package: its files are matched with the grammars of its parsers, as read in its sources."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from converters import Volume
from render_presets.viewers import write_presets
from tests.helpers import goldens

from . import paraview
from .cases import SPACING, Case, Written, assert_stored, cases, golden, volume, write_volume
from .processes import Job

pytestmark = pytest.mark.viewer

# What both parsers take: the library's (any case, all separators, no plus sign) and the viewer's (case as
# here, no tabs). LF ends lines, and the spacing comes after the size that it is multiplied with.
INTEGER = r"[1-9][0-9]*"
FLOAT = r"[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?"
TYPE = "unsigned byte|unsigned short|unsigned int|signed byte|signed short|signed int|float|double"
HEADER = re.compile(
    rf"Size (?P<size>{INTEGER}x{INTEGER}x{INTEGER}) (?P<type>{TYPE}) ?\n"
    rf"Spacing (?P<spacing>{FLOAT}x{FLOAT}x{FLOAT})\n?"
)
DTYPES = {"float": "<f4", "signed short": "<i2", "unsigned short": "<u2", "unsigned byte": "u1"}
LONGEST_LINE = 499

POINT = rf'    <Point x="{FLOAT}" o="{FLOAT}" r="{FLOAT}" g="{FLOAT}" b="{FLOAT}"/>\n'
COLOR_MAPS = re.compile(
    r'<\?xml version="1\.0"\?>\n<ColorMaps>\n  <ColorMap name="[^"\s]+">\n'
    rf"(?:{POINT}){{2,}}"
    r"  </ColorMap>\n</ColorMaps>\n"
)

OPENED = [Case("vox+mhd", case.dtype, case.shape) for case in cases("vox+mhd")]

Files = Callable[[Case], Written]


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_header(case: Case, written: Files) -> None:
    file = written(case)
    found = _parsed(file.path.with_suffix(".hd"))
    size = [int(number) for number in found["size"].split("x")]
    assert tuple(size) == file.volume.size
    np.testing.assert_allclose([float(number) for number in found["spacing"].split("x")], SPACING, rtol=1e-12)
    # as the library's reader does: x fastest, no bytes before or after
    stored = np.fromfile(file.path.with_suffix(".vox"), DTYPES[found["type"]])
    assert stored.size == math.prod(size)
    assert_stored(file, stored.reshape(size[::-1]).astype(stored.dtype.newbyteorder("=")), case.dtype)


@pytest.mark.parametrize("spacing", [(1e-7, 4.0, 2.0), (12345678.5, 1 / 3, 1e22)])
def test_any_spacing_fits_the_grammar(spacing: tuple[float, float, float], tmp_path: Path) -> None:
    file = write_volume(volume("5x7x11").replace(spacing=spacing), "vox+mhd", tmp_path / "volume")
    found = _parsed(file.path.with_suffix(".hd"))
    np.testing.assert_allclose([float(number) for number in found["spacing"].split("x")], spacing, rtol=1e-12)


def test_by_default_it_is_what_the_viewer_reads(tmp_path: Path) -> None:
    """The viewer reads one byte a voxel, whatever the header says."""
    file = write_volume(volume("5x7x11"), "vox+mhd", tmp_path / "volume")
    assert _parsed(file.path.with_suffix(".hd"))["type"] == "unsigned byte"
    assert file.path.with_suffix(".vox").stat().st_size == 5 * 7 * 11


@pytest.mark.parametrize("name", ["L1_conv1.hd", "L2_conv2.hd"])
def test_the_grammar_takes_upstreams_headers(name: str) -> None:
    assert _parsed(goldens() / name)["type"] == "unsigned byte"


@pytest.mark.parametrize(
    "text",
    [
        "Size 5x7x11 uint8\nSpacing 1x1x1",
        "Size 5x7x11 unsigned byte\r\nSpacing 1x1x1",
        "Size 5x7x11 unsigned  byte\nSpacing 1x1x1",
        "Spacing 1x1x1\nSize 5x7x11 unsigned byte",
        "size 5x7x11 unsigned byte\nSpacing 1x1x1",
        "Size 5x7 unsigned byte\nSpacing 1x1x1",
        "Size 5x7x11 unsigned byte\nSpacing +1x1x1",
    ],
)
def test_the_grammar_refuses_what_cgv_does(text: str) -> None:
    assert HEADER.fullmatch(text) is None


@pytest.mark.parametrize("source", [golden, lambda: volume("5x7x11", False)], ids=["activation", "signed"])
def test_transfer_function(source: Callable[[], Volume], tmp_path: Path) -> None:
    file = write_volume(source(), "vox+mhd", tmp_path / "volume")
    (path,) = write_presets(file.path.with_suffix(".vox"), ["cgv"])
    text = path.read_text(encoding="utf-8")
    assert COLOR_MAPS.fullmatch(text)
    points = [
        list(map(float, re.findall(f'="({FLOAT})"', line))) for line in text.splitlines() if "<Point" in line
    ]
    x, *rest = np.transpose(points)
    assert (x[0], x[-1]) == (0, 1)
    assert (np.diff(x) > 0).all()
    assert ((np.array(rest) >= 0) & (np.array(rest) <= 1)).all()


def test_paraview_reads_the_colours_of_the_transfer_function(tmp_path: Path) -> None:
    """The one program at hand that reads this XML; it leaves opacities out."""
    file = write_volume(golden(), "vox+mhd", tmp_path / "volume")
    (path,) = write_presets(file.path.with_suffix(".vox"), ["cgv"])
    text = path.read_text(encoding="utf-8")
    (name,) = re.findall('ColorMap name="(.*)"', text)
    points = [
        list(map(float, re.findall(f'="({FLOAT})"', line))) for line in text.splitlines() if "<Point" in line
    ]
    folder = tmp_path / "jobs"
    folder.mkdir()
    answer = paraview.drive({"preset": Job("preset", {"path": str(path), "name": name})}, folder)["preset"]
    np.testing.assert_allclose(
        np.reshape(answer["colors"], (-1, 4)), np.array(points)[:, [0, 2, 3, 4]], rtol=1e-12
    )


def _parsed(path: Path) -> dict[str, str]:
    text = path.read_bytes().decode("ascii")
    assert all(len(line) <= LONGEST_LINE for line in text.splitlines())
    found = HEADER.fullmatch(text)
    assert found, text
    return found.groupdict()
