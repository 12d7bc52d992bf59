"""The gallery's page, read as text; tests/viewers/gallery looks at it in a browser."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import math
import re
import shlex
import tracemalloc
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from converters import CnnVisError, CnnVisWarning, Volume, extensions, series, write
from order import Ordering
from render_presets import choose, fit, write_presets
from render_presets.gallery import gallery
from render_presets.gallery.packing import EXACT, Packing
from render_presets.gallery.page import SCRIPTS
from tests.helpers import ROOT

FACTS = {
    "model": {"file": "net.onnx", "sha256": "c0ffee"},
    "image": {"file": "cat.png"},
    "layer": "conv1",
    "quantity": "act",
    "layout": {"kind": "stack"},
}
EVIL = '</script ><script>alert("1")</script><!-- & \u2028 ä'


class Parts(html.parser.HTMLParser):
    """The elements of a page that matter: scripts by their ids, the policy, and all tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.tags: list[str] = []
        self.policy = ""
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append(tag)
        self._inside = tag in ("script", "style")
        if self._inside:
            self.scripts.append((told, ""))
        if told.get("http-equiv") == "Content-Security-Policy":
            self.policy = told["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            told, text = self.scripts[-1]
            self.scripts[-1] = (told, text + data)


def parts(page: Path) -> Parts:
    return Parts(page.read_text(encoding="utf-8"))


def document(page: Path) -> dict:
    (text,) = [text for told, text in parts(page).scripts if told.get("id") == "document"]
    return json.loads(text)


def held(page: Path, number: int) -> bytes:
    """Return the stored numbers, their bytes in the usual order."""
    (text,) = [text for told, text in parts(page).scripts if told.get("id") == f"values-{number}"]
    size = {"float32": 4, "uint16": 2}[document(page)["volumes"][0]["packing"]["dtype"]]
    columns = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    return columns.reshape(size, -1).T.tobytes()


def maps(seed: int = 0, **facts: object) -> Volume:
    """5 channels of 7 x 11."""
    data = np.random.default_rng(seed).normal(size=(5, 7, 11)).astype(np.float32)
    return Volume(data, (2, 3, 4), (10, -20, 30), name="activation", facts={**FACTS, **facts})


def test_values_colours_and_place_are_those_of_the_volume(tmp_path):
    volume = maps(importance={"criterion": "taylor", "scores": {"0": 3, "2": 1.5, "3": math.nan, "4": "?"}})
    write(volume, tmp_path / "conv1.nrrd")
    page = gallery(tmp_path, tmp_path / "index.html")
    (told,) = document(page)["volumes"]
    np.testing.assert_array_equal(np.frombuffer(held(page, 0), "<f4").reshape(5, 7, 11), volume.data)
    assert (told["size"], told["spacing"], told["origin"]) == ([11, 7, 5], [2, 3, 4], [10, -20, 30])
    fitted = fit(choose(volume), volume)
    assert told["function"]["colors"] == [list(point) for point in fitted.colors]
    assert told["function"]["opacities"] == [list(point) for point in fitted.opacities]
    assert told["function"]["unit"] == fitted.unit
    assert told["slice"] == {"word": "channel", "labels": ["0", "1", "2", "3", "4"]}
    assert told["importance"] == {"criterion": "taylor", "scores": [[3, None, 1.5, None, None]]}
    assert (told["title"], told["kind"], told["source"]) == ("conv1", "activations", ["net.onnx", "cat.png"])
    assert ["SHA-256", "c0ffee"] in dict(told["provenance"])["Model"]


def test_formats_of_one_volume_are_read_once_and_all_linked(tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    # in the names of .vox files with an .mhd header, + stands for %
    for name in ("a+3A1.vox", "a%3A1.nii.gz", "a%3A1.nrrd"):
        write(maps(), folder / name)
    page = gallery(folder, tmp_path / "page.html")
    (told,) = document(page)["volumes"]
    (order,) = told["orders"]
    assert [link["href"] for link in order["files"]] == [
        f"a%20folder/{name}" for name in ("a%253A1.nrrd", "a%253A1.nii.gz", "a%2B3A1.vox")
    ]
    assert [link["bytes"] for link in order["files"]] == [
        (folder / link["name"]).stat().st_size for link in order["files"]
    ]


def test_orders_of_one_layer_are_one_volume(tmp_path):
    volume = maps()
    permutation = np.array([3, 0, 4, 1, 2])
    write(volume, tmp_path / "layer-conv1_act.nrrd")
    write(Ordering(permutation, "smooth").apply(volume), tmp_path / "layer-conv1_order-smooth_act.nrrd")
    # the same numbers of another layer are another volume, and so are others of the same layer
    write(maps(layer="conv2"), tmp_path / "layer-conv2_act.nrrd")
    write(maps(seed=1), tmp_path / "layer-conv3_act.nrrd")
    told, *others = document(gallery(tmp_path, tmp_path / "index.html"))["volumes"]
    assert [order["name"] for order in told["orders"]] == [None, "smooth"]
    assert [order["permutation"] for order in told["orders"]] == [[0, 1, 2, 3, 4], permutation.tolist()]
    assert [len(other["orders"]) for other in others] == [1, 1]


def test_an_ordered_volume_alone_tells_its_order(tmp_path):
    ordered = Ordering(np.array([3, 0, 4, 1, 2]), "smooth").apply(maps())
    write(ordered, tmp_path / "conv1.nrrd")
    (told,) = document(gallery(tmp_path, tmp_path / "index.html"))["volumes"]
    assert told["slice"]["labels"] == ["3", "0", "4", "1", "2"]
    assert told["orders"][0]["name"] == "smooth"


@pytest.mark.parametrize(
    "names", [["a.seq.nrrd"], ["a.pvd"], ["a.vti.series"], ["a.vox"], ["a.seq.nrrd", "a.pvd", "a.vox"]]
)
def test_a_series_is_one_volume_with_frames(tmp_path, names):
    frames = [maps(seed, image={"file": f"{seed}.png"}) for seed in range(3)]
    gathered = series.gather(frames, ["0.nrrd", "1.nrrd", "2.nrrd"])
    for name in names:
        series.write(gathered, tmp_path / name)
    page = gallery(tmp_path, tmp_path / "index.html")
    (told,) = document(page)["volumes"]
    assert told["frame"] == {"word": "frame", "labels": ["0.png", "1.png", "2.png"]}
    assert told["slice"] == {"word": "channel", "labels": ["0", "1", "2", "3", "4"]}
    assert told["values"] == [0, 1, 2]
    if names != ["a.vox"]:
        for frame, volume in enumerate(frames):
            np.testing.assert_array_equal(
                np.frombuffer(held(page, frame), "<f4").reshape(5, 7, 11), volume.data
            )
    # all frames share one function: that of the whole series
    low, high = told["function"]["colors"][0][0], told["function"]["colors"][-1][0]
    reach = np.abs(np.percentile([volume.data for volume in frames], [0.5, 99.5])).max()
    # a byte's step, for those that CGV's files hold
    np.testing.assert_allclose([low, high], [-reach, reach], atol=8 / 255 if names == ["a.vox"] else 1e-6)


def test_importance_of_frames_is_that_of_each(tmp_path):
    scores = [{str(channel): float(channel * sign) for channel in range(5)} for sign in (1, -1)]
    frames = [
        maps(seed, image={"file": f"{seed}.png"}, importance={"criterion": "taylor", "scores": scores[seed]})
        for seed in range(2)
    ]
    series.write(series.gather(frames, ["0.nrrd", "1.nrrd"]), tmp_path / "a.seq.nrrd")
    (told,) = document(gallery(tmp_path, tmp_path / "index.html"))["volumes"]
    assert told["importance"]["scores"] == [[0, 1, 2, 3, 4], [0, -1, -2, -3, -4]]


def test_large_volumes_keep_65535_steps(tmp_path, monkeypatch):
    data = np.random.default_rng(0).normal(size=(5, 7, 11)).astype(np.float32)
    packing = Packing.of(EXACT + 1, (float(data.min()), float(data.max())))
    data[2, 3, 4:7] = np.nan, np.inf, -np.inf
    columns = np.frombuffer(zlib.decompress(base64.b64decode(packing.pack(data))), np.uint8)
    stored = np.frombuffer(columns.reshape(2, -1).T.tobytes(), "<u2").reshape(5, 7, 11)
    assert (stored[~np.isfinite(data)] == 65535).all()
    known = np.isfinite(data)
    back = packing.slope * stored[known].astype(np.float64) + packing.intercept
    # half a step, and a float64's rounding
    assert np.abs(back - data[known]).max() <= packing.error * (1 + 1e-9)
    assert packing.error == pytest.approx(np.ptp(data[known]) / 65534 / 2)
    assert Packing.of(EXACT, (0, 1)).error == 0


@pytest.mark.parametrize("span", [(0.0, 0.0), (-3e38, 3e38)])
def test_any_span_of_values_can_be_packed(span):
    packing = Packing.of(EXACT + 1, span)
    columns = np.frombuffer(zlib.decompress(base64.b64decode(packing.pack(np.float32(span)))), np.uint8)
    stored = np.frombuffer(columns.reshape(2, -1).T.tobytes(), "<u2").astype(np.float64)
    np.testing.assert_allclose(packing.slope * stored + packing.intercept, span, rtol=1e-6)


def test_commands_name_the_files_that_are_there(tmp_path):
    folder = tmp_path / "it's here"
    folder.mkdir()
    write(maps(), folder / "conv1.nrrd")
    write(maps(), folder / "conv1.vox")
    plain = document(gallery(folder, tmp_path / "page.html"))["volumes"][0]["orders"][0]["commands"]
    assert [shlex.split(told["command"]) for told in plain] == [
        ["cnnvis", "preset", "it's here/conv1.nrrd", "-o", "it's here"]
    ]
    write_presets(folder / "conv1.nrrd")
    write_presets(folder / "conv1.vox")
    told = document(gallery(folder, tmp_path / "page.html"))["volumes"][0]["orders"][0]["commands"]
    words = {command["viewer"]: shlex.split(command["command"]) for command in told}
    assert words == {
        "ParaView": ["paraview", "--script=it's here/conv1.nrrd.paraview.py"],
        "3D Slicer": ["Slicer", "it's here/conv1.nrrd.mrml"],
        "CGV": ["it's here/conv1.vox"],
    }


def write_one(path):
    write(maps(), path)


def write_turned(path):
    frames = [maps(seed).replace(direction=(0, 0, 1, 1, 0, 0, 0, 1, 0)) for seed in (1, 2)]
    series.write(series.gather(frames, ["1.nrrd", "2.nrrd"]), path)


def write_frames(path):
    series.write(series.gather([maps(1), maps(2)], ["1.nrrd", "2.nrrd"]), path)


def write_array(path):
    write(Volume(np.stack([maps(1).data, maps(2).data])), path)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        # the header of a .vox is no volume of its own
        *((write_one, f"a{end}") for end in extensions() if end != ".hd"),
        *((write_frames, f"a{end}") for end in series.FORMATS),
        (write_turned, "a.vtkhdf"),
        *((write_array, f"a{end}") for end in (".nrrd", ".nhdr", ".vti", ".vtkhdf", ".nii")),
    ],
)
def test_presets_are_proposed_for_files_that_some_viewer_opens(tmp_path, make, name):
    make(tmp_path / name)
    (told,) = document(gallery(tmp_path, tmp_path / "page.html"))["volumes"][0]["orders"][0]["commands"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CnnVisWarning)
        made = write_presets(tmp_path / name)
    assert told["command"] == (f"cnnvis preset {name} -o ." if made else "")
    reason = (
        "its axes are turned, which ParaView leaves out in such files"
        if make is write_turned
        else "of series, ParaView plays .pvd .vti.series .vtkhdf, 3D Slicer plays .nrrd, CGV plays .vox"
    )
    assert made or reason in told["hint"]


def test_the_format_that_viewers_play_is_proposed(tmp_path):
    gathered = series.gather([maps(1), maps(2)], ["1.nrrd", "2.nrrd"])
    for name in ("a.nii.gz", "a.vox"):
        series.write(gathered, tmp_path / name)
    (told,) = document(gallery(tmp_path, tmp_path / "page.html"))["volumes"][0]["orders"][0]["commands"]
    assert told["command"] == "cnnvis preset a.vox -o ."


def test_commands_play_a_series(tmp_path):
    gathered = series.gather([maps(1), maps(2)], ["1.nrrd", "2.nrrd"])
    for name in ("a.seq.nrrd", "a.pvd", "a.vox"):
        series.write(gathered, tmp_path / name)
        write_presets(tmp_path / name)
    (tmp_path / "a.mrb").touch()
    told = document(gallery(tmp_path, tmp_path / "page.html"))["volumes"][0]["orders"][0]
    assert {command["viewer"]: command["command"] for command in told["commands"]} == {
        "ParaView": "paraview --script=a.pvd.paraview.py",
        # a bundle holds all that the scene names
        "3D Slicer": "Slicer a.mrb",
        "CGV": "a_000.vox",
    }
    assert [link["name"] for link in told["files"]] == ["a.seq.nrrd", "a.pvd"]
    assert told["frames"] == 4


def test_no_text_ends_its_element_or_runs(tmp_path):
    folder = tmp_path / "<img src=x onerror=alert(2)>"
    folder.mkdir()
    volume = maps(
        layer=EVIL, command=EVIL, image={"file": EVIL}, importance={"criterion": EVIL, "scores": {"0": 1}}
    )
    write(volume.replace(name=EVIL), folder / '"<b>&amp; ä%2F.nrrd')
    page = gallery(folder, tmp_path / "page.html", title=EVIL)
    found = parts(page)
    runs = [text for told, text in found.scripts if told.get("type") != "text/plain"]
    # the style is the one before the scripts
    assert len(runs) == 1 + len(SCRIPTS)
    # browsers look for ends and comments in more forms than Python's parser
    (raw,) = [text for told, text in found.scripts if told.get("id") == "document"]
    assert not set("<>&") & set(raw)
    assert "img" not in found.tags
    assert "b" not in found.tags
    (told,) = document(page)["volumes"]
    assert told["orders"][0]["files"][0]["href"] == (
        "%3Cimg%20src%3Dx%20onerror%3Dalert%282%29%3E/%22%3Cb%3E%26amp%3B%20%C3%A4%252F.nrrd"
    )
    assert ["command", EVIL] in dict(told["provenance"])["Made by"]


def test_the_policy_allows_the_pages_own_parts_and_nothing_else(tmp_path):
    write(maps(), tmp_path / "conv1.nrrd")
    found = parts(gallery(tmp_path, tmp_path / "index.html"))
    rules = dict(rule.strip().split(" ", 1) for rule in found.policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert set(rules) == {"default-src", "base-uri", "form-action", "script-src", "style-src"}
    runs = [text for told, text in found.scripts if told.get("type") != "text/plain"]
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in runs]
    assert [f"'sha256-{one}'" for one in hashes] == [rules["style-src"], *rules["script-src"].split()]


def test_the_same_volumes_give_the_same_bytes(tmp_path):
    write(maps(), tmp_path / "conv1.nrrd")
    first = gallery(tmp_path, tmp_path / "index.html").read_bytes()
    assert gallery(tmp_path, tmp_path / "index.html").read_bytes() == first


def test_volumes_that_cannot_be_shown_are_left_out_and_told(tmp_path):
    write(maps(), tmp_path / "good.nrrd")
    (tmp_path / "cut.nrrd").write_bytes((tmp_path / "good.nrrd").read_bytes()[:-40])
    write(Volume(np.full((2, 3, 4), np.nan)), tmp_path / "nan.nrrd")
    with pytest.warns(CnnVisWarning, match="left out") as notes:
        page = gallery(tmp_path, tmp_path / "index.html")
    assert len(notes) == 2
    told = document(page)
    assert [volume["name"] for volume in told["volumes"]] == ["good"]
    assert [one["name"] for one in told["left_out"]] == ["cut", "nan"]
    assert "no value of the volume is finite" in told["left_out"][1]["reason"]


def test_a_page_has_a_largest_size(tmp_path):
    for name in "abc":
        write(maps(ord(name)), tmp_path / f"{name}.nrrd")
    (text,) = {len(Packing().pack(maps(ord(name)).data)) for name in "a"}
    with pytest.warns(CnnVisWarning, match=r"c\.nrrd: listed without pictures: .*--max-size"):
        page = gallery(tmp_path, tmp_path / "index.html", max_size=2.5 * text / 1e6)
    volumes = document(page)["volumes"]
    assert [volume["values"] for volume in volumes] == [[0], [1], []]
    assert "--max-size" in volumes[2]["reason"]
    assert [len(volume["orders"][0]["files"]) for volume in volumes] == [1, 1, 1]


def test_frames_of_listed_files_are_read_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr("render_presets.values.ENOUGH", 2**10)
    count, bytes_a_frame = 12, 4 * 64**3
    frames = [Volume(np.full((64, 64, 64), seed, np.float32)) for seed in range(count)]
    series.write(series.gather(frames, [f"{seed}.nrrd" for seed in range(count)]), tmp_path / "a.pvd")
    del frames
    tracemalloc.start()
    try:
        page = gallery(tmp_path, tmp_path / "index.html")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(document(page)["volumes"][0]["values"]) == count
    # the first one, one with its bytes as they are read, and two copies as it is packed
    assert peak < 6 * bytes_a_frame


def test_volumes_too_large_for_a_browser_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("render_presets.gallery.entry.MOST_VOXELS", 384)
    for name in ("large.nrrd", "odd.nrrd"):
        write(maps(), tmp_path / name)
        (tmp_path / name).write_bytes(b"damaged")
    write_frames(tmp_path / "series.pvd")
    (tmp_path / "series_000.vti").write_bytes(b"damaged")
    beside = tmp_path / "odd.nrrd.json"
    beside.write_text(beside.read_text().replace("11", "-11"))
    with pytest.warns(CnnVisWarning) as notes:
        told = document(gallery(tmp_path, tmp_path / "index.html"))
    large, several = told["volumes"]
    assert several["frame"]["labels"] == ["1", "2"]
    assert (large["size"], large["values"], large["slice"]["word"]) == ([11, 7, 5], [], "channel")
    assert large["reason"] == "11 x 7 x 5 voxels are too many for a browser"
    assert large["orders"][0]["files"][0]["name"] == "large.nrrd"
    assert ["range", "-3.77 to 3.07"] in dict(large["provenance"])["Values"]
    # what a side-car without sense says does not count
    assert [one["name"] for one in told["left_out"]] == ["odd"]
    assert len(notes) == 3


def test_without_the_pages_folder_nothing_is_read(tmp_path):
    # it would be left out with a warning, and warnings are errors here
    (tmp_path / "damaged.nrrd").write_bytes(b"damaged")
    with pytest.raises(CnnVisError, match=r"missing/x\.html: its folder does not exist"):
        gallery(tmp_path, tmp_path / "missing" / "x.html")


def test_hidden_files_and_the_page_itself_do_not_count(tmp_path):
    (tmp_path / ".hidden").mkdir()
    write(maps(), tmp_path / ".hidden" / "conv0.nrrd")
    write(maps(), tmp_path / "conv1.nrrd")
    gallery(tmp_path, tmp_path / "index.html")
    (told,) = document(gallery(tmp_path, tmp_path / "index.html"))["volumes"]
    assert told["name"] == "conv1"


def test_nothing_to_show_is_an_error(tmp_path):
    with pytest.raises(CnnVisError, match=re.escape(f"{tmp_path}: holds no volumes")):
        gallery(tmp_path, tmp_path / "index.html")
    with pytest.raises(CnnVisError, match="missing: no such folder"):
        gallery(tmp_path / "missing", tmp_path / "index.html")
    (tmp_path / "void.nrrd").touch()
    with (
        pytest.warns(CnnVisWarning, match="left out"),
        pytest.raises(
            CnnVisError, match=r"none of its 1 volumes can be shown: .*void\.nrrd: the file is empty"
        ),
    ):
        gallery(tmp_path, tmp_path / "index.html")
    assert not (tmp_path / "index.html").exists()


def test_the_bundle_is_small_and_pinned_and_names_its_licences():
    page = ROOT / "render_presets" / "gallery" / "page"
    assert (page / "vtk.min.js").stat().st_size < 700_000
    package = json.loads((ROOT / "bundle" / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((ROOT / "bundle" / "package-lock.json").read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"[\d.]+", version) for version in package["devDependencies"].values())
    held = {name: told for name, told in lock["packages"].items() if name}
    assert all(told["integrity"].startswith("sha512-") and "resolved" not in told for told in held.values())
    licences = (page / "vtk.LICENSES.txt").read_text(encoding="utf-8")
    for name, version in package["devDependencies"].items():
        assert (f"{name} {version} (" in licences) == name.startswith("@kitware")
