"""The subcommands, run as users run them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from cnnvis import __version__
from cnnvis.main import COMMANDS
from converters import read
from tests.extract.nets import model_of, save, toy

HEAVY = {
    *(
        "numpy",
        "ml_dtypes",
        "scipy",
        "sklearn",
        "onnx",
        "onnxruntime",
        "PIL",
        "matplotlib",
        "vtk",
        "vtkmodules",
    ),
    *("nibabel", "nrrd", "h5py", "SimpleITK", "tqdm", "bagit"),
}

# conv1 of the ramp 0, 7, 14, ... in rows of 7: sums of windows, and top left minus bottom right plus 1
RAMP = np.arange(35, dtype=np.float32).reshape(5, 7)
SUMS = 7 * (RAMP[:-1, :-1] + RAMP[:-1, 1:] + RAMP[1:, :-1] + RAMP[1:, 1:])
STEPS = np.full((4, 6), 7 * -8 + 1)


def extract(cnnvis, net, picture, out, *words):
    result = cnnvis("activations", net, "--image", picture, "--preprocess", "raw", "-o", out, *words)
    assert result.code == 0, result.err
    return result


def test_version(cnnvis):
    assert cnnvis("--version").out == [f"cnnvis, version {__version__}"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(cnnvis, command):
    result = cnnvis(command, "--help")
    assert result.code == 0
    assert any("Examples:" in line for line in result.out)


def test_help_imports_no_heavy_library():
    code = (
        "import sys\nfrom cnnvis.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded
    assert not loaded & HEAVY


def test_layers(cnnvis, net):
    rows = json.loads("\n".join(cnnvis("layers", net, "--size", "5x7", "--json").out))
    assert [row["name"] for row in rows] == ["conv1", "relu1", "flat", "fc"]
    assert rows[0]["type"] == "Conv"
    assert rows[0]["shape"] == [1, 2, 4, 6]
    assert rows[0]["parameters"] == {"weight": [2, 1, 2, 2], "bias": [2]}
    assert (rows[0]["stride"], rows[0]["receptive_field"]) == ([1, 1], [2, 2])
    table = cnnvis("layers", net).out
    assert table[0].split() == ["layer", "type", "output", "parameters", "stride", "field"]
    assert table[1].split() == ["conv1", "Conv", "?x2x?x?", "2x1x2x2", "2", "1x1", "2x2"]


def test_activations_as_a_stack(cnnvis, net, picture, tmp_path):
    result = extract(cnnvis, net, picture, tmp_path / "out", "--layer", "conv1")
    names = {Path(line).name for line in result.out}
    assert names == {
        *(
            "model-net_img-ramp_input.nrrd",
            "model-net_img-ramp_input.nrrd.json",
            "model-net_img-ramp_input.png",
        ),
        *("model-net_img-ramp_layer-conv1_act.nrrd", "model-net_img-ramp_layer-conv1_act.nrrd.json"),
    }
    assert all(Path(line).is_file() for line in result.out)
    volume = read(tmp_path / "out" / "model-net_img-ramp_layer-conv1_act.nrrd")
    np.testing.assert_array_equal(volume.data, [SUMS, STEPS])
    assert volume.origin == (0.5, 0.5, 0)
    assert volume.labels == ("0", "1")
    facts = volume.facts
    assert (facts["layer"], facts["operator"], facts["quantity"]) == ("conv1", "Conv", "act")
    assert facts["image"]["file"] == "ramp.png"
    assert facts["image"]["preprocessing"]["scale"] == 1
    assert "ramp.png" in facts["command"]
    assert str(tmp_path) not in json.dumps(dict(facts))


def test_the_input_lies_in_the_frame_of_the_layers(cnnvis, net, picture, tmp_path):
    extract(cnnvis, net, picture, tmp_path / "out", "--layer", "conv1")
    seen = read(tmp_path / "out" / "model-net_img-ramp_input.nrrd")
    np.testing.assert_array_equal(seen.data[0], 7 * RAMP)
    assert (seen.spacing[:2], seen.origin) == ((1, 1), (0, 0, 0))
    with Image.open(tmp_path / "out" / "model-net_img-ramp_input.png") as png:
        np.testing.assert_array_equal(np.asarray(png), 7 * RAMP)


def test_same_input_same_bytes_from_any_folder(cnnvis, net, picture, tmp_path):
    formats = "nrrd,nhdr,nii,nii.gz,vox,mhd,mha,vti,vtk,hdf,vtkhdf"
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    copies = [shutil.copy(file, elsewhere) for file in (net, picture)]
    one = extract(cnnvis, net, picture, tmp_path / "one", "--layer", "*1", "--format", formats)
    two = extract(cnnvis, *copies, tmp_path / "two", "--layer", "*1", "--format", formats)
    assert len(one.out) == len(two.out) > 40
    for first, second in zip(one.out, two.out, strict=True):
        assert Path(first).name == Path(second).name
        assert Path(first).read_bytes() == Path(second).read_bytes(), first


def test_integer_types_and_one_binary_under_three_headers(cnnvis, net, picture, tmp_path):
    words = ("--layer", "conv1", "--format", "vox+mhd+nhdr", "--dtype", "int16")
    extract(cnnvis, net, picture, tmp_path / "out", *words)
    stem = tmp_path / "out" / "model-net_img-ramp_layer-conv1_act"
    for extension in (".vox", ".hd", ".mhd", ".nhdr"):
        # whole numbers that fit are stored as they are
        np.testing.assert_array_equal(read(f"{stem}{extension}").data, [SUMS, STEPS])
    assert not list(stem.parent.glob("*.raw"))


@pytest.mark.parametrize(
    ("layout", "size"),
    [("mosaic", [(12, 4, 1)]), ("channels", [(6, 4, 1), (6, 4, 1)]), ("stack", [(6, 4, 2)])],
)
def test_layouts(cnnvis, net, picture, tmp_path, layout, size):
    extract(cnnvis, net, picture, tmp_path / "out", "--layer", "conv1", "--layout", layout)
    volumes = [read(path) for path in sorted((tmp_path / "out").glob("*_act.nrrd"))]
    assert [volume.size for volume in volumes] == size
    np.testing.assert_array_equal(volumes[-1].data[-1, :, -6:], STEPS)


def test_fully_connected_layers_are_sheets(cnnvis, picture, tmp_path):
    fixed = save(toy(), tmp_path, "fixed.onnx")
    extract(cnnvis, fixed, picture, tmp_path / "out", "--layer", "f*", "--resize", "stretch")
    sheet = read(tmp_path / "out" / "model-fixed_img-ramp_layer-flat_act.nrrd")
    assert sheet.size == (4, 2, 1)
    assert sheet.facts["layout"] == {"kind": "sheet", "features": 8, "columns": 4}


def test_an_order_is_named_and_recorded(cnnvis, net, picture, tmp_path):
    extract(cnnvis, net, picture, tmp_path / "out", "--layer", "relu1", "--order", "sparsity")
    volume = read(tmp_path / "out" / "model-net_img-ramp_layer-relu1_order-sparsity_act.nrrd")
    assert volume.facts["order"]["permutation"] == [0, 1]
    np.testing.assert_array_equal(volume.data[1], 0)


def test_presets_come_along(cnnvis, net, picture, tmp_path):
    words = ("--layer", "conv1", "--format", "nrrd,vti,vox", "--preset", "auto")
    names = {Path(line).name for line in extract(cnnvis, net, picture, tmp_path / "out", *words).out}
    stem = "model-net_img-ramp_layer-conv1_act"
    wanted = {
        ".nrrd.vp",
        ".nrrd.slicer.vp.json",
        ".nrrd.sp",
        ".nrrd.mrml",
        ".vti.paraview.json",
        ".vti.paraview.py",
        ".vox.cgv.xml",
    }
    assert {stem + end for end in wanted} <= names


def test_folders_arrays_and_batches(cnnvis, net, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in (1, 2, 10):
        Image.fromarray(np.full((5, 7), number, np.uint8)).save(folder / f"p{number}.png")
    np.save(folder / "x.npy", np.ones((2, 1, 5, 7)))
    result = extract(cnnvis, net, folder, tmp_path / "out", "--layer", "conv1", "--batch", "2")
    order = [
        line.split("img-")[1].split("_layer")[0] for line in result.out if line.endswith("conv1_act.nrrd")
    ]
    assert order == ["p1", "p2", "p10", "x_0", "x_1"]
    volume = read(tmp_path / "out" / "model-net_img-p10_layer-conv1_act.nrrd")
    np.testing.assert_array_equal(volume.data[0], 40)


def test_pictures_of_several_sizes_have_places_of_their_own(cnnvis, tmp_path):
    # 10 rows become 5, and so do 15: the stride follows from the size of the picture
    resize = helper.make_node("Resize", ["x", "", "", "size"], ["y"], "half")
    sizes = {"size": np.array([1, 1, 5, 4])}
    net = save(model_of([resize], {"x": [1, 1, "H", "W"]}, ["y"], sizes), tmp_path)
    for name, rows in (("a", 10), ("b", 15), ("c", 10)):
        Image.fromarray(np.zeros((rows, 4), np.uint8)).save(tmp_path / f"{name}.png")
    pictures = [word for name in "bc" for word in ("--image", tmp_path / f"{name}.png")]
    extract(cnnvis, net, tmp_path / "a.png", tmp_path / "out", "--layer", "half", *pictures)
    stem = str(tmp_path / "out" / "model-net_img-{}_layer-half_act.nrrd")
    strides = {name: read(stem.format(name)).spacing[1] for name in "abc"}
    assert strides == {"a": 2, "b": 3, "c": 2}


def test_several_inputs_take_feeds(cnnvis, picture, tmp_path):
    proto = model_of(
        [helper.make_node("Mul", ["x", "w"], ["y"], "mul")], {"x": [1, 1, 5, 7], "w": [1]}, ["y"], {}
    )
    np.save(tmp_path / "w.npy", np.array([3.0]))
    net = save(proto, tmp_path)
    words = ("--layer", "mul", "--feed", f"w={tmp_path / 'w.npy'}")
    extract(cnnvis, net, picture, tmp_path / "out", *words)
    volume = read(tmp_path / "out" / "model-net_img-ramp_layer-mul_act.nrrd")
    np.testing.assert_array_equal(volume.data[0], 21 * RAMP)


def test_outputs_with_and_without_a_batch_axis(cnnvis, picture, tmp_path):
    nodes = [
        helper.make_node("Squeeze", ["x", "zero"], ["squeezed"], "squeezed"),
        helper.make_node("Transpose", ["x"], ["last"], "last", perm=[2, 3, 1, 0]),
        helper.make_node("ReduceMax", ["x"], ["peak"], "peak", axes=[0, 1], keepdims=0),
    ]
    net = save(model_of(nodes, {"x": ["N", 1, 5, 7]}, ["last"], {"zero": np.array([0])}), tmp_path)
    extract(cnnvis, net, picture, tmp_path / "out", "--layer", "*")
    for name in ("squeezed", "last", "peak"):
        volume = read(tmp_path / "out" / f"model-net_img-ramp_layer-{name}_act.nrrd")
        np.testing.assert_array_equal(volume.data, 7 * RAMP[np.newaxis])
        assert volume.facts["geometry"]["frame"] == "input"
    two = ("--image", shutil.copy(picture, (tmp_path / "more").mkdir() or tmp_path / "more"))
    result = cnnvis("activations", net, "--image", picture, *two, "--layer", "peak", "-o", tmp_path / "two")
    assert result.code == 2
    assert "'peak' has no axis that runs over the images" in result.err


def test_networks_that_take_bytes_get_bytes(cnnvis, picture, tmp_path):
    cast = helper.make_node("Cast", ["x"], ["y"], "cast", to=TensorProto.FLOAT)
    proto = model_of([cast], {"x": [1, 1, 5, 7]}, ["y"], {}, kind=TensorProto.UINT8)
    net = save(proto, tmp_path)
    result = cnnvis("activations", net, "--image", picture, "--layer", "cast", "-o", tmp_path / "out")
    assert "RGB from 0 to 255" in result.err
    np.testing.assert_array_equal(read(result.out[-2]).data[0], 7 * RAMP)
    torch = ("--preprocess", "torch", "--channels", "L", "--mean", "0.4", "--std", "0.2")
    result = cnnvis("activations", net, "--image", picture, "--layer", "cast", "-o", tmp_path / "out", *torch)
    assert (result.code, "takes whole numbers of type uint8" in result.err) == (2, True)


def test_a_3d_network_on_a_nifti_volume(cnnvis, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    values = np.random.default_rng(2).random((7, 6, 5), dtype=np.float32)
    affine = np.array([[-2, 0, 0, 10], [0, -3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "head.nii.gz")
    kernel = np.zeros((2, 1, 2, 2, 2), np.float32)
    kernel[0, 0, 0, 0, 0] = kernel[1, 0, 1, 1, 1] = 1
    conv = helper.make_node("Conv", ["x", "k"], ["y"], "conv", strides=[2, 2, 2])
    net = save(model_of([conv], {"x": ["N", 1, "D", "H", "W"]}, ["y"], {"k": kernel}), tmp_path)
    extract(
        cnnvis, net, tmp_path / "head.nii.gz", tmp_path / "out", "--layer", "conv", "--format", "nii.gz,nrrd"
    )
    image = nibabel.load(tmp_path / "out" / "model-net_img-head_layer-conv_act.nii.gz")
    assert image.shape == (3, 3, 2, 2)
    np.testing.assert_allclose(image.get_fdata()[..., 0], values[:6:2, ::2, :4:2])
    # a unit lies between the two voxels that it sees, along each axis
    np.testing.assert_allclose(image.affine @ [1, 0, 0, 1], affine @ [2.5, 0.5, 0.5, 1], atol=1e-5)


def test_a_note_where_values_are_not_finite(cnnvis, tmp_path, picture):
    proto = model_of([helper.make_node("Log", ["x"], ["y"], "log")], {"x": [1, 1, 5, 7]}, ["y"], {})
    result = extract(cnnvis, save(proto, tmp_path), picture, tmp_path / "out", "--layer", "log")
    assert "cnnvis: note: layer 'log', image 'ramp': 1 of 35 values are NaN or infinite" in result.err


def test_a_note_where_no_preprocessing_is_given(cnnvis, net, picture, tmp_path):
    result = cnnvis("activations", net, "--image", picture, "--layer", "conv1", "-o", tmp_path / "out")
    assert "no preprocessing is given" in result.err
    volume = read(tmp_path / "out" / "model-net_img-ramp_layer-conv1_act.nrrd")
    np.testing.assert_allclose(volume.data[0], SUMS / 255, rtol=1e-6)


def test_a_description_says_it_once(cnnvis, net, picture, tmp_path):
    (tmp_path / "net.toml").write_text('model = "net.onnx"\n[input]\npreset = "raw"\n')
    result = cnnvis(
        "activations", tmp_path / "net.toml", "--image", picture, "--layer", "conv1", "-o", tmp_path / "out"
    )
    assert (result.code, result.err) == (0, "")
    np.testing.assert_array_equal(read(result.out[-2]).data, [SUMS, STEPS])


def test_weights(cnnvis, net, tmp_path):
    result = cnnvis("weights", net, "--layer", "conv*", "--layer", "fc.bias", "-o", tmp_path / "out")
    assert [Path(line).name for line in result.out[::2]] == [
        "model-net_layer-conv1_weight.nrrd",
        "model-net_layer-fc_bias.nrrd",
    ]
    volume = read(result.out[0])
    np.testing.assert_array_equal(volume.data, [[[1, 1], [1, 1]], [[1, 0], [0, -1]]])
    assert volume.labels == ("0,0", "1,0")


def test_filters_of_3d_networks_need_a_format_with_frames(cnnvis, tmp_path):
    kernel = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 1, 3, 4, 5)
    conv = helper.make_node("Conv", ["x", "k"], ["y"], "conv")
    net = save(model_of([conv], {"x": ["N", 1, "D", "H", "W"]}, ["y"], {"k": kernel}), tmp_path)
    result = cnnvis("weights", net, "--layer", "conv", "-o", tmp_path / "out", "--format", "nrrd,mha")
    assert (result.code, result.out) == (2, [])
    assert "--format mha: holds one volume a file" in result.err
    result = cnnvis("weights", net, "--layer", "conv", "-o", tmp_path / "out", "--format", "nrrd")
    np.testing.assert_array_equal(read(result.out[0]).data, kernel[:, 0])


def test_convert_keeps_values_geometry_labels_and_facts(cnnvis, net, picture, tmp_path):
    extract(cnnvis, net, picture, tmp_path / "out", "--layer", "conv1")
    source = tmp_path / "out" / "model-net_img-ramp_layer-conv1_act.nrrd"
    before = read(source)
    for extension in ("nii.gz", "vti", "vox", "mha", "hdf", "nrrd"):
        target = tmp_path / f"next.{extension}"
        assert cnnvis("convert", source, target).code == 0
        after = read(target)
        # vox stores bytes: half a step of the value scale
        tolerance = (before.data.max() - before.data.min()) / 510 * 1.001 if extension == "vox" else 0
        np.testing.assert_allclose(after.data, before.data, rtol=0, atol=tolerance)
        assert (after.spacing, after.origin) == (before.spacing, before.origin)
        facts = dict(after.facts)
        assert facts.pop("history")[-1]["command"] == f"cnnvis convert {source.name} {target.name}"
        assert (after.labels, facts) == (before.labels, before.facts)
        source = source if extension == "vox" else target


def test_convert_keeps_the_stored_type(cnnvis, net, picture, tmp_path):
    extract(cnnvis, net, picture, tmp_path, "--layer", "conv1", "--dtype", "uint16")
    source = tmp_path / "model-net_img-ramp_layer-conv1_act.nrrd"
    cnnvis("convert", source, tmp_path / "next.nii")
    assert read(tmp_path / "next.nii").encoding.dtype == "uint16"


def test_info(cnnvis, net, picture, tmp_path):
    extract(cnnvis, net, picture, tmp_path, "--layer", "conv1")
    file = tmp_path / "model-net_img-ramp_layer-conv1_act.nrrd"
    facts = json.loads("\n".join(cnnvis("info", file, "--json").out))
    assert facts["size"] == [6, 4, 2]
    assert facts["range"] == [STEPS.min(), SUMS.max()]
    assert facts["facts"]["layer"] == "conv1"
    assert any(line.split() == ["layer", "conv1"] for line in cnnvis("info", file).out)


def test_order(cnnvis, net, picture, tmp_path):
    extract(cnnvis, net, picture, tmp_path, "--layer", "conv1")
    source = tmp_path / "model-net_img-ramp_layer-conv1_act.nrrd"
    assert cnnvis("order", source, tmp_path / "o.nrrd", "--by", "random", "--seed", 1).code == 0
    volume = read(tmp_path / "o.nrrd")
    permutation = volume.facts["order"]["permutation"]
    np.testing.assert_array_equal(volume.data, read(source).data[permutation])
    assert volume.labels == tuple(map(str, permutation))


def test_preset_montage_and_render(cnnvis, net, picture, tmp_path):
    extract(cnnvis, net, picture, tmp_path, "--layer", "conv1")
    volume = tmp_path / "model-net_img-ramp_layer-conv1_act.nrrd"
    presets = cnnvis("preset", volume, "--viewer", "slicer", "-o", tmp_path / "presets")
    assert [Path(line).suffix for line in presets.out] == [".vp", ".json", ".sp", ".mrml"]
    montage = cnnvis("montage", volume, "-o", tmp_path / "montage.png")
    rendering = cnnvis("render", volume, "-o", tmp_path / "render.png", "--size", "300x200")
    for result, size in ((montage, None), (rendering, (300, 200))):
        with Image.open(result.out[0]) as png:
            assert size in (None, png.size)
            assert np.asarray(png.convert("L")).std() > 3


def test_gallery(cnnvis, net, picture, tmp_path):
    extract(cnnvis, net, picture, tmp_path / "volumes", "--layer", "conv1", "--format", "nrrd,vti")
    (tmp_path / "volumes" / "void.nrrd").touch()
    result = cnnvis("gallery", tmp_path / "volumes", "-o", tmp_path / "page.html", "--title", "A & B")
    assert (result.code, result.out) == (0, [str(tmp_path / "page.html")])
    void = tmp_path / "volumes" / "void.nrrd"
    assert result.err == f"cnnvis: note: left out: {void}: the file is empty\n"
    assert "<h1>A &amp; B</h1>" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert cnnvis("gallery", tmp_path / "volumes", "-o", tmp_path / "new").out == [
        str(tmp_path / "new" / "index.html")
    ]


def test_archive_and_verify(cnnvis, net, picture, tmp_path):
    extract(cnnvis, net, picture, tmp_path / "out", "--layer", "conv1")
    bag = tmp_path / "bag.zip"
    assert cnnvis("archive", tmp_path / "out", bag).out == [str(bag)]
    assert cnnvis("verify", bag).code == 0
    folder = tmp_path / "bag"
    cnnvis("archive", tmp_path / "out", folder)
    next(folder.glob("data/**/*.png")).write_bytes(b"other")
    result = cnnvis("verify", folder)
    assert result.code == 2
    assert "_input.png" in result.out[0]
    assert result.err.startswith(f"cnnvis: error: {folder}: ")
