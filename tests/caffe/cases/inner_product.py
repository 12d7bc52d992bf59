"""InnerProduct, Embed."""

from __future__ import annotations

import numpy as np

from tests.caffe.cases import Case, layer


def _inner_product(text: str, *shape: int) -> Case:
    return Case(layer("InnerProduct", f"inner_product_param {{ {text} }}"), {"data": shape})


def _embed(text: str, indices: list[int], *shape: int) -> Case:
    values = {"data": np.array(indices, np.float32).reshape(shape)}
    return Case(layer("Embed", f"embed_param {{ {text} }}"), {"data": shape}, values)


CASES = {
    "plain": _inner_product("num_output: 5", 2, 3, 4, 5),
    "no-bias": _inner_product("num_output: 5 bias_term: false", 2, 3, 4, 5),
    "matrix": _inner_product("num_output: 5", 3, 7),
    "transpose": _inner_product("num_output: 5 transpose: true", 2, 3, 4),
    "transpose-no-bias": _inner_product("num_output: 5 transpose: true bias_term: false", 2, 7),
    "axis-2": _inner_product("num_output: 5 axis: 2", 2, 3, 4, 5),
    "axis-last": _inner_product("num_output: 5 axis: -1", 2, 3, 4),
    "axis-negative": _inner_product("num_output: 5 axis: -3 transpose: true", 2, 3, 4, 5),
    "axis-0": _inner_product("num_output: 5 axis: 0", 2, 3, 4),
    "vector": _inner_product("num_output: 5 axis: 0", 7),
    "one-output": _inner_product("num_output: 1", 2, 3, 4, 5),
    "in-a-row": Case(
        layer("InnerProduct", "inner_product_param { num_output: 6 }", top="a", name="a")
        + layer("ReLU", bottom="a", top="a", name="relu")
        + layer("InnerProduct", "inner_product_param { num_output: 4 axis: 1 }", bottom="a")
    ),
    "embed": _embed("num_output: 4 input_dim: 6", [0, 5, 3, 3, 1, 2], 2, 3),
    "embed-no-bias": _embed("num_output: 4 input_dim: 6 bias_term: false", [0, 5, 3, 2], 4),
    "embed-column": _embed("num_output: 3 input_dim: 4", [3, 0], 2, 1),
}
