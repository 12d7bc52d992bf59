from __future__ import annotations

import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from converters import VolumeError, read, series, write
from converters.errors import CnnVisError
from render_presets import PresetError, slicer
from render_presets.slicer.bundle import _member
from render_presets.viewers import write_presets, write_scene
from tests.render_presets.slicer_scenes import linked, opened, scene, shader_file, volumes
from tests.render_presets.volumes import ramp

NAMES = "a b & 100% <é> \"x'.nrrd"


def bundled(folder, *forms, stem="a"):
    """Write volumes, in folders of their own if they are several, and return the bundle of them."""
    paths = []
    for number, form in enumerate(forms):
        place = folder / str(number) if len(forms) > 1 else folder
        place.mkdir(exist_ok=True)
        paths.append(place / f"{stem}{form}")
        write(ramp(), paths[-1])
    write_scene(paths, folder / "all of it.mrb")
    return folder / "all of it.mrb"


@pytest.mark.parametrize(
    ("form", "files"),
    [
        (".nrrd", ["a.nrrd", "a.nrrd.json"]),
        (".nii.gz", ["a.nii.gz", "a.nii.gz.json"]),
        (".nhdr", ["a.nhdr", "a.nhdr.raw", "a.nhdr.json"]),
        (".mhd", ["a.mhd", "a.raw", "a.mhd.json"]),
    ],
)
def test_bundle_holds_all_files(tmp_path, form, files):
    with zipfile.ZipFile(bundled(tmp_path, form)) as bundle:
        assert bundle.namelist() == [
            "all of it/all of it.mrml",
            *(f"all of it/Data/{name}" for name in [*files, f"a{form}.sp"]),
        ]
        for name in files:
            assert bundle.read(f"all of it/Data/{name}") == (tmp_path / name).read_bytes()
        nodes = opened(bundle.read("all of it/all of it.mrml"))
    (storage,) = linked(nodes, volumes(nodes)[0])["storage"]
    assert storage.get("fileName") == f"Data/a{form}"
    assert shader_file(nodes) == f"Data/a{form}.sp"


def test_bundle_of_a_header_over_other_formats_data(tmp_path):
    write(ramp(), tmp_path / "a.vox", headers=("mhd",))
    write_scene([tmp_path / "a.mhd"], tmp_path / "a.mrb")
    with zipfile.ZipFile(tmp_path / "a.mrb") as bundle:
        assert bundle.read("a/Data/a.vox") == (tmp_path / "a.vox").read_bytes()
        bundle.extractall(tmp_path / "out")
    np.testing.assert_array_equal(read(tmp_path / "out/a/Data/a.mhd").data, read(tmp_path / "a.mhd").data)


def test_files_of_one_name_do_not_meet_in_a_bundle(tmp_path):
    with zipfile.ZipFile(bundled(tmp_path, ".nrrd", ".nrrd")) as bundle:
        nodes = opened(bundle.read("all of it/all of it.mrml"))
        found = [linked(nodes, node)["storage"][0].get("fileName") for node in volumes(nodes)]
        assert found == ["Data/1/a.nrrd", "Data/2/a.nrrd"]
        for name in found:
            assert bundle.read(f"all of it/{name}") == (tmp_path / "0/a.nrrd").read_bytes()


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_bundle_of_a_series_has_its_first_frame(tmp_path, dtype):
    frames = [ramp().replace(data=factor * ramp().data) for factor in (1, -3, 2)]
    series.write(series.gather(frames, ["a.nrrd", "b.nrrd", "c.nrrd"]), tmp_path / "s.seq.nrrd", dtype)
    write_scene([tmp_path / "s.seq.nrrd"], tmp_path / "s.mrb")
    with zipfile.ZipFile(tmp_path / "s.mrb") as bundle:
        bundle.extractall(tmp_path)
    first, all_frames = (read(tmp_path / "s/Data" / name) for name in ("s.seq.nrrd.first.nrrd", "s.seq.nrrd"))
    np.testing.assert_array_equal(first.data, all_frames.data[0])
    # on the scale of the series, or the transfer function would not fit
    assert first.encoding == all_frames.encoding


def test_same_volumes_same_bundle(tmp_path):
    made = []
    for folder in ("one", "another"):
        (tmp_path / folder).mkdir()
        made.append(bundled(tmp_path / folder, ".nrrd", ".nhdr"))
        os.utime(tmp_path / folder / "0/a.nrrd", (10**9, 10**9 * (1 + len(made) % 2)))
    first, second = (bundle.read_bytes() for bundle in made)
    assert first == second
    assert str(tmp_path).encode() not in first


def test_names_in_a_bundle(tmp_path):
    (tmp_path / NAMES).touch()
    write(ramp(), tmp_path / NAMES)
    write_scene([tmp_path / NAMES], tmp_path / 'b "?" é.mrb')
    with zipfile.ZipFile(tmp_path / 'b "?" é.mrb') as bundle:
        # Windows has no such folders
        assert bundle.namelist()[:2] == ["b _?_ é/b _?_ é.mrml".replace("?", "_"), f"b ___ é/Data/{NAMES}"]
        nodes = opened(bundle.read(bundle.namelist()[0]))
    (storage,) = linked(nodes, volumes(nodes)[0])["storage"]
    assert storage.get("fileName") == "Data/a%20b%20&%20100%25%20%3Cé%3E%20%22x%27.nrrd"


@pytest.mark.parametrize("name", ["a\udcff.nrrd", "a\nb.nrrd", "a\\b.nrrd"])
def test_names_that_slicer_does_not_find(tmp_path, name):
    write(ramp(), tmp_path / name)
    before = set(tmp_path.iterdir())
    with pytest.raises(PresetError, match="3D Slicer finds no file of this name"):
        write_presets(tmp_path / name, ["slicer"])
    for out in ("b.mrml", "b.mrb"):
        with pytest.raises(PresetError, match="3D Slicer finds no file of this name"):
            write_scene([tmp_path / name], tmp_path / out)
    assert set(tmp_path.iterdir()) == before
    # other viewers open it all the same
    assert write_presets(tmp_path / name, ["paraview"])


def renamed(header, name):
    """Write a volume whose data are elsewhere, and say so in its header."""
    write(ramp(), header)
    data = header.with_name(header.name + ".raw") if header.suffix == ".nhdr" else header.with_suffix(".raw")
    header.write_bytes(header.read_bytes().replace(data.name.encode(), name.encode()))
    data.rename(header.parent / name)


def refused(path, reason):
    """Check that no bundle is made of a volume, for a reason."""
    before = set(path.parent.rglob("*"))
    with pytest.raises(CnnVisError, match=rf"{path.name}: {reason}"):
        write_scene([path], path.parent / "b.mrb")
    assert set(path.parent.rglob("*")) == before


def test_data_at_an_absolute_place(tmp_path):
    renamed(tmp_path / "a.nhdr", str(tmp_path / "x.raw"))
    refused(tmp_path / "a.nhdr", r"its data file .* at a place that no bundle can have")


def test_data_by_a_detour(tmp_path):
    (tmp_path / "sub").mkdir()
    renamed(tmp_path / "a.nhdr", "sub/../x.raw")
    refused(tmp_path / "a.nhdr", r"its data file sub/\.\./x\.raw lies at a place that no bundle can have")


@pytest.mark.parametrize(
    ("form", "more"),
    [
        (".nhdr", b"data file: ../secret.txt\n"),
        (".mhd", b"ElementDataFile = ../secret.txt\n"),
        (".nhdr", b"data file: own.txt\n"),
        (".mhd", b"ElementDataFile = own.txt\n"),
    ],
)
def test_what_stands_behind_a_header_names_no_file(tmp_path, form, more):
    folder = tmp_path / "in"
    folder.mkdir()
    for secret in (tmp_path / "secret.txt", folder / "own.txt"):
        secret.write_text("secret")
    write(ramp(), folder / f"a{form}")
    with (folder / f"a{form}").open("ab") as file:
        file.write(more)
    write_scene([folder / f"a{form}"], tmp_path / "b.mrb")
    with zipfile.ZipFile(tmp_path / "b.mrb") as bundle:
        data = {".nhdr": "a.nhdr.raw", ".mhd": "a.raw"}[form]
        assert [name.removeprefix("b/Data/") for name in bundle.namelist()[1:]] == [
            *(f"a{form}", data, f"a{form}.json", f"a{form}.sp")
        ]


@pytest.mark.parametrize("form", [".nhdr", ".mhd"])
def test_data_outside_the_folder(tmp_path, form):
    (tmp_path / "in").mkdir()
    renamed(tmp_path / "in" / f"a{form}", "../x.raw")
    refused(tmp_path / "in" / f"a{form}", r"its data file \.\./x\.raw lies outside the header's folder")
    # nor where the scene is made without reading the volume
    with pytest.raises(VolumeError, match=r"its data file \.\./x\.raw lies outside the header's folder"):
        slicer.write_bundle([scene(str(tmp_path / "in" / f"a{form}"))], tmp_path / "b.mrb")


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("a.nhdr.raw", r"its data file a\.nhdr\.raw lies outside the header's folder"),
        ("a.nhdr.json", r"its side-car a\.nhdr\.json lies outside the volume's folder"),
    ],
)
def test_links_that_lead_out_of_the_folder(tmp_path, link, reason):
    folder = tmp_path / "in"
    folder.mkdir()
    write(ramp(), folder / "a.nhdr")
    (folder / link).rename(tmp_path / "elsewhere")
    (folder / link).symlink_to(tmp_path / "elsewhere")
    refused(folder / "a.nhdr", reason)


@pytest.mark.parametrize("link", ["a.nhdr.raw", "a.nhdr.json"])
def test_links_within_the_folder(tmp_path, link):
    write(ramp(), tmp_path / "a.nhdr")
    content = (tmp_path / link).read_bytes()
    (tmp_path / link).rename(tmp_path / "elsewhere")
    (tmp_path / link).symlink_to("elsewhere")
    write_scene([tmp_path / "a.nhdr"], tmp_path / "b.mrb")
    with zipfile.ZipFile(tmp_path / "b.mrb") as bundle:
        assert bundle.read(f"b/Data/{link}") == content


@pytest.mark.parametrize(
    ("name", "top"), [("...mrb", "scene"), ("..mrb", "scene"), ("a. .mrb", "a"), (".a.mrb", ".a")]
)
def test_bundles_called_by_dots(tmp_path, name, top):
    write(ramp(), tmp_path / "a.nrrd")
    write_scene([tmp_path / "a.nrrd"], tmp_path / name)
    with zipfile.ZipFile(tmp_path / name) as bundle:
        assert bundle.namelist()[:2] == [f"{top}/{top}.mrml", f"{top}/Data/a.nrrd"]


def test_members_stay_in_the_bundle():
    with pytest.raises(PresetError, match=r"'a/Data/\.\./x': would unpack outside the bundle's folder"):
        _member("a/Data/../x")


def test_data_of_one_name_do_not_meet_in_a_bundle(tmp_path):
    headers = []
    for number, name in enumerate(("one.nhdr", "two.nhdr")):
        (tmp_path / str(number)).mkdir()
        headers.append(tmp_path / str(number) / name)
        renamed(headers[-1], "x.raw")
    (tmp_path / "1/x.raw").write_bytes(bytes(4 * 385))
    write_scene(headers, tmp_path / "b.mrb")
    with zipfile.ZipFile(tmp_path / "b.mrb") as bundle:
        for number in (0, 1):
            data = (tmp_path / f"{number}/x.raw").read_bytes()
            assert bundle.read(f"b/Data/{number + 1}/x.raw") == data


def test_a_series_shown_twice_is_once_in_a_bundle(tmp_path):
    path = tmp_path / "s.seq.nrrd"
    series.write(series.gather([ramp(), ramp()], ["a.nrrd", "b.nrrd"]), path)
    write_scene([path, path], tmp_path / "s.mrb")
    with zipfile.ZipFile(tmp_path / "s.mrb") as bundle:
        assert [name.removeprefix("s/Data/") for name in bundle.namelist()[1:]] == [
            *("s.seq.nrrd", "s.seq.nrrd.json", "s.seq.nrrd.first.nrrd")
        ]


def test_data_that_headers_share_is_once_in_a_bundle(tmp_path):
    write(ramp(), tmp_path / "a.vox", headers=("mhd", "nhdr"))
    write_scene([tmp_path / "a.mhd", tmp_path / "a.nhdr"], tmp_path / "b.mrb")
    with zipfile.ZipFile(tmp_path / "b.mrb") as bundle:
        assert bundle.namelist().count("b/Data/a.vox") == 1


def test_a_bundle_is_copied_in_pieces(tmp_path):
    # 64 MB that hardly take room on the disk, behind a small header
    write(ramp(), tmp_path / "a.nhdr")
    with (tmp_path / "a.nhdr.raw").open("r+b") as file:
        file.truncate(2**26)
    one = scene(str(tmp_path / "a.nhdr"))
    tracemalloc.start()
    try:
        slicer.write_bundle([one], tmp_path / "b.mrb")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "b.mrb").stat().st_size > 2**26
    assert peak < 2**23
