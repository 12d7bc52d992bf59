import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from extract.caffe.fillers import fill
from extract.caffe.schema import message
from extract.errors import ModelError

GOLDENS = Path(__file__).parent / "goldens"
# What real Caffe gives, and for what: see goldens/make_weights.py.
EXACT = {"constant": {"type": "constant", "value": 0.3}}
EXACT |= {name: {"type": "bilinear"} for name in ("bilinear5", "bilinear14")}
RANDOM = {
    "uniform": {"type": "uniform", "min": -1, "max": 3},
    "gaussian": {"type": "gaussian", "mean": 2, "std": 0.5},
    "sparse": {"type": "gaussian", "std": 2, "sparse": 8},
    "positive_unitball": {"type": "positive_unitball"},
    "xavier": {"type": "xavier"},
    "xavier_out": {"type": "xavier", "variance_norm": "FAN_OUT"},
    "xavier_average": {"type": "xavier", "variance_norm": "AVERAGE"},
    "msra": {"type": "msra"},
    "msra_out": {"type": "msra", "variance_norm": "FAN_OUT"},
    "msra_average": {"type": "msra", "variance_norm": "AVERAGE"},
}
SHAPE = (32, 20, 9, 7)


def _filler(**parameters):
    filler = message("FillerParameter")
    norm = parameters.pop("variance_norm", "FAN_IN")
    filler.variance_norm = filler.VarianceNorm.Value(norm)
    for name, value in parameters.items():
        setattr(filler, name, value)
    return filler


def _values(shape, name="conv.weight", **parameters):
    weight = fill(_filler(**parameters), shape, name)
    values = weight.read()
    assert weight.shape == shape == values.shape
    assert values.dtype == np.float32
    assert values.flags.c_contiguous
    assert values.flags.writeable
    assert values.tobytes() == weight.read().tobytes()
    return values


@pytest.mark.parametrize("name", EXACT)
def test_exact_fillers_give_what_real_caffe_gives(name):
    with np.load(GOLDENS / "fillers.npz") as arrays:
        expected = arrays[name]
    np.testing.assert_array_equal(_values(expected.shape, **EXACT[name]), expected)


@pytest.mark.parametrize("name", RANDOM)
def test_random_fillers_have_the_distribution_of_real_caffe(name):
    mean, std, least, largest = json.loads((GOLDENS / "fillers.json").read_text(encoding="utf-8"))[name]
    values = _values(SHAPE, **RANDOM[name]).astype(np.float64)
    # two samples of this size: a difference beyond five standard errors is one in a million
    error = std * np.sqrt(2 / values.size)
    assert abs(values.mean() - mean) < 5 * error
    # the standard deviation of a sparse sample, of kurtosis 12, is the least certain
    assert abs(values.std() - std) < 5 * error * (1.7 if name == "sparse" else 0.8)
    span = largest - least
    # extremes of a normal sample vary, those of a uniform one hardly
    tolerance = 0.2 if RANDOM[name]["type"] in ("gaussian", "msra") else 0.02
    assert abs(values.min() - least) < tolerance * span
    assert abs(values.max() - largest) < tolerance * span


def test_sparse_values_are_mostly_zero():
    share = np.count_nonzero(_values(SHAPE, **RANDOM["sparse"])) / np.prod(SHAPE)
    assert abs(share - 8 / 32) < 5 * np.sqrt(0.25 * 0.75 / np.prod(SHAPE))
    assert not _values(SHAPE, type="gaussian", sparse=0).any()


def test_rows_of_the_unit_ball_sum_to_one():
    values = _values((5, 2, 3, 2, 2), type="positive_unitball")
    assert values.min() >= 0
    np.testing.assert_allclose(values.sum(axis=(1, 2, 3, 4)), 1, rtol=1e-6)
    np.testing.assert_array_equal(_values((5,), type="positive_unitball"), 1)


@pytest.mark.parametrize(
    ("shape", "norm", "bound"),
    # measured with real Caffe: least and largest of these are within 1 % of the bound
    [
        ((1000,), "FAN_IN", np.sqrt(3)),
        ((1000,), "FAN_OUT", np.sqrt(3 / 1000)),
        ((50, 2, 2, 2, 2), "FAN_IN", np.sqrt(3 / 16)),
        ((50, 2, 2, 2, 2), "FAN_OUT", np.sqrt(3 / 400)),
    ],
)
def test_fans_of_blobs_that_are_no_filters(shape, norm, bound):
    values = _values(shape, type="xavier", variance_norm=norm)
    assert 0.98 * bound < values.max() <= bound
    assert -bound <= values.min() < -0.98 * bound


@pytest.mark.parametrize("name", RANDOM)
def test_the_name_is_the_seed(name):
    first = _values((8, 3, 2, 2), "conv1.weight", **RANDOM[name])
    assert first.tobytes() == _values((8, 3, 2, 2), "conv1.weight", **RANDOM[name]).tobytes()
    assert first.tobytes() != _values((8, 3, 2, 2), "conv2.weight", **RANDOM[name]).tobytes()


def test_the_same_network_gets_the_same_weights_in_every_run():
    # numpy 2.4.6: Generator(PCG64(int.from_bytes(sha256(b"conv1.weight").digest()))).random(2, float32)
    found = _values((2,), "conv1.weight", type="uniform")
    np.testing.assert_array_equal(found, np.array([0.6517884135246277, 0.26074957847595215], np.float32))


def test_names_may_be_any_text():
    assert _values((2,), "späť/✓.weight", type="uniform").any()


@pytest.mark.parametrize("value", [0, 0.25, 1])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 4, 5)])
def test_a_number_fills_with_itself(shape, value):
    weight = fill(value, shape, "scale.weight")
    assert weight.shape == shape
    assert weight.read().dtype == np.float32
    np.testing.assert_array_equal(weight.read(), np.full(shape, value, np.float32))


def test_a_single_value_can_be_constant():
    assert _values((), type="constant", value=0.25) == 0.25


def test_nothing_is_made_before_it_is_read():
    tracemalloc.start()
    for parameters in RANDOM.values():
        fill(_filler(**parameters), (4096, 9216), "fc6.weight")
    fill(_filler(type="bilinear"), (2048, 2048, 16, 16), "up.weight")
    fill(0.0, (4096, 9216), "fc6.weight")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


# Real Caffe 1.0 ends with a failed check for each of these.
@pytest.mark.parametrize(
    ("parameters", "shape", "reason"),
    [
        ({"type": "nope"}, (2, 3), "unknown filler; known are constant, uniform, gaussian"),
        ({"type": ""}, (2, 3), "unknown filler"),
        ({"type": "gaussian", "std": 0}, (2, 3), "its std must be above 0, not 0"),
        ({"type": "gaussian", "std": float("nan")}, (2, 3), "its std must be above 0"),
        ({"type": "gaussian", "sparse": 9}, (2, 3), "9 of 2 outputs"),
        ({"type": "gaussian", "sparse": -3}, (2, 3), "cannot be sparse"),
        ({"type": "gaussian", "sparse": 1}, (), r"cannot fill a parameter of shape \(\)"),
        ({"type": "uniform", "min": 2, "max": 1}, (2, 3), "its min 2 is above its max 1"),
        ({"type": "xavier", "sparse": 2}, (2, 3), "cannot be sparse"),
        (
            {"type": "bilinear"},
            (2, 3, 4, 5),
            r"needs a square kernel of two axes, .* shape is \(2, 3, 4, 5\)",
        ),
        ({"type": "bilinear"}, (2, 4, 4), "needs a square kernel"),
        ({"type": "xavier"}, (), r"cannot fill a parameter of shape \(\)"),
        ({"type": "positive_unitball"}, (), r"cannot fill a parameter of shape \(\)"),
        ({"type": "constant"}, (0, 2), r"cannot fill the empty shape \(0, 2\)"),
        ({"type": "xavier"}, (0, 2), "cannot fill the empty shape"),
    ],
)
def test_what_caffe_refuses_is_refused(parameters, shape, reason):
    with pytest.raises(
        ModelError, match=rf"parameter 'up.weight', filler '{parameters['type']}': .*{reason}"
    ):
        fill(_filler(**parameters), shape, "up.weight")
