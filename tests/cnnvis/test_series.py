"""``cnnvis series``: volumes in, a series out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import order
from converters import Volume, read, series, write
from converters.layouts import lay_out_kernels
from tests.helpers import goldens
from tests.order.maps import random_maps

DOGS = ("persian", "pembroke", "chihuahua")


@pytest.fixture
def files(tmp_path):
    """Three volumes of one layer, of 12 maps of 5 x 7."""
    paths = [tmp_path / f"{name}.nrrd" for name in ("a", "b", "c")]
    for seed, path in enumerate(paths):
        write(Volume(random_maps(12, seed).data, name="activation"), path)
    return paths


def test_activations_of_several_images(cnnvis, net, picture, tmp_path):
    photos = [picture, tmp_path / "dark.png", tmp_path / "flipped.png"]
    ramp = np.asarray(Image.open(picture))
    Image.fromarray(ramp // 3).save(photos[1])
    Image.fromarray(ramp[:, ::-1]).save(photos[2])
    images = [word for photo in photos for word in ("--image", photo)]
    found = cnnvis(
        "activations", net, *images, "--layer", "conv1", "--preprocess", "raw", "-o", tmp_path / "v"
    )
    volumes = [path for path in found.out if path.endswith("_act.nrrd")]
    assert len(volumes) == 3
    result = cnnvis("series", *volumes, tmp_path / "conv1.nii.gz")
    assert (result.code, result.err) == (0, "")
    assert result.out == [str(tmp_path / "conv1.nii.gz"), str(tmp_path / "conv1.nii.gz.json")]
    back = read(tmp_path / "conv1.nii.gz")
    assert back.labels == ("ramp.png", "dark.png", "flipped.png")
    np.testing.assert_array_equal(back.data, [read(path).data for path in volumes])
    assert not np.array_equal(back.data[0], back.data[2])
    # what holds for all images is told once, what does not, for each
    assert (back.facts["layer"], back.facts["model"]["file"]) == ("conv1", "net.onnx")
    assert [frame["image"]["file"] for frame in back.facts["series"]["frames"]] == list(back.labels)
    assert "model" not in back.facts["series"]["frames"][0]
    assert back.facts["history"][0]["command"].startswith("cnnvis series model-net_img-ramp")


@pytest.fixture
def photos(picture, tmp_path):
    """Three pictures, as words of a command: the ramp, a darker one, and its mirror image."""
    paths = [picture, tmp_path / "dark.png", tmp_path / "flipped.png"]
    ramp = np.asarray(Image.open(picture))
    Image.fromarray(ramp // 3).save(paths[1])
    Image.fromarray(ramp[:, ::-1]).save(paths[2])
    return [word for path in paths for word in ("--image", path)]


def exported(cnnvis, *words):
    """Run a command; return the result, and the names of what it wrote."""
    result = cnnvis(*words)
    assert result.code == 0, result.err
    return result, sorted(path.rsplit("/", 1)[-1] for path in result.out)


@pytest.mark.parametrize("batch", [1, 3])
def test_activations_as_series(cnnvis, net, photos, tmp_path, batch):
    single = ("activations", net, *photos, "--layer", "conv1", "--preprocess", "raw")
    exported(cnnvis, *single, "-o", tmp_path / "single")
    folder = tmp_path / "s"
    words = ("--series", "--format", "nrrd,vti,vox,nii.gz", "--preset", "auto", "--batch", batch)
    _, names = exported(cnnvis, *single, *words, "-o", folder)
    assert sorted(path.name for path in folder.iterdir()) == names
    stem = "model-net_layer-conv1_act"
    back = read(folder / f"{stem}.seq.nrrd")
    assert back.labels == ("ramp.png", "dark.png", "flipped.png")
    alone = [
        read(tmp_path / "single" / f"model-net_img-{name}_layer-conv1_act.nrrd")
        for name in ("ramp", "dark", "flipped")
    ]
    np.testing.assert_array_equal(back.data, [volume.data for volume in alone])
    for extension in (".pvd", ".vox", ".nii.gz"):
        other = series.read_series(folder / (stem + extension))
        assert other.labels == back.labels
        np.testing.assert_allclose(
            [volume.data for volume in other.volumes], back.data, rtol=0, atol=np.ptp(back.data) / 500
        )
    # one look for all frames, beside the file that stands for them
    assert {f"{stem}.seq.nrrd.mrml", f"{stem}.pvd.paraview.py", f"{stem}.vox.cgv.xml"} < set(names)
    # what the network sees: a picture each, and their luminance as a series
    assert {"model-net_img-dark_input.png", "model-net_input.seq.nrrd"} < set(names)
    assert read(folder / "model-net_input.seq.nrrd").data[1].max() < 255 // 3


def test_a_series_has_one_order(cnnvis, net, photos, tmp_path):
    words = ("activations", net, *photos, "--layer", "conv1", "--preprocess", "raw", "--series")
    exported(cnnvis, *words, "--order", "mean", "-o", tmp_path / "s")
    back = read(tmp_path / "s" / "model-net_layer-conv1_order-mean_act.seq.nrrd")
    exported(cnnvis, *words, "-o", tmp_path / "t")
    plain = series.read_series(tmp_path / "t" / "model-net_layer-conv1_act.seq.nrrd")
    found = order.by("mean", plain.volumes)
    assert back.facts["series"]["order"]["permutation"] == found.permutation.tolist()
    for frame, volume in zip(back.data, plain.volumes, strict=True):
        np.testing.assert_array_equal(frame, volume.data[found.permutation])


def test_gradients_as_series(cnnvis, net, photos, tmp_path):
    words = ("gradients", net, *photos, "--target", "relu1:1", "--preprocess", "raw")
    words += ("--wrt", "conv1.weight", "--wrt", "conv1")
    exported(cnnvis, *words, "-o", tmp_path / "single")
    exported(cnnvis, *words, "--series", "--preset", "signed", "-o", tmp_path / "s")
    for name in ("conv1_param-weight_target-relu1%3A1", "conv1_target-relu1%3A1"):
        back = read(tmp_path / "s" / f"model-net_layer-{name}_grad.seq.nrrd")
        alone = [
            read(tmp_path / "single" / f"model-net_img-{image}_layer-{name}_grad.nrrd").data
            for image in ("ramp", "dark", "flipped")
        ]
        np.testing.assert_array_equal(back.data, alone)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--format", "mha"), "--format mha: holds no series; formats for series are nrrd nii"),
        (("--format", "vox+mhd"), "--format vox+mhd: holds no series"),
    ],
)
def test_series_that_cannot_be_written(cnnvis, net, photos, tmp_path, words, message):
    command = ("activations", net, "--layer", "conv1", "--preprocess", "raw", "--series")
    result = cnnvis(*command, *photos, *words, "-o", tmp_path / "s")
    assert (result.code, message in result.err) == (2, True), result.err
    result = cnnvis(*command, *photos[:2], "-o", tmp_path / "s")
    assert (result.code, "--series takes two images or more" in result.err) == (2, True)
    assert not (tmp_path / "s").exists()


def test_images_of_one_name_are_told_apart(cnnvis, net, picture, tmp_path):
    (tmp_path / "other").mkdir()
    same = tmp_path / "other" / picture.name
    same.write_bytes(picture.read_bytes())
    words = (
        "activations",
        net,
        "--image",
        picture,
        "--image",
        same,
        "--layer",
        "conv1",
        "--preprocess",
        "raw",
    )
    exported(cnnvis, *words, "--series", "-o", tmp_path / "s")
    labels = read(tmp_path / "s" / "model-net_layer-conv1_act.seq.nrrd").labels
    assert len(set(labels)) == 2


def test_labels_and_stored_type(cnnvis, files, tmp_path):
    labels = [word for name in ("one", "two", "three") for word in ("--label", name)]
    assert cnnvis("series", *files, tmp_path / "s.seq.nrrd", *labels, "--dtype", "int16").code == 0
    back = read(tmp_path / "s.seq.nrrd")
    assert (back.labels, back.encoding.dtype) == (("one", "two", "three"), "int16")
    expected = [read(file).data for file in files]
    np.testing.assert_allclose(back.data, expected, rtol=0, atol=0.51 * back.encoding.slope)


def test_orders_must_be_one(cnnvis, files, tmp_path):
    a, b, c = files
    assert cnnvis("order", a, tmp_path / "ordered.nrrd", "--by", "list", *_listed(tmp_path)).code == 0
    out = tmp_path / "s.seq.nrrd"
    result = cnnvis("series", b, tmp_path / "ordered.nrrd", c, out)
    assert result.code == 2
    assert "ordered.nrrd: its slices are in another order than those of the first volume" in result.err
    assert not out.exists()
    assert cnnvis("series", b, tmp_path / "ordered.nrrd", c, out, "--order", "identity").code == 0
    np.testing.assert_array_equal(read(out).data, [read(file).data for file in (b, a, c)])


def _listed(folder):
    (folder / "list.json").write_text(json.dumps([3, 1, 2, 0, *range(4, 12)]), encoding="utf-8")
    return "--numbers", folder / "list.json"


def test_one_order_for_all(cnnvis, files, tmp_path):
    out = tmp_path / "s.nii"
    assert cnnvis("series", *files, out, "--order", "smooth", "--distance", "cosine").code == 0
    found = order.by("smooth", [read(file) for file in files], distance="cosine")
    assert found.permutation.tolist() != list(range(12))
    np.testing.assert_array_equal(read(out).data, [read(file).data[found.permutation] for file in files])
    facts = read(out).facts["series"]
    assert facts["slices"] == list(map(str, found.permutation))
    assert facts["order"]["permutation"] == found.permutation.tolist()
    found.save(tmp_path / "order.json")
    # it counts from the channels, also where slices were ordered before
    assert cnnvis("order", files[0], files[0].with_name("random.nrrd"), "--by", "random").code == 0
    sources = (tmp_path / "random.nrrd", *files[1:])
    assert cnnvis("series", *sources, tmp_path / "t.nii", "--order", tmp_path / "order.json").code == 0
    np.testing.assert_array_equal(read(tmp_path / "t.nii").data, read(out).data)


def test_gradients_are_ordered_whatever_their_sign(cnnvis, files, tmp_path):
    for file in files:
        volume = read(file)
        signs = np.where(np.arange(12) % 3, 1, -1)[:, np.newaxis, np.newaxis]
        write(volume.replace(data=signs * volume.data, facts={"quantity": "grad"}), file)
    assert cnnvis("series", *files, tmp_path / "s.nii", "--order", "smooth").code == 0
    by = {
        distance: order.by("smooth", [read(file) for file in files], distance=distance).permutation.tolist()
        for distance in ("absolute-correlation", "correlation")
    }
    assert by["absolute-correlation"] != by["correlation"]
    assert read(tmp_path / "s.nii").facts["series"]["order"]["permutation"] == by["absolute-correlation"]


def test_a_series_never_replaces_its_volumes(cnnvis, files, tmp_path):
    for number, file in enumerate(files):
        assert cnnvis("convert", file, tmp_path / f"s_{number:03}.vox").code == 0
    before = (tmp_path / "s_001.vox").read_bytes()
    result = cnnvis("series", tmp_path / "s_001.vox", tmp_path / "s_002.vox", tmp_path / "s.vox")
    assert (result.code, "s_001.vox: would be replaced by the series" in result.err) == (2, True)
    assert (tmp_path / "s_001.vox").read_bytes() == before


def test_help_names_all_formats(cnnvis):
    text = "\n".join(cnnvis("series", "--help").out)
    assert [extension for extension in series.FORMATS if extension not in text] == []


@pytest.mark.parametrize("extension", series.FORMATS)
def test_upstreams_gradients(cnnvis, tmp_path, extension):
    values = [np.load(goldens() / f"gradient_conv1_{dog}.npy", allow_pickle=False) for dog in DOGS]
    for dog, value in zip(DOGS, values, strict=True):
        (volume,) = lay_out_kernels(value)
        write(volume.replace(name="gradient"), tmp_path / f"{dog}.nrrd")
    sources = [tmp_path / f"{dog}.nrrd" for dog in DOGS]
    assert cnnvis("series", *sources, tmp_path / f"dogs{extension}").code == 0
    together = np.stack(values).reshape(3, 288, 11, 11)
    if extension in (".pvd", ".vti.series", ".vox"):
        form = extension if extension == ".vox" else ".vti"
        frames = [read(tmp_path / f"dogs_00{frame}{form}") for frame in range(3)]
        assert [frame.facts["series"]["label"] for frame in frames] == list(DOGS)
        # half a step of bytes over the range of all three
        step = np.ptp(together) / 255 if extension == ".vox" else 0
        np.testing.assert_allclose([frame.data for frame in frames], together, rtol=0, atol=0.51 * step)
        info = cnnvis("info", tmp_path / f"dogs{extension}")
        assert (info.code, "frames      3" in info.out, info.out[-1].startswith("series")) == (0, True, True)
    else:
        back = read(tmp_path / f"dogs{extension}")
        assert (back.labels, back.facts["series"]["slices"][:2]) == (DOGS, ["0,0", "0,1"])
        np.testing.assert_array_equal(back.data, together)
