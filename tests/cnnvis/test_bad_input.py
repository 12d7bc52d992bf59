"""Bad input: one line that names the file and the reason, exit code 2, and nothing left behind."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from converters import Volume, write
from tests.extract.caffe.nets import NINE, TOY, TOY_WEIGHTS, write_net, write_weights
from tests.extract.nets import model_of, save, toy


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A folder with one good file of each kind and many bad ones; the command runs inside it."""
    monkeypatch.chdir(tmp_path)
    save(toy(x=["N", 1, "H", "W"]), tmp_path)
    save(toy(), tmp_path, "fixed.onnx")
    grey = (7 * np.arange(35, dtype=np.uint8)).reshape(5, 7)
    Image.fromarray(grey).save("ramp.png")
    Path("cut.png").write_bytes(Path("ramp.png").read_bytes()[:45])
    Path("cut.onnx").write_bytes(Path("net.onnx").read_bytes()[:100])
    Path("text.jpg").write_text("no picture")
    Path("void.png").touch()
    Path("empty").mkdir()
    Path("file").write_text("in the way")
    np.save("flat.npy", np.zeros(3))
    np.save("nine.npy", NINE[0])
    np.save("nan.npy", np.full((1, 5, 7), np.nan))
    np.save("pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    write(Volume(np.arange(5 * 7 * 11.0).reshape(5, 7, 11)), "good.nrrd")
    write(Volume(np.zeros((2, 3, 4, 5))), "frames.nrrd")
    write(Volume(np.full((2, 3, 4), np.nan)), "nan.nrrd")
    Path("cut.nrrd").write_bytes(Path("good.nrrd").read_bytes()[:-40])
    Path("png.nrrd").write_bytes(Path("ramp.png").read_bytes())
    header = (
        "NRRD0004\ntype: float\ndimension: 3\nsizes: 99999 99999 99999\nencoding: raw\nendian: little\n\n"
    )
    Path("huge.nrrd").write_bytes(header.encode() + bytes(64))
    Path("lone.hd").write_text("Size 5x7x11 unsigned byte \nSpacing 1.0x1.0x1.0")
    Path("broken.toml").write_text("model = ")
    Path("wrong.toml").write_text('model = "net.onnx"\n[input]\nmeen = 3\n')
    Path("preset.json").write_text("[]")
    warp = toy()
    warp.graph.node.append(helper.make_node("Warp", ["c"], ["w"], "warp", domain="my.lab"))
    warp.opset_import.append(helper.make_opsetid("my.lab", 1))
    onnx.save(warp, "warp.onnx")
    two = {"a": [1, 1, 5, 7], "b": [1, 1, 5, 7]}
    onnx.save(model_of([helper.make_node("Add", ["a", "b"], ["y"], "add")], two, ["y"], {}), "two.onnx")
    deep = {"x": ["N", 1, "D", "H", "W"]}
    onnx.save(model_of([helper.make_node("Relu", ["x"], ["y"], "relu")], deep, ["y"], {}), "deep.onnx")
    outside = toy()
    outside.graph.initializer[0].data_location = TensorProto.EXTERNAL
    outside.graph.initializer[0].external_data.add(key="location", value="../secret")
    Path("outside.onnx").write_bytes(outside.SerializeToString())
    write_net(tmp_path)
    write_weights(tmp_path)
    write_weights(tmp_path, {**TOY_WEIGHTS, "conv1": [np.ones((2, 1, 3, 3)), [0, 1]]}, "other.caffemodel")
    write_weights(tmp_path, {"other": [[1, 2]]}, "foreign.caffemodel")
    Path("cut.caffemodel").write_bytes(Path("net.caffemodel").read_bytes()[:-9])
    Path("void.caffemodel").touch()
    write_net(tmp_path, TOY.replace("kernel_size", "kernel_sise"), "field.prototxt")
    write_net(tmp_path, TOY.replace('type: "ReLU"', 'type: "Relux"'), "type.prototxt")
    write_net(tmp_path, TOY + 'layers { name: "old" type: RELU bottom: "fc" top: "fc" }', "mixed.prototxt")
    write_net(tmp_path, TOY.replace('bottom: "data"', 'bottom: "date"'), "bottom.prototxt")
    write_net(tmp_path, TOY[:200], "cut.prototxt")
    Path("binary.prototxt").write_bytes(bytes(range(256)) * 4)
    return tmp_path


def caffe(net="deploy.prototxt", weights="net.caffemodel", layer="fc", *more):
    return act(net, "nine.npy", layer, "--weights", weights, *more)


def act(model="net.onnx", image="ramp.png", layer="conv1", *more):
    words = ["activations", model, "--image", image, "--layer", layer, "-o", "out", "--preprocess", "raw"]
    return [*words, *more]


LABELS = ("--label", "a", "--label", "b")

CASES = {
    # models
    "no model": (act("nope.onnx"), r"nope\.onnx: no such file"),
    "folder as model": (act("empty"), r"empty: is a folder, not a model"),
    "picture as model": (act("ramp.png"), r"ramp\.png: not an ONNX model"),
    "truncated model": (act("cut.onnx"), r"cut\.onnx: not an ONNX model, or damaged"),
    "weights outside": (act("outside.onnx"), r"outside\.onnx: external weight 'conv1_w' lies outside"),
    "broken TOML": (act("broken.toml"), r"broken\.toml: not a TOML file"),
    "wrong TOML key": (act("wrong.toml"), r"wrong\.toml: .*unknown .*'meen'; did you mean 'mean'\?"),
    "no weights": (caffe(weights="nope.caffemodel"), r"nope\.caffemodel: no such file"),
    "picture as weights": (caffe(weights="ramp.png"), r"ramp\.png: not a .* \(it looks like a PNG picture\)"),
    "prototxt as weights": (caffe(weights="deploy.prototxt"), r"deploy\.prototxt: not a .*prototxt"),
    "ONNX as weights": (caffe(weights="net.onnx"), r"net\.onnx: not a .*ONNX"),
    "empty weights": (caffe(weights="void.caffemodel"), r"void\.caffemodel: the file is empty"),
    "truncated weights": (caffe(weights="cut.caffemodel"), r"cut\.caffemodel: damaged or cut off"),
    "weights of a wrong shape": (
        caffe(weights="other.caffemodel"),
        r"deploy\.prototxt: layer 'conv1' .*2x1x2x2, but other\.caffemodel holds 2x1x3x3",
    ),
    "weights of another network": (caffe(weights="foreign.caffemodel"), r"foreign\.caffemodel: its layers"),
    "weights for an ONNX model": (caffe("net.onnx"), r"net\.onnx: only a \.prototxt takes"),
    "weights alone, without a network": (
        act("net.caffemodel", "nine.npy", "conv1"),
        r"net\.caffemodel: .*\.prototxt",
    ),
    "no prototxt": (caffe("nope.prototxt"), r"nope\.prototxt: [Nn]o such file"),
    "binary prototxt": (caffe("binary.prototxt"), r"binary\.prototxt: "),
    "truncated prototxt": (caffe("cut.prototxt"), r"cut\.prototxt: "),
    "picture as prototxt": (caffe("ramp.png"), r"ramp\.png: .*PNG"),
    "unknown field": (
        caffe("field.prototxt"),
        r"field\.prototxt: layer 'conv1' \(Convolution\): has an unknown field 'kernel_sise' \(line \d+; did",
    ),
    "unknown layer type": (
        caffe("type.prototxt"),
        r"type\.prototxt: layer 'relu1' \(Relux\): .*--engine pycaffe",
    ),
    "layer and layers": (caffe("mixed.prototxt"), r"mixed\.prototxt: .*layers"),
    "unknown bottom": (caffe("bottom.prototxt"), r"bottom\.prototxt: .*'conv1'.*'date'"),
    "unknown engine": (caffe("deploy.prototxt", "net.caffemodel", "fc", "--engine", "torch"), r"'torch'"),
    "ONNX in Caffe": (act("net.onnx", "ramp.png", "conv1", "--engine", "pycaffe"), r"net\.onnx: .*Caffe"),
    "to-onnx into no folder": (
        ["to-onnx", "deploy.prototxt", "--weights", "net.caffemodel", "-o", "file/net.onnx"],
        r"file: cannot make this folder",
    ),
    "unknown layer": (act(layer="conv2"), r"net\.onnx: no layer or tensor 'conv2'; nearest: conv1"),
    "pattern without match": (act(layer="pool*"), r"net\.onnx: no layer or tensor 'pool\*'"),
    "unknown operator": (
        act("warp.onnx", layer="warp"),
        r"warp\.onnx: onnxruntime cannot run this: .*my\.lab:Warp",
    ),
    "two inputs": (
        act("two.onnx", layer="add"),
        r"two\.onnx: images feed one input, and a, b are left: use --feed",
    ),
    "feed for no input": (
        act("net.onnx", "ramp.png", "conv1", "--feed", "q=flat.npy"),
        r"net\.onnx: no layer or tensor 'q'",
    ),
    "feed without name": (
        act("net.onnx", "ramp.png", "conv1", "--feed", "q"),
        r"--feed takes NAME=FILE\.npy",
    ),
    "layer without weights": (
        ["weights", "net.onnx", "--layer", "relu1", "-o", "out"],
        r"'relu1' has no weight",
    ),
    # images
    "no image": (act(image="nope.png"), r"nope\.png: no such file"),
    "truncated picture": (act(image="cut.png"), r"cut\.png: damaged picture \(image file is truncated\)"),
    "text as picture": (act(image="text.jpg"), r"text\.jpg: not a picture of a known format"),
    "empty picture": (act(image="void.png"), r"void\.png: not a picture of a known format"),
    "empty folder": (act(image="empty"), r"empty: no picture"),
    "array of a wrong rank": (act(image="flat.npy"), r"flat\.npy: an array of shape .*does not fit"),
    "array with NaN": (act(image="nan.npy"), r"nan\.npy: .*NaN"),
    "pickled array": (act(image="pickle.npy"), r"pickle\.npy: not a \.npy array of numbers.*Python objects"),
    "picture of a wrong size": (act("fixed.onnx", "ramp.png", "fc", "--size", "5x7"), r"5.*7.*3.*3"),
    "picture for a 3-D network": (act("deep.onnx", layer="relu"), r"ramp\.png: .*\.npy"),
    "unknown preprocessing": (
        [
            "activations",
            "net.onnx",
            "--image",
            "ramp.png",
            "--layer",
            "conv1",
            "-o",
            "out",
            "--preprocess",
            "torc",
        ],
        r"unknown preprocessing preset 'torc'; did you mean 'torch'\?",
    ),
    "bad mean": (act("net.onnx", "ramp.png", "conv1", "--mean", "a,b"), r"'a,b' is not a list of numbers"),
    "bad size": (
        act("net.onnx", "ramp.png", "conv1", "--size", "0x7"),
        r"'0x7' is not a size such as 224x224",
    ),
    # output
    "unknown format": (
        act("net.onnx", "ramp.png", "conv1", "--format", "stl"),
        r"unknown format 'stl'; known are",
    ),
    "headers on nrrd": (
        act("net.onnx", "ramp.png", "conv1", "--format", "nrrd+mhd"),
        r"only vox takes further headers",
    ),
    "unknown preset": (act("net.onnx", "ramp.png", "conv1", "--preset", "glow"), r"glow: no such preset"),
    "unknown order": (
        act("net.onnx", "ramp.png", "conv1", "--order", "beauty"),
        r"unknown ordering method 'beauty'",
    ),
    "order of a mosaic": (
        act("net.onnx", "ramp.png", "conv1", "--order", "mean", "--layout", "mosaic"),
        r"--order sorts the slices of layouts stack",
    ),
    "bad spacing": (
        act("net.onnx", "ramp.png", "conv1", "--z-spacing", "0"),
        r"--z-spacing takes same, fit or",
    ),
    "file as folder": (
        ["weights", "net.onnx", "--layer", "conv1", "-o", "file"],
        r"file: cannot make this folder",
    ),
    # volumes
    "no volume": (["info", "nope.nrrd"], r"nope\.nrrd: no such file"),
    "unknown volume format": (["info", "ramp.png"], r"ramp\.png: unknown volume format; known are"),
    "truncated volume": (
        ["info", "cut.nrrd"],
        r"cut\.nrrd: not a readable NRRD file \(Size of the data .*385-375",
    ),
    "picture as volume": (["info", "png.nrrd"], r"png\.nrrd: not a readable NRRD file \(Invalid NRRD magic"),
    "huge header": (["info", "huge.nrrd"], r"huge\.nrrd: .*99999"),
    "header without data": (["info", "lone.hd"], r"lone\.hd: lone\.vox is missing"),
    "NaN as bytes": (
        ["convert", "nan.nrrd", "out.vox"],
        r"out\.vox: 24 of 24 values are NaN or infinite: uint8 cannot",
    ),
    "frames as CGV": (
        ["convert", "frames.nrrd", "out.vox"],
        r"out\.vox: CGV holds one volume a file, .* 2 frames",
    ),
    "no target folder": (
        ["convert", "good.nrrd", "gone/out.nrrd"],
        r"gone/out\.nrrd: No such file or directory",
    ),
    "unknown target": (["convert", "good.nrrd", "out.xyz"], r"out\.xyz: unknown volume format"),
    "preset for a viewer that cannot": (
        ["preset", "good.nrrd", "--viewer", "cgv", "-o", "out"],
        r"good\.nrrd: cgv does not open such files",
    ),
    "unknown viewer": (
        ["preset", "good.nrrd", "--viewer", "gimp", "-o", "out"],
        r"unknown viewer 'gimp': choose from paraview, slicer, cgv",
    ),
    "series of one": (["series", "good.nrrd", "out.pvd"], r"a series takes two volumes or more"),
    "series of no format": (
        ["series", "good.nrrd", "good.nrrd", "out.vti"],
        r"out\.vti: no format for series",
    ),
    "series of two layers": (
        ["series", "good.nrrd", "nan.nrrd", "out.pvd"],
        r"nan\.nrrd: its size is 4 x 3 x 2, that of the first volume 11 x 7 x 5",
    ),
    "series of series": (
        ["series", "frames.nrrd", "frames.nrrd", "out.pvd"],
        r"frames\.nrrd: it holds 2 frames",
    ),
    "series with a cut file": (["series", "good.nrrd", "cut.nrrd", "out.vox"], r"cut\.nrrd: "),
    "series without a file": (["series", "good.nrrd", "gone.nrrd", "out.vox"], r"gone\.nrrd: no such file"),
    "series of one name": (["series", "good.nrrd", "good.nrrd", "out.pvd"], r"two frames are called 'good'"),
    "series with too few labels": (
        ["series", "good.nrrd", "good.nrrd", "out.pvd", "--label", "one"],
        r"1 labels for 2 volumes",
    ),
    "series of NaN as bytes": (
        ["series", "nan.nrrd", "nan.nrrd", "out.vox", "--label", "a", "--label", "b"],
        r"out\.vox: 24 of 24 values are NaN or infinite: uint8 cannot hold them",
    ),
    "series by no method": (
        ["series", "good.nrrd", "good.nrrd", "out.pvd", "--order", "beauty"],
        r"unknown ordering method 'beauty'",
    ),
    "series by a distance to nothing": (
        ["series", "good.nrrd", "good.nrrd", "out.pvd", "--distance", "cosine"],
        r"--distance goes with --order METHOD",
    ),
    "series in an order of others": (
        ["series", "good.nrrd", "nan.nrrd", "out.pvd", "--order", "preset.json"],
        r"preset\.json: not an ordering",
    ),
    "series into no folder": (
        ["series", "good.nrrd", "good.nrrd", "none/out.pvd", "--label", "a", "--label", "b"],
        r"none/out\.pvd: No such file or directory",
    ),
    "own preset that is none": (
        ["preset", "good.nrrd", "--preset", "preset.json", "-o", "out"],
        r"preset\.json: not a transfer function",
    ),
    "all values NaN": (["render", "nan.nrrd", "-o", "out.png"], r"nan\.nrrd: .*finite"),
    "picture of another kind": (
        ["render", "good.nrrd", "-o", "out.jpg"],
        r"out\.jpg: pictures are written as \.png, \.gif or \.mp4",
    ),
    "bad picture size": (
        ["render", "good.nrrd", "-o", "out.png", "--size", "big"],
        r"'big' is not WIDTHxHEIGHT such as 800x600",
    ),
    "tiny picture": (
        ["render", "good.nrrd", "-o", "out.png", "--size", "20x20"],
        r"a picture has 200 x 150 to 4096 x 4096 pixels, not 20 x 20",
    ),
    "huge movie": (
        ["render", "good.nrrd", "-o", "out.gif", "--size", "5000x600"],
        r"a picture has 200 x 150 to 4096 x 4096 pixels, not 5000 x 600",
    ),
    "odd MP4": (
        ["render", "good.nrrd", "-o", "out.mp4", "--size", "301x200"],
        r"out\.mp4: an MP4's width and height are even, not 301 x 200",
    ),
    "no zoom": (["render", "good.nrrd", "-o", "out.png", "--zoom", "0"], r"zoom is in 0\.1\.\.20, not 0"),
    "unknown background": (
        ["render", "good.nrrd", "-o", "out.png", "--background", "dim"],
        r"a background is dark, black, grey, light, white or #rrggbb, not 'dim'",
    ),
    "turning picture": (
        ["render", "good.nrrd", "-o", "out.png", "--turn", "9"],
        r"out\.png: is one picture: --turn and --fps go with \.gif or \.mp4",
    ),
    "turntable of one picture": (
        ["render", "good.nrrd", "-o", "out.gif", "--turn", "0"],
        r"a turntable has 2 to 720 pictures, not 0",
    ),
    "movie too fast": (
        ["render", "good.nrrd", "-o", "out.gif", "--fps", "99"],
        r"takes 0\.1 to 50 pictures a second, not 99",
    ),
    "movie that stands": (["render", "good.nrrd", "-o", "out.gif", "--fps", "0"], r"a second, not 0"),
    "series as a picture": (
        ["render", "good.nrrd", "good.nrrd", *LABELS, "-o", "out.png"],
        r"good\.nrrd and 1 more: has 2 frames: --frame N draws one of them, out\.gif plays all",
    ),
    "series of two sizes": (
        ["render", "good.nrrd", "nan.nrrd", "-o", "out.gif"],
        r"nan\.nrrd: its size is 4 x 3 x 2, that of the first volume 11 x 7 x 5",
    ),
    "frame of no series": (
        ["render", "good.nrrd", "-o", "out.png", "--frame", "0"],
        r"good\.nrrd: is one volume and has no frames",
    ),
    "frame beyond a series": (
        ["render", "good.nrrd", "good.nrrd", *LABELS, "-o", "out.png", "--frame", "2"],
        r"has frames 0 to 1, not 2",
    ),
    "turntable of a series": (
        ["render", "good.nrrd", "good.nrrd", *LABELS, "-o", "out.gif", "--turn", "9"],
        r"has 2 frames: a turntable shows one, which --frame N chooses",
    ),
    "label of one volume": (
        ["render", "good.nrrd", "-o", "out.png", "--label", "a"],
        r"good\.nrrd: is one volume, so its frames need no --label",
    ),
    "list that is none": (["render", "gone.pvd", "-o", "out.gif"], r"gone\.pvd: no such file"),
    "movie by ParaView": (
        ["render", "good.nrrd", "-o", "out.gif", "--with", "paraview"],
        r"out\.gif: --with paraview draws one picture, a \.png",
    ),
    "picture by nobody": (
        ["render", "good.nrrd", "-o", "out.png", "--with", "povray"],
        r"unknown renderer 'povray'",
    ),
    "one montage for two": (
        ["montage", "good.nrrd", "nan.nrrd", "-o", "out.png"],
        r"one picture for 2 volumes",
    ),
    "gallery of nothing": (["gallery", "empty", "-o", "out.html"], r"empty: holds no volumes"),
    "gallery of no folder": (["gallery", "missing", "-o", "out"], r"missing: no such folder"),
    "gallery with no such preset": (
        ["gallery", ".", "-o", "out.html", "--preset", "hott"],
        r"hott: no such preset or file",
    ),
    "gallery in no folder": (
        ["gallery", ".", "-o", "missing/out.html"],
        r"missing/out\.html: its folder does not exist",
    ),
    "archive of nothing": (["archive", "empty", "out.zip"], r"empty: has no files to archive"),
    "archive into itself": (["archive", ".", "./bag"], r"bag: lies inside \., which is to be archived"),
    "verify no bag": (["verify", "empty"], r"empty: 1 problem, listed above"),
    # calls
    "no command": (["frobnicate"], r"No such command 'frobnicate'"),
    "no option": (["info", "--loud", "good.nrrd"], r"No such option"),
    "missing option": (["activations", "net.onnx"], r"Missing option"),
}


def contents(folder: Path) -> dict[Path, int | None]:
    """Return the files below a folder with their times, and the folders."""
    return {path: path.stat().st_mtime_ns if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("case", CASES)
def test_bad_input(cnnvis, bench, case):
    words, message = CASES[case]
    before = contents(bench)
    result = cnnvis(*words)
    assert result.code == 2, result
    errors = [line for line in result.err.splitlines() if not line.startswith("cnnvis: note:")]
    assert len(errors) == 1, result.err
    assert re.match("cnnvis: error: .*" + message, errors[0]), errors[0]
    assert contents(bench) == before
