"""Decoding pictures: known bytes in, known values out."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from converters.errors import CnnVisWarning
from extract.errors import ImageError
from extract.pictures import load_picture, luminance, picture_extensions
from tests.extract import picture_files as files

GREY = np.arange(35, dtype=np.uint8).reshape(5, 7) * 7
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)
DEEP = np.array([[0, 1, 255, 256], [257, 32768, 65534, 65535]], np.uint16)


def test_an_8_bit_grey_png(tmp_path: Path) -> None:
    picture = load_picture(files.write(tmp_path / "a.png", files.png(GREY, files.GREY)))
    assert picture.mode == "L"
    np.testing.assert_array_equal(np.asarray(picture), GREY)


def test_an_rgb_png(tmp_path: Path) -> None:
    picture = load_picture(files.write(tmp_path / "a.png", files.png(COLOUR, files.RGB)))
    assert picture.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(picture), COLOUR)


def test_a_1_bit_png(tmp_path: Path) -> None:
    bits = (GREY // 7) % 3 == 0
    picture = load_picture(files.write(tmp_path / "a.png", files.png(bits, files.GREY, depth=1)))
    assert picture.mode == "L"
    np.testing.assert_array_equal(np.asarray(picture), np.where(bits, 255, 0))


def test_a_16_bit_png_keeps_its_precision(tmp_path: Path) -> None:
    picture = load_picture(files.write(tmp_path / "a.png", files.png(DEEP, files.GREY, depth=16)))
    assert picture.mode == "F"
    values = np.asarray(picture)
    np.testing.assert_array_equal(values, (DEEP / 257).astype(np.float32))
    assert values[0, 0] == 0
    assert values[1, 3] == 255
    assert values[1, 0] == 1
    assert 0 < values[0, 1] < 1


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_16_bit_tiffs_of_both_byte_orders(tmp_path: Path, dtype: str) -> None:
    picture = load_picture(files.write(tmp_path / "a.tif", files.tiff(DEEP.astype(dtype))))
    np.testing.assert_array_equal(np.asarray(picture), (DEEP / 257).astype(np.float32))


def test_a_16_bit_pgm(tmp_path: Path) -> None:
    data = b"P5 4 2 65535\n" + DEEP.astype(">u2").tobytes()
    picture = load_picture(files.write(tmp_path / "a.pgm", data))
    np.testing.assert_array_equal(np.asarray(picture), (DEEP / 257).astype(np.float32))


def test_a_transparent_value_of_a_16_bit_png(tmp_path: Path) -> None:
    key = (b"tRNS", struct.pack(">H", 256))
    path = files.write(tmp_path / "a.png", files.png(DEEP, files.GREY, 16, (key,)))
    expected = (DEEP / 257).astype(np.float32)
    expected[0, 3] = 255
    np.testing.assert_array_equal(np.asarray(load_picture(path)), expected)
    expected[0, 3] = 9
    np.testing.assert_array_equal(np.asarray(load_picture(path, background=(9, 9, 9))), expected)


def test_16_bit_colour_keeps_the_upper_byte(tmp_path: Path) -> None:
    colour = np.stack([DEEP, DEEP[::-1], DEEP[:, ::-1]], axis=-1)
    picture = load_picture(files.write(tmp_path / "a.png", files.png(colour, files.RGB, 16)))
    assert picture.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(picture), colour >> 8)


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "<i2"])
def test_integers_up_to_255_in_a_deeper_type_count_as_they_are(tmp_path: Path, dtype: str) -> None:
    picture = load_picture(files.write(tmp_path / "a.tif", files.tiff(GREY.astype(dtype))))
    np.testing.assert_array_equal(np.asarray(picture), GREY)


def test_32_bit_integers_above_255_count_as_16_bits(tmp_path: Path) -> None:
    picture = load_picture(files.write(tmp_path / "a.tif", files.tiff(DEEP.astype("<i4"))))
    np.testing.assert_array_equal(np.asarray(picture), (DEEP / 257).astype(np.float32))


@pytest.mark.parametrize("kind", ["png", "tif", "pgm"])
@pytest.mark.parametrize("largest", [4095, 255, 1])
def test_a_note_where_16_bits_look_like_12(tmp_path: Path, kind: str, largest: int) -> None:
    values = np.array([[0, 1, largest // 2], [largest, 0, 1]], np.uint16)
    data = {
        "png": files.png(values, files.GREY, depth=16),
        "tif": files.tiff(values),
        "pgm": b"P5 3 2 65535\n" + values.astype(">u2").tobytes(),
    }[kind]
    with pytest.warns(CnnVisWarning, match=f"its largest value is {largest} of 65535, as in 12-bit data"):
        picture = load_picture(files.write(tmp_path / "a.file", data))
    np.testing.assert_array_equal(np.asarray(picture), (values / 257).astype(np.float32))


def test_no_note_where_16_bits_are_used_or_all_is_black(tmp_path: Path) -> None:
    for largest in (0, 4096):
        values = np.array([[0, 0, largest]], np.uint16)
        picture = load_picture(files.write(tmp_path / "a.png", files.png(values, files.GREY, depth=16)))
        np.testing.assert_array_equal(np.asarray(picture), (values / 257).astype(np.float32))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0.0, 0.25], [0.5, 1.0]], [[0, 63.75], [127.5, 255]]),
        ([[0.0, 0.25], [0.5, 1.5]], [[0, 0.25], [0.5, 1.5]]),
        ([[0.0, 254.5], [3.0, 255.0]], [[0, 254.5], [3, 255]]),
    ],
)
@pytest.mark.parametrize("order", "<>")
def test_float_tiffs(tmp_path: Path, values: list, expected: list, order: str) -> None:
    path = files.write(tmp_path / "a.tif", files.tiff(np.array(values, order + "f4")))
    np.testing.assert_array_equal(np.asarray(load_picture(path)), np.array(expected, np.float32))


def test_rgba_is_composited_over_the_background(tmp_path: Path) -> None:
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 200, 51]]], np.uint8)
    path = files.write(tmp_path / "a.png", files.png(rgba, files.RGBA))
    # 51 of 255 is a fifth
    white = [[[10, 20, 30], [255, 255, 255], [204, 224, 244]]]
    red = [[[10, 20, 30], [255, 0, 0], [204, 20, 40]]]
    np.testing.assert_array_equal(np.asarray(load_picture(path)), white)
    np.testing.assert_array_equal(np.asarray(load_picture(path, background=(255, 0, 0))), red)


def test_grey_with_alpha(tmp_path: Path) -> None:
    values = np.array([[[10, 255], [10, 0], [100, 51]]], np.uint8)
    path = files.write(tmp_path / "a.png", files.png(values, files.GREY_ALPHA))
    expected = np.repeat([[10, 255, 224]], 3).reshape(1, 3, 3)
    np.testing.assert_array_equal(np.asarray(load_picture(path)), expected)


def test_a_transparent_value_of_an_8_bit_grey_png(tmp_path: Path) -> None:
    path = files.write(
        tmp_path / "a.png", files.png(GREY, files.GREY, 8, ((b"tRNS", struct.pack(">H", 14)),))
    )
    expected = GREY.copy()
    expected[0, 2] = 255
    np.testing.assert_array_equal(np.asarray(load_picture(path))[..., 0], expected)


@pytest.mark.parametrize("transparent", [False, True])
def test_palettes(tmp_path: Path, transparent: bool) -> None:
    indices = np.array([[0, 1, 2], [2, 1, 0]])
    colours = np.array([[255, 0, 0], [0, 255, 0], [1, 2, 3]], np.uint8)
    chunks = [(b"PLTE", colours.tobytes())]
    expected = colours[indices]
    if transparent:
        chunks.append((b"tRNS", bytes([255, 0])))
        expected[indices == 1] = 255
    path = files.write(tmp_path / "a.png", files.png(indices, files.PALETTE, 8, tuple(chunks)))
    np.testing.assert_array_equal(np.asarray(load_picture(path)), expected)


def test_cmyk(tmp_path: Path) -> None:
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 255, 0], [0, 0, 0, 255]]], np.uint8)
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.tif")
    expected = [[[255, 255, 255], [0, 255, 255], [255, 0, 0], [0, 0, 0]]]
    np.testing.assert_array_equal(np.asarray(load_picture(tmp_path / "a.tif")), expected)


def test_ycbcr_becomes_rgb(tmp_path: Path) -> None:
    Image.new("YCbCr", (4, 2), (76, 85, 255)).save(tmp_path / "a.jpg", quality=100)
    picture = load_picture(tmp_path / "a.jpg")
    assert picture.mode == "RGB"
    # red, after the JFIF formula; JPEG rounds
    np.testing.assert_allclose(np.asarray(picture)[0, 0], [254, 0, 0], atol=3)


def test_lab_becomes_rgb(tmp_path: Path) -> None:
    Image.new("LAB", (3, 2), (128, 128, 128)).save(tmp_path / "a.tif")
    picture = load_picture(tmp_path / "a.tif")
    assert picture.mode == "RGB"
    # L* of about 50 without colour (a and b have 128 added) is sRGB 119, after CIE 1976 and IEC 61966-2-1
    np.testing.assert_allclose(np.asarray(picture)[0, 0], [119, 119, 119], atol=2)


@pytest.mark.parametrize("extension", ["gif", "tif", "png"])
def test_the_first_frame_of_a_moving_picture(tmp_path: Path, extension: str) -> None:
    frames = [Image.new("RGB", (5, 3), colour) for colour in ("red", "blue")]
    path = tmp_path / f"a.{extension}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.warns(CnnVisWarning, match=rf"a\.{extension}: only the first of 2 frames is used"):
        picture = load_picture(path)
    assert picture.getpixel((2, 1)) == (255, 0, 0)


@pytest.mark.filterwarnings("ignore::converters.errors.CnnVisWarning")
@pytest.mark.parametrize("extension", ["gif", "tif"])
def test_damage_in_later_frames_does_not_matter(tmp_path: Path, extension: str) -> None:
    frames = [Image.fromarray(np.roll(GREY, shift, axis=1)) for shift in range(4)]
    frames[0].save(tmp_path / f"a.{extension}", save_all=True, append_images=frames[1:])
    whole = (tmp_path / f"a.{extension}").read_bytes()
    frames[0].save(tmp_path / f"one.{extension}")
    first = (tmp_path / f"one.{extension}").stat().st_size
    for length in range(first + 40, len(whole), 7):
        path = files.write(tmp_path / f"cut.{extension}", whole[:length])
        np.testing.assert_array_equal(np.asarray(load_picture(path).convert("L")), GREY)


# what each orientation says of the stored rows and columns, after EXIF 2.3, 4.6.4.A
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: a.T[:, ::-1],
    7: lambda a: a.T[::-1, ::-1],
    8: lambda a: a.T[::-1],
}


def _exif(orientation: int) -> bytes:
    return b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_of_png(tmp_path: Path, orientation: int) -> None:
    data = files.png(GREY, files.GREY, 8, ((b"eXIf", _exif(orientation)),))
    picture = load_picture(files.write(tmp_path / "a.png", data))
    np.testing.assert_array_equal(np.asarray(picture), UPRIGHT[orientation](GREY))


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_of_jpeg(tmp_path: Path, orientation: int) -> None:
    blocks = np.kron(np.array([[0, 60, 120], [180, 240, 30]], np.uint8), np.ones((8, 8), np.uint8))
    Image.fromarray(blocks).save(tmp_path / "a.jpg", quality=100, exif=b"Exif\0\0" + _exif(orientation))
    values = np.asarray(load_picture(tmp_path / "a.jpg"))
    assert values.shape == UPRIGHT[orientation](blocks).shape
    # each block has one value, so JPEG at quality 100 only rounds
    np.testing.assert_allclose(values, UPRIGHT[orientation](blocks).astype(float), atol=2)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_of_16_bit_tiff(tmp_path: Path, orientation: int) -> None:
    picture = load_picture(files.write(tmp_path / "a.tif", files.tiff(DEEP, orientation)))
    np.testing.assert_array_equal(np.asarray(picture), UPRIGHT[orientation]((DEEP / 257).astype(np.float32)))


@pytest.mark.parametrize("junk", [b"", b"MM\0*\0\0\xff\xff", b"no exif at all", _exif(6)[:-9], _exif(77)])
def test_broken_exif_does_not_matter(tmp_path: Path, junk: bytes) -> None:
    path = files.write(tmp_path / "a.png", files.png(GREY, files.GREY, 8, ((b"eXIf", junk),)))
    np.testing.assert_array_equal(np.asarray(load_picture(path)), GREY)


def test_the_content_counts_and_not_the_extension(tmp_path: Path) -> None:
    picture = load_picture(files.write(tmp_path / "a.jpg", files.png(GREY, files.GREY)))
    np.testing.assert_array_equal(np.asarray(picture), GREY)


def test_luminance_is_that_of_a_picture() -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (7, 77, 177), (114, 114, 114)]
    greys = [Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0)) for colour in colours]
    assert [luminance(colour) for colour in colours] == greys


def test_extensions() -> None:
    known = picture_extensions()
    assert {".jpg", ".jpeg", ".png", ".tif", ".gif", ".bmp", ".webp", ".ppm"} <= known
    assert not {".eps", ".ps", ".hdf", ".h5", ".mpg", ".pdf", ".npy", ".json"} & known


def _bomb() -> bytes:
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    data = b"IHDR" + header
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + data + struct.pack(">I", zlib.crc32(data))
    idat = b"IDAT" + zlib.compress(b"")
    return start + struct.pack(">I", len(idat) - 4) + idat + struct.pack(">I", zlib.crc32(idat))


BAD = {
    "empty": (b"", "not a picture of a known format"),
    "text": (b"to be or not to be\n" * 30, "not a picture of a known format"),
    "zip": (b"PK\3\4" + bytes(60), "not a picture of a known format"),
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", "not a picture of a known format"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 5 5\n%%EndComments\n", "not a picture of a known"),
    "truncated": (files.png(COLOUR, files.RGB)[:-40], "damaged"),
    "header only": (files.png(COLOUR, files.RGB)[:20], "damaged"),
    "flipped": (files.png(COLOUR, files.RGB)[:50] + b"\xff" * 20, "damaged"),
    "bomb": (_bomb(), "too many pixels"),
    "integers": (
        files.tiff(np.array([[0, 70000]], "<i4")),
        "its values, 0 to 70000, are not those of a 16-bit",
    ),
    "negative": (files.tiff(np.array([[-1, 5]], "<i2")), "its values, -1 to 5, are not those of a 16-bit"),
    "float": (files.tiff(np.array([[0, 3000]], "<f4")), "its values, 0 to 3000, are not in 0..1 or 0..255"),
    "negative float": (
        files.tiff(np.array([[-0.5, 0.5]], "<f4")),
        "its values, -0.5 to 0.5, are not in 0..1",
    ),
    "nan": (files.tiff(np.array([[np.nan, 0.5]], "<f4")), "its values, nan to nan, are not in 0..1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path: Path, case: str, recwarn: pytest.WarningsRecorder) -> None:
    data, message = BAD[case]
    path = files.write(tmp_path / "a.jpg", data)
    with pytest.raises(ImageError) as caught:
        load_picture(path)
    assert not recwarn.list
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_prefix_of_a_jpeg_is_an_error_or_a_picture(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    path = tmp_path / "a.jpg"
    decoded, messages = 0, []
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        try:
            decoded += load_picture(path).size == (7, 5)
        except ImageError as error:
            messages.append(str(error))
    assert decoded <= 2
    assert messages
    assert all(message.startswith(f"{path}: ") and "\n" not in message for message in messages)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        load_picture(tmp_path / "a.png")
    with pytest.raises(ImageError, match="is a folder, not a picture"):
        load_picture(tmp_path)


def test_a_picture_just_over_pillows_warning_size_opens_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)
    path = files.write(tmp_path / "a.png", files.png(GREY, files.GREY))
    assert load_picture(path).size == (7, 5)
    assert not recwarn.list
