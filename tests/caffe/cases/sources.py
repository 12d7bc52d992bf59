"""Parameter and DummyData."""

from __future__ import annotations

from . import Case, layer


def _dummy(text: str, top: str = "top") -> str:
    return layer("DummyData", f"dummy_data_param {{ {text} }}", "", top)


_SHAPE = "shape { dim: 2 dim: 3 dim: 4 }"
_OTHER = "shape { dim: 5 }"
# Random, but always the same.
_SAME = 'data_filler { type: "uniform" min: 0.75 max: 0.75 }'
CONSTANT = 'data_filler { type: "constant" value: -2.5 }'

CASES = {
    "parameter": Case(
        layer("Parameter", "parameter_param { shape { dim: 2 dim: 3 dim: 7 dim: 9 } }", "", "learned", "own")
        + layer("Eltwise", bottom="data learned")
    ),
    "parameter-alone": Case(layer("Parameter", "parameter_param { shape { dim: 5 } }", ""), {}),
    "parameter-scalar": Case(layer("Parameter", "parameter_param { shape { } }", ""), {}),
    "parameter-large": Case(
        layer("Parameter", "parameter_param { shape { dim: 40 dim: 50 } }", "", "learned", "own")
        + layer("Reduction", "reduction_param { axis: 1 }", "learned"),
        {},
    ),
    "parameter-shared": Case(
        layer(
            "Parameter", 'param { name: "w" } parameter_param { shape { dim: 4 dim: 189 } }', "", "w", "own"
        )
        + layer("InnerProduct", 'param { name: "w" } inner_product_param { num_output: 4 bias_term: false }')
    ),
    "dummy": Case(_dummy(_SHAPE), {}),
    "dummy-constant": Case(_dummy(_SHAPE + CONSTANT), {}),
    "dummy-random": Case(_dummy(_SHAPE + _SAME), {}),
    "dummy-several": Case(_dummy(_SHAPE + CONSTANT, "a b c"), {}),
    "dummy-several-shapes": Case(_dummy(_SHAPE + _OTHER + _SAME, "a b"), {}),
    "dummy-several-fillers": Case(_dummy(_SHAPE + _SAME + CONSTANT, "a b"), {}),
    "dummy-several-of-both": Case(_dummy(_SHAPE + _OTHER + CONSTANT + _SAME, "a b"), {}),
    "dummy-legacy": Case(_dummy("num: 2 channels: 3 height: 1 width: 5 " + CONSTANT), {}),
    "dummy-legacy-several": Case(
        _dummy("num: 2 num: 4 channels: 3 height: 1 height: 2 width: 5 " + _SAME, "a b"), {}
    ),
    "dummy-and-data": Case(
        _dummy("shape { dim: 2 dim: 1 dim: 7 dim: 9 }" + CONSTANT, "dummy")
        + layer("Concat", bottom="data dummy", name="both")
    ),
}

# Networks that Caffe refuses.
REFUSED = {
    "parameter-bottom": Case(layer("Parameter", "parameter_param { shape { dim: 5 } }")),
    "parameter-negative": Case(layer("Parameter", "parameter_param { shape { dim: -1 } }", ""), {}),
    "parameter-huge": Case(layer("Parameter", "parameter_param { shape { dim: 65536 dim: 65536 } }", ""), {}),
    "dummy-bottom": Case(layer("DummyData", f"dummy_data_param {{ {_SHAPE} }}")),
    "dummy-nothing": Case(_dummy(""), {}),
    "dummy-shapes": Case(_dummy(_SHAPE + _OTHER, "a b c"), {}),
    "dummy-fillers": Case(_dummy(_SHAPE + _SAME + CONSTANT, "a b c"), {}),
    "dummy-filler": Case(_dummy(_SHAPE + 'data_filler { type: "none" }'), {}),
    "dummy-both": Case(_dummy(_SHAPE + "num: 2 channels: 3 height: 4 width: 5"), {}),
    "dummy-legacy-part": Case(_dummy("num: 2 channels: 3 height: 4"), {}),
}
