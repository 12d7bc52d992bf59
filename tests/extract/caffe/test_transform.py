"""TransformationParameter against what real Caffe's data layer makes of a picture.

Goldens: Caffe 1.0 (Debian 11, python3-caffe 1.0.0+git20180821.99bd997-8+b2, OpenCV 4.5.1), a network of one
ImageData layer with the ``transform_param`` that the test names, ``new_height`` and ``new_width`` as
`stretch_to`, phase TEST, fed with ``picture(5, 7)`` as PNG. The goldens are rounded to five digits after the
point; the blob in the file of the mean was written by that Caffe's own caffe_pb2.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from converters.errors import CnnVisWarning
from extract.caffe.schema import message
from extract.caffe.transform import transform_preprocessing
from extract.errors import ImageError, ModelError
from extract.images import to_input
from extract.preprocessing import Preprocessing
from extract.sources import find_images
from tests.extract.caffe_files import MEAN, picture, write_mean, write_picture

# half a unit in the fifth digit, and float32
TOLERANCE = 1e-5

CUT_WITH_MEAN_FILE = """
    -0.71825 -1.22825 -0.02125 -0.42925  0.11475 -0.37825 -0.87125 -1.38125
     0.96475  0.45475 -0.03825 -0.54825  1.79775  1.28775  0.79475  0.30175
    -1.78925 -1.10925 -0.10625  2.68175 -0.95625 -1.44925 -0.46325  1.81475
    -0.10625 -0.61625  0.38675  2.64775 -0.97325 -1.48325  0.14875  0.59075
     1.40675  0.91375  0.40375 -0.08925  2.18875  1.74675  1.23675  0.74375
     2.86875  2.57975  2.08675  1.57675 -0.88825  0.65875  1.21975  2.42675
"""

CUT_WITH_MEAN_VALUES = """
     17   -11   -39    33     5   -23    50    22    -6
    -69.5 -97.5 -16.5 -53.5 -81.5  0.5 -36.5 -64.5 -16.5
     98    75    47    66    92    64     4    74    80
"""

CUT_WITH_ONE_MEAN_VALUE = """
     13   -5.5 -24.5  24.5   5.5 -13   35.5  17   -1.5
    -23.5 -29   25.5 -12   -31   23.5  -1   -19.5   4.5
     65.5  47   28    22    58   39.5 -19    39   51
"""

GREY_SCALED = """
    -0.103515625 0.228515625 0.560546875 0.322265625 0.248046875 0.580078125
    -0.060546875 0.271484375 0.607421875 0.365234375 0.291015625 0.623046875
    -0.013671875 0.318359375 0.650390625 0.412109375 0.333984375 0.666015625
     0.029296875 0.361328125 0.337890625 0.099609375 0.380859375 0.712890625
"""


def _transform(text: str = ""):
    return text_format.Parse(text, message("TransformationParameter"))


def _numbers(text: str, *shape: int) -> np.ndarray:
    return np.array(text.split(), float).reshape(shape)


def _input(path: Path, settings: Preprocessing, shape: tuple[int, ...]) -> np.ndarray:
    (source,) = find_images([path])
    return to_input(source, settings, shape).array


@pytest.fixture
def colour(tmp_path: Path) -> Path:
    return write_picture(tmp_path / "colour.png", picture(5, 7))


def test_cut_with_a_mean_file(tmp_path: Path, colour: Path) -> None:
    write_mean(tmp_path / "mean.binaryproto", MEAN)
    text = 'crop_size: 4 scale: 0.017 mean_file: "mean.binaryproto" mirror: true'
    settings = transform_preprocessing(_transform(text), (1, 3, 4, 4), tmp_path)
    assert settings.stretch_to == (7, 10)
    expected = _numbers(CUT_WITH_MEAN_FILE, 3, 4, 4)
    np.testing.assert_allclose(_input(colour, settings, (1, 3, 4, 4)), expected, atol=TOLERANCE)


def test_a_mean_file_without_a_cut(tmp_path: Path, colour: Path) -> None:
    """The size of the mean is that of the input, also where the network leaves it free."""
    write_mean(tmp_path / "mean.binaryproto", MEAN)
    settings = transform_preprocessing(
        _transform('mean_file: "mean.binaryproto"'), (1, 3, None, None), tmp_path
    )
    array = _input(colour, settings, (1, 3, None, None))
    fourth_row = [139.75, 114.75, 85.75, 56.75, 26.75, -2.25, -32.25, -61.25, -90.25, -115.25]
    assert array.shape == (3, 7, 10)
    np.testing.assert_array_equal(array[0, 3], fourth_row)


@pytest.mark.parametrize(
    ("text", "before", "golden"),
    [
        ("crop_size: 3 mean_value: 104 mean_value: 117.5 mean_value: 123", 8, CUT_WITH_MEAN_VALUES),
        ("crop_size: 3 mean_value: 100 scale: 0.5", 6, CUT_WITH_ONE_MEAN_VALUE),
    ],
)
def test_mean_values_and_a_cut_from_a_size_that_is_told(
    colour: Path, text: str, before: int, golden: str
) -> None:
    with pytest.warns(CnnVisWarning, match="crop_size 3 cuts pictures of a size that only Caffe's data set"):
        settings = transform_preprocessing(_transform(text), (1, 3, 3, 3))
    assert _input(colour, settings, (1, 3, 3, 3)).shape == (3, 3, 3)
    told = replace(settings, stretch_to=(before, before))
    np.testing.assert_array_equal(_input(colour, told, (1, 3, 3, 3)), _numbers(golden, 3, 3, 3))


def test_grey(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "grey.png", picture(5, 7, 1))
    settings = transform_preprocessing(_transform("mean_value: 33.5 scale: 0.00390625"), (1, 1, 4, 6))
    assert settings.channels == "L"
    np.testing.assert_array_equal(_input(path, settings, (1, 1, 4, 6))[0], _numbers(GREY_SCALED, 4, 6))


def test_nothing_said_is_plain_bgr() -> None:
    expected = Preprocessing(resize="stretch", interpolation="bilinear-opencv", channels="BGR", scale=1)
    assert transform_preprocessing(_transform(), ()) == expected
    assert transform_preprocessing(_transform("force_color: true"), (1, 3, 5, 7)) == expected
    assert transform_preprocessing(_transform("force_gray: true"), (1, None, 5, 7)).channels == "L"


def test_where_a_mean_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transform = _transform('mean_file: "data/mean.binaryproto"')
    folder, working = tmp_path / "net", tmp_path / "caffe"
    for place in (folder, working):
        (place / "data").mkdir(parents=True)
    monkeypatch.chdir(working)
    assert transform_preprocessing(transform, (1, 3, 5, 7), folder).mean == folder / "data/mean.binaryproto"
    write_mean(working / "data" / "mean.binaryproto", MEAN)
    assert transform_preprocessing(transform, (1, 3, 5, 7), folder).mean == Path("data/mean.binaryproto")
    write_mean(folder / "data" / "mean.binaryproto", MEAN)
    assert transform_preprocessing(transform, (1, 3, 5, 7), folder).mean == folder / "data/mean.binaryproto"


def test_a_missing_mean_file_is_an_error_when_it_is_used(tmp_path: Path, colour: Path) -> None:
    settings = transform_preprocessing(_transform('mean_file: "mean.binaryproto"'), (1, 3, 5, 7), tmp_path)
    with pytest.raises(ImageError, match=r"colour\.png: .*mean\.binaryproto: no such file"):
        _input(colour, settings, (1, 3, 5, 7))
    assert _input(colour, replace(settings, mean=104), (1, 3, 5, 7)).shape == (3, 5, 7)


def test_a_damaged_mean_file_is_an_error_when_it_is_used(tmp_path: Path, colour: Path) -> None:
    (tmp_path / "mean.binaryproto").write_bytes(b"\xff" * 7)
    settings = transform_preprocessing(_transform('mean_file: "mean.binaryproto"'), (1, 3, 5, 7), tmp_path)
    with pytest.raises(ImageError, match=r"mean\.binaryproto"):
        _input(colour, settings, (1, 3, 5, 7))


@pytest.mark.parametrize(
    ("text", "message_"),
    [
        ('mean_file: "a" mean_value: 1', "mean_file and mean_value exclude each other"),
        ("force_color: true force_gray: true", "force_color and force_gray exclude each other"),
        ("mean_value: 1 mean_value: 2", "2 mean_value for 3 channels"),
        ("scale: 0", "input_scale takes a finite number other than 0"),
        ("scale: inf", "input_scale takes a finite number"),
        ("mean_value: nan", "mean takes a finite number"),
    ],
)
def test_contradictions_and_bad_numbers(text: str, message_: str) -> None:
    with pytest.raises(ModelError, match=f"transform_param: .*{message_}"):
        transform_preprocessing(_transform(text), (1, 3, 5, 7))
