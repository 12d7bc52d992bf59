"""ParaView, 3D Slicer and our preview draw the same picture of a volume, whatever its file."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from tests.helpers import goldens

from . import compared
from .compared import PAIRS, SUBJECTS, VIEWERS, Drawn, Shown
from .likeness import check_alike
from .pictures import Picture, WrongPictureError

pytestmark = pytest.mark.viewer

SMALL = (128, 128)
DTYPES = ("uint8", "int16", "float32")
FORMS = {
    "paraview": ("vti", "vtk", "hdf", "nrrd", "nhdr", "mhd", "mha", "vox+mhd"),
    "slicer": ("nrrd", "nhdr", "nii", "nii.gz", "mhd", "mha", "vox+mhd", "vox+nhdr"),
}


@dataclass(frozen=True)
class Everything:
    """What viewers drew: by viewer and volume; by viewer, format and type; and by viewer, from the side."""

    compared: Mapping[str, Mapping[str, Drawn]]
    small: Mapping[tuple[str, str, str], Drawn]
    sides: Mapping[str, Picture]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Everything:
    volumes = compared.present()
    own: dict[str, Mapping[str, Drawn]] = {}
    small: dict[tuple[str, str, str], Drawn] = {}
    sides: dict[str, Picture] = {}
    for viewer, draw in (("paraview", compared.by_paraview), ("slicer", compared.by_slicer)):
        large = {name: Shown(volume, FORMS[viewer][0]) for name, volume in volumes.items()}
        files = {
            f"{form}-{dtype}": Shown(compared.gradient(), form, dtype, SMALL)
            for form, dtype in itertools.product(FORMS[viewer], DTYPES)
        }
        aside = {"aside": Shown(compared.stack(), FORMS[viewer][0], turn=50)}
        # two processes of half a minute at most: they are ended after `processes.PATIENCE`
        all_large = draw(large | aside, tmp_path_factory.mktemp(viewer))
        all_small = draw(files, tmp_path_factory.mktemp(viewer))
        sides[viewer] = all_large["aside"].picture
        own[viewer] = {name: all_large[name] for name in large}
        small |= {(viewer, one.form, one.dtype): all_small[name] for name, one in files.items()}
    folder = tmp_path_factory.mktemp("preview")
    own["preview"] = {
        name: Drawn(compared.by_preview(volume, folder / name), {}) for name, volume in volumes.items()
    }
    return Everything(own, small, sides)


def picture(drawn: Everything, viewer: str, name: str) -> Picture:
    """Return the picture of a volume, or skip where upstream's files are missing."""
    if name not in drawn.compared[viewer]:
        goldens()
    return drawn.compared[viewer][name].picture


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_viewers_draw_the_same(pair: tuple[str, str], name: str, drawn: Everything) -> None:
    one, other = (picture(drawn, viewer, name) for viewer in pair)
    check_alike(one, other)


def test_a_stack_is_as_dense_from_the_side(drawn: Everything) -> None:
    # its voxels are 16 x 16 x 1: by voxels, as Slicer goes, it would be clear where it is dense in front
    check_alike(drawn.sides["paraview"], drawn.sides["slicer"])
    with pytest.raises(WrongPictureError):
        check_alike(drawn.sides["slicer"], drawn.compared["slicer"]["stack"].picture)


@pytest.mark.parametrize("viewer", ["paraview", "slicer"])
def test_viewers_draw_without_light(viewer: str, drawn: Everything) -> None:
    assert {bool(one.facts["shade"]) for one in drawn.compared[viewer].values()} == {False}


def test_slicer_takes_the_distance_that_it_is_told(drawn: Everything) -> None:
    for name, one in drawn.compared["slicer"].items():
        volume = SUBJECTS[name]()
        expected = compared.sample_distance(volume) / compared.step_length(volume)
        assert one.facts["distance"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["activation", "gradient", "stack"])
@pytest.mark.parametrize("viewer", VIEWERS)
def test_blank_mirrored_and_other_pictures_are_not_the_same(
    viewer: str, name: str, drawn: Everything
) -> None:
    right = drawn.compared[viewer][name].picture
    others = [one.picture for other, one in drawn.compared[viewer].items() if other != name]
    for wrong in (np.full_like(right, right[0, 0]), right[:, ::-1], right[::-1], *others):
        with pytest.raises(WrongPictureError):
            check_alike(right, wrong)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("viewer", "form"), [(viewer, form) for viewer, forms in FORMS.items() for form in forms]
)
def test_files_of_all_formats_and_types_look_the_same(
    viewer: str, form: str, dtype: str, drawn: Everything
) -> None:
    check_alike(drawn.small["paraview", "vti", "float32"].picture, drawn.small[viewer, form, dtype].picture)
