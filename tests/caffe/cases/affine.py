"""Scale and Bias."""

from __future__ import annotations

from . import Case, layer

FIVE = {"data": (2, 3, 4, 1, 2)}


def _scale(text: str, bottoms: str = "data") -> str:
    return layer("Scale", f"scale_param {{ {text} }}", bottoms)


def _bias(text: str, bottoms: str = "data") -> str:
    return layer("Bias", f"bias_param {{ {text} }}", bottoms)


def _second(*shape: int) -> dict[str, tuple[int, ...]]:
    return {"data": (2, 3, 4, 5), "b": shape}


CASES = {
    "scale": Case(layer("Scale")),
    "scale-bias": Case(_scale("bias_term: true")),
    "scale-two-axes": Case(_scale("bias_term: true"), {"data": (3, 7)}),
    "scale-five-axes": Case(_scale("num_axes: 2 bias_term: true"), FIVE),
    "scale-axis-0": Case(_scale("axis: 0"), {"data": (4, 3, 2)}),
    "scale-axis-0-all": Case(_scale("axis: 0 num_axes: -1"), {"data": (4, 3, 2)}),
    "scale-axis-2": Case(_scale("axis: 2 num_axes: 1 bias_term: true")),
    "scale-last-axis": Case(_scale("axis: -1 bias_term: true")),
    "scale-rest": Case(_scale("axis: 1 num_axes: -1 bias_term: true")),
    "scale-rest-negative-axis": Case(_scale("axis: -2 num_axes: -1"), FIVE),
    "scale-by-one": Case(_scale("num_axes: 0")),
    "scale-by-one-bias": Case(_scale("num_axes: 0 bias_term: true"), {"data": (2, 5)}),
    "scale-by-one-vector": Case(_scale("axis: 0 num_axes: 0 bias_term: true"), {"data": (5,)}),
    "scale-bottom": Case(_scale("axis: 0", "data b"), _second(2, 3)),
    "scale-bottom-channels": Case(_scale("", "data b"), _second(3)),
    "scale-bottom-whole": Case(_scale("axis: 0", "data b"), _second(2, 3, 4, 5)),
    "scale-bottom-bias": Case(_scale("axis: 0 bias_term: true", "data b"), _second(2)),
    "scale-bottom-middle-bias": Case(_scale("axis: 1 bias_term: true num_axes: 3", "data b"), _second(3, 4)),
    "scale-bottom-last": Case(_scale("axis: -1 bias_term: true", "data b"), _second(5)),
    "scale-bottom-rows": Case(_scale("axis: 2", "data b"), _second(4, 5)),
    "scale-bottom-one": Case(
        layer("Reduction", "", "b", "one", "sum") + _scale("axis: 3 bias_term: true", "data one"), _second(3)
    ),
    "scale-gate": Case(
        layer("Pooling", "pooling_param { pool: AVE global_pooling: true }", "data", "pool", "pool")
        + layer(
            "InnerProduct",
            'inner_product_param { num_output: 3 weight_filler { type: "xavier" } }',
            "pool",
            "fc",
            "fc",
        )
        + layer("Sigmoid", "", "fc", "fc", "gate")
        + _scale("axis: 0", "data fc")
    ),
    "scale-in-place": Case(
        layer("BatchNorm", top="data", name="bn")
        + layer("Scale", "scale_param { bias_term: true }", top="data", name="scale")
        + layer("ReLU")
    ),
    "scale-bottom-in-place": Case(
        layer("Scale", "scale_param { axis: 0 bias_term: true }", "data b", "data"), _second(2, 3)
    ),
    "bias": Case(layer("Bias")),
    "bias-two-axes": Case(_bias("axis: -1"), {"data": (3, 7)}),
    "bias-axes": Case(_bias("axis: 1 num_axes: 2"), FIVE),
    "bias-rest": Case(_bias("axis: 2 num_axes: -1")),
    "bias-one": Case(_bias("num_axes: 0")),
    "bias-bottom": Case(_bias("axis: 0", "data b"), _second(2, 3)),
    "bias-bottom-middle": Case(_bias("axis: 1", "data b"), _second(3, 4)),
    "bias-bottom-whole": Case(_bias("axis: -4", "data b"), _second(2, 3, 4, 5)),
    "bias-in-place": Case(layer("Bias", top="data", name="bias") + layer("ReLU")),
    "bias-bottom-in-place": Case(layer("Bias", "bias_param { axis: 2 }", "data b", "data"), _second(4)),
}

# Networks that Caffe refuses.
REFUSED = {
    "scale-axis": Case(_scale("axis: 4")),
    "scale-num-axes": Case(_scale("axis: 3 num_axes: 2")),
    "scale-negative-num-axes": Case(_scale("num_axes: -2")),
    "scale-bottom-shape": Case(_scale("axis: 1", "data b"), _second(2, 3)),
    "scale-bottom-broadcast": Case(_scale("axis: 0", "data b"), _second(2, 3, 1, 1)),
    "scale-bottom-axes": Case(_scale("axis: 3", "data b"), _second(5, 1)),
    "bias-bottom-shape": Case(_bias("axis: 0", "data b"), _second(3)),
    "bias-three-bottoms": Case(_bias("axis: 0", "data b b"), _second(2)),
}
