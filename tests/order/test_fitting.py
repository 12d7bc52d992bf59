"""Orders fitted to one image or several, stored, and applied to others."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import platform
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from PIL import Image

import order
from converters import Volume
from extract import Extractor, load_model
from order.fitting import criteria_of
from order.maps import comparable
from tests.helpers import ROOT
from tests.models import archive, trained
from tests.order.maps import random_maps

PHOTOS = (
    *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png"),
    *("gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png"),
    *("retina.jpg", "rocket.jpg", "text.png"),
)


def test_an_order_of_several_images_is_that_of_the_mean_distance():
    volumes = [random_maps(12, seed=seed) for seed in range(3)]
    both = order.by("smooth", volumes)
    assert both.images == 3
    mean = comparable(volumes, "correlation")[0].distances
    each = [comparable([volume], "correlation")[0] for volume in volumes]
    back = [maps.distances[np.ix_(np.argsort(maps.chosen), np.argsort(maps.chosen))] for maps in each]
    chosen = comparable(volumes, "correlation")[0].chosen
    np.testing.assert_allclose(mean, np.mean(back, axis=0)[np.ix_(chosen, chosen)], atol=1e-12)
    assert both.criteria["path length"] <= order.by("random", volumes).criteria["path length"]


def test_volumes_that_do_not_belong_together():
    with pytest.raises(order.OrderError, match="volumes of 3 and of 4 slices have no order in common"):
        order.by("smooth", [random_maps(3), random_maps(4)])
    with pytest.raises(order.OrderError, match="one volume or more"):
        order.by("smooth", [])
    with pytest.raises(order.OrderError, match="volumes of 9 and of 4 slices have no order in common"):
        order.compare([random_maps(9), random_maps(4)], {"smooth": {}})
    with pytest.raises(order.OrderError, match="one volume or more"):
        order.compare([], {"smooth": {}})


def test_a_stored_order_comes_back(tmp_path):
    data = random_maps(23).data.copy()
    data[4] = 0
    ordering = order.by("kmeans", Volume(data), k=(3, 2), row=2, distance="cosine")
    back = order.Ordering.load(ordering.save(tmp_path / "order.json"))
    np.testing.assert_array_equal(back.permutation, ordering.permutation)
    assert back.criteria == ordering.criteria
    assert (back.method, back.distance, back.clusters, back.images, back.versions) == (
        *("kmeans", "cosine", ordering.clusters, 1),
        ordering.versions,
    )
    assert (back.seed, back.parameters) == (0, {"k": [3, 2], "row": 2, "seed": 0})
    document = json.loads((tmp_path / "order.json").read_text(encoding="utf-8"))
    assert {"permutation", "method", "parameters", "seed", "distance", "criteria", "versions"} <= set(
        document
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "order.json"]
    # the same input, the same bytes
    again = order.by("kmeans", Volume(data), k=(3, 2), row=2, distance="cosine").save(tmp_path / "again.json")
    assert again.read_bytes() == (tmp_path / "order.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"permutation": [0, 0, 1]}, "holds 0 to 2, each once"),
        ({"permutation": "012"}, "its field 'permutation' is of another kind"),
        ({"clusters": [1, 1]}, r"groups of \(1, 1\) slices are not 3"),
        ({"schema": 99}, "later version"),
        ({"criteria": None}, "its field 'criteria' is missing"),
    ],
)
def test_damaged_files(tmp_path, change, message):
    path = order.by("smooth", random_maps(3)).save(tmp_path / "order.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, **change}), encoding="utf-8")
    with pytest.raises(
        order.OrderError, match=rf"order\.json: not an ordering that CNN-VIS wrote: .*{message}"
    ):
        order.Ordering.load(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(order.OrderError, match=r"order\.json: not an ordering"):
        order.Ordering.load(path)


def test_restored_volumes_are_in_channel_order():
    volume = random_maps(9)
    twice = volume
    for seed in (1, 2):
        twice = order.by("random", twice, seed=seed).apply(twice)
    back = order.restored(twice)
    np.testing.assert_array_equal(back.data, volume.data)
    assert back.labels == volume.labels
    assert "order" not in back.facts


@pytest.mark.parametrize("method", ["smooth", "hierarchical", "spectral", "pca-map", "kmeans"])
def test_the_typical_half_comes_first_whichever_way_a_method_runs(method, monkeypatch):
    way = order.METHODS[method]

    @functools.wraps(way.function)
    def reverse(maps, **settings):
        return way.function(maps, **settings)[::-1]

    monkeypatch.setitem(order.METHODS, "reverse", dataclasses.replace(way, function=reverse))
    settings = {"k": 3, "row": 2} if method == "kmeans" else {}
    # some methods may find the right direction of some by chance
    for seed in range(6):
        volume = random_maps(15, seed)
        ordering = order.by(method, volume, **settings)
        same = order.by("reverse", volume, **settings)
        assert same.permutation.tolist() == ordering.permutation.tolist()
        assert same.clusters == ordering.clusters
        totals = (1 - np.corrcoef(volume.data.reshape(15, -1))).sum(axis=1)[ordering.permutation]
        # each group as a whole
        parts = np.split(totals, np.cumsum(ordering.clusters or [1] * 15)[:-1])
        evened = np.concatenate([np.full(len(part), part.mean()) for part in parts])
        assert np.polyfit(np.arange(15), evened, 1)[0] > 0


def test_small_changes_keep_the_direction_and_the_place_of_dead_maps():
    data = random_maps(40, seed=7, shape=(9, 13)).data.copy()
    noise = 1e-4 * np.random.default_rng(1).standard_normal(data.shape)
    data[[5, 30]] = noise[[5, 30]] = 0
    for method in ("spectral", "pca-map"):
        one, other = order.by(method, Volume(data)), order.by(method, Volume(data + noise))
        assert one.permutation[-2:].tolist() == other.permutation[-2:].tolist() == [5, 30]
        # the same order but for neighbours that are all but equal; reversed, the ranks would disagree
        assert np.corrcoef(one.inverse, other.inverse)[0, 1] > 0.99


MACHINE = """
import json, order
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
from threadpoolctl import threadpool_info
from tests.order.maps import random_maps
volume = random_maps(60, shape=(9, 13))
found = [dict(order.by(name, volume).criteria) for name in ("smooth", "spectral", "hierarchical")]
kernels = [library["architecture"] for library in threadpool_info() if library["internal_api"] == "openblas"]
print(json.dumps([found, [name for name in __cpu_dispatch__ if __cpu_features__[name]], kernels]))
"""


def test_other_machines_find_orders_as_good():
    """As on a machine of 2004, with SSE instead of AVX: sums are rounded otherwise."""
    features = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
    if platform.machine().lower() not in ("x86_64", "amd64") or not features:
        pytest.skip("no newer instructions of x86 that numpy could do without")
    old = {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": " ".join(features)}
    command = [sys.executable, "-c", MACHINE]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **old}, capture_output=True, text=True, check=True
    )
    found, left, kernels = json.loads(done.stdout)
    assert left == []
    # OpenBLAS has the same kernels for both, and may name the older one
    assert set(kernels) <= {"Prescott", "Katmai"}
    for name, theirs in zip(("smooth", "spectral", "hierarchical"), found, strict=True):
        ours = order.by(name, random_maps(60, shape=(9, 13))).criteria
        assert theirs == pytest.approx(ours, rel=1e-3)


@pytest.fixture(scope="module")
def layers():
    """Two layers of EfficientNet-Lite0 for 16 photographs."""
    wheel = zipfile.ZipFile(archive("scikit-image"))
    pictures = []
    for name in PHOTOS:
        with wheel.open(f"skimage/data/{name}") as file:
            picture = Image.open(file).convert("RGB")
        side = min(picture.size)
        left, top = ((length - side) // 2 for length in picture.size)
        square = picture.crop((left, top, left + side, top + side)).resize((224, 224))
        pictures.append((np.asarray(square, np.float32) - 127) / 128)
    model = load_model(trained("efficientnet-lite0"))
    names = ["stem.conv.relu6", "blocks.4.expand.relu6"]
    x = np.stack(pictures).transpose(0, 3, 1, 2)
    outputs = Extractor(model, names).run({model.inputs[0].name: np.ascontiguousarray(x)})
    return {name: [Volume(maps) for maps in outputs[name]] for name in names}


@pytest.mark.parametrize("method", ["smooth", "spectral", "hierarchical"])
def test_an_order_of_half_of_the_images_serves_the_other_half(layers, method):
    for volumes in layers.values():
        one, other = order.by(method, volumes[::2]), order.by(method, volumes[1::2])
        maps = comparable(volumes[1::2], "correlation")[0]
        served = criteria_of(one.permutation, maps)["path length"]
        assert served <= 1.1 * other.criteria["path length"]
        assert served < 0.95 * order.by("random", volumes[1::2]).criteria["path length"]
