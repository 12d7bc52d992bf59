"""Whole networks, against published numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from extract.geometry import places
from tests.extract.geometry.graphs import along, network, numbers, place_in, shapes_of


def light(name: str) -> onnx.ModelProto:
    """Return a graph of the onnx package: published architectures, weights left out."""
    return onnx.load(Path(onnx.__file__).parent / "backend/test/data/light" / f"light_{name}.onnx")


LIGHT = """
bvlc_alexnet densenet121 inception_v1 inception_v2 resnet50 shufflenet squeezenet vgg19 zfnet512
""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", LIGHT)
def test_published_networks_are_known_throughout(name: str) -> None:
    model = light(name)
    shapes = shapes_of(model)
    found = places(model, shapes)
    assert {place.reason for place in found.values()} == {None}
    for node in model.graph.node:
        if node.op_type == "Conv" and shapes[node.input[0]][2:] != (1, 1):
            assert [axis and axis.axis for axis in found[node.output[0]].axes] == [None, None, 2, 3]


def steps(name: str, operators: str) -> list[str]:
    """Return stride, start and extent along x after each of some operators, each value once."""
    model = light(name)
    found = places(model, shapes_of(model))
    lines = [numbers(found[n.output[0]].axes[3]) for n in model.graph.node if n.op_type in operators.split()]
    return [line for line in dict.fromkeys(lines) if line != "-"]


def test_alexnet() -> None:
    # sizes of receptive fields as commonly published; 195, stride 32 and padding 64 in the table by
    # google-research/receptive_field: (195 - 1) / 2 - 64 = 33
    assert steps("bvlc_alexnet", "Conv MaxPool") == [
        "4 5 11", "8 9 19", "8 9 51", "16 17 67", "16 17 99", "16 17 131", "16 17 163", "32 33 195",
    ]  # fmt: skip


def test_inception_v1() -> None:
    # the sizes are the common ones (59, 91, ... 715); the pools of this graph have no padding
    assert steps("inception_v1", "Concat") == [
        "8 6 59", "8 6 91", "16 14 171", "16 14 235", "16 14 299", "16 14 363", "16 14 427",
        "32 30 587", "32 30 715",
    ]  # fmt: skip


def test_resnet50() -> None:
    # with the stride in the 3 x 3 convolution: 427 pixels; all padding is symmetric, so all start at 0
    sums = steps("resnet50", "Sum")
    assert [sums[i] for i in (2, 6, 12, 15)] == ["4 0 35", "8 0 91", "16 0 267", "32 0 427"]


def test_densenet121() -> None:
    assert steps("densenet121", "Concat")[-1] == "32 14 2071"


def chain(layers: list[tuple[int, int]], pad: Callable[[int], str], size: int = 224) -> str:
    """Return stride, start and extent after layers of some kernel size and stride."""
    body = "".join(
        f"x{i + 1} = MaxPool <kernel_shape=[{kernel}], strides=[{stride}], {pad(kernel)}> (x{i})\n"
        for i, (kernel, stride) in enumerate(layers)
    )
    last = f"y = Identity (x{len(layers)})"
    return numbers(place_in(network(body + last, f"float[1,3,{size}] x0")).axes[2])


def half(kernel: int) -> str:
    return f"pads=[{(kernel - 1) // 2}, {(kernel - 1) // 2}]"


def same(kernel: int) -> str:
    return "auto_pad='SAME_UPPER'"


def test_the_table_of_google_research() -> None:
    """Size, stride and padding of google-research/receptive_field; start = (size - 1) / 2 - padding."""
    vgg16 = [(3, 1), (3, 1), (2, 2)] * 2 + [(3, 1), (3, 1), (3, 1), (2, 2)] * 3
    assert chain(vgg16, half) == "32 31/2 212"  # padding 90
    separable = [(3, stride) for stride in (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)]
    assert chain([(3, 2), *separable], same) == "32 31 315"  # mobilenet_v1, padding 126


def test_efficientnet_pads_more_on_the_far_side() -> None:
    # EfficientNet-B0 at 224 pixels; the receptivefield package measured offsets of 1.5, 3.5 pixels from the
    # picture's edge for the stem and block2a, that is 1 and 3 from the first pixel's centre, extents 3, 7, 11
    stem, first, second = (3, 2), (3, 1), (3, 2)
    assert chain([stem], same) == "2 1 3"
    assert chain([stem, first], same) == "2 1 7"
    assert chain([stem, first, second], same) == "4 3 11"


def blocks(count: int) -> onnx.ModelProto:
    """Return a network of so many blocks of five nodes."""
    body = "".join(
        f"""a{i} = Conv <pads=[1,1,1,1]> (x{i}, w)
        b{i} = Relu (a{i})
        c{i} = Concat <axis=1> (b{i}, x{i})
        d{i} = Conv (c{i}, v)
        x{i + 1} = Add (d{i}, x{i})\n"""
        for i in range(count)
    )
    last = f"y = Relu (x{count})"
    return network(body + last, "float[1,3,20,30] x0", w=(3, 3, 3, 3), v=(3, 6, 1, 1))


def test_time_grows_as_the_number_of_nodes() -> None:
    models = [blocks(200), blocks(800)]
    shapes = [shapes_of(model) for model in models]
    assert along(places(models[0], shapes[0])["y"]) == ["-", "-", "1 0 401", "1 0 401"]

    def seconds(index: int) -> float:
        # of this process alone: what else the machine does is left out
        began = time.process_time()
        places(models[index], shapes[index])
        return time.process_time() - began

    few, many = (min(seconds(index) for _ in range(5)) for index in (0, 1))
    # 4 where it is linear, 16 where each node looks at all others
    assert many < 8 * few
