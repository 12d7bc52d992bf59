"""What holds for every method and every volume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import order
from converters import Volume, extensions, format_of, read, write
from tests.order.maps import either_way, random_maps

METHODS = sorted(set(order.METHODS) - {"tsne-1d"})


def needed(method, count, draw_seed=0):
    """Settings without which a method does not run on small maps."""
    source = np.random.default_rng(draw_seed)
    return {
        "list": {"numbers": source.permutation(count).tolist()},
        "importance": {"scores": source.random(count).tolist()},
        "kmeans": {"k": 1, "row": 0},
        "pca-row": {"row": 0},
    }.get(method, {})


@st.composite
def volumes(draw):
    """Maps of any kind: many equal, constant, or with values that are not finite."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 5)))
    values = st.sampled_from([0, 1, -1, 0.3, 1e-30, 1e30, 1e-45, 3e38, np.nan, np.inf])
    few = draw(st.lists(values, min_size=1, max_size=4))
    picks = draw(st.lists(st.integers(0, 99), min_size=6, max_size=6))
    source = np.random.default_rng(picks)
    data = np.array(few, np.float32)[source.integers(0, len(few), shape)]
    return Volume(data + (source.random(shape) if draw(st.booleans()) else 0))


@settings(max_examples=60, deadline=None)
@given(volumes(), st.sampled_from(METHODS), st.sampled_from(sorted(order.DISTANCES)))
def test_always_a_permutation_and_criteria_that_are_numbers(volume, method, distance):
    ordering = order.by(method, volume, distance=distance, **needed(method, len(volume.data)))
    assert sorted(ordering.permutation) == list(range(len(volume.data)))
    assert np.isfinite(list(ordering.criteria.values())).all()
    back = ordering.apply(volume).data[ordering.inverse]
    np.testing.assert_array_equal(back, volume.data)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 40), st.floats(1e-3, 1e3), st.sampled_from(METHODS))
def test_channel_numbers_and_scale_do_not_matter(seed, count, factor, method):
    if method in ("identity", "random", "list", "importance"):
        return
    volume = random_maps(count, seed)
    shuffled = np.random.default_rng(seed + 1).permutation(count)
    other = Volume(np.float32(factor) * volume.data[shuffled])
    options = {"kmeans": {"k": min(3, count), "row": 2}, "pca-row": {"row": 2}}.get(method, {})
    one, two = order.by(method, volume, **options), order.by(method, other, **options)
    found, again = one.permutation, shuffled[two.permutation]
    if method == "sparsity":
        # all maps are free of zeros: nothing but ties
        assert sorted(again) == sorted(found)
    elif count == 2:
        # with two maps, either direction is as good
        assert either_way(found) == either_way(again)
    else:
        assert found.tolist() == again.tolist()


@pytest.mark.parametrize("extension", extensions())
def test_order_and_labels_survive_every_format(tmp_path, extension):
    volume = Volume(random_maps(9, shape=(5, 11)).data, labels=tuple("abcdefghi"), facts={"layer": "conv1"})
    ordering = order.by("kmeans", volume, k=3, row=1)
    ordered = ordering.apply(volume)
    path = tmp_path / f"v{extension}"
    write(ordered, path, dtype="float32" if format_of(path).name != "CGV" else None)
    back = read(path)
    assert back.labels == ordered.labels
    assert back.facts["order"]["permutation"] == ordering.permutation.tolist()
    assert back.facts["order"]["clusters"] == list(ordering.clusters)
    restored = order.restored(back)
    assert restored.labels == volume.labels
    # bytes where the format has nothing else: half a step of 255
    step = np.ptp(volume.data) / 255 if format_of(path).name == "CGV" else 0
    np.testing.assert_allclose(restored.data, volume.data, atol=step / 2 * 1.001)
    separated = order.separate(ordered)
    write(separated, path, dtype="float32" if format_of(path).name != "CGV" else None)
    back = order.joined(read(path))
    assert back.labels == ordered.labels
    assert order.restored(read(path)).labels == volume.labels
