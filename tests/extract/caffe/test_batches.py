"""Batches are free in their size only where no image can tell which others it is with."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extract import Extractor, Model, activations, load_model
from extract.caffe.importer import import_net
from extract.caffe.prototxt import read_net
from tests.caffe.cases import Case, all_cases
from tests.caffe.cases import layer as text_of
from tests.caffe.harness import Answer, differences, feeds, load, named, of_fork, put_case
from tests.caffe.make_goldens import golden_names, read_golden
from tests.extract.caffe.nets import write_net, write_weights

Feeds = Mapping[str, NDArray[Any]]

CASES = all_cases()
COMPARED = [name for name in golden_names() if name in CASES]
FORKS = [name for name, case in CASES.items() if of_fork(case)]

# Patterns of cases whose batches stay as long as the network has them, each for a reason.
FIXED_BATCH = (
    # parameters, numbers in the file, or other constants are as long as the batch
    *("affine-scale-axis-0*", "affine-scale-bottom-bias", "affine-scale-bottom-in-place"),
    *("convolution-axis-0", "inner_product-axis-0", "inner_product-vector", "reduction-argmax-axis-0"),
    *("movement-slice-axis-0*", "shape-reshape-all-given", "shape-reshape-axes-in-front"),
    *("sources-dummy-and-data", "sources-parameter"),
    # no input has a batch
    *("shape-reshape-scalar", "sources-dummy*", "sources-parameter-alone", "sources-parameter-large"),
    "sources-parameter-scalar",
    # steps of time come first
    *("networks-captioning", "recurrent-*"),
    # images are chosen, summed, or normalized together
    *("aliasing-reindex*", "movement-filter*", "reduction-mean-all"),
    *("reduction-mean-vector", "reduction-sum", "reduction-sumsq-all", "normalization-batch-norm-batch*"),
    *(
        "normalization-batch-norm-in-training",
        "normalization-softmax-axis-0",
        "normalization-bn-segnet-learn",
    ),
    "normalization-batch-norm-scale-bias-in-training",
    # the first axis of a top is another than the batch
    *("aliasing-flatten-flatten*", "movement-concat-axis-0", "movement-tile-axis-0", "shape-flatten-axis-0"),
    *("shape-flatten-axes-0-to-1", "shape-reshape-axis-in-front", "shape-reshape-flat", "shape-reshape-rows"),
    "spatial-crop-all-axes",
)


@pytest.mark.parametrize("name", COMPARED)
def test_images_are_the_same_alone_and_in_a_batch(name: str, tmp_path: Path) -> None:
    put_case(tmp_path, name, CASES[name])
    golden = read_golden(name, tmp_path)
    model = load(tmp_path / f"{name}.prototxt", golden)
    _check(name, model, feeds(model, golden))


@pytest.mark.parametrize("name", FORKS)
def test_images_are_the_same_alone_and_in_a_batch_in_forks(name: str, tmp_path: Path) -> None:
    prototxt, random = write_net(tmp_path, CASES[name].prototxt), np.random.default_rng(1)
    model = load(prototxt, Answer({}, {}, _weights(prototxt, random)))
    given = {
        blob: CASES[name].values.get(blob, random.standard_normal(shape)).astype(np.float32)
        for blob, shape in CASES[name].inputs.items()
    }
    _check(name, model, given)


def _weights(prototxt: Path, random: np.random.Generator) -> Path | None:
    """Write a file of weights, which may be variances too."""
    imported = import_net(read_net(prototxt))
    shapes = {tensor.name: tensor.dims for tensor in imported.proto.graph.initializer}
    weights = {
        layer.name: [random.uniform(0.5, 2, shapes[tensor]) for tensor in layer.parameters.values()]
        for layer in imported.layers
        if layer.parameters
    }
    return write_weights(prototxt.parent, weights) if weights else None


def _check(name: str, model: Model, given: Feeds) -> None:
    free = {len(given[value.name]) for value in model.inputs if value.shape[:1] == (None,)}
    assert bool(free) == (not any(fnmatch.fnmatchcase(name, pattern) for pattern in FIXED_BATCH))
    for size in free:
        assert _together_and_alone(model, given, size) == []


def _together_and_alone(model: Model, given: Feeds, size: int) -> list[str]:
    """Return what differs between images in a batch and alone; a single one runs with itself turned round."""
    extractor = Extractor(model, [f"blob:{blob}" for blob in model.source.blobs])
    images = {
        key: x if size > 1 else np.concatenate([x, np.flip(x)])
        for key, x in given.items()
        if x.shape[:1] == (size,)
    }
    together = _run(extractor, {**given, **images})
    alone = [
        _run(extractor, {**given, **{key: x[i : i + 1] for key, x in images.items()}})
        for i in range(max(size, 2))
    ]
    expected = {
        blob: value if value.shape == together[blob].shape else np.concatenate([a[blob] for a in alone])
        for blob, value in alone[0].items()
    }
    return differences(together, expected)


def _run(extractor: Extractor, given: Feeds) -> dict[str, NDArray[Any]]:
    return named(extractor.run(dict(given)), "blob:")


def _model(folder: Path, layers: str, **inputs: tuple[int, ...]) -> Model:
    case = Case(layers, inputs or {"data": (1, 2, 3, 4)})
    return load(write_net(folder, case.prototxt), Answer({}, {}, None))


NORMALIZED = "batch_norm_param { use_global_stats: false }"
LEARNED = "bn_param { bn_mode: LEARN }"


@pytest.mark.parametrize(
    "layers",
    [
        text_of("Softmax", "softmax_param { axis: 0 }"),
        text_of("Softmax", "softmax_param { axis: -4 }"),
        text_of("BatchNorm", NORMALIZED),
        text_of("BatchNorm", "phase: TRAIN"),
        text_of("BN", LEARNED),
        text_of("BatchNorm", NORMALIZED, top="normal") + text_of("ReLU", bottom="normal", name="behind"),
    ],
)
def test_images_that_would_mix_run_as_many_at_a_time_as_the_network_says(layers: str, tmp_path: Path) -> None:
    model = _model(tmp_path, layers)
    assert model.inputs[0].shape[0] == 1
    images = np.random.default_rng(1).standard_normal((3, 2, 3, 4)).astype(np.float32)
    together = activations(model, images, ["top"])["top"]
    alone = [activations(model, image[np.newaxis], ["top"])["top"] for image in images]
    assert np.array_equal(together, np.concatenate(alone))


@pytest.mark.parametrize(
    "layers",
    [
        text_of("Concat", "concat_param { axis: 0 }", bottom="data data"),
        text_of("Tile", "tile_param { axis: 0 tiles: 2 }"),
        text_of("Reduction"),
        text_of("Reduction", bottom="data", top="sum") + text_of("ReLU", name="beside"),
        text_of("ArgMax", "argmax_param { axis: 0 }"),
        text_of("Reshape", "reshape_param { shape { dim: 1 dim: -1 } }"),
        text_of("Reshape", "reshape_param { shape { dim: -1 dim: 4 } }"),
        text_of("Flatten", "flatten_param { axis: 0 }"),
        text_of("Permute", "permute_param { order: 1 order: 0 }"),
        text_of("InnerProduct", "inner_product_param { axis: 0 num_output: 2 }"),
        text_of("Convolution", "convolution_param { axis: 0 num_output: 1 kernel_size: 1 }"),
        text_of("Scale", "scale_param { axis: 0 }"),
        text_of("Bias", "bias_param { axis: 0 num_axes: 2 }"),
        text_of("DummyData", "dummy_data_param { shape { dim: 1 dim: 2 dim: 3 dim: 4 } }", "", "one", "dummy")
        + text_of("Eltwise", bottom="data one"),
    ],
)
def test_batches_are_fixed_where_another_axis_than_the_first_is_theirs(layers: str, tmp_path: Path) -> None:
    assert _model(tmp_path, layers).inputs[0].shape == (1, 2, 3, 4)


@pytest.mark.parametrize(("engine", "batch"), [("onnxruntime", None), ("pycaffe", 1)])
def test_a_layer_that_only_caffe_knows_may_mix_images_there(
    tmp_path: Path, engine: str, batch: int | None
) -> None:
    case = Case(text_of("Python", name="own"), {"data": (1, 2, 3, 4)})
    model = load_model(write_net(tmp_path, case.prototxt), engine=engine)
    assert model.inputs[0].shape[0] == batch


@pytest.mark.parametrize(
    ("layers", "inputs", "shapes"),
    [
        (
            text_of("ROIPooling", "roi_pooling_param { pooled_h: 1 pooled_w: 1 }", "data regions"),
            {"data": (1, 2, 3, 4), "regions": (1, 5)},
            [(1, 2, 3, 4), (1, 5)],
        ),
        (
            text_of("ROIPooling", "roi_pooling_param { pooled_h: 1 pooled_w: 1 }", "data regions"),
            {"data": (1, 2, 3, 4), "regions": (7, 5)},
            [(1, 2, 3, 4), (None, 5)],
        ),
        (text_of("BatchReindex", bottom="data rows"), {"data": (3, 2), "rows": (3,)}, [(3, 2), (3,)]),
        (text_of("BatchReindex", bottom="data rows"), {"data": (3, 2), "rows": (5,)}, [(3, 2), (None,)]),
        (text_of("Filter", bottom="data chosen"), {"data": (3, 2), "chosen": (3,)}, [(3, 2), (3,)]),
        (
            text_of("Crop", "crop_param { axis: 0 }", "data like"),
            {"data": (3, 2), "like": (2, 2)},
            [(3, 2), (2, 2)],
        ),
        (
            text_of("LSTM", "recurrent_param { num_output: 2 }", "data goes_on"),
            {"data": (1, 1, 4), "goes_on": (1, 1)},
            [(1, 1, 4), (1, 1)],
        ),
    ],
)
def test_each_input_has_a_batch_of_its_own(
    layers: str,
    inputs: dict[str, tuple[int, ...]],
    shapes: list[tuple[int | None, ...]],
    tmp_path: Path,
) -> None:
    assert [value.shape for value in _model(tmp_path, layers, **inputs).inputs] == shapes


BOXES = (
    text_of("PriorBox", "prior_box_param { min_size: 2 img_size: 9 }", top="boxes", name="boxes")
    + text_of("Reshape", "reshape_param { shape { dim: -1 } }", "boxes", "flat", "flat")
    + text_of("ReLU")
)


@pytest.mark.parametrize(
    "layers",
    [
        BOXES,
        text_of("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
        text_of("ShuffleChannel", "shuffle_channel_param { group: 2 }"),
        text_of("Softmax", "softmax_param { axis: 1 }"),
        text_of("BatchNorm"),
        text_of("Reshape", "reshape_param { shape { dim: -1 dim: 24 } }"),
    ],
)
def test_batches_are_free_where_images_stay_apart(layers: str, tmp_path: Path) -> None:
    model = _model(tmp_path, layers)
    assert model.inputs[0].shape == (None, 2, 3, 4)
    image = np.random.default_rng(1).standard_normal((1, 2, 3, 4)).astype(np.float32)
    assert _together_and_alone(model, {"data": image}, 1) == []
