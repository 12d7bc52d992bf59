"""Gradients of Einstein sums."""

from __future__ import annotations

import numpy as np
import pytest

from extract.differentiate import SharedGradientError, backward

from .check import check_node, node_model

_RNG = np.random.default_rng(12)
_SIZES = {"b": 2, "h": 3, "i": 4, "j": 5, "k": 6, "B": 2}


def _array(*shape: int) -> np.ndarray:
    return _RNG.uniform(-1.0, 1.0, shape).astype(np.float32)


def _operands(equation: str) -> dict[str, np.ndarray]:
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    return {f"x{n}": _array(*(_SIZES[letter] for letter in term)) for n, term in enumerate(terms)}


@pytest.mark.parametrize(
    "equation",
    [
        *("ij,jk->ik", "ij,jk", "bij, bjk -> bik", "bhik,bhjk->bhij", "ij,jk,kh->ih", "b,i->bi"),
        *("ij->ji", "ij", "ji", "ij->", "ij->i", "i,i->", "i,i", "ij,ij->j", "ij,kh->ik", "Bij,bij->Bb"),
        *("ii->i", "ii->", "ii", "bii->bi", "iij->j", "iii->i", "ii,ij->j", "ij,ii->j", "i,j,k->"),
    ],
)
@pytest.mark.parametrize("open_axes", [None, (0, 1, 2, 3)])
def test_equations(equation: str, open_axes: tuple[int, ...] | None) -> None:
    check_node("Einsum", _operands(equation), equation=equation, open_axes=open_axes)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("...ij,...jk->...ik", [(2, 3, 4, 5), (2, 3, 5, 6)]),
        ("...ij,...jk", [(2, 3, 4, 5), (3, 5, 6)]),
        ("...ij,...jk->...ik", [(2, 1, 4, 5), (3, 5, 6)]),
        ("...ij,jk->...ik", [(2, 3, 4, 5), (5, 6)]),
        ("...i->...", [(2, 3, 4)]),
        ("...ii->...i", [(2, 3, 3)]),
        ("i...->...i", [(2, 3, 4)]),
        ("...,...->...", [(2, 3), (2, 1)]),
    ],
)
@pytest.mark.parametrize("open_axes", [None, (0,), (0, 1, 2, 3)])
def test_ellipses(equation: str, shapes: list[tuple[int, ...]], open_axes: tuple[int, ...] | None) -> None:
    inputs = {f"x{n}": _array(*shape) for n, shape in enumerate(shapes)}

    check_node("Einsum", inputs, equation=equation, open_axes=open_axes)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bi,ij->bj", [(2, 4), (4, 5)]),
        ("bhi,hij->bhj", [(2, 3, 4), (3, 4, 5)]),
        ("bi,j->bj", [(2, 4), (5,)]),
        ("...i,ij->...j", [(2, 3, 4), (4, 5)]),
        ("bi,ii->bi", [(2, 4), (4, 4)]),
        ("bi,jk->bi", [(2, 4), (5, 6)]),
        ("...ij,...jk->...ik", [(2, 3, 4, 5), (1, 3, 5, 6)]),
        ("bi,->bi", [(2, 4), ()]),
    ],
)
def test_weights_of_each_image(equation: str, shapes: list[tuple[int, ...]]) -> None:
    images, weights = (_array(*shape) for shape in shapes)

    check_node("Einsum", {"x": images, "w": weights}, ["w"], equation=equation, per_image=True)


def test_a_weight_with_the_axis_of_images_is_refused() -> None:
    proto, _ = node_model("Einsum", {"w": _array(3, 4), "x": _array(4, 2)}, ["w"], equation="ij,jk->ik")

    with pytest.raises(SharedGradientError, match="images"):
        backward(proto, "y0", ["w"], per_image=True)
