"""Series: what programs that we did not write find in them, frame by frame, and what is refused."""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from converters import CnnVisWarning, Encoding, Volume, VolumeError, read, series, write
from tests.converters.round_trip import DTYPES, plain, sample

FRAMES = ("persian.jpg", "pembroke corgi.jpg", "chihuahua.jpg")
# the extremes of the whole lie in two different frames, neither of them the first one
FACTORS = (1.0, -3.0, 2.5)
SHAPE = (5, 7, 11)


def volumes(shape: tuple[int, ...] = SHAPE) -> list[Volume]:
    """Return three volumes of one layer, of three images."""
    source = sample(shape).replace(facts={"layer": "conv1", "order": {"method": "list"}})
    return [
        source.replace(data=factor * source.data + frame, facts={**source.facts, "image": {"file": name}})
        for frame, (name, factor) in enumerate(zip(FRAMES, FACTORS, strict=True))
    ]


def gathered(frames: Sequence[Volume], labels: Sequence[str] = ()) -> series.Series:
    """Return volumes as a series, read from files a.nrrd, b.nrrd, ..."""
    return series.gather(frames, [f"in/{letter}.nrrd" for letter in "abcdefgh"[: len(frames)]], labels)


def written(folder: Path, extension: str, dtype: str | None = None) -> Path:
    """Write the three volumes and return the path."""
    path = folder / f"out{extension}"
    series.write(gathered(volumes()), path, dtype)
    return path


def stored(dtype: str) -> list[np.ndarray]:
    """Return what is stored of each frame, on the scale of all values together."""
    together = np.stack([volume.data for volume in volumes()])
    return list(Encoding.fit(together, dtype).encode(together))


@pytest.mark.parametrize("dtype", DTYPES)
def test_pynrrd_reads_a_sequence(tmp_path: Path, dtype: str) -> None:
    import nrrd

    data, header = nrrd.read(str(written(tmp_path, ".seq.nrrd", dtype)), index_order="F")
    assert header["kinds"] == ["list", "domain", "domain", "domain"]
    assert header["space"] == "left-posterior-superior"
    assert data.dtype == dtype
    for frame, expected in enumerate(stored(dtype)):
        np.testing.assert_array_equal(data[frame].T, expected)
    np.testing.assert_allclose(header["space directions"][1:], sample(SHAPE).affine[:3, :3].T, atol=1e-15)
    np.testing.assert_allclose(header["space origin"], sample(SHAPE).origin)
    # the keys by which Slicer knows a sequence of volumes, and its frames by name
    assert header["DataNodeClassName"] == "vtkMRMLScalarVolumeNode"
    assert header["axis 0 index type"] == "text"
    assert header["axis 0 index values"] == "persian.jpg pembroke%20corgi.jpg chihuahua.jpg"


def test_blocks_of_a_sequence_join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = written(tmp_path, ".seq.nrrd").read_bytes()
    # room for two of the five slices
    monkeypatch.setattr(series, "_BLOCK", 2 * 3 * 7 * 11 * 4 + 5)
    assert written(tmp_path, ".seq.nrrd").read_bytes() == whole


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("extension", [".nii", ".nii.gz"])
def test_nibabel_finds_frames_along_the_fourth_axis(tmp_path: Path, extension: str, dtype: str) -> None:
    import nibabel

    image = nibabel.load(written(tmp_path, extension, dtype))
    assert image.shape == (11, 7, 5, 3)
    assert image.get_data_dtype() == dtype
    for frame, expected in enumerate(stored(dtype)):
        np.testing.assert_array_equal(image.dataobj.get_unscaled()[..., frame].T, expected)
        # a step is at most 1/255 of the range
        tolerance = 0.51 * np.ptp([volume.data for volume in volumes()]) / 255 * (dtype != "float32")
        np.testing.assert_allclose(image.dataobj[..., frame].T, volumes()[frame].data, rtol=0, atol=tolerance)
    np.testing.assert_allclose(image.affine, np.diag([-1, -1, 1, 1]) @ sample(SHAPE).affine, atol=1e-5)


def _of_vtk(image: Any) -> np.ndarray:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    data = image.GetPointData()
    assert data.GetNumberOfArrays() == 1
    assert data.GetArray(0).GetName() == "conv1 relu"
    assert image.GetDimensions() == (11, 7, 5)
    np.testing.assert_allclose(image.GetOrigin(), sample(SHAPE).origin)
    np.testing.assert_allclose(image.GetSpacing(), sample(SHAPE).spacing)
    matrix = image.GetDirectionMatrix()
    found = [matrix.GetElement(row, column) for row in range(3) for column in range(3)]
    np.testing.assert_allclose(found, sample(SHAPE).direction, atol=1e-14)
    return vtk_to_numpy(data.GetArray(0)).reshape(SHAPE)


@pytest.mark.parametrize("dtype", DTYPES)
def test_vtk_reads_time_steps(tmp_path: Path, capfd: pytest.CaptureFixture[str], dtype: str) -> None:
    from vtkmodules.vtkIOHDF import vtkHDFReader

    reader = vtkHDFReader()
    reader.SetFileName(str(written(tmp_path, ".vtkhdf", dtype)))
    reader.UpdateInformation()
    assert reader.GetNumberOfSteps() == 3
    # not in their order: steps are found by their time
    for step in (2, 0, 1):
        reader.UpdateTimeStep(float(step))
        found = _of_vtk(reader.GetOutput())
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, stored(dtype)[step])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_pvd_lists_files_that_vtk_reads(tmp_path: Path, dtype: str) -> None:
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader

    path = written(tmp_path, ".pvd", dtype)
    root = ElementTree.parse(path).getroot()
    listed = [entry.attrib for entry in root.iter("DataSet")]
    assert root.attrib["type"] == "Collection"
    assert [entry["timestep"] for entry in listed] == ["0", "1", "2"]
    assert [entry["file"] for entry in listed] == ["out_000.vti", "out_001.vti", "out_002.vti"]
    assert [entry["name"] for entry in listed] == list(FRAMES)
    for entry, expected in zip(listed, stored(dtype), strict=True):
        reader = vtkXMLImageDataReader()
        reader.SetFileName(str(tmp_path / entry["file"]))
        reader.Update()
        np.testing.assert_array_equal(_of_vtk(reader.GetOutput()), expected)


def test_pairs_for_cgv_share_one_scale(tmp_path: Path) -> None:
    path = written(tmp_path, ".vox")
    assert not path.exists()
    for frame, expected in enumerate(stored("uint8")):
        file = tmp_path / f"out_{frame:03}.vox"
        np.testing.assert_array_equal(np.fromfile(file, np.uint8).reshape(SHAPE), expected)
        assert file.with_suffix(".hd").read_text("ascii").startswith("Size 11x7x5 unsigned byte")
        back = read(file)
        assert back.encoding == Encoding.fit(np.stack([v.data for v in volumes()]), "uint8")
        assert back.facts["series"] == {"frame": frame, "frames": 3, "label": FRAMES[frame]}
        assert (back.labels, back.facts["image"]) == (sample(SHAPE).labels, {"file": FRAMES[frame]})


@pytest.mark.parametrize("extension", [".seq.nrrd", ".nii.gz", ".vtkhdf"])
def test_a_series_is_read_as_frames(tmp_path: Path, extension: str) -> None:
    back = read(written(tmp_path, extension))
    np.testing.assert_array_equal(back.data, [volume.data for volume in volumes()])
    assert (back.name, back.labels) == ("conv1 relu", FRAMES)
    assert (back.facts["layer"], back.facts["layout"]) == ("conv1", {"kind": "series"})
    # these would be taken for the order of the frames
    assert "order" not in back.facts
    assert back.facts["series"] == {
        "slices": list(sample(SHAPE).labels),
        "order": {"method": "list"},
        "frames": [{"label": name, "image": {"file": name}} for name in FRAMES],
    }


@pytest.mark.parametrize("extension", series.FORMATS)
def test_every_kind_of_series_is_read_frame_by_frame(tmp_path: Path, extension: str) -> None:
    back = series.read_series(written(tmp_path, extension, "float32"))
    assert (back.labels, back.frames, back.name) == (FRAMES, 3, "conv1 relu")
    for volume, source in zip(back.volumes, volumes(), strict=True):
        np.testing.assert_array_equal(volume.data, source.data)
        np.testing.assert_allclose(volume.affine, source.affine, atol=1e-5)
        assert (volume.labels, volume.facts["order"]) == (source.labels, {"method": "list"})
        assert volume.facts["image"] == source.facts["image"]


def test_vtk_plays_a_list_in_json(tmp_path: Path) -> None:
    path = written(tmp_path, ".vti.series", "int16")
    assert json.loads(path.read_text("utf-8")) == {
        "file-series-version": "1.0",
        "files": [{"name": f"out_00{k}.vti", "time": float(k)} for k in range(3)],
    }


def test_frames_left_over_do_not_count(tmp_path: Path) -> None:
    path = written(tmp_path, ".vox")
    with pytest.warns(CnnVisWarning, match="left over"):
        series.write(gathered(volumes()[1:]), path)
    assert series.read_series(path).labels == FRAMES[1:]


def test_a_volume_is_not_taken_for_a_series(tmp_path: Path) -> None:
    write(plain(SHAPE), tmp_path / "out.vox")
    with pytest.raises(VolumeError, match=r"out\.vox: is a volume already, and would be taken"):
        written(tmp_path, ".vox")
    assert isinstance(series.opened(tmp_path / "out.vox"), Volume)
    assert not (tmp_path / "out_000.vox").exists()


def test_frames_of_a_series_keep_their_names_in_another(tmp_path: Path) -> None:
    labels = ("one", "two", "three")
    series.write(gathered(volumes(), labels), tmp_path / "a.pvd")
    frames = [read(tmp_path / f"a_00{k}.vti") for k in (2, 0)]
    series.write(gathered(frames), tmp_path / "b.seq.nrrd")
    back = read(tmp_path / "b.seq.nrrd")
    assert back.labels == ("three", "one")
    assert "series" not in back.facts["series"]["frames"][0]


def test_frames_on_different_scales_are_no_series(tmp_path: Path) -> None:
    for number, volume in enumerate(volumes()):
        write(volume, tmp_path / f"out_00{number}.vox")
    with pytest.raises(VolumeError, match=r"out\.vox: its frames are stored on different value scales"):
        series.read_series(tmp_path / "out.vox")


def test_lists_that_are_no_series(tmp_path: Path) -> None:
    def refused(name: str, text: str, message: str) -> None:
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(VolumeError, match=message):
            series.read_series(tmp_path / name)

    refused("cut.pvd", "<VTKFile><Coll", r"not a readable ParaView data \(.pvd\) file")
    refused("none.pvd", "<VTKFile/>", r"none\.pvd: lists no files")
    refused("cut.vti.series", '{"files": [', r"not a readable file series")
    entry = {"name": "../x.vti", "time": 0}
    refused("out.vti.series", json.dumps({"files": [entry]}), "lies outside the header's folder")
    with pytest.raises(VolumeError, match="no such file"):
        series.read_series(tmp_path / "missing.nrrd")
    write(plain(SHAPE), tmp_path / "one.nrrd")
    with pytest.raises(VolumeError, match=r"one\.nrrd: holds one volume and no series"):
        series.read_series(tmp_path / "one.nrrd")


@pytest.mark.parametrize("shape", [(1, 7, 11), (5, 1, 11), (5, 7, 1), (1, 1, 6)], ids=str)
@pytest.mark.parametrize("extension", [".seq.nrrd", ".nii", ".vtkhdf"])
def test_flat_volumes(tmp_path: Path, extension: str, shape: tuple[int, ...]) -> None:
    frames = volumes(shape)
    series.write(gathered(frames), tmp_path / f"out{extension}")
    np.testing.assert_array_equal(read(tmp_path / f"out{extension}").data, [volume.data for volume in frames])


@pytest.mark.parametrize("extension", series.FORMATS)
def test_strange_labels(tmp_path: Path, extension: str) -> None:
    # the last is what Python makes of a file name that is no UTF-8
    labels = ('<a> & "b"', "50% é\n猫", "caf\udce9")
    found = series.write(gathered(volumes(), labels), tmp_path / f"out{extension}")
    if extension == ".pvd":
        names = [entry.attrib["name"] for entry in ElementTree.parse(found[0]).getroot().iter("DataSet")]
        assert names == ["_a_ _ _b_", "50% é_猫", "caf_"]
    elif extension == ".vti.series":
        assert series.read_series(found[0]).labels == labels
    elif extension == ".seq.nrrd":
        # Slicer shows letters beyond ASCII if they are not encoded
        values = "axis 0 index values:=%3Ca%3E%20&%20%22b%22 50%25%20é%0A猫 caf%E9\n"
        assert values.encode() in found[0].read_bytes()
        assert read(found[0]).labels == labels
    elif extension == ".vox":
        assert [read(tmp_path / f"out_00{k}.vox").facts["series"]["label"] for k in range(3)] == list(labels)
    else:
        assert read(found[0]).labels == labels


def test_labels(tmp_path: Path) -> None:
    def called(images: list[object], labels: Sequence[str] = ()) -> tuple[str, ...]:
        frames = [v.replace(facts={"image": image}) for v, image in zip(volumes(), images, strict=True)]
        return gathered(frames, labels).labels

    assert gathered(volumes()).labels == FRAMES
    assert called([{"file": "a.png"}, {"file": "b.png"}, {"file": "a.png"}]) == ("a", "b", "c")
    assert called([{"file": "a.png"}, None, {"file": "c.png"}]) == ("a", "b", "c")
    assert called([None] * 3, ("one", "two", "three")) == ("one", "two", "three")


def test_what_is_written_is_told(tmp_path: Path) -> None:
    def names(extension: str) -> list[str]:
        paths = series.write(gathered(volumes()[:2]), tmp_path / extension[1:] / f"out{extension}")
        assert sorted(paths) == sorted(paths[0].parent.iterdir())
        return [path.name for path in paths]

    for extension in series.FORMATS:
        (tmp_path / extension[1:]).mkdir()
    assert names(".seq.nrrd") == ["out.seq.nrrd", "out.seq.nrrd.json"]
    assert names(".pvd") == [
        *("out.pvd", "out_000.vti", "out_001.vti"),
        *("out.pvd.json", "out_000.vti.json", "out_001.vti.json"),
    ]
    assert names(".vox") == [
        *("out_000.hd", "out_000.vox", "out_001.hd", "out_001.vox"),
        *("out_000.vox.json", "out_001.vox.json"),
    ]


def test_frames_that_are_left_over_are_told(tmp_path: Path) -> None:
    written(tmp_path, ".vox")
    with pytest.warns(CnnVisWarning, match=r"out_002\.hd: left over from an earlier, longer series"):
        series.write(gathered(volumes()[:2]), tmp_path / "out.vox")
    series.write(gathered(volumes()), tmp_path / "out.vox")


class Read(Sequence[Volume]):
    """Volumes that are made when they are asked for; counts those that are held at once."""

    def __init__(self, count: int) -> None:
        self._count, self._held, self.most = count, 0, 0

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if index >= self._count:
            raise IndexError(index)
        values = np.full(SHAPE, index, np.float32)
        volume = Volume(values)
        self._held += 1
        self.most = max(self.most, self._held)
        weakref.finalize(values, self._gone)
        return volume

    def _gone(self) -> None:
        self._held -= 1


@pytest.mark.parametrize("extension", series.FORMATS)
def test_few_volumes_are_held_at_once(tmp_path: Path, extension: str) -> None:
    source = Read(8)
    series.write(gathered(source), tmp_path / f"out{extension}")
    # the first one, the one at hand, and the one before it while that is read
    assert source.most == 3


@pytest.mark.parametrize("extension", series.FORMATS)
def test_all_or_nothing(tmp_path: Path, extension: str) -> None:
    frames = volumes()
    frames[1] = frames[1].replace(data=np.where(frames[1].data > 30, np.nan, frames[1].data))
    path = tmp_path / f"out{extension}"
    with pytest.raises(VolumeError, match=r"values are NaN or infinite: uint8 cannot hold them"):
        series.write(gathered(frames), path, "uint8")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(VolumeError, match="No such file"):
        series.write(gathered(volumes()), tmp_path / "missing" / path.name)


def test_values_that_are_not_finite_stay(tmp_path: Path) -> None:
    frames = [Volume(np.full(SHAPE, value)) for value in (np.nan, 2.0, np.inf)]
    together = gathered(frames)
    assert together.range == (2.0, 2.0)
    series.write(together, tmp_path / "out.nii")
    np.testing.assert_array_equal(read(tmp_path / "out.nii").data, [volume.data for volume in frames])


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "size": ({"data": np.zeros((5, 11, 7))}, "its size is 7 x 11 x 5, that of the first volume 11 x 7 x 5"),
    "frames": (
        {"data": np.zeros((5, 2, 7, 11))},
        "it holds 5 frames itself; a series is made of 3-D volumes",
    ),
    "name": ({"name": "gradient"}, "it holds 'gradient', the first volume 'conv1 relu'"),
    "layer": ({"facts": {"layer": "conv2"}}, "its layer is 'conv2', that of the first volume 'conv1'"),
    "spacing": ({"spacing": (0.5, 1, 2.25)}, "its spacing is 0.5 1 2.25, that of the first volume 0.5 0.33"),
    "origin": ({"origin": (1, 2, 3)}, "its origin is 1 2 3, that of the first volume"),
    "direction": ({"direction": np.eye(3)}, "its direction is 1 0 0 0 1 0 0 0 1, that of the first"),
    "order": (
        {"labels": [f"channel {7 * index}: x" for index in (0, 1, 3, 2, 4)]},
        "its slices are in another order than those of the first volume: slice 2 is 'channel 21: x', there "
        "'channel 14: x'; order them alike",
    ),
    "slices": ({"labels": "abcde"}, "its slices are others than those of the first volume"),
}


@pytest.mark.parametrize(("changes", "expected"), REFUSED.values(), ids=REFUSED)
def test_volumes_that_do_not_go_together(changes: dict[str, Any], expected: str) -> None:
    first, second, third = volumes()
    with pytest.raises(VolumeError) as caught:
        gathered([first, second, third.replace(**changes)])
    assert str(caught.value).startswith(f"in/c.nrrd: {expected}")


def test_places_may_differ_by_rounding() -> None:
    first, second, _ = volumes()
    # NIfTI holds the matrix as float32
    gathered([first, second.replace(spacing=np.float32(second.spacing), origin=np.float32(second.origin))])


def test_too_few_or_wrong_labels() -> None:
    with pytest.raises(VolumeError, match="a series takes two volumes or more"):
        gathered(volumes()[:1])
    for labels, expected in {
        ("a", "b"): "2 labels for 3 volumes",
        ("a", "b", "a"): "two frames are called 'a': they need labels",
        ("a", " ", "b"): "a frame needs a label that is not blank",
    }.items():
        with pytest.raises(VolumeError, match=expected):
            gathered(volumes(), labels)


@pytest.mark.parametrize("name", ["out.nrrd", "out.vti", ".pvd", "out", "out.hdf"])
def test_formats_that_hold_no_series(tmp_path: Path, name: str) -> None:
    with pytest.raises(VolumeError, match=r"no format for series; known are \.seq\.nrrd "):
        series.write(gathered([plain(SHAPE), plain(SHAPE)]), tmp_path / name)
