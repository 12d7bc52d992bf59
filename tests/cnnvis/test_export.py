"""Writing volumes in several formats at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cnnvis.export import Export, Target, targets
from cnnvis.names import file_stem
from converters import CnnVisWarning, Volume, VolumeError, extensions, read

DATA = np.arange(5 * 7 * 11, dtype=np.float32).reshape(5, 7, 11)


def test_formats_and_headers():
    assert targets(["nii.gz", "VOX+mhd+nhdr", ".vti"]) == [
        Target(".nii.gz"),
        Target(".vox", ("mhd", "nhdr")),
        Target(".vti"),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stl"], "unknown format 'stl'; known are"),
        (["nrrd+mhd"], "'nrrd.mhd': only vox takes further headers"),
        (["vox+stl"], "'vox.stl': unknown header 'stl'; known are mhd, nhdr"),
        (["mhd", "vox+mhd+nhdr"], r"mhd and vox\+mhd\+nhdr would both write the same \.mhd file"),
        (["vox", "hd"], r"vox and hd would both write the same \.\w+ file"),
        (["nrrd", "vti", "NRRD"], r"nrrd and NRRD would both write the same \.nrrd file"),
    ],
)
def test_formats_that_are_unknown_or_overlap(words, message):
    with pytest.raises(VolumeError, match=message):
        targets(words)


def test_formats_that_are_let_through_do_not_overlap(tmp_path):
    words = [extension.lstrip(".") for extension in extensions() if extension != ".hd"]
    written = Export(tmp_path, targets(words)).write(Volume(DATA), "a")
    assert len(written) == len(set(written))
    for word in words:
        assert read(tmp_path / f"a.{word}").data.shape == DATA.shape


def test_frames_are_refused_before_anything_is_computed(tmp_path):
    Export(tmp_path, targets(["nrrd", "vox"])).check(frames=False)
    with pytest.raises(
        VolumeError, match=r"--format vox: holds one volume .*use --layout channels or mosaic"
    ):
        Export(tmp_path, targets(["nrrd", "vox"])).check(frames=True)


@pytest.mark.parametrize("extension", extensions())
def test_the_check_says_what_writing_does(tmp_path, extension):
    export = Export(tmp_path, [Target(extension)])

    def refused(act):
        try:
            act()
        except VolumeError:
            return True
        return False

    frames = Volume(DATA.reshape(5, 7, 11, 1))
    assert refused(lambda: export.check(frames=True)) == refused(lambda: export.write(frames, "a"))


def test_a_volume_without_finite_values_gets_a_note_and_no_preset(tmp_path):
    export = Export(tmp_path, targets(["nrrd"]), preset="auto")
    with pytest.warns(CnnVisWarning, match=r"a\.nrrd: no value is finite"):
        paths = export.write(Volume(np.full((2, 3, 4), np.nan)), "a")
    assert [path.name for path in paths] == ["a.nrrd", "a.nrrd.json"]
    assert "a.nrrd.vp" not in [path.name for path in paths]
    assert "b.nrrd.vp" in [path.name for path in export.write(Volume(DATA), "b")]


def test_an_own_preset_as_a_path(tmp_path):
    import render_presets

    function = Path(render_presets.__file__).parent / "transfer_functions" / "signed.json"
    own = tmp_path / "own.json"
    own.write_bytes(function.read_bytes())
    paths = Export(tmp_path, targets(["nrrd"]), preset=own).write(Volume(DATA), "a")
    assert "a.nrrd.vp" in [path.name for path in paths]


def volume_of(model: str, image: str) -> Volume:
    facts = {"model": {"file": "net.onnx", "sha256": model}, "image": {"file": "cat.png", "sha256": image}}
    return Volume(DATA, facts=facts)


@pytest.mark.parametrize(
    ("model", "image", "what"), [("a", "c", "image, cat.png"), ("c", "b", "model, net.onnx")]
)
def test_a_note_where_a_file_of_another_source_is_replaced(tmp_path, model, image, what):
    export = Export(tmp_path, targets(["nrrd"]))
    export.write(volume_of("a", "b"), "x")
    # the same source again, and files without one, pass quietly
    export.write(volume_of("a", "b"), "x")
    with pytest.warns(CnnVisWarning, match=rf"x\.nrrd: replaces the volume of another {what}"):
        export.write(volume_of(model, image), "x")
    export.write(Volume(DATA), "x")
    export.write(volume_of("a", "b"), "x")


def test_a_side_car_that_is_none_does_not_matter(tmp_path):
    (tmp_path / "x.nrrd.json").write_text("{")
    Export(tmp_path, targets(["nrrd"])).write(volume_of("a", "b"), "x")
    assert read(tmp_path / "x.nrrd").facts["model"]["sha256"] == "a"


def test_one_binary_under_three_headers_whatever_the_layer_is_called(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    stem = file_stem("act", layer="/conv1/Conv")
    paths = Export(tmp_path, targets(["vox+mhd+nhdr", "nrrd"])).write(Volume(DATA), stem)
    names = [path.name for path in paths if path.suffix in (".mhd", ".nrrd")]
    assert names == ["layer-+2Fconv1+2FConv_act.mhd", "layer-%2Fconv1%2FConv_act.nrrd"]
    stored = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / names[0])))
    np.testing.assert_array_equal(
        stored, read(tmp_path / "layer-+2Fconv1+2FConv_act.vox").encoding.encode(DATA)
    )
