"""Options: what they take, and that they follow the rooms' registries."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest

import converters
import order
from cnnvis import option_types, options
from cnnvis.models import OpenedModel
from extract import load_model
from extract.preprocessing import CHANNELS, INTERPOLATIONS, PRESETS, RESIZES, Preprocessing
from order.methods import Method
from render_presets import VIEWERS, names


@click.command()
@options.preprocessing
def prepare(preprocessing):
    return preprocessing


def given(*words):
    return prepare.main(list(words), standalone_mode=False)


def test_every_setting_of_preprocessing_has_an_option():
    known = {parameter.name for parameter in prepare.params}
    assert known - {"preset_"} == {field.name for field in dataclasses.fields(Preprocessing)}


def test_settings_arrive_as_preprocessing_takes_them():
    words = [
        *("--size", "224", "--resize", "pad", "--crop-fraction", "0.5", "--fill", "1,2,3"),
        *("--mean", "104,117,123", "--std", "2", "--input-scale", "0.017"),
        *("--stretch-to", "256x300", "--mean-per-channel"),
    ]
    settings = Preprocessing(**given(*words))
    expected = Preprocessing(
        size=(224, 224),
        resize="pad",
        crop_fraction=0.5,
        fill=(1, 2, 3),
        mean=(104.0, 117.0, 123.0),
        std=2.0,
        input_scale=0.017,
        stretch_to=(256, 300),
        mean_per_channel=True,
    )
    assert settings == expected
    assert given() == {}


@pytest.mark.parametrize("file", ["a/mean.npy", "mean.binaryproto", "MEAN.BINARYPROTO"])
def test_a_mean_is_numbers_or_a_file(file):
    assert given("--mean", file) == {"mean": Path(file)}
    assert option_types.NumbersOrFile().shown(Path(file)) == Path(file).name
    with pytest.raises(click.BadParameter, match="is not a list of numbers"):
        given("--mean", "mean.txt")


@pytest.mark.parametrize(
    ("text", "size"), [("224", (224, 224)), ("5x7", (5, 7)), ("5x7x11", (5, 7, 11)), ("1", (1, 1))]
)
def test_sizes(text, size):
    assert option_types.Size().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["0", "0x7", "5x", "x5", "5X7", "1x2x3x4", "-5", "5.5", "123456", ""])
def test_bad_sizes(text):
    with pytest.raises(click.BadParameter, match="is not a size such as 224x224"):
        option_types.Size().convert(text, None, None)


def test_feeds():
    name, path = option_types.Feed().convert("a=b=/c/d.npy", None, None)
    assert (name, path.as_posix()) == ("a=b", "/c/d.npy")
    for text in ("q", "=q.npy", "q="):
        with pytest.raises(click.BadParameter, match=r"takes NAME=FILE\.npy, not"):
            option_types.Feed().convert(text, None, None)


def test_presets_are_names_or_paths(tmp_path, monkeypatch):
    assert option_types.Preset().convert("auto", None, None) == "auto"
    assert option_types.Preset().convert("signed", None, None) == "signed"
    assert option_types.Preset().convert("my/own.json", None, None).name == "own.json"


def help_of(cnnvis, command):
    return "".join("".join(cnnvis(command, "--help").out).split())


@pytest.mark.parametrize(
    ("command", "known"),
    [
        ("order", [*order.METHODS, *order.DISTANCES, *converters.DTYPES]),
        ("convert", [*converters.DTYPES, "mhd", "nhdr"]),
        ("activations", [e.lstrip(".") for e in converters.extensions()]),
        ("activations", [*converters.DTYPES, *converters.LAYOUTS, *PRESETS, *names(), "auto"]),
        ("activations", [*RESIZES, *INTERPOLATIONS, *CHANNELS]),
        ("preset", [*VIEWERS, *names()]),
        ("montage", names()),
        ("render", names()),
    ],
)
def test_help_names_what_the_rooms_know(cnnvis, command, known):
    text = help_of(cnnvis, command)
    assert [name for name in known if name not in text] == []


def test_a_new_method_needs_no_edit(cnnvis, monkeypatch, tmp_path):
    monkeypatch.setitem(order.METHODS, "backwards", Method(lambda maps: np.arange(len(maps))[::-1]))
    assert "backwards" in help_of(cnnvis, "order")
    result = cnnvis("order", tmp_path / "a.nrrd", tmp_path / "b.nrrd", "--by", "backwards")
    assert "a.nrrd: no such file" in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preprocess", "torc"], "unknown preprocessing preset 'torc'; did you mean 'torch'?"),
        (["--resize", "zoom"], "unknown way to resize 'zoom'; known are crop, stretch, pad"),
        (["--interpolation", "cubic"], "unknown interpolation 'cubic'; did you mean 'bicubic'?"),
        (["--channels", "GRB"], "unknown order of channels 'GRB'; did you mean"),
    ],
)
def test_unknown_names(words, message):
    with pytest.raises(click.BadParameter) as caught:
        given(*words)
    assert message in str(caught.value)


def test_unknown_ordering_methods_and_seeds(cnnvis, tmp_path):
    files = tmp_path / "a.nrrd", tmp_path / "b.nrrd"
    result = cnnvis("order", *files, "--by", "beauty")
    assert (result.code, "unknown ordering method 'beauty'" in result.err) == (2, True)
    result = cnnvis("order", *files, "--by", "random", "--seed", "-1")
    assert (result.code, "--seed" in result.err) == (2, True)


def test_help_of_the_whole_imports_no_room():
    code = (
        "import sys\nfrom cnnvis.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "rooms = ('converters.registry', 'extract', 'order', 'render_presets')\n"
        "print([m for m in rooms if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("settings", "known"),
    [({}, False), ({"size": (5, 7)}, False), ({"preset": "raw"}, True), ({"scale": 1.0}, True)],
)
def test_only_some_settings_tell_the_range_of_values(net, settings, known):
    model = load_model(net)
    assert OpenedModel(model).knows_values(settings) is known
    assert OpenedModel(model, Preprocessing()).knows_values(settings)


def test_folders_that_stay_empty_go_again(tmp_path):
    before = tmp_path / "before"
    before.mkdir()

    @click.command()
    @options.out_folder
    @click.option("--file", is_flag=True)
    def make(out, file):
        folder = options.made(out)
        if file:
            (folder / "a").touch()
        else:
            raise click.ClickException("no")

    def run(*words):
        with contextlib.suppress(click.ClickException):
            make.main(list(words), standalone_mode=False)

    run("-o", str(before))
    run("-o", str(tmp_path / "new" / "deep"))
    assert [path.name for path in tmp_path.iterdir()] == ["before"]
    run("-o", str(tmp_path / "new" / "deep"), "--file")
    assert (tmp_path / "new" / "deep" / "a").is_file()


def test_words_are_taken_once_and_all_stands_for_the_others():
    kind = option_types.Choices(lambda: ("a", "b"), every="all")
    assert kind.convert("b, a,b", None, None) == ("b", "a")
    assert kind.convert("a,all", None, None) == ("all",)
    with pytest.raises(click.BadParameter, match="unknown name 'c': choose of a, b, all"):
        kind.convert("all,c", None, None)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_numbers_are_finite(text):
    @click.command()
    @click.option("--share", type=float, callback=option_types.finite)
    def share(share):
        return share

    assert share.main(["--share", "-1"], standalone_mode=False) == -1
    assert share.main([], standalone_mode=False) is None
    with pytest.raises(click.BadParameter, match=f"{text} is not a finite number"):
        share.main(["--share", text], standalone_mode=False)
