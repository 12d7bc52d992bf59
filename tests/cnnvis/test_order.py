"""``cnnvis order`` and ``--order``: files in, files out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import order
from converters import Volume, read, write
from tests.order.maps import random_maps


@pytest.fixture
def files(tmp_path):
    """Three volumes of one layer, of 12 maps of 5 x 7."""
    paths = [tmp_path / f"{name}.nrrd" for name in ("a", "b", "c")]
    for seed, path in enumerate(paths):
        write(Volume(random_maps(12, seed).data, name="activation"), path)
    return paths


def permutation(path):
    return read(path).facts["order"]["permutation"]


def test_smooth_is_what_it_does_by_itself(cnnvis, files, tmp_path):
    result = cnnvis("order", files[0], tmp_path / "out.nii.gz")
    assert (result.code, result.err) == (0, "")
    volume, ordering = read(tmp_path / "out.nii.gz"), order.by("smooth", read(files[0]))
    assert volume.facts["order"]["permutation"] == ordering.permutation.tolist()
    assert volume.facts["order"]["method"] == "smooth"
    assert volume.labels == tuple(map(str, ordering.permutation))
    assert volume.facts["order"]["fitted"] == {"images": 1, "criteria": ordering.criteria}


def test_settings_reach_their_method(cnnvis, files, tmp_path):
    words = ("--by", "kmeans", "-k", "3x2", "--row", 1, "--seed", 4, "--distance", "cosine")
    assert cnnvis("order", files[0], tmp_path / "out.nrrd", *words).code == 0
    facts = read(tmp_path / "out.nrrd").facts
    assert facts["order"]["parameters"] == {"k": [3, 2], "row": 1, "seed": 4}
    assert facts["order"]["distance"] == "cosine"
    assert "-k 3x2" in facts["history"][0]["command"]
    (tmp_path / "scores.npy").write_bytes(b"")
    np.save(tmp_path / "scores.npy", np.arange(12.0))
    words = ("--by", "importance", "--scores", tmp_path / "scores.npy")
    assert cnnvis("order", files[0], tmp_path / "out.nrrd", *words).code == 0
    assert permutation(tmp_path / "out.nrrd") == list(range(12))[::-1]
    (tmp_path / "list.txt").write_text("3, 1 2\n0 4 5 6 7 8 9 10 11\n", encoding="utf-8")
    words = ("--by", "list", "--numbers", tmp_path / "list.txt")
    assert cnnvis("order", files[0], tmp_path / "out.nrrd", *words).code == 0
    assert permutation(tmp_path / "out.nrrd")[:4] == [3, 1, 2, 0]


def test_several_volumes_are_ordered_alike(cnnvis, files, tmp_path):
    result = cnnvis("order", *files, tmp_path / "ordered", "--save", tmp_path / "order.json")
    assert result.code == 0
    assert result.out[-1] == str(tmp_path / "order.json")
    expected = order.by("smooth", [read(file) for file in files])
    for file in files:
        ordered = read(tmp_path / "ordered" / file.name)
        assert ordered.facts["order"]["permutation"] == expected.permutation.tolist()
        np.testing.assert_array_equal(ordered.data, read(file).data[expected.permutation])
    saved = order.Ordering.load(tmp_path / "order.json")
    assert (saved.images, saved.permutation.tolist()) == (3, expected.permutation.tolist())


def test_a_saved_order_counts_from_the_channels(cnnvis, files, tmp_path):
    a, b, _ = files
    assert cnnvis("order", a, tmp_path / "random.nrrd", "--by", "random").code == 0
    # of a volume that was ordered before, the same order is found
    assert cnnvis("order", tmp_path / "random.nrrd", tmp_path / "one.json").out == [
        str(tmp_path / "one.json")
    ]
    assert cnnvis("order", a, tmp_path / "two.json").code == 0
    expected = order.by("smooth", read(a)).permutation.tolist()
    for name in ("one", "two"):
        assert order.Ordering.load(tmp_path / f"{name}.json").permutation.tolist() == expected
    # and it is applied to channels, also where those of a volume were ordered before
    assert cnnvis("order", b, tmp_path / "mean.nrrd", "--by", "mean").code == 0
    for source in (b, tmp_path / "mean.nrrd"):
        assert cnnvis("order", source, tmp_path / "like.nrrd", "--like", tmp_path / "one.json").code == 0
        np.testing.assert_array_equal(read(tmp_path / "like.nrrd").data, read(b).data[expected])
        assert permutation(tmp_path / "like.nrrd") == expected


def test_fit_on_others(cnnvis, files, tmp_path):
    words = ("--fit-on", files[1], "--fit-on", files[2], "--by", "spectral")
    assert cnnvis("order", files[0], tmp_path / "out.nrrd", *words).code == 0
    expected = order.by("spectral", [read(file) for file in files[1:]])
    assert permutation(tmp_path / "out.nrrd") == expected.permutation.tolist()


def test_separators(cnnvis, files, tmp_path):
    words = ("--by", "kmeans", "-k", 3, "--row", 1)
    assert cnnvis("order", files[0], tmp_path / "k.nrrd", *words, "--separators").code == 0
    assert cnnvis("order", files[0], tmp_path / "plain.nrrd", *words).code == 0
    separated, plain = read(tmp_path / "k.nrrd"), read(tmp_path / "plain.nrrd")
    assert (len(separated.data), len(plain.data)) == (14, 12)
    np.testing.assert_array_equal(order.joined(separated).data, plain.data)
    # bars in the montage, where there are no blank slices
    from render_presets.montage import SEPARATOR

    for name, bars in (("k", False), ("plain", True)):
        assert cnnvis("montage", tmp_path / f"{name}.nrrd", "-o", tmp_path / "m.png").code == 0
        pixels = np.asarray(Image.open(tmp_path / "m.png").convert("RGB"))
        assert (pixels == SEPARATOR).all(axis=2).any() == bars


def test_compare(cnnvis, files, tmp_path):
    result = cnnvis("order", *files[:2], tmp_path / "orders.png", "--compare")
    assert result.code == 0
    compared = [name for name in order.METHODS if name not in ("list", "importance")]
    assert [line.split()[0] for line in result.out] == ["method", *compared, str(tmp_path / "orders.png")]
    assert all(name in result.out[0] for name in order.CRITERIA)
    picture = Image.open(tmp_path / "orders.png")
    assert picture.size[0] > 1000
    (tmp_path / "list.json").write_text(json.dumps(list(range(12))), encoding="utf-8")
    words = (
        "--compare",
        "--json",
        "--numbers",
        tmp_path / "list.json",
        "--distance",
        "euclidean",
        "--seed",
        2,
    )
    document = json.loads("\n".join(cnnvis("order", files[0], tmp_path / "o.png", *words).out))
    assert document["distance"] == "euclidean"
    rows = {row["method"]: row for row in document["methods"]}
    assert set(rows) == {*compared, "list"}
    assert rows["random"]["parameters"] == {"seed": 2}
    assert rows["list"]["criteria"] == rows["identity"]["criteria"]
    assert set(rows["smooth"]["criteria"]) == set(order.CRITERIA)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--distance", "far"], "unknown distance 'far'"),
        (["-k", "0"], "'0' is not a number such as 7, or two such as 20x5"),
        (["--by", "mean", "--row", "1"], "ordering method 'mean' has no setting 'row'; it has none"),
        (["--by", "importance"], "ordering method 'importance' needs its setting 'scores'"),
        (["--by", "importance", "--scores", "missing.npy"], "missing.npy: No such file"),
        (["--by", "list", "--numbers", "text.txt"], "text.txt: not a list of numbers: could not convert"),
        (
            ["--by", "list", "--numbers", "text.json"],
            "text.json: not a list of numbers: it holds something else",
        ),
        (["--by", "list", "--numbers", "text.npy"], "text.npy: not a list of numbers"),
        (["--like", "short.json"], "an order of 5 slices does not fit a volume of 12"),
        (["--like", "text.txt"], "text.txt: not an ordering that CNN-VIS wrote"),
        (["--like", "short.json", "--by", "smooth"], "--by does not go with --like"),
        (["--like", "short.json", "-k", "3"], "-k does not go with --like"),
        (["--compare", "--by", "smooth"], "--by does not go with --compare"),
        (["--separators"], "'smooth' makes no clusters, --by kmeans does"),
        (["--json"], "--json does not go with all but --compare"),
        (["--fit-on", "short.nrrd"], "an order of 5 slices does not fit a volume of 12"),
    ],
)
def test_bad_calls(cnnvis, files, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("one two", encoding="utf-8")
    (tmp_path / "text.json").write_text('{"a": 1}', encoding="utf-8")
    np.save(tmp_path / "text.npy", np.zeros((2, 2)))
    write(random_maps(5), tmp_path / "short.nrrd")
    order.by("smooth", random_maps(5)).save(tmp_path / "short.json")
    result = cnnvis("order", files[0], "out.nrrd", *words)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert not list(tmp_path.glob("*out*"))


def test_files_are_not_written_over_themselves(cnnvis, files, tmp_path):
    before = files[0].read_bytes()
    result = cnnvis("order", *files, tmp_path)
    assert (result.code, "would replace the volume itself" in result.err) == (2, True)
    (tmp_path / "other").mkdir()
    write(random_maps(12), tmp_path / "other" / "a.nrrd")
    result = cnnvis("order", files[0], tmp_path / "other" / "a.nrrd", tmp_path / "new")
    assert (result.code, "two volumes have the same name" in result.err) == (2, True)
    assert files[0].read_bytes() == before
    assert not (tmp_path / "new").exists()


def test_a_damaged_record_is_told_with_its_file(cnnvis, tmp_path):
    write(Volume(random_maps(3).data, facts={"order": {"permutation": [0, 0, 1]}}), tmp_path / "bad.nrrd")
    result = cnnvis("order", tmp_path / "bad.nrrd", tmp_path / "out.json")
    assert result.code == 2
    assert "bad.nrrd: the order that the volume records is damaged" in result.err


def test_activations_weights_and_gradients_take_every_order(cnnvis, net, picture, tmp_path):
    out = tmp_path / "out"
    common = ("--image", picture, "--preprocess", "unit", "-o", out, "--order", "smooth")
    assert cnnvis("activations", net, *common, "--layer", "conv1").code == 0
    assert cnnvis("weights", net, "--layer", "conv1", "-o", out, "--order", "spectral").code == 0
    result = cnnvis(
        "gradients", net, *common, "--target", "relu1:0", "--wrt", "conv1.weight", "--wrt", "conv1"
    )
    assert result.code == 0, result.err
    found = {path.name: read(path).facts["order"] for path in sorted(out.glob("*order-*.nrrd"))}
    methods = {name: (facts["method"], facts["distance"]) for name, facts in found.items()}
    assert sorted(methods.values()) == [
        ("smooth", "absolute-correlation"),
        ("smooth", "absolute-correlation"),
        ("smooth", "correlation"),
        ("spectral", "absolute-correlation"),
    ], methods
    # norms of filters are slices as well
    words = ("--layer", "conv1", "-o", out, "--order", "random", "--layout", "norm")
    assert cnnvis("weights", net, *words).code == 0
    assert read(out / "model-net_layer-conv1_order-random_weight.nrrd").facts["order"]["method"] == "random"
    # a stored order, which the file name tells by its method
    order.Ordering([1, 0], "random").save(tmp_path / "mine.json")
    words = ("--image", picture, "--preprocess", "unit", "-o", out, "--layer", "conv1")
    result = cnnvis("activations", net, *words, "--order", tmp_path / "mine.json")
    assert result.code == 0
    volume = read(out / "model-net_img-ramp_layer-conv1_order-random_act.nrrd")
    assert volume.facts["order"]["permutation"] == [1, 0]
    assert "--order mine.json" in volume.facts["command"]
    order.Ordering([1, 0, 2], "random").save(tmp_path / "mine.json")
    result = cnnvis("activations", net, *words, "--order", tmp_path / "mine.json")
    assert (result.code, "mine.json: an order of 3 slices does not fit a volume of 2" in result.err) == (
        2,
        True,
    )
    words = ("--image", picture, "-o", tmp_path / "none", "--layer", "conv1", "--order", "importance")
    result = cnnvis("activations", net, *words)
    assert (result.code, "importance needs numbers: --order FILE.json takes" in result.err) == (2, True)
    assert (
        "importance" not in "".join(cnnvis("activations", "--help").out).split("--order [")[1].split("]")[0]
    )
    assert not (tmp_path / "none").exists()
    result = cnnvis("weights", net, "--layer", "conv1", "-o", out, "--order", "mean", "--layout", "mosaic")
    assert (result.code, "layout mosaic has none" in result.err) == (2, True)


def test_the_sign_of_filters_is_free(cnnvis, files, tmp_path):
    weights = read(files[0])
    write(weights.replace(facts={**weights.facts, "quantity": "weight"}), tmp_path / "w.nrrd")
    cnnvis("order", tmp_path / "w.nrrd", tmp_path / "out.nrrd")
    assert read(tmp_path / "out.nrrd").facts["order"]["distance"] == "absolute-correlation"


def test_orders_count_from_the_channels_with_and_without_save(cnnvis, files, tmp_path):
    cnnvis("order", files[0], tmp_path / "mixed.nrrd", "--by", "random")
    count = read(files[0]).size[2]
    numbers = tmp_path / "numbers.txt"
    numbers.write_text(" ".join(map(str, reversed(range(count)))))
    for words in ((), ("--save", tmp_path / "order.json")):
        call = ("order", tmp_path / "mixed.nrrd", tmp_path / "out.nrrd", "--by", "list", "--numbers", numbers)
        assert cnnvis(*call, *words).code == 0
        assert permutation(tmp_path / "out.nrrd") == list(reversed(range(count)))


def test_an_order_of_another_layer_is_noted(cnnvis, files, tmp_path):
    for name in ("conv1", "conv2"):
        volume = read(files[0])
        write(volume.replace(facts={**volume.facts, "layer": name}), tmp_path / f"{name}.nrrd")
    cnnvis("order", tmp_path / "conv1.nrrd", tmp_path / "order.json")
    done = cnnvis("order", tmp_path / "conv2.nrrd", tmp_path / "out.nrrd", "--like", tmp_path / "order.json")
    assert done.code == 0
    assert "the order was found for layer 'conv1', and is taken for 'conv2'" in done.err


def test_nothing_is_written_where_one_volume_does_not_fit(cnnvis, files, tmp_path):
    short = read(files[1])
    write(short.replace(data=short.data[:4], labels=short.labels[:4]), tmp_path / "short.nrrd")
    cnnvis("order", files[0], tmp_path / "order.json")
    call = ("order", files[0], tmp_path / "short.nrrd", tmp_path / "out", "--like", tmp_path / "order.json")
    done = cnnvis(*call)
    assert done.code == 2
    assert "short.nrrd: an order of" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.nrrd", "out.nrrd", "--save", "a.nrrd"), "--save a.nrrd: is a volume or its side-car"),
        (("a.nrrd", "out.nrrd", "--save", "out.nrrd.json"), "is a volume or its side-car"),
        (("a.nrrd", "out.nrrd", "--save", "new/o.json"), "new/o.json: No such file"),
        (("a.nrrd", "a.nrrd"), "a.nrrd: would replace the volume itself"),
        (("a.nrrd", "b.nrrd", "out.nrrd"), "out.nrrd: several volumes go into a folder"),
        (("a.nrrd", "out.nrrd", "--like", "order.json", "--seed", "0"), "--seed does not go with --like"),
        (("a.nrrd", "x.json", "--like", "order.json"), "--like does not go with an OUT that ends in .json"),
        (("a.nrrd", "c.png", "--compare", "--fit-on", "b.nrrd"), "--fit-on does not go with --compare"),
        (("a.nrrd", "c.png", "--compare", "--dtype", "uint8"), "--dtype does not go with --compare"),
    ],
)
def test_bad_calls_write_nothing(cnnvis, files, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    cnnvis("order", "a.nrrd", "order.json")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = cnnvis("order", *words)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clusters", [float("inf"), 2]),
        ("clusters", "9"),
        ("criteria", {"a": float("nan")}),
        ("distance", [1, 2]),
        ("images", None),
        ("method", None),
        ("parameters", []),
        ("permutation", [True, False]),
        ("permutation", {"a": 1}),
    ],
)
def test_damaged_orders_are_told_by_their_files(cnnvis, files, tmp_path, field, value):
    cnnvis("order", files[0], tmp_path / "order.json")
    document = json.loads((tmp_path / "order.json").read_text())
    (tmp_path / "order.json").write_text(json.dumps({**document, field: value}))
    done = cnnvis("order", files[0], tmp_path / "out.nrrd", "--like", tmp_path / "order.json")
    assert done.code == 2
    assert "order.json: not an ordering that CNN-VIS wrote: " in done.err
    assert len(done.err.splitlines()) == 1


def test_files_that_hold_no_numbers(cnnvis, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("large.json").write_text("[1" + "0" * 400 + ", 2]")
    Path("deep.json").write_text("[" * 100_000)
    np.savez("archive.npz", a=np.arange(3))
    Path("archive.npz").rename("archive.npy")
    Path("damaged.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', (" + b" " * 120)
    for name in ("large.json", "deep.json", "archive.npy", "damaged.npy"):
        done = cnnvis("order", files[0], "out.nrrd", "--by", "importance", "--scores", name)
        assert done.code == 2, name
        assert f"{name}: not a list of numbers" in done.err
        assert len(done.err.splitlines()) == 1
