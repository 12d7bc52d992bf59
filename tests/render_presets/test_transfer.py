from __future__ import annotations

import json

import numpy as np
import pytest

from converters import Encoding, Volume
from render_presets import Fitted, PresetError, choose, fit, load, names
from tests.helpers import goldens
from tests.render_presets.volumes import ramp

OWN = {
    "name": "own",
    "version": 3,
    "description": "for tests",
    "range": {"percentiles": [0, 50], "symmetric": False},
    "colors": [[0, 0, 0, 0], [0.25, 1, 0, 0], [1, 1, 1, 1]],
    "opacities": [[0, 0], [0.5, 0.2], [1, 0.9]],
    "unit": 0.5,
}


def own(tmp_path, **changes):
    file = tmp_path / "own.json"
    file.write_text(json.dumps({**OWN, **changes}))
    return file


def values(*numbers):
    return Volume(np.array(numbers, np.float32).reshape(1, 1, -1))


def test_fit_by_hand(tmp_path):
    fitted = fit(load(own(tmp_path)), ramp())
    # the median of 0..384 is 192
    assert fitted.colors == ((0, 0, 0, 0), (48, 1, 0, 0), (192, 1, 1, 1))
    assert fitted.opacities == ((0, 0), (96, 0.2), (192, 0.9))
    assert fitted.range == (0, 192)
    assert fitted.name == "cnnvis own v3"
    # a box of 22 x 21 x 20: volume 9240, surface 2 * (462 + 420 + 440)
    assert fitted.unit == pytest.approx(0.5 * 4 * 9240 / 2644)


def test_symmetric_range_has_zero_in_its_middle():
    fitted = fit(load("signed"), values(-1, *[0] * 1000, 3))
    assert fitted.range == (-3, 3)
    signed = load("signed")
    fitted = fit(signed, Volume(np.linspace(-5, 1, 3001).reshape(1, 1, -1)))
    assert fitted.range == pytest.approx((-4.97, 4.97))
    assert fitted.rgba([0.0])[0, 3] == 0


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([7.0] * 5, (0, 7)),
        ([-7.0] * 5, (-7, 0)),
        ([0.0] * 5, (0, 1)),
        ([0.0] * 999 + [5.0], (0, 5)),
        ([np.nan, -np.inf, np.inf, 2.0, 2.0, 2.0], (0, 2)),
        ([3.0], (0, 3)),
    ],
)
def test_range_that_collapses(tmp_path, data, expected):
    function = load(own(tmp_path, range={"percentiles": [0, 99], "symmetric": False}))
    assert fit(function, values(*data)).range == expected


def test_one_range_for_a_series():
    signed, parts = load("signed"), [ramp().replace(data=ramp().data * k) for k in (-1, 0.5, 2)]
    together = Volume(np.concatenate([part.data for part in parts]), spacing=ramp().spacing)
    fitted = fit(signed, *parts)
    assert fitted.colors == fit(signed, together).colors
    assert fitted.range != fit(signed, parts[0]).range
    # lengths are those of one
    assert fitted.unit == fit(signed, parts[0]).unit
    # the first alone has no positive value
    assert choose(*parts).name == "signed"


def test_given_values_are_the_range(tmp_path):
    function = load(own(tmp_path, range={"values": [-2, 6]}))
    assert fit(function, ramp()).colors == ((-2, 0, 0, 0), (0, 1, 0, 0), (6, 1, 1, 1))


def test_ranks_among_the_positive_values(tmp_path):
    function = load(own(tmp_path, range={"percentiles": [0, 100], "ranks": True}))
    data = [0.0] * 900 + [-3.0] * 50 + [float(k**2) for k in range(1, 42)]
    fitted = fit(function, values(*data))
    # 41 positive values: their median is 21 ** 2, a quarter are below 11 ** 2
    assert fitted.opacities == ((0, 0), (441, 0.2), (1681, 0.9))
    assert [x for x, *_ in fitted.colors] == [0, 121, 1681]


@pytest.mark.parametrize(
    ("data", "opacities"),
    [
        ([0.0] * 5, ((0, 0), (0.5, 0.2), (1, 0.9))),
        ([-1.0] * 5, ((0, 0), (0.5, 0.2), (1, 0.9))),
        ([0.0] * 5 + [7.0], ((0, 0), (7, 0.9))),
        # more than half of the positive values are the same: it has many ranks, and looks like the highest
        ([0.0] * 5 + [1.0, 6.0, 6.0, 6.0], ((0, 0), (6, 0.9))),
    ],
)
def test_ranks_of_few_values(tmp_path, data, opacities):
    function = load(own(tmp_path, range={"percentiles": [0, 100], "ranks": True}))
    assert fit(function, values(*data)).opacities == opacities


@pytest.mark.parametrize(("active", "tail"), [(0.02, 1.0), (0.02, 3.0), (0.5, 3.0)])
def test_sparse_shows_a_fifth_of_the_positive_values(active, tail):
    rng = np.random.default_rng(4)
    data = np.where(rng.random(50_000) < active, np.exp(tail * rng.normal(size=50_000)), 0)
    fitted = fit(load("sparse"), values(*data))
    assert fitted.rgba([0.0])[0, 3] == 0
    # however many are silent and however long the tail: 20 % lie above the rank 0.8, but for the last 0.5 %
    dense = (fitted.rgba(data[data > 0])[:, 3] >= 0.2).mean()
    assert dense == pytest.approx(1 - 0.8 * 0.995, abs=0.002)


def test_largest_float32_values_do_not_overflow():
    top = float(np.finfo(np.float32).max)
    fitted = fit(load("signed"), values(-top, 0, top))
    places = [x for x, *_ in fitted.colors]
    assert np.isfinite(places).all()
    assert (np.diff(places) > 0).all()


def test_no_finite_value():
    with pytest.raises(PresetError, match="no value of the volume is finite"):
        fit(load("activation"), values(np.nan, np.inf))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ([0.0, 0.0, 5.0], "activation"),
        ([0.0] * 10, "activation"),
        ([-0.01, 0.5, 1.0], "activation"),
        ([-0.5, 0.5, 1.0], "signed"),
        ([-3.0, -2.0], "signed"),
        ([0.0] * 999 + [-1.0], "signed"),
    ],
)
def test_choice_by_values(data, name):
    assert choose(values(*data)).name == name


def test_what_networks_see_is_gray():
    scan = values(-1, 0, 1).replace(facts={"quantity": "input"})
    assert choose(scan).name == "gray"


def test_choice_for_upstreams_volumes():
    folder = goldens()
    assert choose(Volume(np.load(folder / "caffenet_conv1_cat.npy"))).name == "activation"
    assert choose(Volume(np.load(folder / "gradient_conv1_persian.npy")[:, 0])).name == "signed"


def test_stored_units():
    fitted = fit(load("activation"), ramp())
    encoding = Encoding.fit(ramp().data / 2 + 1, "uint8")
    stored = fitted.stored(Encoding("uint8", encoding.slope * 2, -3.0))
    for (value, *rgb), (number, *same) in zip(fitted.colors, stored.colors, strict=True):
        assert number == pytest.approx((value + 3) / (encoding.slope * 2))
        assert same == rgb
    assert [o for _, o in stored.opacities] == [o for _, o in fitted.opacities]
    assert stored.unit == fitted.unit
    with pytest.raises(PresetError, match="slope -1"):
        fitted.stored(Encoding("int16", -1.0))


@pytest.mark.parametrize("pieces", [3, 0.25])
def test_opacity_per_other_distance_absorbs_the_same(pieces):
    fitted = fit(load("activation"), ramp())
    # the ends of ramps are hit exactly, what lies between is a chord of the curve
    ends = np.array([x for x, _ in fitted.opacities])
    between = np.linspace(0, fitted.range[1], 501)
    other = fitted.per(fitted.unit / pieces)
    assert other.unit == fitted.unit / pieces
    for at, tolerance in ((ends, 1e-5), (between, 2e-3)):
        through = (1 - other.rgba(at)[:, 3].astype(float)) ** pieces
        assert through == pytest.approx(1 - fitted.rgba(at)[:, 3].astype(float), abs=tolerance)
    assert [x for x, _ in other.opacities] == sorted({x for x, _ in other.opacities})


def test_spacing_does_not_change_the_look():
    # twice the spacing: the same opacity for each voxel
    one, two = (fit(load("activation"), ramp().replace(spacing=(s, s, s))) for s in (1, 2))
    assert two.per(2).opacities == pytest.approx(np.array(one.per(1).opacities))


def test_rgba_between_points():
    fitted = Fitted("x", ((0, 0, 0, 0), (10, 1, 0.5, 0)), ((0, 0), (10, 0.8)), 1.0)
    assert fitted.rgba([[5.0, 99.0, -4.0]]) == pytest.approx(
        np.array([[[0.5, 0.25, 0, 0.4], [1, 0.5, 0, 0.8], [0, 0, 0, 0]]])
    )
    assert fitted.rgba(np.nan).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("name", names())
def test_our_own_files(name):
    function = load(name)
    assert function.name == name
    assert len(function.description) > 20
    middle = fit(function, ramp().replace(data=ramp().data - 192)).rgba([0.0])[0, 3]
    lowest = fit(function, ramp()).rgba([0.0])[0, 3]
    assert min(middle, lowest) == 0
    assert "activation" in names()
    assert "signed" in names()


def test_magnitude_is_the_same_for_both_signs():
    fitted = fit(load("magnitude"), values(-3, *[0] * 1000, 2))
    positive = np.linspace(0, 3, 61)
    assert fitted.rgba(-positive) == pytest.approx(fitted.rgba(positive), abs=1e-6)
    opacity = fitted.rgba(positive)[:, 3]
    assert (np.diff(opacity) >= 0).all()


def test_categories_have_one_colour_each():
    fitted = fit(load("categorical"), values(*range(9)))
    assert not fitted.interpolate
    labels = np.arange(9)
    exact = fitted.rgba(labels)
    for shift in (-0.49, 0.49):
        assert (fitted.rgba(labels + shift) == exact).all()
    assert exact[:, 3].tolist() == pytest.approx([0] + [0.6] * 8)
    # Okabe and Ito, "Color Universal Design", 2008: orange, sky blue, bluish green, yellow, blue, vermillion,
    # reddish purple
    published = [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0)]
    published.append((204, 121, 167))
    assert np.rint(255 * exact[1:8, :3]).tolist() == pytest.approx(np.array(published), abs=1)
    # two groups of far fewer voxels fit the same numbers
    assert fit(load("categorical"), values(0, 3)).colors == fitted.colors


MATPLOTLIB = {
    "viridis": [
        (0.267004, 0.004874, 0.329415),
        (0.229739, 0.322361, 0.545706),
        (0.127568, 0.566949, 0.550556),
    ],
    "cividis": [(0.0, 0.135112, 0.304751), (0.263738, 0.307831, 0.422789), (0.488697, 0.485318, 0.471008)],
    "magma": [(0.001462, 0.000466, 0.013866), (0.316654, 0.07169, 0.48538), (0.716387, 0.214982, 0.47529)],
}
"""Entries 0, 64 and 128 of ``matplotlib.colormaps[name].colors``, matplotlib 3.11.2."""


@pytest.mark.parametrize("name", MATPLOTLIB)
def test_perceptual_maps_are_matplotlibs(name):
    fitted = Fitted(name, load(name).colors, load(name).opacities, 1)
    found = fitted.rgba(np.array([0, 64, 128]) / 255)[:, :3]
    # as the files say of the lines between their points
    assert found == pytest.approx(np.array(MATPLOTLIB[name]), abs=0.006)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colors": [[0, 0, 0, 0]]}, "colors: takes two points or more"),
        ({"colors": [[0, 0, 0, 0], [1, 1, 1, 255]]}, "numbers in 0..1"),
        ({"opacities": [[0, 0], [0.6, 1], [0.5, 1], [1, 1]]}, "opacities: positions rise from 0 to 1"),
        ({"opacities": [[0.1, 0], [1, 1]]}, "positions rise from 0 to 1"),
        ({"opacities": [[0, 0], [1, float("nan")]]}, "numbers in 0..1"),
        ({"opacities": [[0, 0, 1]]}, "not a transfer function"),
        ({"range": {"percentiles": [50, 50], "symmetric": False}}, "percentiles rise within 0..100"),
        ({"range": {"symmetric": False}}, "'percentiles' is missing"),
        ({"range": None}, "not a transfer function"),
        ({"range": {"values": [2, 1]}}, "values are two finite numbers that rise"),
        ({"range": {"values": [0, float("inf")]}}, "values are two finite numbers"),
        ({"range": {"values": [0, 1], "symmetric": True}}, "only one of symmetric, ranks and values"),
        ({"range": {"percentiles": [1, 99], "ranks": True}}, "ranks begin at zero"),
        ({"unit": 0}, "unit is a fraction"),
        ({"version": "one"}, "not a transfer function"),
    ],
)
def test_bad_files(tmp_path, changes, message):
    file = own(tmp_path, **changes)
    with pytest.raises(PresetError, match=message) as error:
        load(file)
    assert str(error.value).startswith(str(file))


def test_no_such_preset(tmp_path):
    with pytest.raises(PresetError, match=r"hott: no such preset or file; presets are .*activation.*signed"):
        load("hott")
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PresetError, match="cannot be read as text"):
        load(binary)
    broken = tmp_path / "broken.json"
    broken.write_text("[" * 100_000)
    with pytest.raises(PresetError, match="not a transfer function"):
        load(broken)
