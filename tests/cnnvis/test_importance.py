"""The importance command: tables, pictures and volumes, what is left out, and orders by scores."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from converters import Volume, read, write
from extract import gradients, load_model
from tests.extract.nets import model_of, save, toy


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """The toy network for pictures of 3 x 3 pixels; its two classes are 0 and 1."""
    return save(toy(x=["N", 1, 3, 3]), tmp_path)


def _inputs(count: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (count, 3, 3), np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five grey pictures of two classes."""
    for number, values in enumerate(_inputs(5)):
        path = tmp_path / "photos" / "01"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path)
    return tmp_path / "photos"


def _table(folder: Path, net: Path, name: str) -> dict:
    return json.loads((folder / f"model-{net.stem}_set-{name}_importance.json").read_text())


def test_tables_pictures_and_volumes(cnnvis, net: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--set", photos, "--layer", "conv1", "--by", "grad_l2,random", "--show", "*", "-o", out)
    result = cnnvis("importance", net, *words, "--preprocess", "unit")
    assert (result.code, result.err) == (0, "")
    stems = {Path(line).name for line in result.out}
    assert {"model-net_set-photos_importance.csv", "model-net_set-photos_importance.json"} < stems
    for label in ("all", "0", "1"):
        start = f"model-net_set-photos_layer-conv1_class-{label}"
        assert {f"{start}_importance-grid.png", f"{start}_importance-ranks.png"} < stems
        assert f"{start}_by-grad_l2_importance.nrrd" in stems
    assert {path.name for path in out.iterdir()} == stems
    scores = _table(out, net, "photos")["layers"]["conv1"]["scores"]["grad_l2"]
    model = load_model(net)
    x = _inputs(5)[:, np.newaxis].astype(np.float32) / 255
    for label in "01":
        own = gradients(model, x[int(label) :: 2], f"fc:{label}", ["conv1.weight"])["conv1.weight"]
        norms = np.sqrt((own.astype(np.float64) ** 2).sum(axis=(2, 3, 4)))
        np.testing.assert_allclose(scores[label]["score"], norms.mean(axis=0), rtol=1e-5)
    lines = list(csv.DictReader((out / "model-net_set-photos_importance.csv").open()))
    assert len(lines) == 2 * 3 * 2
    assert [float(line["score"]) for line in lines[:2]] == scores["0"]["score"]
    volume = read(out / "model-net_set-photos_layer-conv1_class-1_by-grad_l2_importance.nrrd")
    told = volume.facts["importance"]
    assert (told["criterion"], told["class"]) == ("grad_l2", "1")
    assert told["scores"] == dict(zip("01", scores["1"]["score"], strict=True))
    # |weights| are 1 or 0, and the largest score counts as 1
    shares = np.array(scores["1"]["score"]) / max(scores["1"]["score"])
    np.testing.assert_allclose(volume.data.max(axis=(1, 2)), shares, rtol=1e-6)


def test_maps_carry_scores_and_are_ordered_by_them(cnnvis, net: Path, photos: Path, tmp_path: Path) -> None:
    data = np.arange(2 * 4 * 5).reshape(2, 4, 5)
    write(Volume(data, labels=("1", "0"), facts={"layer": "conv1"}), tmp_path / "maps.nrrd")
    words = ("--set", photos, "--layer", "conv1", "--layer", "fc", "--of", tmp_path / "maps.nrrd")
    words = (*words, "--volume", "carried", "--by", "grad_l2,act_max", "-o", tmp_path)
    result = cnnvis("importance", net, *words, "--preprocess", "unit")
    assert result.code == 0
    scores = _table(tmp_path, net, "photos")["layers"]["conv1"]["scores"]["act_max"]["all"]["score"]
    carried = read(tmp_path / "model-net_set-photos_layer-conv1_class-all_by-act_max_importance.nrrd")
    np.testing.assert_allclose(carried.data[:, 2, 3], scores[::-1], rtol=1e-6)
    write(Volume(data, facts={"layer": "conv1"}), tmp_path / "plain.nrrd")
    table = tmp_path / "model-net_set-photos_importance"
    for words in (
        ("--scores", f"{table}.json", "--criterion", "act_max"),
        ("--scores", f"{table}.csv", "--criterion", "act_max", "--class", "all", "--layer", "conv1"),
    ):
        result = cnnvis("order", tmp_path / "plain.nrrd", tmp_path / "o.nrrd", "--by", "importance", *words)
        assert result.code == 0
        wanted = np.argsort(-np.array(scores), kind="stable")
        assert read(tmp_path / "o.nrrd").labels == tuple(map(str, wanted))
    for words, message in (
        (("--scores", f"{table}.json"), "2 choices of criterion"),
        (("--scores", f"{table}.json", "--criterion", "random"), "no criterion 'random'"),
        (("--criterion", "random"), "--criterion does not go with all but --scores"),
    ):
        result = cnnvis("order", tmp_path / "plain.nrrd", tmp_path / "o.nrrd", "--by", "importance", *words)
        assert (result.code, message in result.err) == (2, True)


def test_volumes_that_do_not_fit(cnnvis, net: Path, photos: Path, tmp_path: Path) -> None:
    data = np.arange(2 * 4 * 5).reshape(2, 4, 5)
    for name, volume in {
        "relu": Volume(data, facts={"layer": "relu1"}),
        "again": Volume(data, facts={"layer": "conv1"}),
        "other": Volume(data, facts={"layer": "fc"}),
        "long": Volume(np.arange(3 * 4 * 5).reshape(3, 4, 5), facts={"layer": "conv1"}),
        "words": Volume(data, labels=("a", "b")),
    }.items():
        write(volume, tmp_path / f"{name}.nrrd")
    words = ("importance", net, "--set", photos, "--layer", "conv1", "--preprocess", "unit", "-o")
    for names, message in {
        ("other",): "other.nrrd: is of layer 'fc', and --layer asks for conv1",
        ("long",): "long.nrrd: has a slice of filter 2, and the layer 2 filters",
        ("words",): "words.nrrd: its labels, such as 'a', are no numbers of filters",
        ("relu", "again"): f"again.nrrd: is of the layer and the picture that {tmp_path / 'relu.nrrd'} is of",
    }.items():
        given = [word for name in names for word in ("--of", tmp_path / f"{name}.nrrd")]
        result = cnnvis(*words, tmp_path / "out", *given)
        assert (result.code, message in result.err, result.out) == (2, True, [])
        assert not (tmp_path / "out").exists()
    result = cnnvis(*words, tmp_path / "out", "--layer", "fc", "--of", tmp_path / "relu.nrrd")
    assert (result.code, "is of layer 'relu1', and --layer asks for conv1, fc" in result.err) == (2, True)
    # a layer without filters shows the maps of those before it
    assert cnnvis(*words, tmp_path / "out", "--of", tmp_path / "relu.nrrd").code == 0


def test_what_is_left_out_is_told_and_all_else_is_done(
    cnnvis, net: Path, photos: Path, tmp_path: Path
) -> None:
    (photos / "0" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for name in ("7", "cat"):
        (photos / name).mkdir()
        Image.fromarray(_inputs(1)[0]).save(photos / name / "one.png")
    out = tmp_path / "out"
    words = ("--set", photos, "--layer", "conv1", "--layer", "relu1", "-o", out, "--preprocess", "unit")
    result = cnnvis("importance", net, *words)
    assert result.code == 2
    for text in (
        "broken.png: not a picture of a known format, or damaged",
        "label '7' is beyond its 2 classes: its pictures (1) are left out",
        "label 'cat' names no class of the network",
        "layer 'relu1' (Relu) has no filters",
        "cnnvis: error: 4 things are left out, as",
    ):
        assert text in result.err
    document = _table(out, net, "photos")
    assert document["set"]["pictures"] == 5
    assert [one["name"] for one in document["left_out"]] == ["relu1", "7", "cat", "0/broken.png"]
    assert (out / "model-net_set-photos_layer-conv1_class-all_importance-grid.png").exists()
    assert not list(out.glob("*.state*"))


def test_pictures_too_small_for_a_network_of_free_size_are_left_out(
    cnnvis, photos: Path, tmp_path: Path
) -> None:
    Image.fromarray(_inputs(1)[0][:2]).save(photos / "0" / "flat.png")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
        helper.make_node("GlobalAveragePool", ["c"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["y"], "flat"),
    ]
    weights = {"w": np.ones((2, 1, 3, 3), np.float32)}
    net = save(model_of(nodes, {"x": ["N", 1, "H", "W"]}, ["y"], weights), tmp_path)
    words = ("--set", photos, "--layer", "conv", "--preprocess", "unit", "-o", tmp_path / "out")
    result = cnnvis("importance", net, *words)
    assert (result.code, "1 thing is left out" in result.err) == (2, True)
    assert f"left out: {photos}: picture 0/flat.png: {net}: onnxruntime failed" in result.err
    assert _table(tmp_path / "out", net, "photos")["set"]["pictures"] == 5
    # made as small as that, none counts
    result = cnnvis("importance", net, *words, "--size", "2x3")
    assert (result.code, f"{net}: onnxruntime failed" in result.err, result.out) == (2, True, [])


def test_names_that_are_no_utf8_or_hold_line_breaks_are_written_and_told(
    cnnvis, net: Path, photos: Path, tmp_path: Path
) -> None:
    odd, broken = os.fsdecode(b"caf\xe9"), "a\nb"
    (photos / "1").rename(photos / odd)
    shutil.copytree(photos / odd, photos / broken)
    (photos / broken / "3.png").write_bytes(b"none")
    out = tmp_path / "out"
    words = ("--set", photos, "--layer", "conv1", "--preprocess", "unit", "-o", out, "--show", "*")
    result = cnnvis("importance", net, *words, "--class", f"{odd}=1", "--class", f"{broken}=0")
    assert result.code == 2
    assert "class 'a\\nb' has one picture" in result.err
    assert f"left out: {photos}/a\\nb/3.png: not a picture" in result.err
    document = _table(out, net, "photos")
    assert list(document["classes"]) == ["0", broken, odd]
    table = next(out.glob("*.csv")).read_text(encoding="utf-8")
    assert "conv1,caf\\udce9,grad_l2,0,2," in table
    # and they are found by their names in both files
    scores = document["layers"]["conv1"]["scores"]["grad_l2"]
    pruned = tmp_path / "pruned.onnx"
    for path in (next(out.glob("*.csv")), next(out.glob("*importance.json"))):
        for label in (broken, odd):
            words = ("--layer", "conv1", "--number", 1, "--scores", path, "--class", label, "-o", pruned)
            assert cnnvis("prune", net, *words).code == 0
            told = json.loads(Path(f"{pruned}.json").read_text(encoding="utf-8"))
            assert told["scores"]["class"] == label
            assert told["removed"] == {"conv1": [int(np.argmin(scores[label]["score"]))]}
    assert (out / "model-net_set-photos_layer-conv1_class-caf%E9_importance-grid.png").exists()


def test_layers_whose_filters_cannot_be_taken_apart_are_told(cnnvis, photos: Path, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "w"], ["b"], "second", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["b", "own"], ["c"], "last"),
        helper.make_node("Flatten", ["c"], ["y"], "flat"),
    ]
    weights = {"w": np.ones((1, 1, 3, 3), np.float32), "own": np.ones((2, 1, 3, 3), np.float32)}
    net = save(model_of(nodes, {"x": ["N", 1, 3, 3]}, ["y"], weights), tmp_path)
    words = ("--set", photos, "--preprocess", "unit", "--volume", "none")
    result = cnnvis("importance", net, *words, "--layer", "*", "--layer", "f*t", "-o", tmp_path / "out")
    assert (result.code, "2 things are left out" in result.err) == (2, True)
    document = _table(tmp_path / "out", net, "photos")
    assert list(document["layers"]) == ["last"]
    assert [one["name"] for one in document["left_out"]] == ["first", "second"]
    assert all(
        "shares its 'w', which 'first', 'second' read" in one["reason"] for one in document["left_out"]
    )


def test_a_class_of_one_picture_has_no_error(cnnvis, net: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "1" / "3.png").unlink()
    out = tmp_path / "out"
    words = ("--set", photos, "--layer", "conv1", "--preprocess", "unit", "--volume", "none", "-o")
    result = cnnvis("importance", net, *words, out)
    assert result.code == 0
    assert "class '1' has one picture: its standard error and interval are undefined" in result.err
    assert result.err.count("has one picture") == 1
    single = _table(out, net, "photos")["layers"]["conv1"]["scores"]["grad_l2"]["1"]
    assert (single["standard_error"], single["low"], single["high"]) == (None, None, None)
    shutil.rmtree(photos / "0")
    result = cnnvis("importance", net, *words, out / "one")
    assert (result.code, result.err.count("has one picture")) == (0, 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--layer", "conv9"), "no layer or tensor 'conv9'"),
        (("--layer", "relu1"), "layer 'relu1' (Relu) has no filters"),
        (("--layer", "conv1", "--by", "grad"), "unknown name 'grad': choose of grad_l2,"),
        (("--layer", "conv1", "--by", "all,grad"), "unknown name 'grad'"),
        (("--layer", "conv1", "--seed", str(2**32)), "is not in the range"),
        (("--layer", "conv1", "--save-every", "nan"), "nan is not a finite number"),
        (("--layer", "fc", "--target", "conv1:0"), "the neuron does not depend on layer 'fc'"),
        (("--layer", "conv1", "--target", "conv9"), "'conv9' is no target"),
        (("--layer", "conv1", "--target", "fc:2"), "'fc:2': index 2 is beyond axis 1, of size 2"),
        (("--layer", "conv1", "--target", "conv1:0,1"), "'conv1:0,1': takes one number for a channel"),
        (("--layer", "conv1", "--target", "conv1.bias"), "'conv1.bias' is a constant"),
        (
            ("--layer", "conv1", "--target", "flat", "--class", "0=8", "--class", "1=9"),
            "beyond its 8 classes",
        ),
        (("--layer", "conv1", "--show", "dog"), "no class 'dog'; there are all, 0, 1"),
        (("--layer", "conv1", "--class", "dog=1"), "has no label 'dog'"),
        (("--layer", "conv1", "--class", "1=0", "--class", "1=1"), "'1' is given two classes, 0 and 1"),
        (("--layer", "conv1", "--class", "dog"), "not a label and the number of a class"),
        (("--layer", "conv1", "--of", "none.nrrd"), "none.nrrd: no such file"),
        (("--layer", "conv1", "--volume", "all"), "unknown kind of volume 'all'"),
    ],
)
def test_wrong_calls(cnnvis, net: Path, photos: Path, tmp_path: Path, words: tuple, message: str) -> None:
    out = tmp_path / "out"
    result = cnnvis("importance", net, "--set", photos, *words, "-o", out, "--preprocess", "unit")
    assert (result.code, result.out, message in result.err) == (2, [], True)
    assert result.err.count("cnnvis: error:") == 1
    assert not out.exists()


def test_a_killed_run_goes_on_and_writes_the_same_bytes(cnnvis, net: Path, tmp_path: Path) -> None:
    count = 300
    np.savez(tmp_path / "set.npz", images=_inputs(count), labels=np.arange(count) % 2)
    folders = [tmp_path / "killed", tmp_path / "whole"]

    def words(out: Path, seconds: int = 30) -> list[str]:
        chosen = ("--layer", "conv1", "--by", "grad_l2,taylor_act", "--preprocess", "unit", "--batch", "1")
        given = (net, "--set", tmp_path / "set.npz", *chosen, "--save-every", seconds, "-o", out)
        return ["importance", *map(str, given)]

    run = subprocess.Popen([sys.executable, "-m", "cnnvis", *words(folders[0], 0)], stdout=subprocess.PIPE)
    state = folders[0] / "model-net_set-set.npz_importance.state"
    deadline = time.monotonic() + 60
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    run.kill()
    printed, _ = run.communicate()
    assert (run.returncode, printed) == (-9, b"")
    result = cnnvis(*words(folders[0]))
    assert result.code == 0
    assert "goes on behind picture" in result.err
    assert cnnvis(*words(folders[1])).err == ""
    killed, whole = ({path.name: path.read_bytes() for path in one.iterdir()} for one in folders)
    assert killed == whole
