"""What side-cars say of the commands that made a volume."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click
import numpy as np
import pytest

from cnnvis import __version__, options
from cnnvis.option_types import Feed
from cnnvis.provenance import command_line
from converters import Volume, read, write


@click.command("toy")
@options.model
@click.option("--image", "images", multiple=True, type=options.file_path)
@click.option("--layer", "layers", multiple=True)
@click.option("--feed", "feeds", multiple=True, type=Feed())
@options.out_folder
@options.formats
@options.layout
@options.preset
@options.preprocessing
@options.quiet
def toy(**_):
    click.echo(command_line())


def recorded(capsys, *words):
    toy.main([str(word) for word in words], prog_name="toy", standalone_mode=False)
    return shlex.split(capsys.readouterr().out)


def test_files_are_recorded_without_their_folders(capsys, tmp_path, monkeypatch):
    inside = tmp_path / "pictures" / "deep"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    words = recorded(
        capsys,
        *(
            tmp_path / "net.prototxt",
            "--weights",
            tmp_path / "net.caffemodel",
            "--image",
            ".",
            "--image",
            "..",
            "--image",
            tmp_path / "cat.jpg",
        ),
        *("--layer", "/features/0/Conv", "--layer", "conv*"),
        *("--feed", f"a=b={tmp_path / 'b.npy'}", "--mean", tmp_path / "mean.npy"),
        *("--preset", tmp_path / "mine.json", "-o", tmp_path / "out", "-q"),
    )
    assert words == [
        *(
            "cnnvis",
            "toy",
            "net.prototxt",
            "--weights",
            "net.caffemodel",
            "--image",
            "deep",
            "--image",
            "pictures",
            "--image",
            "cat.jpg",
        ),
        *("--layer", "/features/0/Conv", "--layer", "conv*", "--feed", "a=b=b.npy"),
        *("--preset", "mine.json", "--mean", "mean.npy"),
    ]


def test_values_are_recorded_as_they_are_given(capsys):
    given = [
        *("--format", "nrrd,vox+mhd", "--layout", "mosaic", "--preset", "signed", "--preprocess", "torch"),
        *("--size", "5x7", "--scale", "0.5", "--mean", "1.0,2.0,3.0", "--std", "2.0"),
    ]
    words = recorded(capsys, "net.onnx", "-o", ".", *given)
    assert words == ["cnnvis", "toy", "net.onnx", *given]


def test_defaults_are_left_out(capsys):
    assert recorded(capsys, "net.onnx", "-o", ".") == ["cnnvis", "toy", "net.onnx"]


@pytest.mark.parametrize("extension", ["nrrd", "nii.gz", "vti"])
def test_each_derivation_adds_itself_to_the_history(cnnvis, tmp_path, extension):
    first = Volume(
        np.arange(5 * 7 * 11, dtype=np.float32).reshape(5, 7, 11), facts={"command": "cnnvis activations"}
    )
    write(first, tmp_path / "a.nrrd")
    assert cnnvis("order", tmp_path / "a.nrrd", tmp_path / "b.nrrd", "--by", "mean").code == 0
    assert cnnvis("convert", tmp_path / "b.nrrd", tmp_path / f"c.{extension}", "--dtype", "int16").code == 0
    facts = read(tmp_path / f"c.{extension}").facts
    assert facts["command"] == "cnnvis activations"
    assert [step["command"] for step in facts["history"]] == [
        "cnnvis order a.nrrd b.nrrd --by mean",
        f"cnnvis convert b.nrrd c.{extension} --dtype int16",
    ]
    assert [step["software"]["cnnvis"] for step in facts["history"]] == [__version__] * 2
    assert str(tmp_path) not in json.dumps(dict(facts))


def test_a_history_that_is_none_is_begun_anew(cnnvis, tmp_path):
    write(Volume(np.zeros((2, 3, 4)), facts={"history": "long"}), tmp_path / "a.nrrd")
    assert cnnvis("convert", tmp_path / "a.nrrd", tmp_path / "b.nrrd").code == 0
    assert len(read(tmp_path / "b.nrrd").facts["history"]) == 1


def test_order_of_an_order_starts_from_the_channels(cnnvis, tmp_path):
    data = np.random.default_rng(5).random((5, 3, 2), dtype=np.float32)
    write(Volume(data), tmp_path / "a.nrrd")
    cnnvis("order", tmp_path / "a.nrrd", tmp_path / "b.nrrd", "--by", "random", "--seed", 3)
    cnnvis("order", tmp_path / "b.nrrd", tmp_path / "c.nrrd", "--by", "mean")
    last = read(tmp_path / "c.nrrd")
    np.testing.assert_array_equal(data[last.facts["order"]["permutation"]], last.data)
    assert last.labels == tuple(map(str, last.facts["order"]["permutation"]))


def test_facts_never_stand_for_what_is_measured(cnnvis, tmp_path):
    lies = {"size": "lie", "range": "lie", "layer": "conv1", "labels": "lie", "file": "lie"}
    write(Volume(np.zeros((2, 3, 4)), facts=lies), tmp_path / "a.nrrd")
    document = json.loads("\n".join(cnnvis("info", tmp_path / "a.nrrd", "--json").out))
    assert (document["size"], document["range"], document["labels"]) == ([4, 3, 2], [0, 0], ["0", "1"])
    assert (document["name"], document["spacing"], document["file"]) == ("values", [1, 1, 1], "a.nrrd")
    assert document["facts"] == lies
    lines = cnnvis("info", tmp_path / "a.nrrd").out
    measured, told = lines[: lines.index("")], lines[lines.index("") :]
    assert not any("lie" in line for line in measured)
    assert any(line.split() == ["size", "[4,", "3,", "2]"] for line in measured)
    assert any(line.split() == ["layer", "conv1"] for line in told)


def test_info_of_a_file_without_facts(cnnvis, tmp_path):
    write(Volume(np.zeros((2, 3, 4))), tmp_path / "a.nrrd")
    assert "" not in cnnvis("info", tmp_path / "a.nrrd").out


def test_weights_of_an_onnx_model_are_refused(cnnvis, net):
    toml = Path(net).with_name("net.toml")
    toml.write_text('model = "net.onnx"\nweights = "net.bin"\n')
    result = cnnvis("layers", toml)
    assert result.code == 2
    assert "net.onnx: only a .prototxt takes a file of weights" in result.err
    toml.write_text('model = "net.onnx"\n')
    assert cnnvis("layers", toml).code == 0
