"""Inputs from files: pictures by hand-computed values, arrays and volumes as they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from converters.errors import CnnVisError
from extract.errors import ImageError
from extract.images import PreparedInput, batches, expand, to_input
from extract.preprocessing import Preprocessing, preset
from extract.sources import find_images
from tests.extract import picture_files as files

GREY = np.arange(35, dtype=np.uint8).reshape(5, 7) * 7
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)
RAW = preset("raw")
FREE = (None, None, None, None)


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    return files.write(tmp_path / "grey.png", files.png(GREY, files.GREY))


@pytest.fixture
def colour(tmp_path: Path) -> Path:
    return files.write(tmp_path / "colour.png", files.png(COLOUR, files.RGB))


def _input(path: Path, settings: Preprocessing = RAW, shape: tuple = FREE) -> PreparedInput:
    (source,) = find_images([path])
    return to_input(source, settings, shape)


def test_rgb_planes(colour: Path) -> None:
    one = _input(colour, shape=(1, 3, 5, 7))
    assert one.array.dtype == np.float32
    assert one.array.flags.c_contiguous
    np.testing.assert_array_equal(one.array, COLOUR.transpose(2, 0, 1))
    np.testing.assert_array_equal(one.picture, COLOUR)


def test_bgr_planes_but_an_rgb_picture(colour: Path) -> None:
    one = _input(colour, preset("caffe"), (None, 3, 5, 7))
    np.testing.assert_array_equal(one.array[0], COLOUR[..., 2] - np.float32(104))
    np.testing.assert_array_equal(one.array[1], COLOUR[..., 1] - np.float32(117))
    np.testing.assert_array_equal(one.array[2], COLOUR[..., 0] - np.float32(123))
    np.testing.assert_array_equal(one.picture, COLOUR)


def test_a_grey_network_gets_luminance(colour: Path) -> None:
    one = _input(colour, shape=(1, 1, 5, 7))
    expected = COLOUR @ np.array([0.299, 0.587, 0.114])
    # rounded to whole numbers, with weights of 16 bits
    np.testing.assert_allclose(one.array[0], expected, atol=0.51)
    assert one.array.shape == (1, 5, 7)
    assert one.picture is not None
    assert one.picture.shape == (5, 7)


def test_a_colour_network_gets_grey_three_times(grey: Path) -> None:
    one = _input(grey, shape=(1, 3, 5, 7))
    np.testing.assert_array_equal(one.array, [GREY, GREY, GREY])
    np.testing.assert_array_equal(one.picture, GREY)


def test_luminance_by_setting(colour: Path) -> None:
    settings = Preprocessing(scale=1, channels="L")
    assert _input(colour, settings).array.shape == (1, 5, 7)
    three = _input(colour, settings, (1, 3, None, None)).array
    assert three.shape == (3, 5, 7)
    np.testing.assert_array_equal(three[0], three[2])
    np.testing.assert_array_equal(three[0], _input(colour, shape=(1, 1, 5, 7)).array[0])


def test_torch_by_hand(colour: Path) -> None:
    """At 4 x 4 the torch preset makes the short side round(4 / 0.875) = 5 and cuts rows 0:4, columns 2:6."""
    one = _input(colour, preset("torch"), (1, 3, 4, 4))
    seen = COLOUR[0:4, 2:6]
    np.testing.assert_array_equal(one.picture, seen)
    expected = (seen / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(one.array, expected.transpose(2, 0, 1), rtol=1e-6, atol=1e-7)


def test_torch_as_torchvision_resizes(tmp_path: Path) -> None:
    """Resize(256) and CenterCrop(224) on a picture, written with Pillow alone."""
    noise = np.random.default_rng(7).integers(0, 256, (300, 417, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    resized = Image.fromarray(noise).resize((int(256 * 417 / 300), 256), Image.Resampling.BILINEAR)
    left, top = round((resized.width - 224) / 2), round((256 - 224) / 2)
    cut = np.asarray(resized.crop((left, top, left + 224, top + 224)))
    expected = (cut.astype(np.float32) / 255 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]
    one = _input(tmp_path / "a.png", preset("torch"), (1, 3, 224, 224))
    np.testing.assert_array_equal(one.picture, cut)
    np.testing.assert_allclose(one.array, expected.transpose(2, 0, 1), atol=1e-6)


def test_16_bit_grey_is_not_cut_to_8(tmp_path: Path) -> None:
    deep = (np.arange(35, dtype=np.uint16).reshape(5, 7) * 1900).astype(np.uint16)
    path = files.write(tmp_path / "a.png", files.png(deep, files.GREY, 16))
    one = _input(path, preset("unit"), (1, 1, 5, 7))
    np.testing.assert_allclose(one.array[0], deep / 65535, rtol=2e-7)
    assert one.picture is not None
    assert one.picture.dtype == np.float32


def test_transparent_pixels_get_the_background(tmp_path: Path) -> None:
    rgba = np.concatenate([COLOUR, np.zeros((5, 7, 1), np.uint8)], axis=-1)
    path = files.write(tmp_path / "a.png", files.png(rgba, files.RGBA))
    assert (_input(path).array == 255).all()
    other = _input(path, Preprocessing(scale=1, background=(1, 2, 3)))
    assert other.array[:, 2, 3].tolist() == [1, 2, 3]


def test_a_size_of_ones_own(colour: Path) -> None:
    one = _input(colour, Preprocessing(size=(10, 14), scale=1), (1, 3, None, None))
    assert one.array.shape == (3, 10, 14)


def test_facts_of_a_picture(colour: Path) -> None:
    one = _input(colour, preset("torch"), (1, 3, 4, 4))
    digest = hashlib.sha256(colour.read_bytes()).hexdigest()
    assert one.sha256 == digest
    assert json.loads(json.dumps(one.facts)) == {
        "kind": "picture",
        "file": "colour.png",
        "sha256": digest,
        "preprocessing": preset("torch").facts,
        "picture_size": [5, 7],
        "input_to_picture": {"scale": [1, 1], "offset": [2, 0]},
    }
    assert (one.spacing, one.origin) == ((1, 1, 1), (0, 0, 0))


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        ((1, 4, 5, 7), RAW, r"has 1 or 3 channels.*\(1, 4, 5, 7\): give it as \.npy"),
        ((None, 12), RAW, r"input has shape \(\?, 12\): give it as \.npy"),
        ((1, 1, 8, 5, 7), RAW, r"input has shape \(1, 1, 8, 5, 7\): give it as \.npy"),
        ((), RAW, r"input has shape \(\): give it"),
        ((1, 3, 224, 224), Preprocessing(size=(5, 7)), "of 5 x 7, but the network takes 224 x 224"),
        ((1, 3, 224, 224), Preprocessing(short_side=100), "short_side 100 makes the picture 100 x 140"),
        ((1, 1, 5, 7), preset("torch"), "mean has 3 numbers, the network's input 1 channels"),
        ((1, 3, 5, 7), Preprocessing(mean=Path("no.npy")), r"no\.npy: no such file"),
    ],
)
def test_pictures_that_do_not_fit(colour: Path, shape: tuple, settings: Preprocessing, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        _input(colour, settings, shape)
    assert str(caught.value).startswith(f"{colour}: ")


ARRAY = np.arange(2 * 3 * 5 * 7).reshape(2, 3, 5, 7)


@pytest.mark.parametrize("dtype", ["f4", ">f8", "f2", "u1", "<i8", "?"])
def test_arrays_are_used_as_they_are(tmp_path: Path, dtype: str) -> None:
    values = (ARRAY[0] % 200).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    one = _input(tmp_path / "a.npy", preset("torch"), (1, 3, 5, 7))
    assert one.array.dtype == np.float32
    assert one.array.flags.c_contiguous
    np.testing.assert_array_equal(one.array, values.astype(float))
    assert one.picture is None
    digest = hashlib.sha256((tmp_path / "a.npy").read_bytes()).hexdigest()
    assert one.facts == {"kind": "array", "file": "a.npy", "sha256": digest}


def test_fortran_order_and_a_batch_axis_of_one(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(ARRAY[:1].astype(np.float32)))
    one = _input(tmp_path / "a.npy", shape=(None, 3, None, None))
    np.testing.assert_array_equal(one.array, ARRAY[0])
    assert one.name == "a"


def test_several_inputs_in_one_array(tmp_path: Path, grey: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAY)
    sources = find_images([tmp_path / "a.npy", grey])
    shape = (None, 3, 5, 7)
    found = expand(sources, shape)
    assert [source.name for source in found] == ["a_0", "a_1", "grey"]
    assert expand(found, shape) == found
    second = to_input(found[1], RAW, shape)
    np.testing.assert_array_equal(second.array, ARRAY[1])
    assert second.facts["item"] == 1
    assert second.sha256 == hashlib.sha256((tmp_path / "a.npy").read_bytes()).hexdigest()
    with pytest.raises(ImageError, match=r"a\.npy: holds 2 inputs where one is asked for"):
        to_input(sources[0], RAW, shape)


def test_names_of_items_may_clash(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAY)
    files.write(tmp_path / "A_1.png", files.png(GREY, files.GREY))
    with pytest.raises(ImageError, match=r"a\.npy and .*A_1\.png: 2 inputs are called 'a_1': rename a file"):
        expand(find_images([tmp_path]), (None, 3, 5, 7))


def test_arrays_for_networks_without_pictures(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(12.0))
    assert _input(tmp_path / "a.npy", shape=(None, 12)).array.shape == (12,)


def _bad_arrays() -> dict[str, tuple[Any, str]]:
    nan = np.zeros((3, 5, 7))
    nan[0, 2, 1] = np.nan
    nan[2, 4, 6] = np.inf
    huge = np.zeros((3, 5, 7))
    huge[1, 0, 6] = 1e39
    no_fit = r"an array of shape {} does not fit the network's input of shape \(1, 3, 5, 7\)"
    return {
        "transposed": (np.zeros((5, 7, 3)), no_fit.format(r"\(5, 7, 3\)")),
        "rank 2": (np.zeros((5, 7)), no_fit.format(r"\(5, 7\)")),
        "rank 5": (np.zeros((1, 1, 3, 5, 7)), no_fit.format(r"\(1, 1, 3, 5, 7\)")),
        "no inputs": (np.zeros((0, 3, 5, 7)), no_fit.format(r"\(0, 3, 5, 7\)")),
        "a number": (np.zeros(()), no_fit.format(r"\(\)")),
        "nan": (nan, r"2 of 105 values are NaN or infinite, the first at \(0, 2, 1\)"),
        "too large for float32": (huge, r"1 of 105 values are NaN or infinite, the first at \(1, 0, 6\)"),
        "complex": (np.zeros((3, 5, 7), complex), "holds real numbers, not complex128"),
        "text": (np.full((3, 5, 7), "a"), "holds real numbers, not <U1"),
        "structured": (np.zeros((3, 5, 7), [("r", "f4")]), "holds real numbers, not "),
        "dates": (np.zeros((3, 5, 7), "M8[s]"), "holds real numbers, not datetime64"),
    }


@pytest.mark.parametrize("case", _bad_arrays())
def test_arrays_that_do_not_fit(tmp_path: Path, case: str) -> None:
    values, message = _bad_arrays()[case]
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ImageError, match=message) as caught:
        _input(tmp_path / "a.npy", shape=(1, 3, 5, 7))
    assert str(caught.value).startswith(str(tmp_path / "a.npy"))


def test_no_dimension_of_a_free_network_may_be_empty(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 0, 7)))
    with pytest.raises(ImageError, match=r"shape \(3, 0, 7\) does not fit .* \(\?, 3, \?, \?\)"):
        _input(tmp_path / "a.npy", shape=(None, 3, None, None))


class _Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([_Trap(tmp_path / "sprung")], object), allow_pickle=True)
    with pytest.raises(ImageError, match=r"a\.npy: not a \.npy array of numbers, or damaged"):
        _input(tmp_path / "a.npy", shape=(1, 3, 5, 7))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("shape", [(10**6, 10**6), (2**40, 2**40), (-1, 5), (True, 5), (3, 5, 7)])
def test_headers_that_lie(tmp_path: Path, shape: tuple) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(12))
    with pytest.raises(ImageError, match=r"a\.npy: not a \.npy array of numbers, or damaged"):
        _input(tmp_path / "a.npy", shape=(1, 3, 5, 7))


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"PK\3\4 a zip", b"\x93NUMPY\1\0\x08\0{broken\n"])
def test_files_that_are_no_arrays(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.npy: not a \.npy array of numbers, or damaged"):
        _input(tmp_path / "a.npy", shape=(1, 3, 5, 7))


SCAN = np.arange(5 * 7 * 11, dtype=np.float32).reshape(5, 7, 11)
FREE_3D = (None, 1, None, None, None)


def _nifti(path: Path) -> Path:
    """A scan of 11 x 7 x 5 voxels with x and y exchanged in space, written by nibabel in its RAS frame."""
    affine = np.array([[0, -3, 0, 10], [-2, 0, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(SCAN.T, affine), path)
    return path


def test_a_nifti_scan_keeps_its_place(tmp_path: Path) -> None:
    one = _input(_nifti(tmp_path / "scan.nii.gz"), preset("torch"), FREE_3D)
    np.testing.assert_array_equal(one.array, SCAN[np.newaxis])
    assert one.spacing == (2, 3, 4)
    # LPS has x and y of the other sign
    assert one.origin == (-10, -20, 30)
    np.testing.assert_allclose(one.direction, [0, 1, 0, 1, 0, 0, 0, 0, 1], atol=1e-12)
    assert one.facts["axes"] == "zyx"
    assert one.facts["values_sha256"] == hashlib.sha256(SCAN.tobytes()).hexdigest()
    assert one.picture is None


@pytest.mark.parametrize("axes", ["zyx", "zxy", "yzx", "yxz", "xzy", "xyz"])
def test_axes_turn_the_scan_and_its_geometry(tmp_path: Path, axes: str) -> None:
    path = _nifti(tmp_path / "scan.nii")
    one = _input(path, Preprocessing(axes=axes), FREE_3D)
    size = {"x": 11, "y": 7, "z": 5}
    assert one.array.shape == (1, *(size[letter] for letter in axes))
    # each value's position in space, computed by nibabel from the file
    affine = nibabel.load(path).affine
    direction = np.array(one.direction).reshape(3, 3)
    for d, h, w in [(0, 0, 0), (1, 2, 3), (4, 1, 0), (2, 3, 4)]:
        at = dict(zip(axes, (d, h, w), strict=True))
        value = one.array[0, d, h, w]
        assert value == SCAN[at["z"], at["y"], at["x"]]
        ras = (affine @ [at["x"], at["y"], at["z"], 1])[:3]
        lps = np.array(one.origin) + direction @ (np.array([w, h, d]) * one.spacing)
        np.testing.assert_allclose(lps * [-1, -1, 1], ras, atol=1e-5)


@pytest.mark.parametrize("extension", ["nrrd", "mha", "mhd"])
def test_scans_that_itk_wrote(tmp_path: Path, extension: str) -> None:
    image = SimpleITK.GetImageFromArray(SCAN)
    image.SetSpacing((0.5, 2, 3))
    image.SetOrigin((-7, 8, 9))
    SimpleITK.WriteImage(image, tmp_path / f"scan.{extension}")
    one = _input(tmp_path / f"scan.{extension}", RAW, (1, 1, 5, 7, 11))
    np.testing.assert_array_equal(one.array[0], SCAN)
    assert (one.spacing, one.origin) == ((0.5, 2, 3), (-7, 8, 9))


def _four(path: Path) -> Path:
    frames = np.stack([SCAN, -SCAN]).transpose(3, 2, 1, 0)
    nibabel.save(nibabel.Nifti1Image(frames, np.eye(4)), path)
    return path


def test_frames_become_channels_when_asked(tmp_path: Path) -> None:
    path = _four(tmp_path / "scan.nii")
    one = _input(path, Preprocessing(axes="cxyz"), (None, 2, 11, 7, 5))
    np.testing.assert_array_equal(one.array, np.stack([SCAN.T, -SCAN.T]))
    assert one.facts["axes"] == "cxyz"
    for axes in (None, "zyx"):
        with pytest.raises(ImageError, match=r"scan\.nii: has 2 frames: say that they are channels"):
            _input(path, Preprocessing(axes=axes), (None, 2, 5, 7, 11))


@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [
        (None, (1, 1, 11, 7, 5), r"\(1, 5, 7, 11\) does not .* \(1, 1, 11, 7, 5\); with axes xyz it would"),
        (None, (1, 1, 9, 9, 9), r"does not fit the network's input of shape \(1, 1, 9, 9, 9\)$"),
        (None, (1, 4, 5, 7, 11), "bring the channels together in a 4-D file"),
        ("czyx", (1, 1, 5, 7, 11), "axes 'czyx' are for a 4-D file"),
        (None, (1, 3, 5, 7), r"a volume needs a 3-D network; this one's input has shape \(1, 3, 5, 7\)"),
    ],
)
def test_scans_that_do_not_fit(tmp_path: Path, axes: str | None, shape: tuple, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        _input(_nifti(tmp_path / "scan.nii"), Preprocessing(axes=axes), shape)
    assert str(caught.value).startswith(str(tmp_path / "scan.nii"))


def test_scans_with_holes_or_no_scans(tmp_path: Path) -> None:
    holes = SCAN.copy()
    holes[1, 2, 3] = np.nan
    nibabel.save(nibabel.Nifti1Image(holes.T, np.eye(4)), tmp_path / "scan.nii")
    with pytest.raises(ImageError, match=r"1 of 385 values are NaN or infinite, the first at \(0, 1, 2, 3\)"):
        _input(tmp_path / "scan.nii", shape=FREE_3D)
    (tmp_path / "text.nii").write_text("not a scan")
    with pytest.raises(CnnVisError, match=r"text\.nii"):
        _input(tmp_path / "text.nii", shape=FREE_3D)


def test_batches_have_at_most_their_size(tmp_path: Path, grey: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAY)
    sources = find_images([grey, tmp_path / "a.npy"])
    found = list(batches(sources, RAW, (None, 3, 5, 7), 2))
    assert [[one.name for one in batch] for batch in found] == [["grey", "a_0"], ["a_1"]]
    assert np.stack([one.array for one in found[0]]).shape == (2, 3, 5, 7)
    assert list(batches([], RAW, FREE, 2)) == []


def test_a_batch_has_one_shape(tmp_path: Path) -> None:
    for name, rows in (("a", 5), ("b", 5), ("c", 3), ("d", 5)):
        files.write(tmp_path / f"{name}.png", files.png(GREY[:rows], files.GREY))
    found = list(batches(find_images([tmp_path]), RAW, FREE, 3))
    assert [[one.name for one in batch] for batch in found] == [["a", "b"], ["c"], ["d"]]


def test_batches_read_only_what_they_need(tmp_path: Path, grey: Path) -> None:
    broken = files.write(tmp_path / "z.png", b"broken")
    stream = batches(find_images([grey, broken]), RAW, FREE, 1)
    assert next(stream)[0].name == "grey"
    with pytest.raises(ImageError, match=r"z\.png"):
        next(stream)
